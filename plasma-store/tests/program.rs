//! How the program starts, tells, and ends.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{command, connect, files, output, Store, ONCE};
use ray_common::ObjectId;
use ray_object_manager::plasma::client::{
    Cause, CreateOptions, MutableBuffer, PlasmaClient, Timeout,
};
use rustix::process::Signal;

fn id(byte: u8) -> ObjectId {
    ObjectId::from_bytes([byte; ObjectId::LENGTH])
}

fn capacity(socket: &Path) -> i64 {
    connect(socket).memory_capacity()
}

fn create(client: &PlasmaClient, byte: u8, size: u64) -> MutableBuffer {
    client.create(&CreateOptions::new(id(byte), size).immediately()).unwrap()
}

/// What a program prints that cannot start, and its exit code.
fn failure(mut command: Command, arguments: &[&str]) -> (Option<i32>, String) {
    command.args(arguments);
    let output = output(command);
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_line_when_it_is_ready_and_nothing_left_by_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut store = Store::start(&["--threads", "2"]);
        let socket = store.socket.display();
        assert_eq!(store.ready, format!("plasma-store ready: socket={socket} memory=10000000"));
        assert_eq!(capacity(&store.socket), 10_000_000);
        let mode = fs::metadata(&store.socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "private");
        assert_eq!(store.files(), ["store"]);
        // A client with an object in memory, one in a file, and one with an unfinished message.
        let client = connect(&store.socket);
        let _objects = [create(&client, 1, 1000), create(&client, 2, 12_000_000)];
        let mut other = UnixStream::connect(&store.socket).unwrap();
        other.write_all(b"half").unwrap();
        store.signal(signal);
        let (status, out, log) = store.end();
        assert_eq!((status.code(), out.as_str()), (Some(0), ""), "{log}");
        assert!(log.contains("stopping because of SIG"), "{log}");
        assert!(store.files().is_empty(), "{:?}", store.files());
    }
}

#[test]
fn signals_that_follow_each_other_are_one() {
    let mut store = Store::start(&[]);
    for signal in [Signal::TERM, Signal::INT, Signal::TERM] {
        store.signal(signal);
    }
    let (status, _, log) = store.end();
    assert!(status.success(), "{status}: {log}");
    assert!(store.files().is_empty());
}

#[test]
fn a_live_store_is_left_alone() {
    let first = Store::start(&[]);
    let (code, log) = failure(command(first.directory()), &[]);
    assert_eq!(code, Some(1));
    assert!(log.contains("listens on") && log.contains("already"), "{log}");
    assert_eq!(first.files(), ["store"]);
    assert_eq!(capacity(&first.socket), 10_000_000);
}

#[test]
fn what_a_dead_store_left_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("store");
    drop(UnixListener::bind(&socket).unwrap());
    let mut first = Store::start_in(directory, &[]);
    first.signal(Signal::KILL);
    first.end();
    assert_eq!(first.files(), ["store"], "the socket only");
    let mut command = command(first.directory());
    command.args(["--memory", "20MB"]);
    let mut second = Store::spawn(tempfile::tempdir().unwrap(), command);
    assert_eq!(capacity(&socket), 20_000_000);
    second.stop();
    assert!(first.files().is_empty());
}

#[test]
fn what_is_no_socket_stays() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("store"), "precious").unwrap();
    let (code, log) = failure(command(directory.path()), &[]);
    assert_eq!(code, Some(1));
    assert!(log.contains("no socket"), "{log}");
    assert_eq!(fs::read(directory.path().join("store")).unwrap(), b"precious");
    assert_eq!(files(directory.path()), ["store"]);
}

#[test]
fn wrong_arguments_end_with_2_and_what_cannot_work_with_1() {
    let directory = tempfile::tempdir().unwrap();
    let program = || Command::new(env!("CARGO_BIN_EXE_plasma-store"));
    let (code, log) = failure(program(), &["--memory", "1GB"]);
    assert!(code == Some(2) && log.contains("--socket"), "{log}");
    let (code, log) = failure(program(), &["--socket", "/nowhere/at/all"]);
    assert!(code == Some(2) && log.contains("--memory"), "{log}");
    for wrong in [
        ["--memory", "much"],
        ["--memory", "-1"],
        ["--disk-threshold", "2"],
        ["--grace-period", "1.5"],
        ["--retry-delay", "0"],
        ["--threads", "0"],
        ["--log-level", "loud"],
        ["--metrics-address", "here"],
        ["--colour", "red"],
    ] {
        let (code, log) = failure(command(directory.path()), &wrong);
        assert!(code == Some(2) && log.contains(wrong[0]), "{wrong:?}: {log}");
    }
    let long = format!("{}/{}", directory.path().display(), "x".repeat(120));
    for (wrong, why) in [
        (["--plasma-directory", "/no/such/place"], "/no/such/place"),
        (["--plasma-directory", "/dev/null"], "/dev/null"),
        (["--fallback-directory", "/no/such/place"], "/no/such/place"),
        (["--socket", "/no/such/place/store"], "/no/such/place"),
        (["--socket", &long], "xxx"),
        (["--memory", "100"], "2048"),
        (["--metrics-address", "192.0.2.1:1"], "192.0.2.1:1"),
    ] {
        let (code, log) = failure(command(directory.path()), &wrong);
        assert!(code == Some(1) && log.contains(why), "{wrong:?}: {log}");
        assert!(log.contains("plasma-store: "), "{log}");
    }
    assert!(files(directory.path()).is_empty());
}

#[test]
fn more_memory_than_there_is_becomes_what_there_is() {
    let mut store = Store::start(&["--memory", "1EB"]);
    let (_, memory) = store.ready.rsplit_once("memory=").unwrap();
    let memory: i64 = memory.parse().unwrap();
    assert!(memory > 2048 && memory < 1 << 58, "{memory}");
    assert_eq!(capacity(&store.socket), memory);
    let (_, _, log) = store.stop();
    assert!(log.contains("WARN") && log.contains("nine tenths"), "{log}");
}

#[test]
fn directories_that_it_makes_are_private_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("place");
    let spill = place.join("spill");
    let mut command = command(directory.path());
    command.arg("--socket").arg(place.join("store")).arg("--fallback-directory").arg(&spill);
    let mut store = Store::spawn(directory, command);
    for made in [&place, &spill] {
        assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let client = connect(&place.join("store"));
    assert!(create(&client, 2, 12_000_000).is_fallback_allocated());
    assert!(store.stop().0.success());
    assert!(store.files().is_empty(), "{:?}", store.files());
}

#[test]
fn others_may_come_when_they_are_allowed() {
    let store = Store::start(&["--allow-other-users", "--preallocate"]);
    let mode = fs::metadata(&store.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
}

#[test]
fn limits_hold() {
    let store = Store::start(&["--max-unsealed", "1MB", "--max-connections", "2"]);
    let client = connect(&store.socket);
    let _first = create(&client, 1, 900_000);
    let error = client.create(&CreateOptions::new(id(2), 200_000)).unwrap_err();
    assert!(matches!(error.cause, Cause::OutOfMemory), "{error}");
    let second = connect(&store.socket);
    drop(create(&second, 2, 200_000));
    PlasmaClient::connect(&store.socket, ONCE).unwrap_err();

    let store = Store::start(&["--max-message", "1KiB"]);
    let client = connect(&store.socket);
    let error = client.get(&(0..100).map(id).collect::<Vec<_>>(), Timeout::Immediate).unwrap_err();
    assert!(matches!(error.cause, Cause::Disconnected { .. }), "{error}");
}

#[test]
fn numbers_go_to_the_log_now_and_then() {
    let mut store = Store::start(&["--dump-interval", "20ms"]);
    std::thread::sleep(Duration::from_millis(300));
    let (_, out, log) = store.stop();
    assert!(out.is_empty());
    assert!(log.matches("Plasma store debug dump").count() > 1, "{log}");
    let mut quiet = Store::start(&["--dump-interval", "20ms", "--log-level", "off"]);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(quiet.stop().2, "");
}

fn http(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: store\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The samples of a page: everything but a comment is a name (with labels) and a number.
fn samples(page: &str) -> std::collections::HashMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(sample).collect()
}

#[test]
fn prometheus_reads_the_metrics() {
    let mut store = Store::start(&["--metrics-address", "127.0.0.1:0"]);
    let (_, address) = store.ready.split_once(" metrics=http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap().to_owned();
    let client = connect(&store.socket);
    create(&client, 1, 1000).seal().unwrap();
    let _unsealed = create(&client, 2, 12_000_000);

    let (head, page) = http(&address, "GET /metrics");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/openmetrics-text"), "{head}");
    assert!(page.ends_with("# EOF\n"));
    let samples = samples(&page);
    let at = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} in {page}"));
    assert_eq!(at("plasma_capacity_bytes"), 10_000_000.0);
    assert_eq!(at("plasma_objects"), 2.0);
    assert_eq!(at("plasma_clients"), 1.0);
    assert_eq!(at("plasma_create_requests_total"), 2.0);
    let memory = |location: &str, state: &str| {
        at(&format!("ray_object_store_memory{{Location=\"{location}\",ObjectState=\"{state}\"}}"))
    };
    assert_eq!(memory("MMAP_SHM", "SEALED"), 1000.0);
    assert_eq!(memory("MMAP_DISK", "UNSEALED"), 12_000_000.0);

    assert!(http(&address, "GET /").0.contains(" 404 "));
    assert!(http(&address, "POST /metrics").0.contains(" 405 "));
    assert!(http(&address, "GET /metrics?x").0.contains(" 200 "));
    let mut idle = TcpStream::connect(&address).unwrap();
    idle.write_all(b"GET /met").unwrap();
    assert!(store.stop().0.success(), "whoever hangs does not keep it");
}

#[test]
fn a_socket_that_was_replaced_is_not_removed() {
    let mut store = Store::start(&[]);
    fs::remove_file(&store.socket).unwrap();
    let _other = UnixListener::bind(&store.socket).unwrap();
    assert!(store.stop().0.success());
    assert_eq!(store.files(), ["store"]);
    UnixStream::connect(&store.socket).unwrap();
}
