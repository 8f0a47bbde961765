//! The examples run.

use std::path::PathBuf;
use std::process::Command;

/// Cargo builds the examples with the tests, into the folder beside theirs.
fn run(example: &str) -> String {
    let tests = std::env::current_exe().unwrap();
    let program: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples").join(example);
    let output = Command::new(program).env_remove("RUST_BACKTRACE").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn word_count_counts() {
    let printed = run("word_count");
    assert_eq!(printed.lines().next(), Some("     4 object"), "{printed}");
}

#[test]
fn two_processes_share_an_array() {
    assert!(run("shared_array").contains("249750000"));
}

#[test]
fn errors_propagate() {
    let printed = run("errors");
    assert!(printed.starts_with("TASK_EXECUTION_EXCEPTION: doubling it\ncaused by: TASK_EXECUTION_EXCEPTION: reading a number\n"), "{printed}");
    assert!(printed.contains("caused by: invalid digit found in string"), "{printed}");
    assert!(printed.contains("OBJECT_LOST"), "{printed}");
}
