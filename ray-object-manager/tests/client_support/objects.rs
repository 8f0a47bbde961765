//! What a client does with objects.

use std::thread;
use std::time::{Duration, Instant};

use super::{bytes, id, Store, MEMORY};
use ray_object_manager::plasma::client::{
    Buffer, Cause, ConnectOptions, CreateOptions, Deletion, Metadata, Timeout,
};

pub(crate) fn what_is_put_is_got<S: Store>() {
    let store = S::start();
    let client = store.client();
    for (data, metadata) in [(0, 0), (0, 3), (1, 0), (1000, 7), (3 << 20, 100)] {
        let (id, data, metadata) = (id(), bytes(data, data), bytes(9, metadata));
        assert!(!client.contains(id).unwrap());
        client.put(id, &data, &metadata).unwrap();
        assert!(client.contains(id).unwrap());
        let buffer = client.get_one(id, Timeout::Immediate).unwrap();
        assert!(buffer.data() == data && buffer.metadata() == metadata && buffer.id() == id);
        let copy = buffer.clone();
        drop(buffer);
        assert!(*copy == *data);
    }
    store.expect_idle();
}

pub(crate) fn objects_are_filled_in_place<S: Store>() {
    let store = S::start();
    let client = store.client();
    let id = id();
    let options = CreateOptions { metadata: Metadata::Later(3), ..CreateOptions::new(id, 5) };
    let mut buffer = client.create(&options).unwrap();
    buffer.data_mut().copy_from_slice(b"hello");
    buffer.metadata_mut().copy_from_slice(b"abc");
    let (data, metadata) = buffer.contents_mut();
    data[0] = b'j';
    metadata[2] = b'd';
    let sealed = buffer.seal_and_keep().unwrap();
    assert_eq!((sealed.data(), sealed.metadata()), (&b"jello"[..], &b"abd"[..]));
    drop(sealed);
    store.expect_idle();
}

pub(crate) fn results_keep_order_duplicates_and_gaps<S: Store>() {
    let store = S::start();
    let client = store.client();
    let (a, b, missing) = (id(), id(), id());
    client.put(a, b"a", b"").unwrap();
    client.put(b, b"b", b"").unwrap();
    let held = client.get_one(b, Timeout::Immediate).unwrap();
    for timeout in [Timeout::Immediate, Timeout::After(Duration::from_millis(20))] {
        let got = client.get(&[b, missing, a, b, a, missing], timeout).unwrap();
        let shown: Vec<Option<&[u8]>> =
            got.iter().map(|buffer| buffer.as_ref().map(Buffer::data)).collect();
        assert_eq!(shown, [Some(&b"b"[..]), None, Some(b"a"), Some(b"b"), Some(b"a"), None]);
    }
    assert!(client.get(&[], Timeout::Never).unwrap().is_empty());
    drop(held);
    store.expect_idle();
}

/// The answer is long, and brings the memory along.
pub(crate) fn many_objects_are_got_at_once<S: Store>() {
    let store = S::start();
    let writer = store.client();
    let ids: Vec<_> = (0..1500).map(|_| id()).collect();
    for (seed, id) in ids.iter().enumerate() {
        writer.put(*id, &bytes(seed, 10), b"").unwrap();
    }
    for count in [1500, 300, 1] {
        let reader = store.client();
        for _ in 0..3 {
            let got = reader.get(&ids[..count], Timeout::Immediate).unwrap();
            for (seed, object) in got.iter().enumerate() {
                assert_eq!(object.as_ref().unwrap().data(), bytes(seed, 10));
            }
        }
    }
    store.expect_idle();
}

pub(crate) fn an_object_seen_by_another_client_is_the_same<S: Store>() {
    let store = S::start();
    let (writer, reader) = (store.client(), store.client());
    let ids: Vec<_> = (0..50).map(|_| id()).collect();
    for (seed, id) in ids.iter().enumerate() {
        writer.put(*id, &bytes(seed, 5000), &bytes(seed, 3)).unwrap();
    }
    let got = reader.get(&ids, Timeout::Never).unwrap();
    for (seed, buffer) in got.iter().enumerate() {
        let buffer = buffer.as_ref().unwrap();
        assert!(buffer.data() == bytes(seed, 5000) && buffer.metadata() == bytes(seed, 3));
    }
}

pub(crate) fn unsealed_objects_are_nobodys<S: Store>() {
    let store = S::start();
    let (client, other) = (store.client(), store.client());
    let id = id();
    for explicit in [true, false] {
        let buffer = client.create(&CreateOptions::new(id, 100)).unwrap();
        let missing = other.get_one(id, Timeout::Immediate).unwrap_err();
        assert!(matches!(missing.cause, Cause::NotFound));
        assert!(!other.contains(id).unwrap());
        let exists = other.create(&CreateOptions::new(id, 1)).unwrap_err();
        assert!(matches!(exists.cause, Cause::ObjectExists), "{exists}");
        if explicit {
            buffer.abort().unwrap();
        }
    }
    client.put(id, b"now", b"").unwrap();
    assert_eq!(other.get_one(id, Timeout::Immediate).unwrap().data(), b"now");
    store.expect_idle();
}

pub(crate) fn deletion_tells_what_became_of_each<S: Store>() {
    let store = S::start();
    let (client, other) = (store.client(), store.client());
    let [plain, missing, held, used, unsealed] = [id(), id(), id(), id(), id()];
    for id in [plain, held, used] {
        client.put(id, b"x", b"").unwrap();
    }
    let _held = other.get_one(held, Timeout::Immediate).unwrap();
    let _used = client.get_one(used, Timeout::Immediate).unwrap();
    let _unsealed = other.create(&CreateOptions::new(unsealed, 1)).unwrap();
    let ids = [used, plain, missing, held, unsealed, plain];
    let expected = [
        Deletion::WhenReleased,
        Deletion::Done,
        Deletion::NotFound,
        Deletion::InUse,
        Deletion::NotSealed,
        Deletion::NotFound,
    ];
    assert_eq!(client.delete(&ids).unwrap(), expected);
    assert!(client.delete(&[]).unwrap().is_empty());
}

pub(crate) fn what_a_client_deletes_while_using_it_goes_with_the_last_buffer<S: Store>() {
    let store = S::start();
    let (client, other) = (store.client(), store.client());
    let id = id();
    client.put(id, b"x", b"").unwrap();
    let first = client.get_one(id, Timeout::Immediate).unwrap();
    let second = client.get_one(id, Timeout::Immediate).unwrap();
    assert_eq!(client.delete(&[id]).unwrap(), [Deletion::WhenReleased]);
    drop(first);
    assert!(other.contains(id).unwrap() && client.contains(id).unwrap());
    drop(second);
    assert!(!other.contains(id).unwrap() && !client.contains(id).unwrap());
    // It is forgotten that it was to be deleted.
    client.put(id, b"y", b"").unwrap();
    drop(client.get_one(id, Timeout::Immediate).unwrap());
    assert!(other.contains(id).unwrap());
    store.expect_idle();
}

pub(crate) fn references_are_given_back<S: Store>() {
    let store = S::start();
    let client = store.client();
    let size = MEMORY / 10;
    for seed in 0..30 {
        let id = id();
        let mut buffer = client.create(&CreateOptions::new(id, size as u64).immediately()).unwrap();
        buffer.data_mut()[0] = seed;
        assert!(!buffer.is_fallback_allocated(), "round {seed}");
        if seed % 2 == 0 {
            buffer.seal().unwrap();
        } else {
            drop(buffer.seal_and_keep().unwrap());
        }
        let got = client.get(&[id, id], Timeout::Immediate).unwrap();
        assert!(got.iter().all(|buffer| buffer.as_ref().unwrap()[0] == seed));
    }
    store.expect_idle();
}

pub(crate) fn what_is_held_is_not_evicted<S: Store>() {
    let store = S::start();
    let client = store.client();
    let (held, size) = (id(), MEMORY / 10);
    client.put(held, &bytes(1, size), b"m").unwrap();
    let buffer = client.get_one(held, Timeout::Immediate).unwrap();
    let other = bytes(2, size);
    for _ in 0..20 {
        client.put(id(), &other, b"").unwrap();
    }
    assert!(buffer.data() == bytes(1, size) && buffer.metadata() == b"m");
}

pub(crate) fn a_creation_waits_for_room<S: Store>() {
    let store = S::start_with_grace(60);
    let client = store.client();
    let size = MEMORY / 10 * 6;
    let big = client.create(&CreateOptions::new(id(), size as u64)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.create(&CreateOptions::new(id(), size as u64)));
        // It asks again and again, and never holds up this thread.
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(50) {
            assert!(!client.contains(id()).unwrap());
        }
        assert!(!waiting.is_finished());
        big.abort().unwrap();
        assert!(!waiting.join().unwrap().unwrap().is_fallback_allocated());
    });
    store.expect_idle();
}

/// What `/proc/self/maps` says of the mapping of an address.
fn mapping_of(address: *const u8) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap());
        (start..end).contains(&(address as usize))
    });
    line.map(str::to_owned)
}

pub(crate) fn what_does_not_fit_goes_to_disk_and_is_unmapped<S: Store>() {
    let store = S::start();
    let client = store.client();
    let size = MEMORY / 10 * 6;
    let held = client.create(&CreateOptions::new(id(), size as u64)).unwrap();
    for round in 0..3 {
        let id = id();
        let options = CreateOptions::new(id, size as u64).immediately();
        let mut buffer = client.create(&options).unwrap();
        assert!(buffer.is_fallback_allocated());
        let file = mapping_of(buffer.data_mut().as_ptr());
        assert!(file.is_some());
        buffer.data_mut().fill(round);
        let before = buffer.data_mut().as_ptr();
        buffer.seal().unwrap();
        assert_ne!(mapping_of(before), file, "unmapped");
        let buffer = client.get_one(id, Timeout::Immediate).unwrap();
        assert!(buffer.is_fallback_allocated() && buffer.iter().all(|byte| *byte == round));
        let again = client.get_one(id, Timeout::Immediate).unwrap();
        drop(buffer);
        assert!(again.iter().all(|byte| *byte == round));
    }
    drop(held);
    store.expect_idle();
}

pub(crate) fn errors_name_operation_and_object<S: Store>() {
    let store = S::start();
    let client = store.client();
    let id = id();
    let error = client.get_one(id, Timeout::Immediate).unwrap_err().to_string();
    assert_eq!(error, format!("get {id}: there is no such object here"));
    let started = Instant::now();
    let error = client.get_one(id, Timeout::After(Duration::from_millis(30))).unwrap_err();
    assert!(matches!(error.cause, Cause::Timeout) && started.elapsed().as_millis() >= 29);
    client.put(id, b"1", b"").unwrap();
    let error = client.put(id, b"2", b"").unwrap_err().to_string();
    assert_eq!(error, format!("create {id}: an object of this id exists"));
    let other = CreateOptions::new(ray_common::ObjectId::random(), 1).immediately();
    let options = CreateOptions { device_num: 1, ..other };
    let refused = client.create(&options).unwrap_err();
    assert!(matches!(refused.cause, Cause::OutOfMemory), "{refused}");
    let error = client.get_mutable(id).unwrap_err();
    assert!(matches!(error.cause, Cause::NotMutable));
    store.expect_idle();
}

pub(crate) fn mutable_objects_are_shared<S: Store>() {
    let store = S::start();
    let (writer, reader) = (store.client(), store.client());
    let id = id();
    let buffer = writer.create(&CreateOptions::new(id, 100).mutable()).unwrap();
    let _kept = buffer.seal_and_keep().unwrap();
    let (ours, theirs) = (writer.get_mutable(id).unwrap(), reader.get_mutable(id).unwrap());
    assert_eq!((ours.allocated_size(), theirs.id()), (100, id));
    assert_eq!(ours.data().as_ptr() as usize - ours.header().as_ptr() as usize, 96);
    // SAFETY: both lie in shared memory, and nobody else knows the object.
    unsafe {
        ours.data().write(77);
        ours.header().add(40).cast::<i64>().write(5);
        assert_eq!(theirs.data().read(), 77);
        assert_eq!(theirs.header().add(40).cast::<i64>().read(), 5);
    }
    // SAFETY: nobody writes to it meanwhile.
    let name = unsafe { std::slice::from_raw_parts(theirs.header().add(4).as_ptr(), 32) };
    assert!(name.contains(&b'-'), "the store has written the header");
}

pub(crate) fn a_reader_maps_for_reading_only<S: Store>() {
    let store = S::start();
    let writer = store.client();
    let reader = store.client_with(ConnectOptions { read_only: true, ..Default::default() });
    let id = id();
    writer.put(id, b"data", b"").unwrap();
    let buffer = reader.get_one(id, Timeout::Immediate).unwrap();
    assert_eq!(buffer.data(), b"data");
    let mapping = mapping_of(buffer.data().as_ptr()).unwrap();
    assert!(mapping.contains("r--s"), "{mapping}");
    let error = reader.create(&CreateOptions::new(ray_common::ObjectId::random(), 1)).unwrap_err();
    assert!(matches!(error.cause, Cause::ReadOnly), "{error}");
    let mutable = ray_common::ObjectId::random();
    writer.create(&CreateOptions::new(mutable, 1).mutable()).unwrap().seal().unwrap();
    assert!(matches!(reader.get_mutable(mutable).unwrap_err().cause, Cause::ReadOnly));
    assert!(reader.is_connected());
    drop(buffer);
    store.expect_idle();
}

pub(crate) fn store_tells_about_itself<S: Store>() {
    let store = S::start();
    let client = store.client();
    assert_eq!(client.memory_capacity(), i64::try_from(MEMORY).unwrap());
    assert!(!client.debug_string().unwrap().is_empty());
}
