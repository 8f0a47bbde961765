//! What a client does with objects.

use ray_object_manager::plasma::client::{
    AsyncPlasmaClient, Cause, ConnectOptions, CreateOptions, Deletion, Metadata, Timeout,
};

use super::{client, on_each_executor};
use crate::client_support::{bytes, id, Store, MEMORY};
use crate::our_store::OurStore;

#[test]
fn what_is_put_is_got() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = client(&store).await;
        for (data, metadata) in [(0, 0), (0, 3), (1000, 7), (3 << 20, 100)] {
            let (id, data, metadata) = (id(), bytes(data, data), bytes(9, metadata));
            assert!(!client.contains(id).await.unwrap());
            client.put(id, &data, &metadata).await.unwrap();
            assert!(client.contains(id).await.unwrap());
            let buffer = client.get_one(id, Timeout::Immediate).await.unwrap();
            assert!(buffer.data() == data && buffer.metadata() == metadata && buffer.id() == id);
            let again = client.get(&[id, id], Timeout::Never).await.unwrap();
            drop(buffer);
            assert!(again.iter().all(|buffer| **buffer.as_ref().unwrap() == *data));
        }
        store.expect_idle();
    });
}

#[test]
fn objects_are_filled_in_place_kept_and_given_up() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = client(&store).await;
        let id = id();
        let options = CreateOptions { metadata: Metadata::Later(3), ..CreateOptions::new(id, 5) };
        for explicit in [true, false] {
            let buffer = client.create(&options).await.unwrap();
            let exists = client.create(&options).await.unwrap_err();
            assert!(matches!(exists.cause, Cause::ObjectExists), "{exists}");
            if explicit {
                buffer.abort().await.unwrap();
            }
        }
        let mut buffer = client.create(&options).await.unwrap();
        buffer.data_mut().copy_from_slice(b"hello");
        buffer.metadata_mut().copy_from_slice(b"abc");
        assert!(!buffer.is_fallback_allocated() && buffer.id() == id);
        let kept = buffer.seal_and_keep().await.unwrap();
        assert_eq!((kept.data(), kept.metadata()), (&b"hello"[..], &b"abc"[..]));
        assert_eq!(client.delete(&[id]).await.unwrap(), [Deletion::WhenReleased]);
        drop(kept);
        assert!(!client.contains(id).await.unwrap(), "releases and requests stay in order");
        store.expect_idle();
    });
}

#[test]
fn mutable_objects_are_shared() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = client(&store).await;
        let (mutable, plain) = (id(), id());
        let options = CreateOptions::new(mutable, 100).mutable();
        client.create(&options).await.unwrap().seal().await.unwrap();
        client.put(plain, b"x", b"").await.unwrap();
        assert_eq!(client.get_mutable(mutable).await.unwrap().allocated_size(), 100);
        let error = client.get_mutable(plain).await.unwrap_err();
        assert!(matches!(error.cause, Cause::NotMutable));
        let error = client.get_mutable(id()).await.unwrap_err();
        assert!(matches!(error.cause, Cause::NotFound));
        store.expect_idle();
    });
}

#[test]
fn what_lies_on_disk_is_unmapped_and_comes_again() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = client(&store).await;
        let size = MEMORY / 10 * 6;
        let _held = client.create(&CreateOptions::new(id(), size as u64)).await.unwrap();
        for round in 0..3 {
            let id = id();
            let mut buffer = client.create(&CreateOptions::new(id, size as u64)).await.unwrap();
            assert!(buffer.is_fallback_allocated());
            buffer.data_mut()[size - 1] = round;
            buffer.seal().await.unwrap();
            let buffer = client.get_one(id, Timeout::Immediate).await.unwrap();
            assert_eq!(buffer[size - 1], round);
            client.delete(&[id]).await.unwrap();
        }
    });
}

#[test]
fn a_client_that_only_reads_creates_nothing() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let writer = client(&store).await;
        let options = ConnectOptions { read_only: true, ..ConnectOptions::default() };
        let reader = AsyncPlasmaClient::connect(store.socket(), options).await.unwrap();
        let before = store.store.snapshot().counters.creates;
        let error = reader.put(id(), b"x", b"").await.unwrap_err();
        assert!(matches!(error.cause, Cause::ReadOnly), "{error}");
        assert_eq!(store.store.snapshot().counters.creates, before, "nothing was sent");
        let late = id();
        let get = reader.get_one(late, Timeout::Never);
        let put = writer.put(late, b"late", b"");
        let (got, done) = futures_lite::future::zip(get, put).await;
        done.unwrap();
        assert_eq!(got.unwrap().data(), b"late");
        store.expect_idle();
    });
}

#[test]
fn a_client_connects_again_to_another_store() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = client(&store).await;
        let id = id();
        client.put(id, b"old", b"").await.unwrap();
        let old = client.get_one(id, Timeout::Immediate).await.unwrap();
        let folder = store.end();
        let error = client.debug_string().await.unwrap_err();
        assert!(matches!(error.cause, Cause::Disconnected { .. }) && !client.is_connected());
        let store = OurStore::start_in(folder, 0);
        let copy = client.clone();
        client.reconnect().await.unwrap();
        assert!(!copy.contains(id).await.unwrap());
        copy.put(id, b"new", b"").await.unwrap();
        let new = client.get_one(id, Timeout::Immediate).await.unwrap();
        assert_eq!((old.data(), new.data()), (&b"old"[..], &b"new"[..]));
        drop(old);
        assert!(copy.memory_capacity() > 0 && !copy.debug_string().await.unwrap().is_empty());
        assert!(copy.contains(id).await.unwrap(), "the old buffer was not counted");
        drop(new);
        store.expect_idle();
    });
}
