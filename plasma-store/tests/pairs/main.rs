//! Every store with every client: {ours, Ray's 2.60.0 and 2.55.1} x {ours with shared memory and without, Ray's
//! 2.60.0 and 2.55.1}, and all pairs behave alike. A scenario writes down what it sees; what all pairs see is the same, and is what stands in the test.

#![allow(unreachable_pub, missing_docs, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod peers;

use std::fmt::Debug;

use peers::{connect, pairs, Client, ClientKind, Store, StoreKind};
use ray_common::ObjectId;
use real_peers::client::{Creation, Got};
use real_peers::Version;

/// What was seen, a line each.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    fn note(&mut self, what: &str, seen: impl Debug) {
        self.0.push(format!("{what}: {seen:?}"));
    }
}

struct World {
    store: Store,
    kind: ClientKind,
    seen: Seen,
}

impl World {
    fn client(&self) -> Box<dyn Client> {
        connect(self.kind, &self.store.socket())
    }
}

/// Plays a scenario with all pairs.
fn all_see(grace_period_s: u32, scenario: fn(&mut World), expected: &str) {
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    for (store, client) in pairs() {
        let mut world = World {
            store: Store::start(store, grace_period_s),
            kind: client,
            seen: Seen::default(),
        };
        scenario(&mut world);
        let seen: Vec<&str> = world.seen.0.iter().map(String::as_str).collect();
        assert_eq!(seen, expected, "{store:?} with {client:?}");
        assert!(world.store.is_alive(), "{store:?} with {client:?}");
    }
}

fn id(byte: u8) -> ObjectId {
    ObjectId::from_bytes([byte; ObjectId::LENGTH])
}

fn put(client: &mut dyn Client, byte: u8, size: u64) {
    client.create(id(byte), size, b"", Creation::Queued).unwrap();
    client.fill(id(byte), u64::from(byte)).unwrap();
    client.seal(id(byte)).unwrap();
}

/// Sizes and metadata; the contents are compared on the spot.
fn shapes(got: Result<Vec<Option<Got>>, String>, seeds: &[u8]) -> Vec<String> {
    let got = got.unwrap();
    assert_eq!(got.len(), seeds.len());
    let shape = |(one, seed): (&Option<Got>, &u8)| match one {
        None => "absent".to_owned(),
        Some(one) => {
            let content = real_peers::client::pattern(u64::from(*seed));
            let size = usize::try_from(one.size).unwrap();
            assert_eq!(one.checksum, real_peers::client::checksum(content.take(size)));
            format!("{}+{}", one.size, one.metadata.len())
        }
    };
    got.iter().zip(seeds).map(shape).collect()
}

#[test]
fn objects_are_written_sealed_and_read() {
    all_see(
        2,
        |world| {
            let (mut writer, mut reader) = (world.client(), world.client());
            let seen = &mut world.seen;
            writer.create(id(1), 5000, b"about", Creation::Queued).unwrap();
            seen.note("its creator has it", writer.contains(id(1)));
            seen.note("nobody else has", reader.contains(id(1)));
            seen.note("get too early", shapes(reader.get(&[id(1)], 0), &[1]));
            writer.fill(id(1), 1).unwrap();
            writer.seal(id(1)).unwrap();
            seen.note("all have", reader.contains(id(1)));
            seen.note("get", shapes(reader.get(&[id(1), id(9), id(1)], 0), &[1, 9, 1]));
            seen.note("get with a timeout", shapes(reader.get(&[id(9), id(1)], 30), &[9, 1]));
            seen.note("exists", writer.create(id(1), 1, b"", Creation::Queued));
            seen.note("exists", reader.create(id(1), 1, b"", Creation::Immediate));
            for (byte, size, metadata, how) in [
                (2, 0, &b""[..], Creation::Immediate),
                (3, 0, b"only", Creation::Queued),
                (4, 64, b"m", Creation::Mutable),
            ] {
                writer.create(id(byte), size, metadata, how).unwrap();
                writer.fill(id(byte), u64::from(byte)).unwrap();
                writer.seal(id(byte)).unwrap();
            }
            let ids = [id(2), id(3), id(4)];
            seen.note("empty, metadata only, mutable", shapes(reader.get(&ids, -1), &[2, 3, 4]));
        },
        r#"
        its creator has it: Ok(true)
        nobody else has: Ok(false)
        get too early: ["absent"]
        all have: Ok(true)
        get: ["5000+5", "absent", "5000+5"]
        get with a timeout: ["absent", "5000+5"]
        exists: Err("ObjectExists")
        exists: Err("ObjectExists")
        empty, metadata only, mutable: ["0+0", "0+4", "64+1"]
        "#,
    );
}

#[test]
fn deletion_waits_for_the_last_use() {
    all_see(
        2,
        |world| {
            let (mut writer, mut reader) = (world.client(), world.client());
            let seen = &mut world.seen;
            put(&mut *writer, 1, 100);
            shapes(reader.get(&[id(1), id(1)], 0), &[1, 1]);
            seen.note("delete", reader.delete(&[id(1), id(8)]));
            seen.note("held by both", writer.contains(id(1)));
            writer.release(id(1)).unwrap();
            seen.note("held twice", writer.contains(id(1)));
            reader.release(id(1)).unwrap();
            seen.note("held once", writer.contains(id(1)));
            reader.release(id(1)).unwrap();
            // The release has no answer; this one comes behind it.
            reader.contains(id(8)).unwrap();
            seen.note("not held", writer.contains(id(1)));
            put(&mut *writer, 2, 100);
            writer.release(id(2)).unwrap();
            writer.contains(id(8)).unwrap();
            seen.note("delete", reader.delete(&[id(2)]));
            seen.note("gone", writer.contains(id(2)));
            writer.create(id(3), 10, b"", Creation::Queued).unwrap();
            seen.note("delete of what is not sealed", reader.delete(&[id(3)]));
            writer.fill(id(3), 3).unwrap();
            writer.seal(id(3)).unwrap();
            seen.note("sealed all the same", reader.contains(id(3)));
            writer.release(id(3)).unwrap();
            writer.contains(id(8)).unwrap();
            seen.note("and gone", reader.contains(id(3)));
        },
        r#"
        delete: Ok(())
        held by both: Ok(true)
        held twice: Ok(true)
        held once: Ok(true)
        not held: Ok(false)
        delete: Ok(())
        gone: Ok(false)
        delete of what is not sealed: Ok(())
        sealed all the same: Ok(true)
        and gone: Ok(false)
        "#,
    );
}

#[test]
fn a_get_waits_until_all_are_there() {
    all_see(
        2,
        |world| {
            let (mut writer, mut reader) = (world.client(), world.client());
            put(&mut *writer, 1, 10);
            let waiting = std::thread::spawn(move || {
                shapes(reader.get(&[id(1), id(2), id(3), id(2)], -1), &[1, 2, 3, 2])
            });
            put(&mut *writer, 3, 30);
            put(&mut *writer, 2, 20);
            world.seen.note("all", waiting.join().unwrap());
        },
        r#"all: ["10+0", "20+0", "30+0", "20+0"]"#,
    );
}

#[test]
fn what_is_aborted_or_left_unsealed_never_was() {
    all_see(
        2,
        |world| {
            let (mut writer, mut reader) = (world.client(), world.client());
            writer.create(id(1), 6_000_000, b"", Creation::Queued).unwrap();
            // The mutable buffer that Ray's client hands out counts, and it is given back first.
            writer.abort(id(1)).unwrap();
            world.seen.note("aborted", reader.contains(id(1)));
            writer.create(id(1), 6_000_000, b"", Creation::Immediate).unwrap();
            put(&mut *writer, 2, 10);
            writer.disconnect();
            let seen = &mut world.seen;
            // Its room is free again, as soon as the store has seen the end.
            seen.note("room", reader.create(id(3), 6_000_000, b"", Creation::Queued));
            seen.note("left unsealed", reader.contains(id(1)));
            seen.note("left sealed", reader.contains(id(2)));
        },
        r#"
        aborted: Ok(false)
        room: Ok(())
        left unsealed: Ok(false)
        left sealed: Ok(true)
        "#,
    );
}

#[test]
fn the_longest_unused_goes_first() {
    all_see(
        60,
        |world| {
            let mut client = world.client();
            for byte in 1..=4 {
                put(&mut *client, byte, 2_000_000);
            }
            for byte in [1, 4, 3] {
                client.release(id(byte)).unwrap();
            }
            shapes(client.get(&[id(1)], 0), &[1]);
            client.release(id(1)).unwrap();
            put(&mut *client, 5, 5_000_000);
            let there: Vec<bool> = (1..=5).map(|byte| client.contains(id(byte)).unwrap()).collect();
            world.seen.note("there", there);
        },
        "there: [true, true, false, false, true]",
    );
}

#[test]
fn creations_wait_in_line_for_room() {
    all_see(
        60,
        |world| {
            let (mut holder, mut large, mut small) =
                (world.client(), world.client(), world.client());
            put(&mut *holder, 1, 6_000_000);
            let large = std::thread::spawn(move || {
                let created = large.create(id(2), 6_000_000, b"", Creation::Queued);
                (created, large)
            });
            // The debug string does not show the queue; that the large one waits shows when the small one does.
            let small =
                std::thread::spawn(move || (small.create(id(3), 10, b"", Creation::Queued), small));
            holder.release(id(1)).unwrap();
            let seen = &mut world.seen;
            let (created, _large) = large.join().unwrap();
            seen.note("large", created);
            let (created, _small) = small.join().unwrap();
            seen.note("small", created);
            seen.note("evicted for it", holder.contains(id(1)));
        },
        "large: Ok(())\nsmall: Ok(())\nevicted for it: Ok(false)",
    );
}

/// Our store keeps what Ray's evicts: no piece is large enough, but all of them together are.
#[test]
fn room_in_pieces_holds_a_large_object() {
    for kind in [ClientKind::Ours, ClientKind::Unshared]
        .into_iter()
        .chain(Version::ALL.map(ClientKind::Real))
    {
        let mut store = Store::start(StoreKind::Ours, 60);
        let [mut writer, mut reader] = [(), ()].map(|()| connect(kind, &store.socket()));
        for round in 0..3 {
            for byte in 1..=9 {
                put(&mut *writer, byte, 1_000_000);
            }
            for byte in [2, 4, 6, 8] {
                writer.release(id(byte)).unwrap();
                writer.delete(&[id(byte)]).unwrap();
            }
            put(&mut *writer, 20, 4_000_000);
            shapes(reader.get(&[id(20)], 0), &[20]);
            let now = common::says_json(&store.socket(), &["stat"]);
            assert_eq!(now["fallback_allocated"], 0, "{now}");
            // What lies between is as it was.
            let held = [1, 3, 5, 7, 9];
            shapes(reader.get(&held.map(id), 0), &held);
            for byte in held.into_iter().chain([20]) {
                reader.release(id(byte)).unwrap();
                writer.release(id(byte)).unwrap();
            }
            // The room of one of those that were deleted, and then all of it.
            put(&mut *writer, 30, 1_000_000);
            shapes(reader.get(&[id(30)], 0), &[30]);
            for client in [&mut reader, &mut writer] {
                client.release(id(30)).unwrap();
            }
            let all: Vec<ObjectId> = held.into_iter().chain([20, 30]).map(id).collect();
            writer.delete(&all).unwrap();
            put(&mut *writer, 40, 9_900_000);
            shapes(reader.get(&[id(40)], 0), &[40]);
            for client in [&mut reader, &mut writer] {
                client.release(id(40)).unwrap();
            }
            writer.delete(&[id(40)]).unwrap();
            assert!(!writer.contains(id(20)).unwrap(), "round {round}");
        }
        assert!(store.is_alive(), "{kind:?}");
    }
}

#[test]
fn what_does_not_fit_gets_a_file_of_its_own() {
    all_see(
        0,
        |world| {
            let (mut writer, mut reader) = (world.client(), world.client());
            for round in 0..3 {
                let how = if round == 1 { Creation::Immediate } else { Creation::Queued };
                writer.create(id(1), 12_000_000, b"meta", how).unwrap();
                writer.fill(id(1), 1).unwrap();
                writer.seal(id(1)).unwrap();
                world.seen.note("get", shapes(reader.get(&[id(1)], 0), &[1]));
                writer.release(id(1)).unwrap();
                reader.release(id(1)).unwrap();
                reader.delete(&[id(1)]).unwrap();
                world.seen.note("gone", writer.contains(id(1)));
            }
            world
                .seen
                .note("the debug string", reader.usage().map(|text| text.lines().count() > 10));
        },
        r#"
        get: ["12000000+4"]
        gone: Ok(false)
        get: ["12000000+4"]
        gone: Ok(false)
        get: ["12000000+4"]
        gone: Ok(false)
        the debug string: Ok(true)
        "#,
    );
}
