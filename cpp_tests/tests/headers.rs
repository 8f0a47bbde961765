//! Every public header compiles alone, also without Abseil and without GoogleTest on the machine, and two
//! translation units that include all of them link.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

use tempfile::TempDir;

/// Libraries that Ray's headers need and ours do without.
const ABSENT: [&str; 3] = ["absl", "gtest", "gmock"];

struct Bench {
    directory: TempDir,
    headers: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Where hooks.h, which only the shells include, finds cxx.
        fs::create_dir(directory.path().join("rust")).expect("a directory");
        fs::copy(env!("CPP_TESTS_CXX_HEADER"), directory.path().join("rust/cxx.h"))
            .expect("the header of cxx");
        let mut headers = BTreeSet::new();
        for include in includes() {
            collect(&include, &include, &mut headers);
        }
        assert!(headers.len() > 20, "{headers:?}");
        Self { directory, headers: headers.into_iter().collect() }
    }

    /// A compiler with our include directories, and with the system's, or what is left of them.
    fn compiler(&self, system: &[String]) -> Command {
        let mut command = Command::new(env!("CPP_TESTS_CXX"));
        command.args(["-Wall", "-Wextra", "-Werror"]).args(system);
        for include in includes() {
            command.arg("-I").arg(include);
        }
        command.arg("-I").arg(self.directory.path());
        command
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).expect("a file in the temporary directory");
        path
    }

    fn each_alone(&self, system: &[String], standard: &str) {
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(header) = self.headers.get(number) else { break };
                    // Twice: the second time must change nothing.
                    let text = format!("#include \"{header}\"\n#include \"{header}\"\n");
                    let source = self.write(&format!("alone_{number}.cc"), &text);
                    let mut command = self.compiler(system);
                    command.args([standard, "-fsyntax-only", "-H"]).arg(source);
                    let done = command.output().expect("the compiler starts");
                    let listed = String::from_utf8_lossy(&done.stderr);
                    let testing = listed.lines().any(|line| line.contains("/gtest/"));
                    if !done.status.success() || testing {
                        failures.lock().expect("no panic").push(format!("{header}:\n{listed}"));
                    }
                });
            }
        });
        let failures = failures.into_inner().expect("no panic");
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

fn includes() -> [PathBuf; 3] {
    let ffi = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ray-ffi");
    [ffi.join("include"), ffi.join("common/include"), ffi.join("standalone/include")]
}

fn collect(root: &Path, directory: &Path, headers: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("an include directory") {
        let path = entry.expect("a readable directory").path();
        if path.is_dir() {
            collect(root, &path, headers);
        } else if path.extension().is_some_and(|extension| extension == "h") {
            let name = path.strip_prefix(root).expect("below the root");
            headers.insert(name.to_str().expect("an ASCII name").to_owned());
        }
    }
}

fn check(done: &Output) {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Flags that replace the compiler's include directories by copies (of links) that lack some libraries.
fn without_absent(directory: &Path) -> Vec<String> {
    let done = Command::new(env!("CPP_TESTS_CXX"))
        .args(["-E", "-v", "-x", "c++", "/dev/null"])
        .output()
        .expect("the compiler starts");
    let told = String::from_utf8_lossy(&done.stderr);
    let listed = told
        .split_once("#include <...> search starts here:\n")
        .and_then(|(_, rest)| rest.split_once("End of search list."))
        .map(|(list, _)| list.lines().map(str::trim).collect::<Vec<_>>())
        .expect("the compiler lists its include directories");
    let mut flags = vec!["-nostdinc".to_owned(), "-nostdinc++".to_owned()];
    for (number, system) in listed.into_iter().enumerate() {
        let copy = directory.join(format!("system_{number}"));
        fs::create_dir(&copy).expect("a directory");
        for entry in fs::read_dir(system).into_iter().flatten() {
            let entry = entry.expect("a readable directory");
            if !ABSENT.iter().any(|absent| entry.file_name() == *absent) {
                symlink(entry.path(), copy.join(entry.file_name())).expect("a link");
            }
        }
        flags.extend(["-isystem".to_owned(), copy.display().to_string()]);
    }
    flags
}

#[test]
fn each_compiles_alone() {
    let bench = Bench::new();
    bench.each_alone(&[], "-std=c++17");
}

#[test]
fn each_compiles_alone_without_abseil_and_googletest() {
    let bench = Bench::new();
    let system = without_absent(bench.directory.path());
    for library in ABSENT {
        let text = format!("#if __has_include(\"{library}/{library}.h\")\n#error found\n#endif\n");
        let source = bench.write(&format!("{library}.cc"), &text);
        check(&bench.compiler(&system).arg("-fsyntax-only").arg(source).output().expect("starts"));
    }
    bench.each_alone(&system, "-std=c++17");
}

#[test]
fn all_compile_in_either_order_and_under_later_standards() {
    let bench = Bench::new();
    let all: Vec<String> =
        bench.headers.iter().map(|header| format!("#include \"{header}\"\n")).collect();
    let reversed: Vec<String> = all.iter().rev().cloned().collect();
    for (number, text) in [all.concat(), reversed.concat()].iter().enumerate() {
        let source = bench.write(&format!("order_{number}.cc"), text);
        for standard in ["-std=c++17", "-std=c++20"] {
            let mut command = bench.compiler(&[]);
            check(
                &command.args([standard, "-fsyntax-only"]).arg(&source).output().expect("starts"),
            );
        }
    }
}

#[test]
fn two_translation_units_link() {
    let bench = Bench::new();
    let text: String =
        bench.headers.iter().map(|header| format!("#include \"{header}\"\n")).collect();
    let mut objects = Vec::new();
    for name in ["first", "second"] {
        // Uses of inline functions, so that both units have them.
        let uses = format!(
            "int {name}(const plasma::LocalObject &object, plasma::PlasmaObject &out) {{\n\
             \x20 object.ToPlasmaObject(&out, true);\n\
             \x20 return object.GetPlasmaObjectHeader() != nullptr &&\n\
             \x20        object.GetObjectInfo().object_id.Hash() != 0 &&\n\
             \x20        plasma::mmap_records.empty() && !plasma::kCorruptedRequestErrorMessage.empty();\n\
             }}\n"
        );
        let source = bench.write(&format!("{name}.cc"), &format!("{text}{uses}"));
        let object = bench.directory.path().join(format!("{name}.o"));
        let mut command = bench.compiler(&[]);
        command.args(["-std=c++17", "-c", "-o"]).arg(&object).arg(source);
        check(&command.output().expect("the compiler starts"));
        objects.push(object);
    }
    // A partial link tells of anything that is defined twice.
    let mut link = Command::new(env!("CPP_TESTS_CXX"));
    link.args(["-nostdlib", "-r", "-o"]).arg(bench.directory.path().join("both.o")).args(&objects);
    check(&link.output().expect("the linker starts"));
}

#[test]
fn the_c_header_is_c() {
    let bench = Bench::new();
    let source = bench.write("only.c", "#include \"plasma_rs.h\"\n#include \"plasma_rs.h\"\n");
    for standard in ["-std=c99", "-std=c11"] {
        let mut command = bench.compiler(&[]);
        command.args([standard, "-x", "c", "-Wpedantic", "-fsyntax-only"]).arg(&source);
        check(&command.output().expect("the compiler starts"));
    }
}
