//! Compiles the program that drives Ray's client. It needs neither Ray's headers nor its library.

use std::env;
use std::path::PathBuf;

const SOURCE: &str = "cpp/client_driver.cc";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let output =
        PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("client_driver");
    let compiler = cc::Build::new().cpp(true).opt_level(2).warnings(true).get_compiler();
    let mut command = compiler.to_command();
    command.args(["-std=c++17", "-pthread", "-D_GLIBCXX_USE_CXX11_ABI=0", SOURCE, "-ldl", "-o"]);
    let status =
        command.arg(&output).status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
    println!("cargo::rustc-env=CLIENT_DRIVER={}", output.display());
}
