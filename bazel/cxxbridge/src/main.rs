//! Writes the C++ header and source of one cxx bridge: `cxxbridge BRIDGE.rs HEADER.h SOURCE.cc`.
//!
//! As `cxx_build::bridge` does it for Cargo; Bazel runs it as an action of its own.

use std::error::Error;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bridge, header, source] = arguments.as_slice() else {
        return Err("usage: cxxbridge BRIDGE.rs HEADER.h SOURCE.cc".into());
    };
    let tokens = fs::read_to_string(bridge)?.parse().map_err(|error| format!("{bridge}: {error}"))?;
    let code = cxx_gen::generate_header_and_cc(tokens, &cxx_gen::Opt::default())
        .map_err(|error| format!("{bridge}: {error}"))?;
    fs::write(header, code.header)?;
    fs::write(source, code.implementation)?;
    Ok(())
}
