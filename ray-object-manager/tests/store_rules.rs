//! The object table by itself.

mod common;

use common::allocators::{real, Counting, Watched};
use common::id;
use ray_object_manager::plasma::allocator::Allocator;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource};
use ray_object_manager::plasma::object_header::OBJECT_HEADER_SIZE;
use ray_object_manager::plasma::object_store::{ObjectStore, ObjectTable};

const LIMIT: i64 = 1 << 20;
const WORKER: ObjectSource = ObjectSource::CREATED_BY_WORKER;

fn info(number: u16, size: i64) -> ObjectInfo {
    ObjectInfo {
        owner_ip_address: format!("10.0.0.{number}"),
        owner_port: 1234,
        ..ObjectInfo::new(id(number), size, 3)
    }
}

fn store() -> ObjectStore<Watched<Counting>> {
    ObjectStore::new(Watched::new(Counting::new(LIMIT, LIMIT)))
}

#[test]
fn a_new_object_is_unsealed_and_unused() {
    let mut store = store();
    let source = ObjectSource::RESTORED_FROM_STORAGE;
    let object = store.create_object(&info(1, 100), source, false).unwrap();
    let entry = store.object(object);
    assert_eq!(entry.info(), info(1, 100));
    assert_eq!((entry.sealed(), entry.ref_count(), entry.source()), (false, 0, source));
    assert_eq!(entry.construct_duration(), -1);
    assert_eq!(entry.allocation().size, 103);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(entry.create_time().unsigned_abs().abs_diff(now) <= 2, "seconds since 1970");
    assert_eq!(store.seal_object(&id(1)), Some(object));
    assert!(store.object(object).sealed());
    assert!((0..=2).contains(&store.object(object).construct_duration()));
    assert_eq!(store.seal_object(&id(1)), None, "sealed twice");
    assert_eq!(store.seal_object(&id(2)), None, "no such object");
}

#[test]
fn objects_stay_while_others_come_and_go() {
    let mut store = store();
    let mut names = std::collections::HashMap::new();
    for round in 0..5_u16 {
        for number in 0..2000 {
            if store.get_object(&id(number)).is_none() {
                let object = store.create_object(&info(number, 8), WORKER, false).unwrap();
                names.insert(number, object);
            }
        }
        for (&number, &object) in &names {
            assert_eq!(store.get_object(&id(number)), Some(object));
            assert_eq!(store.object(object).info(), info(number, 8));
        }
        for number in (0..2000).filter(|number| (number + round) % 3 != 0) {
            assert!(store.delete_by_key(&id(number)));
            names.remove(&number);
        }
        assert_eq!(store.len(), names.len());
        assert_eq!(store.iter().count(), names.len());
    }
}

#[test]
fn refused_memory_leaves_the_table_as_it_was() {
    let mut store = store();
    assert!(store.create_object(&info(1, LIMIT), WORKER, false).is_none(), "3 bytes too many");
    assert!(store.get_object(&id(1)).is_none());
    assert!(store.is_empty());
    assert!(store.create_object(&info(1, LIMIT - 3), WORKER, false).is_some());
    assert!(store.create_object(&info(2, 0), WORKER, false).is_none());
    let in_file = store.create_object(&info(2, 0), WORKER, true).unwrap();
    assert!(store.object(in_file).is_fallback_allocated());
    assert_eq!(store.len(), 2);
    for (data, metadata) in [(-1, 0), (0, -1), (i64::MAX, 1)] {
        let info = ObjectInfo::new(id(3), data, metadata);
        assert!(store.create_object(&info, WORKER, true).is_none(), "{info:?}");
    }
    assert_eq!(store.len(), 2);
}

#[test]
fn memory_goes_back_with_the_object() {
    let mut store = store();
    for number in 0..100 {
        store.create_object(&info(number, 1000), WORKER, number % 2 == 0).unwrap();
    }
    assert!(store.delete_by_key(&id(50)));
    assert!(!store.delete_by_key(&id(50)), "it is gone");
    assert_eq!(store.allocator().allocated(), 99 * 1003);
    store.clear();
    assert!(store.is_empty());
    assert_eq!(store.allocator().allocated(), 0);
    assert_eq!(store.allocator().num_live(), 0);
}

#[test]
fn a_mutable_object_begins_with_a_fresh_header() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = ObjectStore::new(real(LIMIT, directory.path()));
    let info = ObjectInfo { is_mutable: true, ..info(1, 100) };
    let object = store.create_object(&info, WORKER, false).unwrap();
    let allocation = store.object(object).allocation();
    assert_eq!(allocation.size, 103 + OBJECT_HEADER_SIZE);
    // SAFETY: the memory is mapped and as long as the header, and nobody writes to it.
    let header = unsafe { std::slice::from_raw_parts(allocation.address, 96) };
    let name = String::from_utf8_lossy(&header[4..36]);
    assert!(name.starts_with(&format!("{}-", std::process::id())), "{name}");
    assert!(header[40..].iter().all(|&byte| byte == 0), "no version, no readers, not sealed");
}

#[test]
#[should_panic(expected = "already exists!")]
fn an_id_is_there_once() {
    let mut store = store();
    store.create_object(&info(1, 1), WORKER, false);
    store.create_object(&info(1, 1), WORKER, false);
}

#[test]
#[should_panic(expected = "no record of this number")]
fn a_deleted_object_cannot_be_reached() {
    let mut store = store();
    let object = store.create_object(&info(1, 1), WORKER, false).unwrap();
    store.create_object(&info(2, 1), WORKER, false);
    store.delete_object(&id(1), object);
    store.object(object);
}

/// An object's record knows the number of its piece, so its memory is found without a table of all pieces by their offsets.
#[test]
fn a_store_frees_by_number() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = ObjectStore::new(real(256 << 20, directory.path()));
    let mut most = 0;
    for round in 0..3 {
        for number in 0..10_000 {
            store.create_object(&info(number, object_size(number)), WORKER, false).unwrap();
            most = most.max(store.allocator().bookkeeping_bytes());
        }
        for number in (0..10_000).filter(|number| round == 2 || number % 3 == round) {
            assert!(store.delete_by_key(&id(number)));
            let now = store.allocator().bookkeeping_bytes();
            assert!(now <= most, "{now} bytes, at most {most} before something was freed");
        }
        for number in 0..10_000 {
            store.delete_by_key(&id(number));
        }
        store.allocator().check_invariants().unwrap();
    }
    // Who knows the address alone causes a table to be made, so the figures above would have shown it.
    let mut allocator = real(1 << 20, directory.path());
    let allocation = allocator.allocate(5000).unwrap();
    let before = allocator.bookkeeping_bytes();
    allocator.free_address(allocation.address as usize).unwrap();
    assert!(allocator.bookkeeping_bytes() > before);
}

/// Some rest in quick lists when they are freed, most do not.
fn object_size(number: u16) -> i64 {
    i64::from(number) * 37 % 20_000
}
