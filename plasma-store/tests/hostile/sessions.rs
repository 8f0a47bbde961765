//! Random sessions of several clients, whose every answer is what the model says.

use std::net::Shutdown;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::protocol::{MessageType, Reply};
use ray_object_manager::plasma::store::disk::DiskMonitor;
use ray_object_manager::plasma::store::{NoHooks, PlasmaStore, StoreConfig, StoreSnapshot};
use tempfile::TempDir;

use crate::harness::{
    abort, bytes, connect, contains, create, creation, delete, get, id, release, retry, seal, Came,
    Talker,
};
use crate::model::{scaled, Act, Heard, Model, Numbers, CLIENTS};

const OBJECTS: u8 = 6;
const MEMORY: i64 = 256 << 10;

fn acts() -> impl Strategy<Value = (usize, Act)> {
    let object = || 0..OBJECTS;
    let create = (object(), prop::bool::weighted(0.2), any::<bool>(), prop::bool::weighted(0.2));
    let act = prop_oneof![
        8 => create.prop_map(|(object, large, immediately, mutable)| {
            Act::Create { object, large, immediately, mutable }
        }),
        8 => object().prop_map(Act::Seal),
        2 => object().prop_map(Act::Abort),
        6 => (vec(object(), 0..4), any::<bool>()).prop_map(|(objects, waits)| Act::Get(objects, waits)),
        5 => (object(), any::<bool>()).prop_map(|(object, unmap)| Act::Release(object, unmap)),
        3 => vec(object(), 0..4).prop_map(Act::Delete),
        2 => object().prop_map(Act::Contains),
        1 => object().prop_map(Act::Retry),
        1 => Just(Act::Connect),
        1 => vec(any::<u8>(), 24..80).prop_map(Act::Nonsense),
        1 => Just(Act::Goodbye),
        1 => Just(Act::Leave),
    ];
    (0..CLIENTS, act)
}

fn message(act: &Act) -> Vec<u8> {
    let ids =
        |objects: &[u8]| objects.iter().map(|object| id((*object).into())).collect::<Vec<_>>();
    match act {
        Act::Create { object, large, immediately, mutable } => {
            let size = if *large { 1 << 20 } else { 1000 };
            let mut request = creation(id((*object).into()), size);
            request.try_immediately = *immediately;
            request.is_mutable = *mutable;
            request.metadata_size = u64::from(*object);
            create(&request)
        }
        Act::Seal(object) => seal(id((*object).into())),
        Act::Abort(object) => abort(id((*object).into())),
        Act::Get(objects, waits) => get(&ids(objects), if *waits { -1 } else { 0 }),
        Act::Release(object, may_unmap) => release(id((*object).into()), *may_unmap),
        Act::Delete(objects) => delete(&ids(objects)),
        Act::Contains(object) => contains(id((*object).into())),
        Act::Retry(object) => retry(id((*object).into()), 1 << 40),
        Act::Connect => connect(),
        Act::Nonsense(nonsense) => nonsense.clone(),
        Act::Goodbye => bytes(|encoder, out| encoder.disconnect(out)),
        Act::Leave => Vec::new(),
    }
}

fn heard(came: Came) -> Heard {
    let number = |id: &ray_common::ObjectId| id.as_bytes()[0];
    let message = match came {
        Came::Closed => return Heard::Closed,
        Came::Fd(_) => return Heard::Fd,
        Came::Message(message) => message,
    };
    match Reply::decode(MessageType(message.kind), &message.body).unwrap() {
        Reply::Create(reply) => {
            let error = reply.result.expect("nothing waits").err();
            Heard::Create(number(&reply.object_id), error.map_or(0, |error| error as i32))
        }
        Reply::Abort { object_id } => Heard::Abort(number(&object_id)),
        Reply::Seal { object_id, error } => Heard::Seal(number(&object_id), error as i32),
        Reply::Get(reply) => {
            let present = reply.objects.iter().map(|object| object.is_present());
            Heard::Get(reply.object_ids.iter().map(|id| number(&id)).zip(present).collect())
        }
        Reply::Release { object_id, should_unmap, .. } => {
            Heard::Release(number(&object_id), should_unmap)
        }
        Reply::Delete { object_ids, errors } => {
            let errors = errors.iter().map(|error| *error as i32);
            Heard::Delete(object_ids.iter().map(|id| number(&id)).zip(errors).collect())
        }
        Reply::Contains { object_id, has_object } => {
            Heard::Contains(number(&object_id), has_object)
        }
        Reply::Connect { .. } => Heard::Connect,
        other => panic!("{other:?}"),
    }
}

struct Server {
    store: PlasmaStore<PlasmaAllocator>,
    directory: TempDir,
}

impl Server {
    fn start(grace_period_s: i64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
            plasma_directory: directory.path().to_owned(),
            fallback_directory: directory.path().to_owned(),
            footprint_limit: MEMORY,
            hugepage_enabled: false,
            preallocate: false,
            exclude_from_core_dump: true,
        })
        .unwrap();
        let mut config = StoreConfig::new(directory.path().join("store"));
        config.threads = 2;
        config.grace_period_s = grace_period_s;
        let disk = DiskMonitor::new(Vec::new(), 1.0, Duration::ZERO);
        let store = PlasmaStore::start(config, allocator, Arc::new(NoHooks::new(disk))).unwrap();
        Self { store, directory }
    }

    fn talker(&self) -> Talker {
        Talker::to(&self.directory.path().join("store"))
    }

    /// A session is over: deletes what is sealed, and sees that nothing else is left.
    fn is_empty(&self) {
        self.until(|now| now.clients == 0);
        let mut cleaner = self.talker();
        cleaner.ask(&delete(&(0..OBJECTS).map(|object| id(object.into())).collect::<Vec<_>>()));
        drop(cleaner);
        let now = self.until(|now| now.clients == 0);
        let left = (now.allocated, now.fallback_allocated, now.objects, now.references);
        assert_eq!(left, (0, 0, 0, 0), "bytes, bytes in files, objects, references: {now:?}");
        let waits = (now.pending_gets, now.pending_creates, now.pending_create_bytes);
        assert_eq!((waits, now.untaken_creates, now.eager_deletions), ((0, 0, 0), 0, 0), "{now:?}");
        assert_eq!((now.stats.in_use.bytes, now.stats.unsealed.bytes), (0, 0));
        assert_eq!((now.stats.evictable.bytes, now.stats.spillable.bytes), (0, 0));
        self.store.with_allocator(|allocator| allocator.check_invariants()).unwrap();
    }

    fn until(&self, wanted: impl Fn(&StoreSnapshot) -> bool) -> StoreSnapshot {
        let started = Instant::now();
        loop {
            let now = self.store.snapshot();
            if wanted(&now) {
                return now;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{now:?}");
            thread::yield_now();
        }
    }
}

/// Runs a session in which each act is over before the next begins.
fn in_turn(server: &Server, acts: &[(usize, Act)]) {
    let mut model = Model::default();
    let mut clients: Vec<Talker> = (0..CLIENTS).map(|_| server.talker()).collect();
    for (at, (who, act)) in acts.iter().enumerate() {
        clients[*who].say(&message(act));
        let mut gone = matches!(act, Act::Leave);
        for (client, expected) in model.does(*who, act) {
            let came = heard(clients[client].hear());
            assert_eq!(came, expected, "what client {client} hears at {at}: {act:?}");
            gone |= came == Heard::Closed;
        }
        if gone {
            let others = CLIENTS - 1;
            drop(clients.remove(*who));
            server.until(|now| now.clients == others);
            clients.insert(*who, server.talker());
        }
        // What has no answer has happened when the next is answered.
        assert_eq!(heard(clients[*who].ask(&connect())), Heard::Connect, "after {at}: {act:?}");
        let now = server.store.snapshot();
        let numbers = Numbers {
            objects: now.objects,
            references: now.references,
            pending_gets: now.pending_gets,
            eager_deletions: now.eager_deletions,
        };
        assert_eq!(numbers, model.numbers(), "after {at}: {act:?}");
    }
    drop(clients);
    server.is_empty();
}

/// Runs a session in which each client says all it has to say at once, and reads or does not.
fn at_once(server: &Server, acts: &[(usize, Act)]) {
    let mut said = vec![Vec::new(); CLIENTS];
    for (who, act) in acts {
        if matches!(act, Act::Leave) {
            // What came before is said; the rest is another client's.
            let mut client = server.talker();
            client.say(&std::mem::take(&mut said[*who]));
        }
        said[*who].extend(message(act));
    }
    let mut clients: Vec<Talker> = (0..CLIENTS).map(|_| server.talker()).collect();
    for (client, said) in clients.iter_mut().zip(&said) {
        let (first, rest) = said.split_at(said.len() / 2);
        client.say(first);
        client.say(rest);
    }
    for (number, mut client) in clients.into_iter().enumerate() {
        if number % 2 == 0 {
            let _ = client.0.stream().shutdown(Shutdown::Write);
            while !matches!(client.hear(), Came::Closed) {}
        }
    }
    server.is_empty();
}

/// Runs `test` on so many random sessions. One that fails is made as short as it can be, and shown with the seed.
fn hold(name: &str, sessions: usize, test: impl Fn(&[(usize, Act)])) {
    let seed: u64 = std::env::var("PLASMA_RS_TEST_SEED")
        .map_or(1, |seed| seed.parse().expect("PLASMA_RS_TEST_SEED is a whole number"));
    let mut from = [0; 32];
    from[..8].copy_from_slice(&seed.to_le_bytes());
    for (place, letter) in from[8..].iter_mut().zip(name.bytes()) {
        *place = letter;
    }
    let config = Config {
        cases: u32::try_from(scaled(sessions)).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        max_shrink_time: 20_000, // milliseconds
        ..Config::default()
    };
    println!("{name}: {} sessions, PLASMA_RS_TEST_SEED={seed}", config.cases);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &from);
    let outcome = TestRunner::new_with_rng(config, random).run(&vec(acts(), 1..80), |acts| {
        test(&acts);
        Ok::<(), TestCaseError>(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, acts)) => {
            panic!("{name} with PLASMA_RS_TEST_SEED={seed}: {reason}\nin this session: {acts:#?}")
        }
        Err(TestError::Abort(reason)) => panic!("{name} with seed {seed}: {reason}"),
    }
}

#[test]
fn every_answer_is_the_models() {
    // A session that fails leaves its store in a state that the next must not begin with.
    let server = std::cell::RefCell::new(Some(Server::start(0)));
    hold("sessions in turn", 10_000, |acts| {
        let running = server.borrow_mut().take().unwrap_or_else(|| Server::start(0));
        in_turn(&running, acts);
        *server.borrow_mut() = Some(running);
    });
}

#[test]
fn whatever_is_said_at_once_nothing_is_left() {
    for (name, grace_period_s) in [("sessions at once", 0), ("sessions that wait", 3600)] {
        let server = std::cell::RefCell::new(Some(Server::start(grace_period_s)));
        hold(name, 10_000, |acts| {
            let running =
                server.borrow_mut().take().unwrap_or_else(|| Server::start(grace_period_s));
            at_once(&running, acts);
            *server.borrow_mut() = Some(running);
        });
    }
}
