//! Processes that are killed in the middle of something.
//!
//! This program runs itself as the one to be killed: it goes as far as it is told to, says so, and waits for its end. So it is
//! known where it was.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ray_common::ObjectId;
use ray_object_manager::plasma::client::{ConnectOptions, CreateOptions, PlasmaClient, Timeout};

use crate::bytes::rand_like::Random;
use crate::harness::{
    contains, create, creation, delete, get, id, queued, release, retry, seal, Talker, Watched,
};
use crate::model::scaled;
use crate::sharer::Sharer;

const SOCKET: &str = "HOSTILE_SOCKET";
const STEP: &str = "HOSTILE_STEP";

/// Where one can be killed.
const STEPS: [&str; 35] = [
    "connect",
    "half a header",
    "half a body",
    "create, nothing heard",
    "create",
    "write half",
    "write",
    "seal, nothing heard",
    "seal",
    "get, nothing heard",
    "get",
    "get in two pieces",
    "get that waits",
    "get that waits for more",
    "two gets that wait",
    "release",
    "release, and get again",
    "delete later",
    "queued create",
    "queued create, asked again",
    "file of its own",
    "file of its own, unmapped",
    "shared 1",
    "shared 2",
    "shared 3",
    "shared 4",
    "shared 5",
    "shared 6",
    "shared 7",
    "shared 8",
    "shared 9",
    "shared 10",
    "shared 11",
    "shared 12",
    "shared 13",
];

fn signal_ready() {
    let mut out = std::io::stdout().lock();
    out.write_all(b"here\n").unwrap();
    out.flush().unwrap();
}

/// Says that it is there, and waits to be killed.
fn wait() -> ! {
    signal_ready();
    let _ = std::io::stdin().read(&mut [0]);
    std::process::exit(0);
}

/// In the child: everything up to a step.
fn go_to(step: &str, socket: &Path) {
    if let Some(step) = step.strip_prefix("shared ") {
        let mut sharer = Sharer::to(socket);
        crate::shared::go_to(step.parse().unwrap(), &mut sharer);
        wait();
    }
    let mut client = Talker::to(socket);
    let own = own();
    match step {
        "connect" => {}
        "half a header" => client.say(&seal(own)[..13]),
        "half a body" => client.say(&create(&creation(own, 10))[..70]),
        "create, nothing heard" => client.say(&create(&creation(own, 1000))),
        "create" => drop(client.ask(&create(&creation(own, 1000)))),
        "write half" | "write" => {
            let plasma = PlasmaClient::connect(socket, ConnectOptions::default()).unwrap();
            let mut object = plasma.create(&CreateOptions::new(own, 100_000)).unwrap();
            let length = if step == "write" { 100_000 } else { 50_000 };
            object.data_mut()[..length].fill(7);
            wait();
        }
        "seal, nothing heard" => {
            client.ask(&create(&creation(own, 1000)));
            client.say(&seal(own));
        }
        "seal" => seal_one(&mut client),
        "get, nothing heard" => {
            seal_one(&mut client);
            client.say(&get(&[own], -1));
        }
        "get" => {
            let plasma = PlasmaClient::connect(socket, ConnectOptions::default()).unwrap();
            plasma.put(own, &[1; 5000], b"meta").unwrap();
            let _object = plasma.get_one(own, Timeout::Never).unwrap();
            wait();
        }
        "get in two pieces" => client.say(&get(&[own, id(1001)], 1000)[..50]),
        "get that waits" => client.say(&get(&[id(1001)], -1)),
        "get that waits for more" => {
            seal_one(&mut client);
            client.say(&get(&[own, id(1001), own], 1 << 40));
        }
        "two gets that wait" => {
            client.say(&[get(&[id(1001)], -1), get(&[id(1001), id(1002)], 1 << 40)].concat());
        }
        "release" => {
            seal_one(&mut client);
            client.say(&release(own, false));
        }
        "release, and get again" => {
            seal_one(&mut client);
            client.say(&release(own, false));
            client.ask(&get(&[own], -1));
        }
        "delete later" => {
            seal_one(&mut client);
            client.ask(&delete(&[own]));
        }
        "queued create" => client.say(&queued(own, 12_000_000)),
        "queued create, asked again" => {
            client.ask(&queued(own, 12_000_000));
            client.ask(&retry(own, 1));
            client.say(&queued(id(1001), 10));
        }
        "file of its own" => drop(client.ask(&create(&creation(own, 12_000_000)))),
        "file of its own, unmapped" => {
            client.ask(&create(&creation(own, 12_000_000)));
            client.ask(&seal(own));
            client.ask(&release(own, true));
            client.ask(&get(&[own], 0));
        }
        other => panic!("{other}"),
    }
    // What was said last has arrived when this is answered, where that can be asked.
    if !step.starts_with("half") && step != "get in two pieces" && !step.ends_with("heard") {
        client.ask(&contains(id(1)));
    }
    wait();
}

fn seal_one(client: &mut Talker) {
    client.ask(&create(&creation(own(), 1000)));
    client.ask(&seal(own()));
}

/// An object that no other process makes.
fn own() -> ObjectId {
    id((1 << 20) + std::process::id())
}

/// In the child: work without end, with a word now and then.
fn go_on(socket: &Path) {
    let client = PlasmaClient::connect(socket, ConnectOptions::default()).unwrap();
    for number in 0.. {
        if number % 4 == 0 {
            signal_ready();
        }
        let own = id(2000 + number % 50);
        let _ = client.put(own, &vec![1; 100 << (number % 10)], b"");
        let objects = client.get(&[own, id(1)], Timeout::Immediate).unwrap();
        if number % 7 == 0 {
            let large = CreateOptions::new(id(3000), 12_000_000).immediately();
            drop(client.create(&large).map(|object| object.seal()));
        }
        drop(objects);
        client.delete(&[own, id(3000)]).unwrap();
    }
}

/// What the child runs; nothing when nobody asks for it.
#[test]
fn the_one_that_is_killed() {
    let Ok(step) = std::env::var(STEP) else { return };
    let socket = std::env::var_os(SOCKET).unwrap();
    match step.as_str() {
        "work" => go_on(Path::new(&socket)),
        step => go_to(step, Path::new(&socket)),
    }
}

fn start(socket: &Path, step: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::the_one_that_is_killed", "--nocapture", "--test-threads=1"]);
    command.env(SOCKET, socket).env(STEP, step);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until a child has said so often that it is there, and kills it.
fn kill(mut child: Child, words: usize) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut heard = 0;
    while heard < words {
        let line = lines.next().expect("the child has ended by itself").unwrap();
        heard += usize::from(line.ends_with("here"));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn at_every_step() {
    let mut store = Watched::start(&["--grace-period", "3600"]);
    for round in 0..scaled(400).div_ceil(STEPS.len()) {
        for step in STEPS {
            let first = start(store.socket(), step);
            // Every other time two of them at the same.
            let second = (round % 2 == 1).then(|| start(store.socket(), step));
            kill(first, 1);
            second.into_iter().for_each(|child| kill(child, 1));
            store.is_as_before();
        }
    }
}

#[test]
fn at_any_time() {
    let mut store = Watched::start(&[]);
    let mut random = Random(99);
    for _ in 0..scaled(200) {
        let children = [(); 2].map(|()| start(store.socket(), "work"));
        for child in children {
            kill(child, 1 + random.below(20));
        }
        store.is_as_before();
    }
}
