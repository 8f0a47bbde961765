//! Processes read, verify and let go of objects in shared memory while others create, seal, delete and evict, so that memory
//! is used again all the time, and are killed at any point. What an object contains follows from its id, so that a reader can
//! tell a byte of another object.
//!
//! This program runs itself as the processes.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use common::Store;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::{
    Buffer, Cause, ClientError, ConnectOptions, CreateOptions, PlasmaClient, Timeout,
};

const SOCKET: &str = "STRESS_SOCKET";
const SEED: &str = "STRESS_SEED";
const UNSHARED: &str = "STRESS_UNSHARED";
const LARGE: &str = "STRESS_LARGE";

/// Ids in use.
const IDS: u64 = 192;

/// What kind of objects there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of many sizes, together more than twice as large as the store.
    Small,
    /// Mostly of one size, for which space is set aside, as it is in a store of which much is free.
    Large,
}

impl Kind {
    fn memory(self) -> &'static str {
        match self {
            Self::Small => "1000000",
            Self::Large => "16000000",
        }
    }
}

/// Objects that a process holds at once.
const HELD: usize = 6;
/// Steps between two words of a process.
const STEPS: usize = 40;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // xorshift*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn id(number: u64) -> ObjectId {
    let mut bytes = [0xcd; ObjectId::LENGTH];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    ObjectId::from_bytes(bytes)
}

/// How many words the object of this number has.
fn words(number: u64, kind: Kind) -> u64 {
    match kind {
        Kind::Large if !number.is_multiple_of(8) => 5000,
        _ => 20 + Random(number + 1).below(2500),
    }
}

/// What the object of this number contains: words that no other object has.
fn contents(number: u64, kind: Kind) -> Vec<u8> {
    (0..words(number, kind)).flat_map(|word| ((number << 32) | word).to_le_bytes()).collect()
}

/// Sees whether an object is what it should be.
fn verify(number: u64, kind: Kind, object: &Buffer) {
    let found =
        object.data().chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let mut count = 0;
    for (at, word) in (0..).zip(found) {
        assert_eq!(word, (number << 32) | at, "word {at} of object {number}");
        count += 1;
    }
    assert_eq!(count, words(number, kind), "length of object {number}");
    assert_eq!(object.metadata(), number.to_le_bytes(), "metadata of object {number}");
}

/// What may go wrong when others do the same.
fn tolerate(result: Result<(), ClientError>) {
    match result.map_err(|error| error.cause) {
        Ok(()) | Err(Cause::ObjectExists | Cause::OutOfMemory) => {}
        Err(other) => panic!("{other}"),
    }
}

/// Somebody who uses the store, and what he holds.
struct User {
    client: PlasmaClient,
    kind: Kind,
    random: Random,
    held: Vec<(u64, Buffer)>,
}

impl User {
    fn of(socket: &Path, seed: u64, kind: Kind, shared_memory: bool) -> Self {
        let options = ConnectOptions { shared_memory, ..ConnectOptions::default() };
        let client = PlasmaClient::connect(socket, options).unwrap();
        Self { client, kind, random: Random(seed * 2 + 1), held: Vec::new() }
    }

    fn step(&mut self) {
        let number = self.random.below(IDS);
        match self.random.below(20) {
            0..=4 => {
                let put = self.client.put(
                    id(number),
                    &contents(number, self.kind),
                    &number.to_le_bytes(),
                );
                tolerate(put);
            }
            5 => {
                let size = contents(number, self.kind).len() as u64;
                let options = CreateOptions::new(id(number), size).immediately();
                tolerate(self.client.create(&options).map(drop));
            }
            6..=7 => drop(self.client.delete(&[id(number)]).unwrap()),
            8 => drop(self.client.contains(id(number)).unwrap()),
            9..=10 => self.held.clear(),
            _ => self.read(number),
        }
    }

    /// Gets some objects, looks at them at once and when they are let go.
    fn read(&mut self, first: u64) {
        let numbers: Vec<u64> = (first..=first + self.random.below(4)).map(|n| n % IDS).collect();
        let ids: Vec<ObjectId> = numbers.iter().map(|number| id(*number)).collect();
        let got = self.client.get(&ids, Timeout::Immediate).unwrap();
        for (number, object) in numbers.into_iter().zip(got) {
            let Some(object) = object else { continue };
            verify(number, self.kind, &object);
            self.held.push((number, object));
        }
        while self.held.len() > HELD {
            let which = usize::try_from(self.random.below(self.held.len() as u64)).unwrap();
            let (number, object) = self.held.swap_remove(which);
            verify(number, self.kind, &object);
        }
    }
}

/// What a process runs; nothing when nobody asks for it.
#[test]
fn one_of_the_processes() {
    let Ok(seed) = std::env::var(SEED) else { return };
    let socket = std::env::var_os(SOCKET).unwrap();
    let shared = std::env::var_os(UNSHARED).is_none();
    let kind = if std::env::var_os(LARGE).is_some() { Kind::Large } else { Kind::Small };
    let mut user = User::of(Path::new(&socket), seed.parse().unwrap(), kind, shared);
    loop {
        for _ in 0..STEPS {
            user.step();
        }
        say("here");
    }
}

/// Puts an object, and says so.
#[test]
fn one_that_puts() {
    let Ok(number) = std::env::var("STRESS_PUT") else { return };
    let socket = std::env::var_os(SOCKET).unwrap();
    let number: u64 = number.parse().unwrap();
    let user = User::of(Path::new(&socket), 1, Kind::Small, true);
    user.client.put(id(number), &contents(number, Kind::Small), &number.to_le_bytes()).unwrap();
    if number.is_multiple_of(2) {
        return;
    }
    say("here");
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}").unwrap();
    out.flush().unwrap();
}

struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(test: &str, socket: &Path, set: &[(&str, u64)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(SOCKET, socket);
        command.envs(set.iter().map(|(name, value)| (name, value.to_string())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits until it has said so often that all is well.
    fn hear(&mut self, words: u64) {
        let mut heard = 0;
        while heard < words {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line).unwrap();
            assert!(length > 0, "a process ended by itself: it has seen what it should not");
            heard += u64::from(line.trim_end().ends_with("here"));
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "a process ended by itself before");
    }
}

/// A part of what is done with `PLASMA_RS_TEST_SCALE=full`, or all of it.
fn scaled(full: u64, small: u64) -> u64 {
    if std::env::var("PLASMA_RS_TEST_SCALE").as_deref() == Ok("full") {
        full
    } else {
        small
    }
}

fn start_store(kind: Kind) -> Store {
    let arguments =
        ["--memory", kind.memory(), "--threads", "2", "--grace-period", "0", "--log-level", "off"];
    Store::start(&arguments)
}

/// Nobody uses anything: every number says so, and the sealed objects that are left can be deleted.
fn is_at_rest(store: &Store) {
    let client = common::connect(&store.socket);
    let started = std::time::Instant::now();
    let stat = loop {
        let stat = common::says_json(&store.socket, &["stat"]);
        // This client, and the one that asks.
        if stat["clients"] == 2 {
            break stat;
        }
        assert!(started.elapsed().as_secs() < 20, "{stat}");
        std::thread::yield_now();
    };
    let at = |path: &str| stat.pointer(path).unwrap_or_else(|| panic!("{path}: {stat}"));
    for path in [
        "/references",
        "/states/unsealed/objects",
        "/states/unsealed/bytes",
        "/states/in_use/objects",
        "/states/in_use/bytes",
        "/states/spillable/objects",
        "/pending_creates",
        "/pending_gets",
        "/eager_deletions",
    ] {
        assert_eq!(*at(path), 0, "{path}: {stat}");
    }
    assert_eq!(at("/objects"), at("/states/evictable/objects"));
    assert_eq!(at("/states/sealed_bytes"), at("/states/evictable/bytes"));
    client.delete(&(0..IDS).map(id).collect::<Vec<_>>()).unwrap();
    let stat = common::says_json(&store.socket, &["stat"]);
    for path in ["/objects", "/allocated", "/fallback_allocated", "/states/evictable/bytes"] {
        assert_eq!(stat.pointer(path).unwrap(), 0, "{path}: {stat}");
    }
    assert_eq!(stat["clients_expelled"], 0, "{stat}");
}

#[test]
fn no_reader_ever_sees_a_byte_of_another_object() {
    stress(Kind::Small);
}

#[test]
fn nor_where_objects_lie_in_space_that_was_set_aside() {
    let store = stress(Kind::Large);
    let stat = common::says_json(&store.socket, &["stat"]);
    assert!(stat["created_set_aside"].as_u64().unwrap() > 0, "{stat}");
}

/// Processes that do all they can, and are killed. Returns the store, in which nothing is left.
fn stress(kind: Kind) -> Store {
    let seed = std::env::var("STRESS_FIRST_SEED").map_or(20_261, |seed| seed.parse().unwrap());
    println!("STRESS_FIRST_SEED={seed}");
    let mut random = Random(seed);
    let store = start_store(kind);
    let mut number = 0;
    let mut start = || {
        number += 1;
        let mut set = vec![(SEED, seed + number)];
        // One in four does without shared memory.
        set.extend((number.is_multiple_of(4)).then_some((UNSHARED, 1)));
        set.extend((kind == Kind::Large).then_some((LARGE, 1)));
        Process::start("one_of_the_processes", &store.socket, &set)
    };
    let mut processes: Vec<Process> = (0..4).map(|_| start()).collect();
    let mut own = User::of(&store.socket, seed, kind, true);
    for _ in 0..scaled(1500, 60) {
        let which = usize::try_from(random.below(4)).unwrap();
        processes[which].hear(1 + random.below(3));
        std::mem::replace(&mut processes[which], start()).kill();
        (0..random.below(60)).for_each(|_| own.step());
    }
    processes.into_iter().for_each(Process::kill);
    for (number, object) in &own.held {
        verify(*number, kind, object);
    }
    drop(own);
    is_at_rest(&store);
    store
}

/// A seal has no answer, and yet it is never lost: not when its client has gone, or was killed, right after it.
#[test]
fn what_was_put_before_the_end_is_there() {
    let store = Store::start(&["--threads", "2", "--log-level", "off"]);
    let clients =
        [true, false].map(|shared| User::of(&store.socket, 1, Kind::Small, shared).client);
    for number in 0..scaled(1000, 40) {
        let mut process = Process::start("one_that_puts", &store.socket, &[("STRESS_PUT", number)]);
        if number.is_multiple_of(2) {
            assert!(process.child.wait().unwrap().success());
        } else {
            process.hear(1);
            process.kill();
        }
        let client = &clients[usize::try_from(number / 2 % 2).unwrap()];
        assert!(client.contains(id(number)).unwrap(), "object {number}");
        verify(number, Kind::Small, &client.get_one(id(number), Timeout::Immediate).unwrap());
        client.delete(&[id(number)]).unwrap();
    }
}
