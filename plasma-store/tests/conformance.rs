//! The store says what Ray's said, byte for byte.
//!
//! Each conversation has a process of its own: the unique ids of files, which are part of the replies, count from
//! the start of a process.

mod common;

use common::Store;
use real_peers::record::{Recording, Sequence};

const FIXTURE: &str = include_str!("../../real-peers/fixtures/replies.txt");

fn expected(sequence: Sequence) -> Recording {
    let after = FIXTURE.split_once(&format!("# --- {sequence}\n")).expect("its heading").1;
    after.split("# --- ").next().expect("its lines").parse().expect("a recording")
}

/// The store that a conversation is for, as [`Sequence::options`] has it for Ray's.
fn options(sequence: Sequence) -> [&'static str; 4] {
    let (grace_period, disk_threshold) = match sequence {
        Sequence::Main => ("60", "1"),
        Sequence::NoGrace => ("0", "1"),
        Sequence::FullDisk => ("0", "0"),
    };
    ["--grace-period", grace_period, "--disk-threshold", disk_threshold]
}

fn says_what_the_fixture_has(sequence: Sequence) {
    let mut store = Store::start(&options(sequence));
    let said = sequence.record(&store.socket).unwrap().normalised();
    let expected = expected(sequence).normalised();
    let mut step = String::new();
    let mut wrong = Vec::new();
    for (said, expected) in said.lines.iter().zip(&expected.lines) {
        if said.to_string().starts_with('=') {
            step = said.to_string();
        }
        if said != expected {
            wrong.push(format!("{step}\n  ours  {said}\n  Ray's {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(said, expected);
    let (status, out, log) = store.stop();
    assert!(status.success() && out.is_empty(), "{status}\n{out}\n{log}");
}

#[test]
fn all_of_the_protocol() {
    says_what_the_fixture_has(Sequence::Main);
}

#[test]
fn files_of_their_own() {
    says_what_the_fixture_has(Sequence::NoGrace);
}

#[test]
fn a_full_disk() {
    says_what_the_fixture_has(Sequence::FullDisk);
}
