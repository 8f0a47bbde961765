//! Ray's store runs, several at once, and leaves nothing behind.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use real_peers::wire::{kind, Event, Layout, Message, RawClient};
use real_peers::{RealStore, StoreOptions, Version};

fn capacity(socket: &Path) -> u64 {
    let mut client = RawClient::connect(socket).unwrap();
    client.send(&Message::empty(kind::CONNECT)).unwrap();
    match client.next_event().unwrap() {
        Event::Message(Message { kind: kind::CONNECT_REPLY, body }) => {
            let layout = Layout(&body);
            layout.u64_at(layout.field(0).unwrap()).unwrap()
        }
        event => panic!("{event:?}"),
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The numbers of processes whose command line names the folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap().as_bytes();
    let names = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    names
        .filter(|path| {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            line.windows(folder.len()).any(|window| window == folder)
        })
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn several_at_once_answer_and_leave_nothing() {
    let threads: Vec<_> = (0..4)
        .map(|index: usize| {
            let version = Version::ALL[index % 2];
            let memory = 70_000_000 + index as u64;
            thread::spawn(move || {
                RealStore::start(&StoreOptions { memory, ..StoreOptions::of(version) }).unwrap()
            })
        })
        .collect();
    // The threads that started them have ended, and they live.
    let stores: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    for (memory, mut store) in (70_000_000..).zip(stores) {
        assert_eq!(capacity(&store.socket()), memory);
        assert!(store.is_alive(), "{}", store.log());
        let folder = store.session_folder().to_owned();
        assert_eq!(processes_of(&folder).len(), 2);
        let raylet = format!("/proc/{}/task", store.pid());
        let agents = || -> Vec<String> {
            let tasks = fs::read_dir(&raylet).unwrap();
            let children = tasks.map(|task| task.unwrap().path().join("children"));
            let children = children.map(|file| fs::read_to_string(file).unwrap_or_default());
            children.collect::<String>().split_whitespace().map(String::from).collect()
        };
        until("both agents run", || agents().len() == 2);
        let agents = agents();
        drop(store);
        assert!(!folder.exists());
        assert!(processes_of(&folder).is_empty());
        for agent in agents {
            let line = Path::new("/proc").join(agent).join("cmdline");
            until("an agent ends", || fs::read(&line).unwrap_or_default().is_empty());
        }
    }
}

#[test]
fn a_killed_store_is_noticed() {
    let mut store = RealStore::start(&StoreOptions::default()).unwrap();
    let pid = i32::try_from(store.pid()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("it is dead", || UnixStream::connect(store.socket()).is_err());
    let started = Instant::now();
    while store.is_alive() {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    assert!(store.ended().unwrap().is_some());
}

#[test]
fn what_cannot_start_says_why() {
    let options = StoreOptions { plasma_directory: "/no/such/folder".into(), ..Default::default() };
    let error = RealStore::start(&options).unwrap_err().to_string();
    assert!(error.contains("raylet ended with") && error.contains("Check failed"), "{error}");
}
