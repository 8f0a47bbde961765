//! Compiles the cxx glue and, for use without Ray, the C++ shells and the stand-ins for Ray's base headers.

use std::path::Path;

const BRIDGES: [&str; 14] = [
    "src/allocator.rs",
    "src/channel.rs",
    "src/client.rs",
    "src/create_request_queue.rs",
    "src/eviction_policy.rs",
    "src/fling.rs",
    "src/get_request_queue.rs",
    "src/layout.rs",
    "src/lifecycle.rs",
    "src/logging.rs",
    "src/object_store.rs",
    "src/protocol.rs",
    "src/stats_collector.rs",
    "src/store.rs",
];

fn main() {
    let mut glue = cxx_build::bridges(BRIDGES);
    // Only the shells call it, so nothing has to see it from outside of the library.
    configure(&mut glue).flag("-fvisibility=hidden").compile("ray_ffi_glue");
    if std::env::var_os("CARGO_FEATURE_STANDALONE").is_some() {
        let mut shells = cxx_build::bridges(std::iter::empty::<&Path>());
        configure(&mut shells).include("standalone/include").include("src/cpp");
        // Callers have what is inline compiled themselves.
        shells.flag("-fvisibility-inlines-hidden");
        shells.files(sources("src/cpp")).files(sources("standalone/src"));
        shells.compile("ray_ffi_shells");
    }
    for directory in ["src", "include", "common/include", "standalone"] {
        println!("cargo:rerun-if-changed={directory}");
    }
}

fn configure(build: &mut cc::Build) -> &mut cc::Build {
    build.std("c++17").include("include").include("common/include").flag("-Wall").flag("-Wextra");
    // What is unique in a process cannot be made local to a library any more.
    build.flag_if_supported("-fno-gnu-unique")
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
