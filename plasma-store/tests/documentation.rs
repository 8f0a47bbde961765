//! docs/programs.md says what is so.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use plasma_programs::{cli, server};

const PAGE: &str = include_str!("../../docs/programs.md");

#[test]
fn the_example_runs() {
    let (_, after) = PAGE.split_once("```sh\n").unwrap();
    let (script, _) = after.split_once("```").unwrap();
    let place = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_plasma")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    // A store that is left when something fails would keep this test waiting.
    let script = format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}");
    let mut command = Command::new("bash");
    command.args(["-euxc", &script]).current_dir(place.path()).env("PATH", path);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches("hello").count(), 2, "{text}");
    assert_eq!(std::fs::read(place.path().join("copy")).unwrap(), b"hello\n");
    assert!(!place.path().join("run").exists());
}

fn options(command: &clap::Command, found: &mut BTreeSet<String>) {
    found.extend(command.get_arguments().filter_map(clap::Arg::get_long).map(String::from));
    for command in command.get_subcommands() {
        found.insert(command.get_name().to_owned());
        options(command, found);
    }
}

#[test]
fn every_option_and_command_is_there() {
    let mut found = BTreeSet::new();
    options(&cli::args::Args::command(), &mut found);
    options(&server::Options::command(), &mut found);
    assert!(found.len() > 30, "{found:?}");
    for name in found {
        let option = PAGE.contains(&format!("`--{name}"));
        let command = PAGE.contains(&format!("`{name}"));
        assert!(option || command, "{name} is not on the page");
    }
}
