//! `plasma-ray COMMAND`: runs a Ray that was installed with pip on the Rust plasma store.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

/// Runs a command of Ray's, with the Rust plasma store in the place of Ray's own in every node that it starts.
///
/// Nothing of Ray is rebuilt or changed. Nodes that run already keep the store that they have.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  plasma-ray python driver.py\n  plasma-ray ray start --head"
)]
struct Options {
    /// The library that goes into the raylet [default: libray_preload.so beside this program, or in ../lib]
    #[arg(long, value_name = "FILE", env = "PLASMA_RAY_LIBRARY")]
    library: Option<PathBuf>,

    /// What to run, with its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("plasma-ray: {error}");
            ExitCode::from(127)
        }
    }
}

fn run(options: &Options) -> Result<std::convert::Infallible, String> {
    let library = library(options)?;
    let (program, arguments) = options.command.split_first().ok_or("there is nothing to run")?;
    let error = Command::new(program)
        .args(arguments)
        .env("LD_PRELOAD", preload(&library, std::env::var_os("LD_PRELOAD")))
        .exec();
    Err(format!("cannot run {}: {error}", program.display()))
}

/// The library's path, in full.
fn library(options: &Options) -> Result<OsString, String> {
    const NAME: &str = "libray_preload.so";
    let found = match &options.library {
        Some(path) => path.clone(),
        None => {
            let program = std::env::current_exe().map_err(|error| error.to_string())?;
            let folder = program.parent().ok_or("this program has no folder")?;
            let places = [folder.join(NAME), folder.join("../lib").join(NAME)];
            let found = places.iter().find(|place| place.exists()).cloned();
            found.ok_or_else(|| {
                format!(
                    "there is no {NAME} beside {}; --library says where it is",
                    program.display()
                )
            })?
        }
    };
    let path = found
        .canonicalize()
        .map_err(|error| format!("cannot use {}: {error}", found.display()))?
        .into_os_string();
    if path.as_bytes().iter().any(|byte| matches!(byte, b':' | b' ' | b'\t' | b'\n')) {
        return Err(format!(
            "{} cannot be preloaded, as its path has a space or a colon",
            path.display()
        ));
    }
    Ok(path)
}

/// The library in front of what is preloaded anyway.
fn preload(library: &OsStr, others: Option<OsString>) -> OsString {
    let mut list = library.to_owned();
    if let Some(others) = others.filter(|others| !others.is_empty()) {
        list.push(":");
        list.push(others);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_preloaded_anyway_stays() {
        assert_eq!(preload(OsStr::new("/a.so"), None), "/a.so");
        assert_eq!(preload(OsStr::new("/a.so"), Some("".into())), "/a.so");
        assert_eq!(preload(OsStr::new("/a.so"), Some("/b.so".into())), "/a.so:/b.so");
    }

    #[test]
    fn options_of_the_command_are_its_own() {
        let options = Options::parse_from(["plasma-ray", "ray", "start", "--head", "--library=x"]);
        assert_eq!(options.command, ["ray", "start", "--head", "--library=x"]);
        assert_eq!(options.library, None);
    }
}
