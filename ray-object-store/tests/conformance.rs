//! What every store does: the same tests over memory, plasma, and both.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::future::{block_on, zip};
use ray_common::ObjectId;
use ray_object_store::{
    Compact, ErrorObject, ErrorType, Keep, MessagePack, NewObject, ObjectMetadata, ObjectRef,
    Store, StoreError, Timeout,
};
use support::{memory, Plasma};

/// Runs a test over all three.
fn with_each(test: fn(&Store)) {
    test(&memory(64 << 20));
    let plasma = Plasma::start(64 << 20);
    for store in [plasma.plasma(), plasma.tiered(64 << 20)] {
        test(&store);
        support::until("the store is idle", || store.stats().is_idle());
    }
    plasma.expect_objects(0);
}

/// Large enough for plasma.
fn large() -> Vec<u64> {
    (0..20_000).collect()
}

#[test]
fn values_come_back_and_go_with_their_last_reference() {
    with_each(|store| {
        let small = store.put(&("text".to_owned(), Some(7), vec![1.5, 2.5])).unwrap();
        let numbers = store.put_with::<MessagePack, _>(&large()).unwrap();
        assert_eq!(small.get().unwrap(), ("text".to_owned(), Some(7), vec![1.5, 2.5]));
        assert_eq!(numbers.get().unwrap(), large());
        let copies: Vec<_> = (0..10).map(|_| numbers.clone()).collect();
        let id = numbers.id();
        drop(numbers);
        assert!(store.exists(id).unwrap());
        std::thread::spawn(move || drop(copies)).join().unwrap();
        assert!(!store.exists(id).unwrap());
        drop(small);
        assert!(store.stats().is_idle(), "{:?}", store.stats());
    });
}

#[test]
fn what_is_read_stays_as_long_as_it_is_kept() {
    with_each(|store| {
        let numbers = store.put_slice(&large()).unwrap();
        let view = numbers.view().unwrap();
        assert!(view.is_in_place());
        drop(numbers);
        for _ in 0..50 {
            drop(store.put_slice(&[7u64; 20_000]).unwrap());
        }
        assert_eq!(*view, *large());
        let bytes = store.put_bytes(&[5; 200_000]).unwrap();
        let part: Bytes = bytes.bytes().unwrap().slice(100..200);
        drop(bytes);
        assert_eq!(part, [5; 100].as_slice());
    });
}

#[test]
fn types_and_formats_are_checked() {
    with_each(|store| {
        let object = store.put(&7u32).unwrap();
        let wrong: ObjectRef<String> = store.reference(object.id()).unwrap();
        match wrong.get().unwrap_err() {
            StoreError::WrongType { expected, actual, .. } => {
                assert_eq!((&expected[..], &actual[..]), ("alloc::string::String", "u32"));
            }
            other => panic!("{other}"),
        }
        assert_eq!(wrong.cast::<u32>().get().unwrap(), 7);
        let bytes = store.put_bytes(b"raw").unwrap();
        assert!(matches!(
            store.reference::<[u8]>(bytes.id()).unwrap().view().unwrap_err(),
            StoreError::WrongType { .. }
        ));
        let metadata = store.metadata(object.id()).unwrap();
        assert_eq!(metadata.type_name.as_deref(), Some("u32"));
    });
}

#[test]
fn nested_references_stay_alive() {
    with_each(|store| {
        let leaf = store.put(&"leaf".to_owned()).unwrap();
        let leaves = [leaf.id()];
        // Large, so that it goes to plasma, and the leaf with it.
        let middle = store.put(&(vec![leaf], large())).unwrap();
        let root = store.put(&vec![middle]).unwrap();
        assert_eq!(store.metadata(root.get().unwrap()[0].id()).unwrap().nested, leaves);
        let (leaves, _) = root.get().unwrap()[0].get().unwrap();
        drop(root);
        assert_eq!(leaves[0].get().unwrap(), "leaf");
        let id = leaves[0].id();
        drop(leaves);
        support::until("the leaf goes", || !store.exists(id).unwrap());
        let other = memory(1 << 20);
        let foreign = other.put(&1).unwrap();
        assert!(matches!(store.put(&vec![foreign]), Err(StoreError::ForeignReference)));
    });
}

#[test]
fn who_awaits_sleeps_until_it_is_there() {
    with_each(|store| {
        let (object, promise) = store.promise::<String>();
        let awaiting = object.clone();
        let waits = std::thread::spawn(move || block_on(awaiting.into_future()).unwrap());
        support::until("it waits", || store.stats().waits == 1);
        promise.fulfil(&"done".to_owned()).unwrap();
        assert_eq!(waits.join().unwrap(), "done");

        // By id: whoever puts it later wakes.
        let id = ObjectId::random();
        let expected: ObjectRef<Vec<u64>> = store.reference(id).unwrap();
        let putter = store.clone();
        let puts = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            putter.put_at::<Compact, _>(id, &large()).unwrap()
        });
        assert_eq!(block_on(async { (&expected).await }).unwrap(), large());
        drop(puts.join().unwrap());
    });
}

use std::future::IntoFuture as _;

#[test]
fn a_promise_that_is_not_kept_is_an_error() {
    with_each(|store| {
        let (object, promise) = store.promise::<i32>();
        drop(promise);
        assert_eq!(error_type(object.get()), ErrorType::OBJECT_LOST);
        let (object, promise) = store.promise::<i32>();
        promise.fail(ErrorObject::new(ErrorType::WORKER_DIED, "signal 9")).unwrap();
        assert_eq!(error_type(object.get()), ErrorType::WORKER_DIED);
    });
}

fn error_type<T: std::fmt::Debug>(result: Result<T, StoreError>) -> ErrorType {
    result.unwrap_err().object().expect("an error object").error_type()
}

#[test]
fn errors_keep_everything() {
    with_each(|store| {
        let cause = "x".parse::<i32>().unwrap_err();
        let error = ErrorObject::new(ErrorType::TASK_EXECUTION_EXCEPTION, "task failed")
            .caused_by(&cause)
            .with_backtrace("at main");
        let object = store.put_error::<Vec<u64>>(error.clone()).unwrap();
        assert_eq!(object.get().unwrap_err().object(), Some(&error));
        let metadata = store.metadata(object.id()).unwrap();
        assert_eq!(metadata.error_type, Some(ErrorType::TASK_EXECUTION_EXCEPTION));
    });
}

#[test]
fn batches_bring_what_there_is_in_time() {
    with_each(|store| {
        let (late, promise) = store.promise();
        let references = [
            store.put(&1).unwrap(),
            late,
            store.put_error(ErrorObject::new(ErrorType::ACTOR_DIED, "gone")).unwrap(),
        ];
        let begin = Instant::now();
        let found = store.get_many(&references, Duration::from_millis(30)).unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(30));
        assert_eq!(*found[0].as_ref().unwrap().as_ref().unwrap(), 1);
        assert!(found[1].is_none());
        assert!(found[2].as_ref().unwrap().is_err());

        let ready = store.wait(&references, 2, Timeout::Never).unwrap();
        assert_eq!(ready, [true, false, true]);
        let ready = store.wait(&references, 3, Timeout::Immediate).unwrap();
        assert_eq!(ready, [true, false, true]);
        let (ready, ()) = block_on(zip(store.wait_async(&references, 3, Timeout::Never), async {
            promise.fulfil(&2).unwrap();
        }));
        assert_eq!(ready.unwrap(), [true; 3]);
        let missing: ObjectRef<i32> = store.reference(ObjectId::random()).unwrap();
        assert!(matches!(missing.get_within(Timeout::Immediate), Err(StoreError::NotFound(_))));
        let short = Duration::from_millis(1);
        assert!(matches!(missing.get_within(short), Err(StoreError::TimedOut(_))));
    });
}

#[test]
fn pins_keep_and_deletion_takes_away() {
    with_each(|store| {
        let object = store.put_slice(&large()).unwrap();
        let id = object.id();
        store.pin(id).unwrap();
        store.pin(id).unwrap();
        drop(object);
        assert!(store.exists(id).unwrap());
        assert!(matches!(store.delete(id), Err(StoreError::Pinned(_))));
        store.unpin(id).unwrap();
        assert!(store.exists(id).unwrap());
        store.unpin(id).unwrap();
        assert!(!store.exists(id).unwrap());
        assert!(matches!(store.unpin(id), Err(StoreError::NotPinned(_))));
        assert!(matches!(store.pin(id), Err(StoreError::NotFound(_))));

        let object = store.put(&large()).unwrap();
        let raw = store.get_raw(object.id()).unwrap();
        assert!(store.delete(object.id()).unwrap());
        assert_eq!(error_type(object.get()), ErrorType::OBJECT_FREED);
        assert!(raw.data.len() > 20_000, "who reads it keeps it");
        assert!(!store.delete(object.id()).unwrap());
        assert!(matches!(store.put_at::<Compact, _>(object.id(), &1), Err(StoreError::Exists(_))));
    });
}

#[test]
fn what_the_store_keeps_needs_no_reference() {
    with_each(|store| {
        let id = store.put(&large()).unwrap().detach();
        assert!(store.exists(id).unwrap());
        let object: ObjectRef<Vec<u64>> = store.reference(id).unwrap();
        assert_eq!(object.get().unwrap(), large());
        drop(object);
        assert!(store.exists(id).unwrap());
        assert!(store.delete(id).unwrap());

        let raw = ObjectId::random();
        let metadata = ObjectMetadata::new(ray_object_store::Format::RAW, "x").encode();
        let new = NewObject { keep: Keep::Store, ..NewObject::new(raw, b"data", &metadata) };
        store.objects().put_raw(&new).unwrap();
        assert!(matches!(store.objects().put_raw(&new), Err(StoreError::Exists(_))));
        assert_eq!(&store.get_raw(raw).unwrap().data[..], b"data");
        assert!(store.delete(raw).unwrap());
    });
}

#[test]
fn futures_work_on_any_executor_and_can_be_dropped() {
    with_each(|store| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_time();
        runtime.build().unwrap().block_on(async {
            let small = store.put_async(&1).await.unwrap();
            let numbers = store.put_async(&large()).await.unwrap();
            assert_eq!((small.await.unwrap(), numbers.await.unwrap()), (1, large()));
            let kept = store.put_async(&large()).await.unwrap();
            let id = kept.id();
            let again: ObjectRef<Vec<u64>> = store.reference_async(id).await.unwrap();
            assert!(store.exists_async(id).await.unwrap());
            assert!(store.metadata_async(id).await.unwrap().nested.is_empty());
            store.pin_async(id).await.unwrap();
            store.unpin(id).unwrap();
            assert!(store.delete_async(id).await.unwrap());
            assert_eq!(error_type(again.await), ErrorType::OBJECT_FREED);
            drop(kept);
            let (object, promise) = store.promise::<i32>();
            for _ in 0..20 {
                let get = object.get_async(Timeout::Never);
                let late = tokio::time::timeout(Duration::from_millis(1), get).await;
                assert!(late.is_err());
            }
            assert_eq!(store.stats().waits, 0, "a wait that was dropped leaves nothing");
            promise.fulfil(&5).unwrap();
            assert_eq!(object.await.unwrap(), 5);
            drop(store.put_async(&large())); // never polled
            let mut put = Box::pin(store.put_async(&large()));
            let _ = futures_lite::future::poll_once(&mut put).await;
            drop(put);
        });
    });
}

#[test]
fn statistics_add_up() {
    with_each(|store| {
        let before = store.stats().counters;
        let kept = store.put(&vec![1u8; 1000]).unwrap();
        let gone = store.put(&2).unwrap();
        kept.get().unwrap();
        kept.get().unwrap();
        drop(gone);
        let absent: ObjectRef<i32> = store.reference(ObjectId::random()).unwrap();
        absent.get_within(Timeout::Immediate).unwrap_err();
        let after = store.stats().counters;
        assert_eq!(after.hits - before.hits, 2);
        assert_eq!(after.misses - before.misses, 1);
        assert_eq!((after.puts - before.puts, after.freed - before.freed), (2, 1));
        drop(absent);
        let stats = store.stats();
        assert_eq!(stats.memory().objects + stats.shared, 1);
        assert_eq!(stats.used(), stats.memory().bytes);
    });
}
