//! The committed C header is the one that the source gives.

use std::path::Path;

// Bazel links the C++ of the library with each of its tests, and that needs the library.
use ray_ffi as _;

#[test]
fn c_header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("a configuration");
    let mut header = Vec::new();
    ["guard", "types", "allocator", "store"]
        .iter()
        .fold(cbindgen::Builder::new().with_config(config), |builder, module| {
            builder.with_src(root.join(format!("src/capi/{module}.rs")))
        })
        .generate()
        .expect("what cbindgen understands")
        .write(&mut header);
    let committed = root.join("include/plasma_rs.h");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&committed, &header).expect("a writable checkout");
    }
    let committed = std::fs::read(committed).unwrap_or_default();
    assert!(committed == header, "run UPDATE_HEADER=1 cargo test -p ray-ffi c_header, and commit");
}
