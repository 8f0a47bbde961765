//! The core under loom, which runs every order of its steps: references that come and go against puts, gets, deletions and eviction,
//! and tasks that sleep against what wakes them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Condvar, Mutex};
use loom::thread;
use ray_common::ObjectId;

use crate::config::EvictionPolicy;
use crate::core::{Border, Content, Core, Lock, Read};
use crate::table::{Keep, Place, State, Table, Unshared};

impl<T: Send> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.lock().unwrap())
    }
}

/// What a plasma store would have: which objects it deletes when nobody holds them.
struct Far {
    deleted: Mutex<Vec<ObjectId>>,
}

/// An object there, held.
type Held = Arc<ObjectId>;

impl Border for Far {
    type Held = Held;

    fn let_go<L: Lock<Table<Held>> + 'static>(
        &self,
        _: &Arc<Core<L, Self>>,
        unshared: Unshared<Held>,
    ) -> Vec<ObjectId> {
        if unshared.delete {
            self.deleted.lock().unwrap().push(unshared.id);
        }
        unshared.nested
    }
}

type Modelled = Core<Mutex<Table<Held>>, Far>;

/// Data of an object in the model, and a limit in such objects.
const DATA: &[u8] = &[7; 100];

fn store(objects: usize) -> Arc<Modelled> {
    let limit = objects * Table::<Held>::charge(DATA.len(), 0);
    Core::new(Table::new(limit, EvictionPolicy::Lru), Far { deleted: Mutex::new(Vec::new()) })
}

fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 28])
}

fn put(store: &Arc<Modelled>, number: u8, keep: Keep) -> bool {
    put_with(store, number, keep, &[])
}

fn put_with(store: &Arc<Modelled>, number: u8, keep: Keep, nested: &[ObjectId]) -> bool {
    let content = Content { data: DATA, metadata: b"", nested, keep };
    store.put(&id(number), &content).is_ok()
}

/// Reads an object in memory, if it is there, and sees that all of it is.
fn read(store: &Arc<Modelled>, number: u8) -> bool {
    match store.read(&id(number), true) {
        Read::Memory { data, .. } => {
            check(store);
            assert_eq!(&data[..], DATA);
            true
        }
        Read::Shared(_) | Read::Nothing(_) => false,
    }
}

fn check(store: &Arc<Modelled>) {
    store.look(|table| table.check());
}

fn expect_idle(store: &Arc<Modelled>) {
    check(store);
    let stats = store.look(|table| table.stats());
    assert!(stats.is_idle(), "{stats:?}");
}

fn model(work: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    // How often a thread may lose its turn in the middle of something.
    let is_full = std::env::var_os("PLASMA_RS_TEST_SCALE").is_some_and(|scale| scale == "full");
    model.preemption_bound = Some(if is_full { 4 } else { 2 });
    model.max_branches = 50_000;
    model.check(work);
}

#[test]
fn the_last_of_several_references_frees() {
    model(|| {
        let store = store(1);
        assert!(put(&store, 1, Keep::References));
        store.retain(&id(1));
        store.retain(&id(1));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let store = Arc::clone(&store);
                thread::spawn(move || {
                    assert!(read(&store, 1), "it is referred to");
                    store.release(&id(1));
                })
            })
            .collect();
        assert!(read(&store, 1), "it is referred to");
        store.release(&id(1));
        others.into_iter().for_each(|other| other.join().unwrap());
        expect_idle(&store);
    });
}

#[test]
fn a_get_by_id_meets_the_last_drop() {
    model(|| {
        let store = store(1);
        assert!(put(&store, 1, Keep::References));
        let other = Arc::clone(&store);
        let reader = thread::spawn(move || {
            // It is there and whole, or it is not there.
            let found = read(&other, 1);
            let state = other.retain(&id(1));
            assert!(found || state == State::Pending || state == State::Memory);
            if state == State::Memory {
                assert!(read(&other, 1), "it is referred to");
            }
            other.release(&id(1));
        });
        store.release(&id(1));
        reader.join().unwrap();
        expect_idle(&store);
    });
}

#[test]
fn what_is_referred_to_is_not_evicted() {
    model(|| {
        let store = store(1);
        assert!(put(&store, 1, Keep::Store));
        let other = Arc::clone(&store);
        let referring = thread::spawn(move || {
            if other.retain(&id(1)) == State::Memory {
                assert!(read(&other, 1), "it is referred to");
                thread::yield_now();
                assert!(read(&other, 1), "it is referred to");
            }
            other.release(&id(1));
        });
        let evicted = put(&store, 2, Keep::Store);
        check(&store);
        referring.join().unwrap();
        check(&store);
        // One of them is there, and may go.
        let stats = store.look(|table| table.stats());
        assert_eq!((stats.evictable.objects, stats.memory().objects), (1, 1));
        assert_eq!(stats.counters.evictions, u64::from(evicted));
    });
}

#[test]
fn two_puts_never_pass_the_limit() {
    model(|| {
        let store = store(1);
        let puts: Vec<_> = (1..=2)
            .map(|number| {
                let store = Arc::clone(&store);
                thread::spawn(move || {
                    let done = put(&store, number, Keep::Store);
                    check(&store);
                    done
                })
            })
            .collect();
        check(&store);
        let done: Vec<bool> = puts.into_iter().map(|put| put.join().unwrap()).collect();
        assert!(done.contains(&true));
        check(&store);
        assert_eq!(store.look(|table| table.stats()).memory().objects, 1);
    });
}

#[test]
fn one_of_two_puts_of_an_id_wins() {
    model(|| {
        let store = store(2);
        let other = Arc::clone(&store);
        let second = thread::spawn(move || put(&other, 1, Keep::References));
        let first = put(&store, 1, Keep::References);
        assert!(first != second.join().unwrap());
        store.release(&id(1));
        expect_idle(&store);
    });
}

#[test]
fn a_deletion_meets_readers_and_the_last_drop() {
    model(|| {
        let store = store(1);
        assert!(put(&store, 1, Keep::References));
        let (reading, deleting) = (Arc::clone(&store), Arc::clone(&store));
        let reader = thread::spawn(move || read(&reading, 1));
        let deleter = thread::spawn(move || {
            deleting.change(|table, effects| table.delete(&id(1), effects));
            check(&deleting);
        });
        store.release(&id(1));
        reader.join().unwrap();
        deleter.join().unwrap();
        expect_idle(&store);
    });
}

#[test]
fn what_is_nested_goes_after_what_contains_it() {
    model(|| {
        let store = store(2);
        assert!(put(&store, 1, Keep::References));
        assert!(put_with(&store, 2, Keep::References, &[id(1)]));
        store.release(&id(1));
        let other = Arc::clone(&store);
        let reader = thread::spawn(move || {
            if read(&other, 2) {
                // Whoever reads the outer one makes references while he does.
                other.retain(&id(1));
                other.release(&id(1));
            }
        });
        let reads = store.read(&id(2), true);
        store.release(&id(2));
        assert!(read(&store, 1), "what contains it is being read");
        drop(reads);
        reader.join().unwrap();
        expect_idle(&store);
    });
}

#[test]
fn an_object_behind_the_border_is_deleted_once() {
    model(|| {
        let store = store(0);
        assert!(store.change(|table, effects| table.begin(&id(1), None, effects)).is_ok());
        store.change(|table, effects| {
            let held = Place::Shared(Arc::new(id(1)));
            table.finish(&id(1), held, b"", &[], Keep::References, effects);
        });
        store.retain(&id(1));
        let other = Arc::clone(&store);
        let second = thread::spawn(move || {
            assert!(matches!(other.read(&id(1), true), Read::Shared(_)));
            other.release(&id(1));
        });
        store.release(&id(1));
        second.join().unwrap();
        assert_eq!(*store.border.deleted.lock().unwrap(), [id(1)]);
        expect_idle(&store);
    });
}

/// A task that sleeps on a condition of loom's: if nobody wakes it, loom finds a deadlock.
struct Sleeper {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

fn block_on(future: impl Future<Output = ()>) {
    let sleeper = Arc::new(Sleeper { woken: Mutex::new(false), changed: Condvar::new() });
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut future = pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        let mut woken = sleeper.woken.lock().unwrap();
        while !*woken {
            woken = sleeper.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

#[test]
fn who_awaits_an_object_is_woken() {
    model(|| {
        let store = store(2);
        store.retain(&id(1));
        store.retain(&id(2));
        let other = Arc::clone(&store);
        let producer = thread::spawn(move || {
            assert!(put(&other, 1, Keep::Store));
            assert!(put(&other, 2, Keep::Store));
        });
        block_on(store.arrival(vec![id(1), id(2)], 2));
        assert!(read(&store, 1) && read(&store, 2));
        producer.join().unwrap();
        assert_eq!(store.look(|table| table.stats()).waits, 0);
    });
}

#[test]
fn a_broken_promise_wakes_too() {
    model(|| {
        let store = store(1);
        store.look(|table| table.promise(&id(1)));
        store.retain(&id(1));
        let other = Arc::clone(&store);
        let producer = thread::spawn(move || {
            other.change(|table, effects| table.lose(&id(1), effects));
            other.release(&id(1));
        });
        block_on(store.arrival(vec![id(1)], 1));
        assert_eq!(store.look(|table| table.state(&id(1))), Some(State::Lost));
        producer.join().unwrap();
        store.release(&id(1));
        expect_idle(&store);
    });
}

#[test]
fn a_wait_that_is_dropped_leaves_nothing() {
    model(|| {
        let store = store(1);
        store.retain(&id(1));
        let other = Arc::clone(&store);
        let producer = thread::spawn(move || put(&other, 1, Keep::References));
        {
            let mut arrival = pin!(store.arrival(vec![id(1)], 1));
            let sleeper = Arc::new(Sleeper { woken: Mutex::new(false), changed: Condvar::new() });
            let waker = Waker::from(sleeper);
            let _ = arrival.as_mut().poll(&mut Context::from_waker(&waker));
        }
        assert!(producer.join().unwrap());
        store.release(&id(1));
        store.release(&id(1));
        expect_idle(&store);
    });
}
