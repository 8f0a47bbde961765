//! Results of creates that are fetched when what they stand for has gone.
//!
//! The result of a queued create names a file by the store's descriptor. When the object has gone, so has its file, and
//! the number may be that of another file, or of another client's socket.

use std::os::fd::OwnedFd;

use real_peers::wire::kind;
use rustix::fs::{fstat, FileType};

use crate::harness::{
    abort, contains, create, creation, delete, get, id, queued, release, retry, seal, Came, Talker,
    Watched,
};

const HUGE: u64 = 12_000_000;

/// A store that takes long to give a file to what does not fit, so that creates wait.
fn start() -> Watched {
    Watched::start(&["--grace-period", "1"])
}

/// Asks for an object that does not fit, and waits until the store has made it, without fetching it.
fn made_and_not_fetched(store: &mut Watched, client: &mut Talker, number: u32) -> u64 {
    let before = store.stat()["fallback_allocated"].as_u64().unwrap();
    let Came::Message(reply) = client.ask(&queued(id(number), HUGE)) else { panic!("no answer") };
    let layout = real_peers::wire::Layout(&reply.body);
    let request = layout.u64_at(layout.field(1).expect("it waits")).unwrap();
    store.until(|stat| stat["fallback_allocated"].as_u64().unwrap() > before);
    request
}

/// Whatever was sent in answer to this.
fn sent(client: &mut Talker, message: &[u8]) -> (i32, Vec<OwnedFd>) {
    client.say(&[message.to_vec(), contains(id(9))].concat());
    let (mut error, mut descriptors) = (0, Vec::new());
    loop {
        match client.hear() {
            Came::Fd(fd) => descriptors.push(fd),
            Came::Closed => panic!("the store closed the connection"),
            came if came.kind() == kind::CONTAINS_REPLY => return (error, descriptors),
            came => error = came.error(),
        }
    }
}

#[test]
fn an_aborted_objects_descriptor_is_not_sent() {
    let mut store = start();
    let mut client = store.talker();
    let request = made_and_not_fetched(&mut store, &mut client, 1);
    client.ask(&abort(id(1)));
    // Others take the number that has become free.
    let others: Vec<Talker> = (0..8).map(|_| store.talker()).collect();
    store.until(|stat| stat["clients"] == 11);
    let (error, descriptors) = sent(&mut client, &retry(id(1), request));
    for descriptor in &descriptors {
        let kind = FileType::from_raw_mode(fstat(descriptor).unwrap().st_mode);
        assert_ne!(kind, FileType::Socket, "another client's connection");
    }
    assert_eq!((error, descriptors.len()), (6, 0));
    drop((client, others));
    store.is_as_before();
}

#[test]
fn nor_is_that_of_an_object_that_was_used_up() {
    let mut store = start();
    let mut client = store.talker();
    let request = made_and_not_fetched(&mut store, &mut client, 1);
    client.ask(&seal(id(1)));
    client.ask(&release(id(1), true));
    client.ask(&delete(&[id(1)]));
    assert_eq!(sent(&mut client, &retry(id(1), request)).0, 6);
    // Also when there is another object of that name. What succeeds in between makes the store wait again.
    store.neighbour.works();
    let request = made_and_not_fetched(&mut store, &mut client, 1);
    client.ask(&abort(id(1)));
    client.ask(&create(&creation(id(1), 2 * HUGE)));
    assert_eq!(sent(&mut client, &retry(id(1), request)).0, 6);
    drop(client);
    store.is_as_before();
}

/// The answer is the creator's, once, whatever object the retry names.
#[test]
fn what_is_there_is_fetched_once() {
    let mut store = start();
    let (mut client, mut other) = (store.talker(), store.talker());
    let request = made_and_not_fetched(&mut store, &mut client, 1);
    assert_eq!(sent(&mut other, &retry(id(1), request)).0, 6);
    let (error, descriptors) = sent(&mut client, &retry(id(1), request));
    assert_eq!((error, descriptors.len()), (0, 1));
    assert_eq!(sent(&mut client, &retry(id(1), request)).0, 6);
    drop((client, other));
    store.is_as_before();
}

/// One asks for the outcome of its create while it waits, and goes; another gets the object, seals and releases.
#[test]
fn who_goes_while_its_create_waits_leaves_nothing() {
    let mut store = Watched::start(&["--grace-period", "3600"]);
    let (mut first, mut second) = (store.talker(), store.talker());
    first.ask(&queued(id(1), HUGE));
    first.say(&retry(id(1), 2));
    second.ask(&queued(id(2), HUGE));
    second.say(&[retry(id(2), 3), retry(id(1), 2), seal(id(1)), get(&[id(1)], -1)].concat());
    assert!(second.stands().0);
    let stat = store.stat();
    assert_eq!(
        (stat["pending_creates"].as_u64(), stat["pending_gets"].as_u64()),
        (Some(2), Some(1))
    );
    drop(first);
    store.until(|stat| stat["pending_creates"] == 1);
    assert!(second.stands().0);
    drop(second);
    store.until(|stat| stat["pending_creates"] == 0);
    store.is_as_before();
}
