//! Compiles the programs that drive Ray's client and Ray's channels. They need neither Ray's headers nor its library.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    compile("client_driver", "CLIENT_DRIVER");
    compile("channel_driver", "CHANNEL_DRIVER");
}

fn compile(name: &str, variable: &str) {
    let source = format!("cpp/{name}.cc");
    println!("cargo::rerun-if-changed={source}");
    let output = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join(name);
    let compiler = cc::Build::new().cpp(true).opt_level(2).warnings(true).get_compiler();
    let mut command = compiler.to_command();
    command.args(["-std=c++17", "-pthread", "-D_GLIBCXX_USE_CXX11_ABI=0", &source, "-ldl", "-o"]);
    let status =
        command.arg(&output).status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
    println!("cargo::rustc-env={variable}={}", output.display());
}
