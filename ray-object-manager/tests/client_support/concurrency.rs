//! Clients with several threads, and clients whose store goes.

use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::{bytes, id, until, Store};
use ray_object_manager::plasma::client::{
    Cause, ConnectOptions, CreateOptions, RawClient, Timeout,
};

pub(crate) fn a_get_waits_for_the_seal_and_hinders_nobody<S: Store>() {
    let store = S::start();
    let client = store.client();
    let (first, second) = (id(), id());
    client.put(first, b"1", b"").unwrap();
    let mut buffer = client.create(&CreateOptions::new(second, 1)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.get(&[second, first, second], Timeout::Never));
        // While it waits, the same client works.
        for _ in 0..50 {
            client.put(id(), b"x", b"").unwrap();
            assert!(client.contains(first).unwrap());
        }
        assert!(!waiting.is_finished());
        buffer.data_mut()[0] = b'2';
        buffer.seal().unwrap();
        let got: Vec<u8> =
            waiting.join().unwrap().unwrap().iter().map(|b| b.as_ref().unwrap()[0]).collect();
        assert_eq!(got, b"212");
    });
    store.expect_idle();
}

pub(crate) fn many_gets_wait_at_once<S: Store>() {
    let store = S::start();
    let (client, writer) = (store.client(), store.client());
    for round in 0..3 {
        let ids: Vec<_> = (0..12).map(|_| id()).collect();
        thread::scope(|scope| {
            for (seed, id) in ids.iter().enumerate() {
                let client = client.clone();
                scope.spawn(move || {
                    let buffer = client.get_one(*id, Timeout::Never).unwrap();
                    assert!(*buffer == *bytes(seed, 3000));
                });
            }
            // Everybody waits for the first one, too.
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(client.get(&ids, Timeout::Never).unwrap().len(), 12));
            }
            for (seed, id) in ids.iter().enumerate().rev() {
                writer.put(*id, &bytes(seed, 3000), b"").unwrap();
            }
        });
        assert_eq!(client.delete(&ids).unwrap().len(), 12, "round {round}");
        until("nothing is left", || ids.iter().all(|id| !writer.contains(*id).unwrap()));
    }
    store.expect_idle();
}

pub(crate) fn a_get_that_times_out_brings_what_there_is<S: Store>() {
    let store = S::start();
    let client = store.client();
    let (there, later, missing) = (id(), id(), id());
    client.put(there, b"there", b"").unwrap();
    thread::scope(|scope| {
        let started = Instant::now();
        let waiting = scope.spawn(|| {
            client.get(&[missing, later, there], Timeout::After(Duration::from_millis(300)))
        });
        store.client().put(later, b"later", b"").unwrap();
        let got = waiting.join().unwrap().unwrap();
        assert!(started.elapsed() >= Duration::from_millis(299));
        assert!(got[0].is_none());
        assert_eq!(got[1].as_ref().unwrap().data(), b"later");
        assert_eq!(got[2].as_ref().unwrap().data(), b"there");
    });
    store.expect_idle();
}

pub(crate) fn threads_share_a_client<S: Store>() {
    const THREADS: usize = 4;
    let store = S::start();
    let client = store.client();
    let shared: Vec<_> = (0..8).map(|_| id()).collect();
    for (seed, id) in shared.iter().enumerate() {
        client.put(*id, &bytes(seed, 4000), b"shared").unwrap();
    }
    let gone = AtomicUsize::new(0);
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (client, shared, gone, start) = (&client, &shared, &gone, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..300_usize {
                    let seed = (round * 7 + number) % shared.len();
                    // The first and the last reference come and go at any moment of the others.
                    let got = client.get(&[shared[seed], shared[seed]], Timeout::Never).unwrap();
                    let copy = got[0].clone().unwrap();
                    drop(got);
                    assert!(*copy == *bytes(seed, 4000) && copy.metadata() == b"shared");
                    let own = id();
                    client.put(own, &bytes(round, 2000), b"").unwrap();
                    let buffer = client.get_one(own, Timeout::Never).unwrap();
                    assert!(*buffer == *bytes(round, 2000));
                    client.delete(&[own]).unwrap();
                    drop(buffer);
                    gone.fetch_add(usize::from(!client.contains(own).unwrap()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(gone.into_inner(), THREADS * 300);
    store.expect_idle();
}

pub(crate) fn disconnecting_wakes_who_waits<S: Store>() {
    let store = S::start();
    let client = store.client();
    let (here, missing) = (id(), id());
    client.put(here, b"here", b"").unwrap();
    let held = client.get_one(here, Timeout::Immediate).unwrap();
    let unsealed = client.create(&CreateOptions::new(id(), 10)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.get_one(missing, Timeout::Never).unwrap_err());
        client.disconnect();
        let error = waiting.join().unwrap();
        assert!(matches!(error.cause, Cause::Disconnected { .. }), "{error}");
        assert!(error.to_string().contains("this client has disconnected"), "{error}");
    });
    assert_eq!(held.data(), b"here");
    assert!(!client.is_connected());
    assert!(unsealed.seal().is_err());
    client.reconnect().unwrap();
    // What the old buffers do has nothing to do with the new connection.
    let again = client.get_one(here, Timeout::Immediate).unwrap();
    drop(held.clone());
    drop(held);
    assert_eq!(again.data(), b"here");
    assert!(client.contains(here).unwrap());
    drop(again);
    store.expect_idle();
}

pub(crate) fn is_disconnected<T: std::fmt::Debug>(
    result: ray_object_manager::plasma::client::Result<T>,
) -> bool {
    matches!(result.unwrap_err().cause, Cause::Disconnected { .. })
}

pub(crate) fn when_the_store_goes_everything_fails_and_nothing_hangs<S: Store>() {
    let store = S::start();
    let client = store.client();
    let (here, missing) = (id(), id());
    client.put(here, b"here", b"m").unwrap();
    let held = client.get_one(here, Timeout::Immediate).unwrap();
    let mut unsealed = client.create(&CreateOptions::new(id(), 10)).unwrap();
    let dropped = client.create(&CreateOptions::new(id(), 10)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.get_one(missing, Timeout::Never));
        drop(store);
        assert!(is_disconnected(waiting.join().unwrap()));
    });
    assert!(is_disconnected(client.get(&[missing], Timeout::Never)));
    assert!(is_disconnected(client.get(&[here], Timeout::Never)), "even what is in hand");
    assert!(is_disconnected(client.create(&CreateOptions::new(missing, 1))));
    assert!(is_disconnected(client.contains(here)));
    assert!(is_disconnected(client.delete(&[here])));
    assert!(is_disconnected(client.debug_string()));
    assert_eq!((held.data(), held.metadata()), (&b"here"[..], &b"m"[..]));
    drop(held);
    unsealed.data_mut().fill(1);
    assert!(is_disconnected(unsealed.seal()));
    drop(dropped);
    assert!(!client.is_connected());
}

pub(crate) fn rays_counts<S: Store>() {
    let store = S::start();
    let client = RawClient::connect(&store.socket(), &ConnectOptions::default()).unwrap();
    let count = |id| client.in_use(&id).map_or(0, |in_use| in_use.count);
    let [a, b, mutable] = [id(), id(), id()];

    let object = client.create(&CreateOptions::new(a, 4).metadata(b"m")).unwrap();
    assert_eq!((count(a), object.data_size(), object.metadata_size()), (2, 4, 1));
    assert!(client.contains(&a).unwrap(), "in use, though not sealed");
    // SAFETY: the object is this test's alone.
    unsafe { object.writable_data_ptr().unwrap().as_ptr().copy_from(b"data".as_ptr(), 4) };
    client.seal(&a).unwrap();
    assert_eq!(count(a), 1);
    assert!(matches!(client.seal(&a).unwrap_err().cause, Cause::AlreadySealed));
    assert!(matches!(client.abort(&a).unwrap_err().cause, Cause::AlreadySealed));
    let got = client.get(&[a, a], -1).unwrap();
    assert_eq!(got[1].as_ref().unwrap().data_ptr(), object.data_ptr());
    assert_eq!(count(a), 3);
    client.delete(&[a]).unwrap();
    for left in [2, 1, 0] {
        client.release(&a).unwrap();
        assert_eq!(count(a), left);
    }
    assert!(!client.contains(&a).unwrap());
    assert!(matches!(client.release(&a).unwrap_err().cause, Cause::NotFound));
    assert!(matches!(client.seal(&a).unwrap_err().cause, Cause::NotFound));

    client.create(&CreateOptions::new(b, 4)).unwrap();
    assert!(matches!(client.abort(&b).unwrap_err().cause, Cause::InUse));
    client.release(&b).unwrap();
    assert!(matches!(client.release(&b).unwrap_err().cause, Cause::NotSealed));
    client.abort(&b).unwrap();
    assert_eq!(count(b), 0);

    let object = client.create(&CreateOptions::new(mutable, 4).mutable()).unwrap();
    client.seal(&mutable).unwrap();
    assert_eq!(count(mutable), 2);
    assert!(object.is_mutable() && object.header_ptr().is_ok());
    client.disconnect();
    client.release(&mutable).unwrap();
    assert_eq!(count(mutable), 1, "only counted");
    store.expect_idle();
}

pub(crate) fn a_fork_gets_errors_and_disturbs_nobody<S: Store>() {
    let store = S::start();
    let client = store.client();
    let [held, other] = [id(), id()];
    client.put(held, b"held", b"").unwrap();
    let buffer = client.get_one(held, Timeout::Immediate).unwrap();
    let in_fork = {
        let (client, copy) = (client.clone(), buffer.clone());
        let mut copy = Some(copy);
        move || {
            drop(copy.take());
            client.disconnect();
            match client.contains(other) {
                Err(error) if matches!(error.cause, Cause::Forked { .. }) => {
                    Err(std::io::Error::from_raw_os_error(42))
                }
                _ => Ok(()),
            }
        }
    };
    let mut command = std::process::Command::new("true");
    // SAFETY: between fork and exec it reads memory and frees some.
    let error = unsafe { command.pre_exec(in_fork) }.spawn().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(42));
    assert!(!client.contains(other).unwrap());
    drop(command);
    assert_eq!(buffer.data(), b"held");
    assert_eq!(client.delete(&[held]).unwrap().len(), 1);
    drop(buffer);
    assert!(!client.contains(held).unwrap());
    store.expect_idle();
}
