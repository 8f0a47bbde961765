//! Looks into a plasma store.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;
use plasma_programs::cli::{self, args::Args};

fn main() -> ExitCode {
    let args = Args::parse();
    env_logger::Builder::new().filter_level(log::LevelFilter::Error).init();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = cli::run(&args, &mut out);
    let flushed = out.flush();
    let error = match (done, flushed) {
        (Ok(()), Ok(())) => return ExitCode::SUCCESS,
        (Err(error), _) => error,
        (Ok(()), Err(error)) => error.into(),
    };
    if !error.is_closed_pipe() {
        eprintln!("plasma: {error}");
    }
    ExitCode::from(error.exit_code())
}
