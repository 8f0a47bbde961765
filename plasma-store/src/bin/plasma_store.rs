//! A plasma store as a program.

use std::process::ExitCode;

use clap::Parser;
use plasma_programs::server::{run, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    env_logger::Builder::new()
        .filter_level(options.log_level)
        .format_timestamp_micros()
        .target(env_logger::Target::Stderr)
        .init();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plasma-store: {error}");
            ExitCode::FAILURE
        }
    }
}
