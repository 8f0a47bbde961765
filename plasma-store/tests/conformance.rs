//! The store says what Ray's said, byte for byte.
//!
//! Each conversation has a process of its own: the unique ids of files, which are part of the replies, count from
//! the start of a process.
//!
//! One rule is ours, see [`creations_are_their_clients`]; there the store's reply is known to the byte as well.

mod common;

use common::Store;
use real_peers::record::{Line, Recording, Sequence};

const FIXTURE: &str = include_str!("../../real-peers/fixtures/replies.txt");

fn expected(sequence: Sequence) -> Recording {
    let after = FIXTURE.split_once(&format!("# --- {sequence}\n")).expect("its heading").1;
    after.split("# --- ").next().expect("its lines").parse().expect("a recording")
}

/// Ray's store gives the outcome of a creation to whoever names its number, once. So a client that guesses takes
/// it from another, whose object then can never be sealed. Ours gives it to the client that asked for the
/// creation: to these two requests it replies the other way round.
fn creations_are_their_clients(recording: &mut Recording) {
    let reply_to = |step: &str| {
        let at = recording.lines.iter().position(|line| line.to_string() == format!("= {step}"));
        let reply =
            at.and_then(|at| recording.lines.get(at + 2).map(|line| (at + 2, line.clone())));
        match reply {
            Some((at, Line::Reply(client, message))) => (at, client, message),
            other => panic!("no reply at the step {step:?}: {other:?}"),
        }
    };
    let (foreign_at, foreign, mut given) =
        reply_to("retry the one behind it by another client, as another object");
    let (own_at, own, mut refused) = reply_to("retry the one behind it by its creator: taken");
    // Each reply has the id of its request at the end, and four bytes behind.
    for message in [&mut given, &mut refused] {
        let end = message.body.len() - 4;
        let id = &mut message.body[end - 28..end];
        let other = if id[0] == 0x34 { 0x32 } else { 0x34 };
        assert_eq!(id, [0x34 ^ 0x32 ^ other; 28]);
        id.fill(other);
    }
    recording.lines[foreign_at] = Line::Reply(foreign, refused);
    recording.lines[own_at] = Line::Reply(own, given);
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
    let mut expected = expected(sequence).normalised();
    if sequence == Sequence::Main {
        creations_are_their_clients(&mut expected);
    }
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
