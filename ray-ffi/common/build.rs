//! Compiles the cxx glue and, for use without Ray, the C++ shells and the log lines that they write.

use std::path::{Path, PathBuf};

const BRIDGES: [&str; 6] = [
    "src/id.rs",
    "src/scheduling/instances.rs",
    "src/scheduling/labels.rs",
    "src/scheduling/names.rs",
    "src/scheduling/sets.rs",
    "src/status.rs",
];

fn main() {
    // As from the workspace's root, so that Bazel finds the glue's headers under the same names.
    cxx_build::CFG.include_prefix = "ray-ffi/common";
    let mut glue = cxx_build::bridges(BRIDGES);
    // Only the shells call it, so nothing has to see it from outside of the library.
    configure(&mut glue).flag("-fvisibility=hidden").compile("ray_common_ffi_glue");
    if std::env::var_os("CARGO_FEATURE_STANDALONE").is_some() {
        let mut shells = cxx_build::bridges(std::iter::empty::<&Path>());
        configure(&mut shells).include("../standalone/include");
        // Callers have what is inline compiled themselves.
        shells.flag("-fvisibility-inlines-hidden");
        shells
            .files(sources("src"))
            .files(sources("src/scheduling"))
            .files(sources("../standalone/src/common"));
        shells.compile("ray_common_ffi_shells");
    }
    for directory in ["src", "include", "../standalone"] {
        println!("cargo:rerun-if-changed={directory}");
    }
}

fn configure(build: &mut cc::Build) -> &mut cc::Build {
    build.std("c++17").include("include").include("../include").flag("-Wall").flag("-Wextra");
    // What is unique in a process cannot be made local to a library any more.
    build.flag_if_supported("-fno-gnu-unique")
}

fn sources(directory: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(Path::new(directory)).expect("the directory is in the repository");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cc"))
        .collect();
    files.sort();
    files
}
