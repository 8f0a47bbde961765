//! The command for people, on a terminal, which the program `script` makes.

mod common;

use std::process::Command;

use common::{output, Store};

#[test]
fn a_terminal_is_refreshed_in_place() {
    let store = Store::start(&[]);
    let line = format!("{} watch -c 2 -i 0.01", env!("CARGO_BIN_EXE_plasma"));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("PLASMA_STORE_SOCKET", &store.socket);
    let output = output(command);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("waiting: 0 creations for 0 B, 0 gets").count(), 2, "{text}");
    assert!(text.contains("\u{1b}[") && text.contains("A"), "the cursor goes up: {text}");
}
