//! Connections on which gets wait.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use ray_sys::send_fd;

use super::{file, id, lane, object, reply, FILE};
use crate::plasma::client::error::Cause;
use crate::plasma::client::waiters::{Waiter, Waiters};
use crate::plasma::common::PlasmaError;
use crate::plasma::protocol::PlasmaObject;

fn open(waiters: &Arc<Waiters>) -> (Waiter, UnixStream) {
    let (lane, there) = lane();
    (waiters.take(|| Ok(lane)).unwrap().unwrap(), there)
}

/// One that has to be there already.
fn idle(waiters: &Arc<Waiters>) -> Option<Waiter> {
    let nobody = || Err(Cause::protocol("there is none"));
    waiters.take(nobody).ok().flatten()
}

fn answer(there: &mut UnixStream, object: PlasmaObject, with_file: bool) {
    let files: &[_] = if object.is_present() { &[(FILE, 4104)] } else { &[] };
    there.write_all(&reply(|e, out| e.get_reply(out, &[(id(1), object)], files))).unwrap();
    if with_file {
        send_fd(&*there, file().as_fd(), b"f").unwrap();
    }
}

fn is_closed(there: &mut UnixStream) -> bool {
    there.set_nonblocking(true).unwrap();
    let mut bytes = Vec::new();
    there.read_to_end(&mut bytes).is_ok()
}

#[test]
fn what_has_given_all_back_is_used_again_and_knows_its_files() {
    let waiters = Arc::new(Waiters::new(1));
    let (mut waiter, mut there) = open(&waiters);
    for with_file in [true, false] {
        waiter.ask(vec![id(1)], -1).unwrap();
        answer(&mut there, object(), with_file);
        waiter.wait().unwrap();
        waiter.release(false).unwrap();
        waiter = idle(&waiters).unwrap();
        assert!(idle(&waiters).is_none(), "it has one user");
    }
    // A file that is to be unmapped comes again.
    for (fallback_allocated, with_file) in [(true, false), (false, true)] {
        waiter.ask(vec![id(1)], -1).unwrap();
        answer(&mut there, PlasmaObject { fallback_allocated, ..object() }, with_file);
        waiter.wait().unwrap();
        if fallback_allocated {
            let released = reply(|e, out| e.release_reply(out, &id(1), true, PlasmaError::Ok));
            there.write_all(&released).unwrap();
        }
        waiter.release(false).unwrap();
        waiter = idle(&waiters).unwrap();
    }
    drop(waiter);
    assert!(is_closed(&mut there));
}

#[test]
fn who_holds_or_waits_for_something_is_closed() {
    let waiters = Arc::new(Waiters::new(4));
    let (mut waits, mut first) = open(&waiters);
    waits.ask(vec![id(1)], -1).unwrap();
    drop(waits);
    let (mut holds, mut second) = open(&waiters);
    holds.ask(vec![id(1)], -1).unwrap();
    answer(&mut second, object(), true);
    holds.wait().unwrap();
    drop(holds);
    assert!(is_closed(&mut first) && is_closed(&mut second) && idle(&waiters).is_none());
}

#[test]
fn no_more_than_so_many_stay() {
    let waiters = Arc::new(Waiters::new(2));
    let mut opened: Vec<_> = (0..3).map(|_| open(&waiters)).collect();
    let mut stores = Vec::new();
    for (mut waiter, mut there) in opened.drain(..) {
        waiter.ask(vec![id(1)], 5).unwrap();
        answer(&mut there, PlasmaObject::MISSING, false);
        waiter.wait().unwrap();
        waiter.release(false).unwrap();
        stores.push(there);
    }
    assert_eq!(stores.iter_mut().filter_map(|there| is_closed(there).then_some(())).count(), 1);
}

#[test]
fn a_connection_asks_for_capabilities_once() {
    let waiters = Arc::new(Waiters::new(1));
    let (mut waiter, mut there) = open(&waiters);
    waiter.greet(0).unwrap();
    there.write_all(&reply(|e, out| e.connect_reply(out, 1, 2))).unwrap();
    for _ in 0..3 {
        waiter.greet(2).unwrap();
        waiter.ask(vec![id(1)], -1).unwrap();
        answer(&mut there, PlasmaObject::MISSING, false);
        waiter.wait().unwrap();
        waiter.release(false).unwrap();
        waiter = idle(&waiters).unwrap();
    }
}

#[test]
fn closing_wakes_who_waits_and_lets_nobody_wait_again() {
    let waiters = Arc::new(Waiters::new(4));
    let (mut waiter, mut there) = open(&waiters);
    waiter.ask(vec![id(1)], -1).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.wait());
        waiters.close();
        assert!(matches!(waiting.join().unwrap(), Err(Cause::Disconnected { .. })));
    });
    drop(waiter);
    assert!(is_closed(&mut there));
    let (lane, mut there) = lane();
    assert!(waiters.take(|| Ok(lane)).unwrap().is_none());
    assert!(is_closed(&mut there));
}
