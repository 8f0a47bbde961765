//! The counters for every way through the life of an object.

mod common;

use common::allocators::Counting;
use common::id;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource};
use ray_object_manager::plasma::obj_lifecycle_mgr::PlasmaLifecycle;
use ray_object_manager::plasma::object_store::{ObjectStore, ObjectTable};
use ray_object_manager::plasma::stats_collector::{ObjectStatsCollector, StatsCollector, Tally};

const SIZE: i64 = 100;
const ONE: Tally = Tally { objects: 1, bytes: SIZE };
const NONE: Tally = Tally { objects: 0, bytes: 0 };

fn manager(source: i32) -> PlasmaLifecycle<Counting> {
    let mut manager = PlasmaLifecycle::over_allocator(Counting::new(1 << 20, 1 << 20));
    manager.create_object(&ObjectInfo::new(id(1), SIZE, 0), ObjectSource(source), false).unwrap();
    manager
}

/// Spillable, unsealed, in use, evictable.
fn states(manager: &PlasmaLifecycle<Counting>) -> [Tally; 4] {
    let stats = manager.stats();
    [stats.spillable, stats.unsealed, stats.in_use, stats.evictable]
}

#[test]
fn a_workers_object_through_its_life() {
    let mut manager = manager(0);
    assert_eq!(states(&manager), [NONE, ONE, NONE, NONE]);
    manager.add_reference(&id(1));
    assert_eq!(states(&manager), [NONE, ONE, ONE, NONE]);
    manager.seal_object(&id(1));
    assert_eq!(states(&manager), [ONE, NONE, ONE, NONE]);
    manager.add_reference(&id(1));
    assert_eq!(states(&manager), [NONE, NONE, ONE, NONE]);
    manager.remove_reference(&id(1));
    assert_eq!(states(&manager), [ONE, NONE, ONE, NONE]);
    manager.remove_reference(&id(1));
    assert_eq!(states(&manager), [NONE, NONE, NONE, ONE]);
    manager.delete_object(&id(1)).unwrap();
    assert_eq!(
        manager.stats(),
        &ObjectStatsCollector { created_total: ONE, ..ObjectStatsCollector::default() }
    );
}

#[test]
fn only_a_workers_object_is_spillable() {
    for source in [1, 2, 3, 4, -1, i32::MAX] {
        let mut manager = manager(source);
        manager.add_reference(&id(1));
        manager.seal_object(&id(1));
        assert_eq!(states(&manager), [NONE, NONE, ONE, NONE]);
    }
}

#[test]
fn an_object_counts_under_its_source() {
    for (source, expected) in [
        (0, [ONE, NONE, NONE, NONE]),
        (1, [NONE, ONE, NONE, NONE]),
        (2, [NONE, NONE, ONE, NONE]),
        (3, [NONE, NONE, NONE, ONE]),
        (4, [NONE; 4]),
        (-1, [NONE; 4]),
    ] {
        let mut manager = manager(source);
        let stats = manager.stats();
        let sources = [stats.created_by_worker, stats.restored, stats.received, stats.errored];
        assert_eq!(sources, expected);
        assert_eq!(stats.num_bytes_created_current(), sources.iter().map(|t| t.bytes).sum::<i64>());
        assert_eq!(stats.created_total, ONE);
        manager.abort_object(&id(1)).unwrap();
        assert_eq!(manager.stats().num_bytes_created_current(), 0);
    }
}

#[test]
fn bytes_count_where_they_lie() {
    let mut manager = PlasmaLifecycle::over_allocator(Counting::new(SIZE, 1 << 20));
    for number in [1, 2] {
        let info = ObjectInfo::new(id(number), SIZE, 0);
        manager.create_object(&info, ObjectSource::CREATED_BY_WORKER, true).unwrap();
        manager.add_reference(&id(number));
    }
    let at = |manager: &PlasmaLifecycle<Counting>| {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(in_file, sealed)| manager.stats().bytes_at(in_file, sealed))
    };
    assert_eq!(at(&manager), [SIZE, 0, SIZE, 0]);
    manager.seal_object(&id(2));
    assert_eq!(at(&manager), [SIZE, 0, 0, SIZE]);
    manager.abort_object(&id(1)).unwrap();
    assert_eq!(at(&manager), [0, 0, 0, SIZE]);
}

#[test]
fn the_dump_names_every_counter() {
    let mut manager = manager(3);
    manager.add_reference(&id(1));
    assert_eq!(
        manager.stats().to_string(),
        "- objects spillable: 0\n- bytes spillable: 0\n- objects unsealed: 1\n- bytes unsealed: 100\n\
         - objects in use: 1\n- bytes in use: 100\n- objects evictable: 0\n- bytes evictable: 0\n\n\
         - objects created by worker: 0\n- bytes created by worker: 0\n- objects restored: 0\n\
         - bytes restored: 0\n- objects received: 0\n- bytes received: 0\n- objects errored: 1\n\
         - bytes errored: 100\n"
    );
}

#[test]
#[should_panic(expected = "a sealed object is sealed")]
fn an_unsealed_object_is_not_counted_as_sealed() {
    let mut store = ObjectStore::new(Counting::new(1000, 0));
    let info = ObjectInfo::new(id(1), SIZE, 0);
    let object = store.create_object(&info, ObjectSource::CREATED_BY_WORKER, false).unwrap();
    let mut stats = ObjectStatsCollector::default();
    stats.on_object_created(&store, object);
    stats.on_object_sealed(&store, object);
}

#[test]
#[should_panic(expected = "fewer than no bytes")]
fn more_cannot_go_than_came() {
    let mut store = ObjectStore::new(Counting::new(1000, 0));
    let info = ObjectInfo::new(id(1), SIZE, 0);
    let object = store.create_object(&info, ObjectSource::CREATED_BY_WORKER, false).unwrap();
    ObjectStatsCollector::default().on_object_deleting(&store, object);
}
