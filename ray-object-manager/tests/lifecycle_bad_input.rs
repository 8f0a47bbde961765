//! Requests that make no sense: an error, nothing changed, nothing evicted.

mod common;

use common::allocators::{real, Counting, Watched};
use common::id;
use ray_object_manager::plasma::allocator::Allocator;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource, PlasmaError};
use ray_object_manager::plasma::eviction_policy::Victim;
use ray_object_manager::plasma::obj_lifecycle_mgr::{PlasmaLifecycle, MAX_CREATE_TRIES};
use ray_object_manager::plasma::plasma_allocator::PlasmaAllocator;

const LIMIT: i64 = 1 << 20;
const WORKER: ObjectSource = ObjectSource::CREATED_BY_WORKER;

fn create<A: Allocator>(
    manager: &mut PlasmaLifecycle<A>,
    number: u16,
    size: i64,
) -> Result<(), PlasmaError> {
    manager.create_object(&ObjectInfo::new(id(number), size, 0), WORKER, false).map(drop)
}

/// A sealed object that nobody uses.
fn put<A: Allocator>(manager: &mut PlasmaLifecycle<A>, number: u16, size: i64) {
    create(manager, number, size).unwrap();
    manager.seal_object(&id(number)).unwrap();
}

/// A manager with evictable objects of half the limit together.
fn half_full<A: Allocator>(allocator: A) -> PlasmaLifecycle<A> {
    let mut manager = PlasmaLifecycle::over_allocator(allocator);
    for number in 0..8 {
        put(&mut manager, number, LIMIT / 16);
    }
    manager
}

fn changes_nothing<A: Allocator>(
    manager: &mut PlasmaLifecycle<A>,
    request: impl FnOnce(&mut PlasmaLifecycle<A>),
) {
    let before = (*manager.stats(), manager.policy().statistics().clone(), manager.allocated());
    let objects = manager.table().len();
    request(manager);
    let after = (*manager.stats(), manager.policy().statistics().clone(), manager.allocated());
    assert_eq!(after, before);
    assert_eq!(manager.table().len(), objects);
    assert_eq!(manager.next_deleted(), None);
}

fn impossible_sizes() -> Vec<ObjectInfo> {
    let mut infos = Vec::new();
    for (data, metadata) in [
        (-1, 0),
        (0, -1),
        (-1, 1),
        (1, -1),
        (i64::MIN, 0),
        (i64::MIN, i64::MIN),
        (i64::MAX, 1),
        (i64::MAX, i64::MAX),
        (i64::MAX - 1, 1),
        (i64::MAX, 0),
        (i64::MAX - 64, 0),
        (1 << 62, 1 << 62),
        (LIMIT + 1, 0),
        (LIMIT, 1),
        (1, LIMIT),
        (1 << 62, 0),
    ] {
        for is_mutable in [false, true] {
            infos.push(ObjectInfo { is_mutable, ..ObjectInfo::new(id(999), data, metadata) });
        }
    }
    infos
}

#[test]
fn impossible_sizes_are_out_of_memory_and_evict_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut manager = half_full(real(LIMIT, directory.path()));
    for info in impossible_sizes() {
        changes_nothing(&mut manager, |manager| {
            let created = manager.create_object(&info, WORKER, false);
            assert_eq!(created, Err(PlasmaError::OutOfMemory), "{info:?}");
        });
    }
    manager.table().allocator().check_invariants().unwrap();
}

#[test]
fn impossible_sizes_get_no_file_either() {
    let directory = tempfile::tempdir().unwrap();
    let mut manager = half_full(real(LIMIT, directory.path()));
    for info in impossible_sizes().into_iter().filter(|info| {
        info.data_size
            .checked_add(info.metadata_size)
            .is_none_or(|size| !(0..1 << 61).contains(&size))
    }) {
        changes_nothing(&mut manager, |manager| {
            let created = manager.create_object(&info, WORKER, true);
            assert_eq!(created, Err(PlasmaError::OutOfMemory), "{info:?}");
        });
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn an_object_above_the_limit_gets_a_file_and_evicts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut manager = half_full(real(LIMIT, directory.path()));
    let info = ObjectInfo::new(id(99), LIMIT + 1, 0);
    let object = manager.create_object(&info, WORKER, true).unwrap();
    assert!(manager.table().object(object).is_fallback_allocated());
    assert_eq!(manager.table().len(), 9);
    assert_eq!(manager.next_deleted(), None);
    assert_eq!(manager.table().allocator().fallback_allocated(), LIMIT + 1);
    manager.abort_object(&id(99)).unwrap();
    assert_eq!(manager.table().allocator().fallback_allocated(), 0);
}

#[test]
fn no_fallback_directory_is_an_error_and_not_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let mut manager = half_full(real(LIMIT, &missing));
    changes_nothing(&mut manager, |manager| {
        let info = ObjectInfo::new(id(99), LIMIT + 1, 0);
        assert_eq!(manager.create_object(&info, WORKER, true), Err(PlasmaError::OutOfMemory));
    });
}

#[test]
fn empty_objects_are_objects() {
    let directory = tempfile::tempdir().unwrap();
    let mut manager = half_full(real(LIMIT, directory.path()));
    let allocated = manager.allocated();
    put(&mut manager, 100, 0);
    put(&mut manager, 101, 0);
    assert_eq!(manager.allocated(), allocated);
    let address = |number| manager.get(&id(number)).unwrap().allocation().address;
    assert_ne!(address(100), address(101));
    assert_eq!(manager.stats().evictable.objects, 10);
    assert_eq!(manager.delete_object(&id(100)), Ok(()));
    assert_eq!(manager.delete_object(&id(101)), Ok(()));
}

#[test]
fn the_whole_limit_can_be_one_object() {
    let directory = tempfile::tempdir().unwrap();
    let mut manager = half_full(real(LIMIT, directory.path()));
    create(&mut manager, 100, LIMIT).unwrap();
    assert_eq!(manager.allocated(), LIMIT);
    for number in 0..8 {
        assert_eq!(manager.next_deleted(), Some(id(number)));
    }
    assert_eq!(manager.next_deleted(), None);
}

#[test]
fn an_id_is_there_once() {
    let mut manager = half_full(Counting::new(LIMIT, 0));
    for size in [0, 1, LIMIT, -1, i64::MAX] {
        changes_nothing(&mut manager, |manager| {
            assert_eq!(create(manager, 3, size), Err(PlasmaError::ObjectExists));
        });
    }
    assert_eq!(manager.delete_object(&id(3)), Ok(()));
    assert_eq!(manager.next_deleted(), Some(id(3)));
    assert_eq!(create(&mut manager, 3, 1), Ok(()));
}

#[test]
fn what_is_not_there_cannot_be_used() {
    let mut manager = half_full(Counting::new(LIMIT, 0));
    let missing = id(77);
    changes_nothing(&mut manager, |manager| {
        assert_eq!(manager.get_object(&missing), None);
        assert_eq!(manager.seal_object(&missing), None);
        assert_eq!(manager.abort_object(&missing), Err(PlasmaError::ObjectNonexistent));
        assert_eq!(manager.delete_object(&missing), Err(PlasmaError::ObjectNonexistent));
        assert!(!manager.add_reference(&missing));
        assert!(!manager.remove_reference(&missing));
        assert!(!manager.is_object_sealed(&missing));
    });
    assert!(manager.eager_deletions().is_empty());
}

#[test]
fn wrong_calls_on_what_is_there() {
    let mut manager = half_full(Counting::new(LIMIT, 0));
    changes_nothing(&mut manager, |manager| {
        assert_eq!(manager.seal_object(&id(0)), None, "sealed twice");
        assert_eq!(manager.abort_object(&id(0)), Err(PlasmaError::ObjectSealed));
        assert!(!manager.remove_reference(&id(0)), "it has none");
    });
}

#[test]
fn no_space_is_required_with_nothing_or_less() {
    let mut manager = half_full(Counting::new(LIMIT, 0));
    for size in [0, -1, i64::MIN] {
        changes_nothing(&mut manager, |manager| assert_eq!(manager.require_space(size), 0));
    }
    assert_eq!(manager.require_space(i64::MAX), LIMIT / 2, "all that there is");
    assert!(manager.table().is_empty());
}

#[test]
fn creation_is_tried_eleven_times() {
    let mut manager = PlasmaLifecycle::over_allocator(Watched::new(Counting::new(LIMIT, 0)));
    let requests = |manager: &PlasmaLifecycle<Watched<Counting>>| {
        std::iter::from_fn(|| manager.table().allocator().next_request()).count()
    };
    for (refusals, outcome) in [(10, Ok(())), (11, Err(PlasmaError::OutOfMemory))] {
        manager.table().allocator().inner.refuse(refusals);
        assert_eq!(create(&mut manager, 1, 100), outcome);
        assert_eq!(requests(&manager), MAX_CREATE_TRIES);
        if outcome.is_ok() {
            manager.abort_object(&id(1)).unwrap();
        }
    }
}

#[test]
fn objects_in_use_are_not_evicted() {
    let mut manager = half_full(Counting::new(LIMIT, 0));
    for number in 0..8 {
        assert!(manager.add_reference(&id(number)));
    }
    changes_nothing(&mut manager, |manager| {
        assert_eq!(create(manager, 99, LIMIT / 2 + 1), Err(PlasmaError::OutOfMemory));
        assert_eq!(manager.require_space(1), 0);
    });
}

#[test]
fn an_eager_deletion_waits_for_the_last_reference() {
    let mut manager = PlasmaLifecycle::over_allocator(Counting::new(LIMIT, 0));
    create(&mut manager, 1, 10).unwrap();
    manager.add_reference(&id(1));
    assert_eq!(manager.delete_object(&id(1)), Err(PlasmaError::ObjectNotSealed));
    manager.seal_object(&id(1)).unwrap();
    manager.add_reference(&id(1));
    assert_eq!(manager.delete_object(&id(1)), Err(PlasmaError::ObjectInUse));
    manager.remove_reference(&id(1));
    assert_eq!(manager.next_deleted(), None);
    manager.remove_reference(&id(1));
    assert_eq!(manager.next_deleted(), Some(id(1)));
    assert_eq!(manager.next_deleted(), None);
    assert!(manager.eager_deletions().is_empty());
    // The wish went with the object: the next one of this id stays.
    put(&mut manager, 1, 10);
    manager.add_reference(&id(1));
    manager.remove_reference(&id(1));
    assert!(manager.is_object_sealed(&id(1)));
}

#[test]
fn an_aborted_object_is_not_announced() {
    let mut manager = PlasmaLifecycle::over_allocator(Counting::new(LIMIT, 0));
    create(&mut manager, 1, 10).unwrap();
    manager.add_reference(&id(1));
    assert_eq!(manager.delete_object(&id(1)), Err(PlasmaError::ObjectNotSealed));
    assert_eq!(manager.abort_object(&id(1)), Ok(()));
    assert_eq!(manager.next_deleted(), None);
    assert!(manager.eager_deletions().is_empty());
    assert_eq!(manager.stats().in_use.objects, 0);
}

fn over_plasma() -> PlasmaLifecycle<PlasmaAllocator> {
    PlasmaLifecycle::over_allocator(real(LIMIT, &std::env::temp_dir()))
}

#[test]
#[should_panic(expected = "is not sealed while ref count becomes 0")]
fn an_unsealed_object_keeps_its_last_reference() {
    let mut manager = over_plasma();
    create(&mut manager, 1, 10).unwrap();
    manager.add_reference(&id(1));
    manager.remove_reference(&id(1));
}

#[test]
#[should_panic(expected = "To evict an object it must have been sealed")]
fn an_unsealed_object_is_not_evicted() {
    let mut manager = over_plasma();
    create(&mut manager, 1, 10).unwrap();
    manager.require_space(1);
}

#[test]
#[should_panic(expected = "there must be no clients currently using it")]
fn a_used_object_is_not_evicted() {
    let mut manager = over_plasma();
    put(&mut manager, 1, 10);
    manager.add_reference(&id(1));
    manager.evict(&[Victim { key: id(1), object: None }]);
}

#[test]
#[should_panic(expected = "To evict an object it must be in the object table")]
fn a_missing_object_is_not_evicted() {
    over_plasma().evict(&[Victim { key: id(1), object: None }]);
}
