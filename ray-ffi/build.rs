//! Compiles the cxx glue and, for use without Ray, the C++ shells and the stand-ins for Ray's base headers.

use std::path::Path;

const BRIDGES: [&str; 7] = [
    "src/allocator.rs",
    "src/eviction_policy.rs",
    "src/layout.rs",
    "src/lifecycle.rs",
    "src/logging.rs",
    "src/object_store.rs",
    "src/stats_collector.rs",
];

fn main() {
    let mut build = cxx_build::bridges(BRIDGES);
    build.std("c++17").include("include").flag("-fvisibility=hidden").flag("-Wall").flag("-Wextra");
    if std::env::var_os("CARGO_FEATURE_STANDALONE").is_some() {
        build.include("standalone/include").include("src/cpp");
        build.files(sources("src/cpp")).files(sources("standalone/src"));
    }
    build.compile("ray_ffi_cpp");
    for directory in ["src", "include", "standalone"] {
        println!("cargo:rerun-if-changed={directory}");
    }
}

fn sources(directory: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(Path::new(directory)).expect("the directory is in the crate");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cc"))
        .collect();
    files.sort();
    files
}
