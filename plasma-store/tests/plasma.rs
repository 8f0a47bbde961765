//! The command for people, against our store.

mod common;

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{complains, connect, fed, output, plasma, says, says_json, Store};
use ray_common::ObjectId;
use ray_object_manager::plasma::client::CreateOptions;
use serde_json::{json, Value};

fn put(store: &Store, content: &[u8], arguments: &[&str]) -> String {
    let output = fed(plasma(&store.socket, &[&["put"], arguments].concat()), content);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn what_is_put_can_be_got() {
    let store = Store::start(&["--memory", "20MB"]);
    let socket = &store.socket;
    let content: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    let file = store.directory().join("file");
    fs::write(&file, &content).unwrap();
    let file = file.to_str().unwrap();

    let id = says(socket, &["put", file]).trim_end().to_owned();
    assert_eq!(id.len(), 56);
    assert_eq!(output(plasma(socket, &["get", &id])).stdout, content);
    assert_eq!(
        put(&store, b"hello", &["--id", &"0a".repeat(28), "--metadata", "greeting"]),
        "0a".repeat(28)
    );
    assert_eq!(says(socket, &["get", &"0A".repeat(28), "0a0a"]), "hellohello", "abbreviated, too");
    assert_eq!(says(socket, &["get", "--metadata", "0a0a0a0a…0a0a0a0a"]), "greeting");
    let empty = put(&store, b"", &["-"]);
    assert_eq!(says(socket, &["get", &empty]), "");

    let copy = store.directory().join("copy");
    assert_eq!(says(socket, &["get", &id, "-o", copy.to_str().unwrap()]), "");
    assert_eq!(fs::read(&copy).unwrap(), content);
    let many = store.directory().join("many");
    says(socket, &["get", &id, "0a0a", "-d", many.to_str().unwrap()]);
    assert_eq!(fs::read(many.join(&id)).unwrap(), content);
    assert_eq!(fs::read(many.join("0a".repeat(28))).unwrap(), b"hello");
    // Standard input that is a file goes straight into the store, from where it stands.
    let mut command = plasma(socket, &["put", "--json"]);
    command.stdin(fs::File::open(file).unwrap());
    let about: Value = serde_json::from_slice(&output(command).stdout).unwrap();
    assert_eq!(
        (&about["data_size"], &about["fallback"]),
        (&json!(5_000_000), &json!(false)),
        "{about}"
    );
    let about = says_json(socket, &["get", "0a0a"]);
    assert_eq!(about["objects"][0]["metadata"], "greeting");
}

#[test]
fn what_is_not_there_is_waited_for_or_missed() {
    let store = Store::start(&[]);
    let socket = &store.socket;
    let (one, other) = ("01".repeat(28), "02".repeat(28));
    put(&store, b"1", &["--id", &one]);
    let (code, error) = complains(socket, &["get", &one, &other]);
    assert_eq!((code, error.contains(&other), error.contains(&one)), (1, true, false), "{error}");
    let got = output(plasma(socket, &["get", &one, &other]));
    assert!(got.stdout.is_empty(), "no part of it");
    let started = Instant::now();
    assert_eq!(complains(socket, &["get", &other, "--timeout", "200ms"]).0, 1);
    assert!(started.elapsed() >= Duration::from_millis(200));

    let mut waiting = plasma(socket, &["get", &other, "--timeout", "forever"]);
    let waiting = waiting.stdout(Stdio::piped()).spawn().unwrap();
    while says_json(socket, &["stat"])["pending_gets"] != 1 {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    put(&store, b"2", &["--id", &other]);
    assert_eq!(waiting.wait_with_output().unwrap().stdout, b"2");

    let (code, error) = complains(socket, &["get", "0303"]);
    assert!(code == 1 && error.contains("no object is called 0303"), "{error}");
    let (code, error) = complains(socket, &["put", "--id", &one, "/dev/null"]);
    assert!(code == 1 && error.contains("exists"), "{error}");
    let (code, error) = complains(socket, &["put", "/no/such/file"]);
    assert!(code == 1 && error.contains("/no/such/file"), "{error}");
    assert_eq!(complains(socket, &["put", "/"]).0, 1);
}

#[test]
fn what_fits_nowhere_is_refused_and_leaves_nothing() {
    let store = Store::start(&["--grace-period", "0", "--disk-threshold", "0"]);
    let file = store.directory().join("file");
    fs::write(&file, vec![1; 12_000_000]).unwrap();
    for more in [&[][..], &["--immediately", "--metadata", "m"]] {
        // Whoever does not wait gets the disk, threshold or not, as with Ray's store.
        let (code, error) =
            complains(&store.socket, &[&["put", file.to_str().unwrap()], more].concat());
        let fits = more.is_empty();
        assert_eq!((code == 1, error.contains("disk")), (fits, fits), "{error}");
    }
    let stat = says_json(&store.socket, &["stat"]);
    assert_eq!((&stat["objects"], &stat["states"]["unsealed"]["objects"]), (&json!(1), &json!(0)));
}

#[test]
fn contains_and_delete_say_what_is_and_was() {
    let store = Store::start(&[]);
    let socket = &store.socket;
    let (one, other) = ("01".repeat(28), "02".repeat(28));
    put(&store, b"1", &["--id", &one]);
    assert_eq!(says(socket, &["contains", &one]), "01010101…01010101  there\n");
    assert_eq!(says(socket, &["--full-ids", "contains", &one]), format!("{one}  there\n"));
    let missing = output(plasma(socket, &["contains", "--json", &one, &other]));
    assert_eq!(missing.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert_eq!(
        answer,
        json!({"objects": [{"id": one, "state": "there"}, {"id": other, "state": "not_there"}]})
    );

    let third = ObjectId::from_bytes([3; ObjectId::LENGTH]);
    let _unsealed = connect(socket).create(&CreateOptions::new(third, 10)).unwrap();
    let deleted = output(plasma(socket, &["delete", &one, &other, &third.to_string()]));
    assert_eq!(deleted.status.code(), Some(1));
    let text = String::from_utf8(deleted.stdout).unwrap();
    let states: Vec<&str> = text.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(states[..2], ["deleted", "not there"]);
    assert!(states[2].starts_with("not sealed"), "{text}");
    assert_eq!(complains(socket, &["contains", &one]).0, 1);
}

#[test]
fn a_store_tells_about_itself() {
    let store = Store::start(&[]);
    let socket = &store.socket;
    let small = put(&store, b"small", &[]);
    let large = put(&store, &[0; 12_000_000], &["--metadata", "m"]);
    let unsealed = CreateOptions::new(ObjectId::from_bytes([3; ObjectId::LENGTH]), 1000);
    let _unsealed = connect(socket).create(&unsealed).unwrap();

    let stat = says_json(socket, &["stat"]);
    assert_eq!(stat["capacity"], 10_000_000);
    assert_eq!(stat["fallback_allocated"], 12_000_001);
    assert_eq!(stat["states"]["unsealed"], json!({"objects": 1, "bytes": 1000}));
    assert_eq!(stat["requests"]["create"], 3);
    let text = says(socket, &["stat"]);
    assert!(text.contains("of 9.5 MiB") && text.contains("fallback    11.4 MiB"), "{text}");

    let objects = says_json(socket, &["ls", "--sort", "largest"]);
    assert_eq!((&objects["total"], &objects["objects"][0]["id"]), (&json!(3), &json!(large)));
    let text = says(socket, &["ls", "--sort", "largest", "-n", "2"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[3]), (4, "and 1 more"), "{text}");
    assert!(lines[1].starts_with(&large[..8]) && lines[1].contains("disk"), "{text}");
    assert!(lines[2].starts_with("03030303…03030303") && lines[2].contains("unsealed"), "{text}");
    assert!(says(socket, &["ls", "--full-ids"]).contains(&small));

    let own = std::process::id();
    let clients = says_json(socket, &["clients"]);
    let clients = clients["clients"].as_array().unwrap();
    let us = clients.iter().find(|client| client["pid"] == own).unwrap();
    assert_eq!((&us["references"], &us["unsealed_bytes"]), (&json!(1), &json!(1000)));
    let text = says(socket, &["clients"]);
    assert!(text.contains(&own.to_string()) && text.contains("plasma"), "{text}");
    assert!(says(socket, &["debug"]).contains("objects unsealed: 1"));
}

#[test]
fn watch_looks_again_and_again() {
    let mut store = Store::start(&[]);
    put(&store, b"something", &[]);
    let text = says(&store.socket, &["watch", "--count", "3", "--interval", "50ms"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for line in lines {
        assert!(line.contains(" evictable=9 ") && line.contains(" capacity=10000000 "), "{line}");
        assert!(line.contains(" objects=1 clients=1 "), "{line}");
    }
    let text = says(&store.socket, &["--json", "watch", "-c", "2", "-i", "0.01"]);
    for line in text.lines() {
        let look: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&look["stat"]["objects"], &look["clients"][0]["references"]),
            (&json!(1), &json!(0))
        );
    }
    let mut watching = plasma(&store.socket, &["watch", "-i", "10ms"]);
    let watching = watching.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    store.stop();
    let end = watching.wait_with_output().unwrap();
    assert_eq!(end.status.code(), Some(1));
    let error = String::from_utf8(end.stderr).unwrap();
    assert!(error.contains("does not answer any more") || error.contains("no store"), "{error}");
}

#[test]
fn bench_measures_and_leaves_nothing() {
    let store = Store::start(&["--memory", "64MB"]);
    let socket = &store.socket;
    put(&store, b"mine", &["--id", &"01".repeat(28)]);
    let results = says_json(socket, &["bench", "-n", "40", "--clients", "2"]);
    let results = results["results"].as_array().unwrap();
    assert_eq!(results.len(), 11);
    for result in results {
        let name = result["name"].as_str().unwrap();
        if name.starts_with("put 100 MB") {
            assert_eq!(result["skipped"], "no room");
            continue;
        }
        assert!(result["p50_ns"].as_u64().unwrap() > 0, "{result}");
        assert!(result["p99_ns"].as_u64() >= result["p50_ns"].as_u64(), "{result}");
        assert!(result["per_second"].as_f64().unwrap() > 0.0, "{result}");
        assert_eq!(result["bytes_per_second"].is_f64(), name.starts_with("put"), "{result}");
    }
    let text = says(socket, &["bench", "-n", "10", "--only", "contains", "--only", "100 MB cold"]);
    assert_eq!(text.lines().count(), 3, "{text}");
    let stat = says_json(socket, &["stat"]);
    assert_eq!((&stat["objects"], &stat["references"]), (&json!(1), &json!(0)));
    let (code, error) = complains(socket, &["bench", "--only", "flying"]);
    assert!(code == 2 && error.contains("contains, get+release"), "{error}");
}

#[test]
fn mistakes_are_explained() {
    let nowhere = tempfile::tempdir().unwrap();
    let socket = nowhere.path().join("store");
    let id = "01".repeat(28);
    for arguments in [&["stat"][..], &["get", &id], &["put", "/dev/null"], &["bench"], &["watch"]] {
        let (code, error) = complains(&socket, arguments);
        assert!(code == 1 && error.contains("no store answers at"), "{arguments:?}: {error}");
        assert!(error.contains(socket.to_str().unwrap()), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let mut command = plasma(&socket, &["stat"]);
    command.env_remove("PLASMA_STORE_SOCKET");
    let output = output(command);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--socket"));
    for arguments in [
        &["get"][..],
        &["get", "xyz"],
        &["get", &id, "-t", "-1"],
        &["put", "--id", "12"],
        &["fly"],
        &[],
    ] {
        assert_eq!(complains(&socket, arguments).0, 2, "{arguments:?}");
    }
    // Somebody who is no store, and says nothing sensible.
    let listener = UnixListener::bind(&socket).unwrap();
    let liar = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, &[7; 64]).unwrap();
    });
    let (code, error) = complains(&socket, &["stat"]);
    liar.join().unwrap();
    assert!(code == 1 && !error.contains("panicked"), "{error}");
}

#[test]
fn nobody_has_to_read_it_all() {
    let store = Store::start(&["--memory", "40MB"]);
    let id = put(&store, &[b'x'; 20_000_000], &[]);
    let mut child = plasma(&store.socket, &["get", &id]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let end = child.wait_with_output().unwrap();
    assert_eq!((end.status.code(), end.stderr.as_slice()), (Some(141), &b""[..]));
}
