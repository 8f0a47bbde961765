//! Ray's store still says what the fixture has.

use std::thread;

use real_peers::record::{Recording, Sequence};
use real_peers::{RealStore, Version};

const FIXTURE: &str = include_str!("../fixtures/replies.txt");

fn expected(sequence: Sequence) -> Recording {
    let after = FIXTURE.split_once(&format!("# --- {sequence}\n")).expect("its heading").1;
    after.split("# --- ").next().expect("its lines").parse().expect("a recording")
}

fn both_versions_say_what_the_fixture_has(sequence: Sequence) {
    for version in Version::ALL {
        let mut store = RealStore::start(&sequence.options(version)).unwrap();
        let recording = sequence.record(&store.socket());
        assert!(store.is_alive(), "{version}: {}", store.log());
        let (said, expected) = (recording.unwrap().normalised(), expected(sequence).normalised());
        for (said, expected) in said.lines.iter().zip(&expected.lines) {
            assert_eq!(said.to_string(), expected.to_string(), "{version}");
        }
        assert_eq!(said, expected, "{version}");
    }
}

#[test]
fn all_of_the_protocol() {
    both_versions_say_what_the_fixture_has(Sequence::Main);
}

#[test]
fn files_of_their_own() {
    both_versions_say_what_the_fixture_has(Sequence::NoGrace);
}

#[test]
fn a_full_disk() {
    both_versions_say_what_the_fixture_has(Sequence::FullDisk);
}

#[test]
fn two_stores_at_once_do_not_disturb_each_other() {
    let threads =
        [(); 2].map(|()| thread::spawn(|| both_versions_say_what_the_fixture_has(Sequence::Main)));
    for thread in threads {
        thread.join().unwrap();
    }
}
