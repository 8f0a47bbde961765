//! Compiles each GoogleTest program `*_test.cc`, and `answers.cc`, into an archive of its own, which the binary target of the
//! same name links. A program is compiled again only when something that it includes, or a flag, has changed.
//!
//! Environment: `CXX`, `CXXFLAGS` as usual; `CPP_TESTS_SANITIZE`, for example `address,undefined`, compiles and
//! links with the compiler's sanitizers (see `tools/sanitize.sh`, which does the same to the shells).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use std::{env, fs, thread};

fn main() {
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let sanitize = env::var("CPP_TESTS_SANITIZE").unwrap_or_default();
    let build = compiler(&directory, &sanitize);
    let tool = build.get_compiler();
    let suites = suites(&directory);

    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(source) = suites.get(next.fetch_add(1, Ordering::Relaxed)) {
                    compile(&build, tool.to_command(), source, &out);
                }
            });
        }
    });

    println!("cargo:rustc-link-search=native={}", out.display());
    // What a sanitizer replaces comes before whoever uses it.
    for (name, library) in [("address", "asan"), ("undefined", "ubsan")] {
        if sanitize.split(',').any(|wanted| wanted == name) {
            println!("cargo:rustc-link-lib={library}");
        }
    }
    for library in ["gmock_main", "gmock", "gtest"] {
        println!("cargo:rustc-link-lib={library}");
    }
    let cxx_header = PathBuf::from(env::var_os("DEP_CXXBRIDGE1_HEADER").expect("cxx tells it"));
    println!("cargo:rustc-env=CPP_TESTS_CXX={}", tool.path().display());
    println!("cargo:rustc-env=CPP_TESTS_CXX_HEADER={}", cxx_header.display());
    for watched in
        ["../ray-ffi/include", "../ray-ffi/common/include", "../ray-ffi/standalone/include", "."]
    {
        println!("cargo:rerun-if-changed={watched}");
    }
    println!("cargo:rerun-if-env-changed=CPP_TESTS_SANITIZE");
}

fn compiler(directory: &Path, sanitize: &str) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .opt_level(1)
        .cargo_warnings(true)
        .flag("-Wall")
        .flag("-Wextra")
        .include(directory)
        .include(directory.join("../ray-ffi/include"))
        .include(directory.join("../ray-ffi/common/include"))
        .include(directory.join("../ray-ffi/standalone/include"));
    if !sanitize.is_empty() {
        build
            .flag(format!("-fsanitize={sanitize}"))
            .flag("-fno-sanitize-recover=undefined")
            .flag("-fno-omit-frame-pointer");
    }
    build
}

fn suites(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory of the package");
    let mut sources: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(is_suite))
        .collect();
    sources.sort();
    sources
}

fn is_suite(name: &str) -> bool {
    name.ends_with("_test.cc") || name == "answers.cc"
}

fn compile(build: &cc::Build, mut command: Command, source: &Path, out: &Path) {
    let name = source.file_stem().and_then(OsStr::to_str).expect("a name in ASCII");
    let path = |extension: &str| out.join(format!("{name}.{extension}"));
    let (object, dependencies, recorded) = (path("o"), path("d"), path("command"));
    let archive = out.join(format!("lib{name}.a"));
    command.arg("-MMD").arg("-MF").arg(&dependencies);
    command.arg("-c").arg(source).arg("-o").arg(&object);
    let line = format!("{command:?}");
    if fs::read_to_string(&recorded).is_ok_and(|recorded| recorded == line)
        && is_current(&archive, &dependencies)
    {
        return;
    }
    let done = command.status().unwrap_or_else(|error| panic!("no C++ compiler: {error}"));
    assert!(
        done.success(),
        "{} does not compile; are GoogleTest and GMock installed (tools/setup.sh)?",
        source.display()
    );
    let _ = fs::remove_file(&archive);
    build.clone().object(&object).cargo_metadata(false).compile(name);
    fs::write(&recorded, line).expect("OUT_DIR can be written");
}

/// Whether the archive is younger than everything that it was made from.
fn is_current(archive: &Path, dependencies: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let (Some(made), Ok(rule)) = (changed(archive), fs::read_to_string(dependencies)) else {
        return false;
    };
    let older = |path: &str| changed(Path::new(path)).is_some_and(|at: SystemTime| at < made);
    let (_, inputs) = rule.split_once(": ").unwrap_or_default();
    !inputs.is_empty() && inputs.split_whitespace().filter(|word| *word != "\\").all(older)
}
