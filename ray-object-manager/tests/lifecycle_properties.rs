//! The lifecycle manager against a model, over an allocator that only counts and over the real one.

mod common;

use common::allocators::{real, Counting, Watched};
use common::lifecycle_model::{Model, Object};
use common::{hold, id};
use proptest::prelude::*;
use ray_object_manager::plasma::allocator::Allocator;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource};
use ray_object_manager::plasma::obj_lifecycle_mgr::PlasmaLifecycle;

const LIMIT: i64 = 1 << 20;
const IDS: u16 = 160;

#[derive(Debug, Clone)]
enum Operation {
    Create(Creation),
    Seal(u16),
    Abort(u16),
    Delete(u16),
    AddReference(u16),
    RemoveReference(u16),
    RequireSpace(i64),
    /// The allocator refuses the next so many requests.
    Refuse(u32),
}

#[derive(Debug, Clone)]
struct Creation {
    id: u16,
    data_size: i64,
    metadata_size: i64,
    is_mutable: bool,
    source: i32,
    fallback: bool,
    reference: bool,
}

fn creation() -> impl Strategy<Value = Creation> {
    let data_size = prop_oneof![
        4 => 0..2048_i64,
        8 => 0..64 * 1024_i64,
        1 => 0..LIMIT / 3,
        1 => LIMIT - 128..LIMIT + 128,
    ];
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.3), prop::bool::weighted(0.9));
    (0..IDS, data_size, prop_oneof![3 => Just(0_i64), 1 => 0..300_i64], -1..5_i32, flags).prop_map(
        |(id, data_size, metadata_size, source, (is_mutable, fallback, reference))| Creation {
            id,
            data_size,
            metadata_size,
            is_mutable,
            source,
            fallback,
            reference,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        30 => creation().prop_map(Operation::Create),
        25 => (0..IDS).prop_map(Operation::Seal),
        4 => (0..IDS).prop_map(Operation::Abort),
        6 => (0..IDS).prop_map(Operation::Delete),
        12 => (0..IDS).prop_map(Operation::AddReference),
        30 => (0..IDS).prop_map(Operation::RemoveReference),
        1 => (-5..LIMIT / 2).prop_map(Operation::RequireSpace),
        2 => (0..14_u32).prop_map(Operation::Refuse),
    ]
}

/// A manager and its model in step.
struct Pair<A: Allocator> {
    manager: PlasmaLifecycle<Watched<A>>,
    model: Model,
    steps: usize,
}

impl<A: Allocator> Pair<A> {
    fn new(allocator: A) -> Self {
        let model = Model::new(allocator.footprint_limit());
        let manager = PlasmaLifecycle::over_allocator(Watched::new(allocator));
        Self { manager, model, steps: 0 }
    }

    fn run(&mut self, operations: Vec<Operation>, refuse: impl Fn(&A, u32)) {
        for operation in operations {
            match operation {
                Operation::Create(creation) => {
                    self.seal_unused();
                    self.create(&creation);
                }
                Operation::Seal(number) => self.seal(number),
                Operation::Abort(number) => self.abort(number),
                Operation::Delete(number) => self.delete(number),
                Operation::AddReference(number) => self.add_reference(number),
                Operation::RemoveReference(number) => self.remove_reference(number),
                Operation::RequireSpace(bytes) => {
                    self.seal_unused();
                    assert_eq!(self.manager.require_space(bytes), self.model.evict(bytes));
                    self.compare();
                }
                Operation::Refuse(requests) => {
                    refuse(&self.manager.table().allocator().inner, requests);
                }
            }
        }
        self.finish();
    }

    fn create(&mut self, creation: &Creation) {
        let info = ObjectInfo {
            is_mutable: creation.is_mutable,
            ..ObjectInfo::new(id(creation.id), creation.data_size, creation.metadata_size)
        };
        let header = if creation.is_mutable { 96 } else { 0 };
        let size = creation.data_size + creation.metadata_size + header;
        let source = ObjectSource(creation.source);
        let created = self.manager.create_object(&info, source, creation.fallback);
        if let Ok(object) = created {
            assert_eq!(self.manager.table().object(object).info(), info);
        }
        let allocator = self.manager.table().allocator();
        let modelled = self
            .model
            .create(info.object_id, size, source, creation.fallback, || allocator.next_request());
        assert_eq!(created.map(drop), modelled);
        assert_eq!(allocator.next_request(), None, "the allocator was asked too often");
        self.compare();
        if creation.reference && modelled.is_ok() {
            self.add_reference(creation.id);
        }
    }

    fn seal(&mut self, number: u16) {
        let sealed = self.manager.seal_object(&id(number)).is_some();
        assert_eq!(sealed, self.model.seal(&id(number)));
        self.compare();
    }

    fn abort(&mut self, number: u16) {
        assert_eq!(self.manager.abort_object(&id(number)), self.model.abort(&id(number)));
        self.compare();
    }

    fn delete(&mut self, number: u16) {
        assert_eq!(self.manager.delete_object(&id(number)), self.model.delete(&id(number)));
        self.compare();
    }

    fn add_reference(&mut self, number: u16) {
        assert_eq!(self.manager.add_reference(&id(number)), self.model.add_reference(&id(number)));
        self.compare();
    }

    /// The last reference of an unsealed object may not be taken away, which has a test of its own.
    fn remove_reference(&mut self, number: u16) {
        let object = self.model.objects.get(&id(number));
        if object.is_some_and(|object| !object.sealed && object.references == 1) {
            return;
        }
        let removed = self.manager.remove_reference(&id(number));
        assert_eq!(removed, self.model.remove_reference(&id(number)));
        self.compare();
    }

    /// An unused object that is not sealed may not be evicted, which has a test of its own.
    fn seal_unused(&mut self) {
        for number in self.numbers(|object| !object.sealed && object.references == 0) {
            self.seal(number);
        }
    }

    fn numbers(&self, which: impl Fn(&Object) -> bool) -> Vec<u16> {
        (0..IDS).filter(|&n| self.model.objects.get(&id(n)).is_some_and(&which)).collect()
    }

    fn compare(&mut self) {
        for expected in self.model.deleted.drain(..) {
            assert_eq!(self.manager.next_deleted(), Some(expected));
        }
        assert_eq!(self.manager.next_deleted(), None);
        let (manager, model) = (&self.manager, &self.model);
        assert_eq!(manager.stats(), &model.counters());
        assert_eq!(manager.allocated(), model.allocated());
        assert_eq!(manager.table().allocator().fallback_allocated(), model.in_files());
        assert_eq!(manager.table().allocator().num_live(), model.objects.len());
        assert_eq!(manager.table().len(), model.objects.len());
        let unused = manager.policy().statistics();
        assert_eq!(unused.num_objects, model.unused.len());
        assert_eq!(unused.used_capacity, model.unused_bytes());
        assert_eq!(unused.num_evictions_total, model.evicted.objects);
        assert_eq!(unused.bytes_evicted_total, model.evicted.bytes);
        assert_eq!(manager.policy().pinned_memory_bytes(), model.pinned);
        self.steps += 1;
        if self.steps.is_multiple_of(64) {
            self.compare_objects();
        }
    }

    fn compare_objects(&self) {
        let eager = self.manager.eager_deletions();
        assert_eq!(eager.len(), self.model.eager.len());
        assert!(self.model.eager.iter().all(|id| eager.contains(id)));
        for number in 0..IDS {
            let found = self.manager.get(&id(number)).map(|object| {
                assert_eq!(object.info().object_id, id(number));
                let facts = object.facts();
                Object {
                    size: facts.size,
                    source: facts.source,
                    in_file: facts.fallback_allocated,
                    sealed: facts.sealed,
                    references: facts.ref_count,
                }
            });
            assert_eq!(found.as_ref(), self.model.objects.get(&id(number)));
            let sealed = found.is_some_and(|object| object.sealed);
            assert_eq!(self.manager.is_object_sealed(&id(number)), sealed);
        }
        assert_eq!(self.manager.table().iter().count(), self.model.objects.len());
    }

    /// Every object goes the way that is open to it.
    fn finish(&mut self) {
        self.compare_objects();
        for number in self.numbers(|object| !object.sealed) {
            self.abort(number);
        }
        for number in self.numbers(|object| object.references > 0) {
            while self.model.objects.get(&id(number)).is_some_and(|object| object.references > 0) {
                self.remove_reference(number);
            }
        }
        for number in self.numbers(|_| true) {
            self.delete(number);
        }
        assert!(self.manager.table().is_empty());
        assert!(self.manager.eager_deletions().is_empty());
        assert_eq!(self.manager.allocated(), 0);
    }
}

#[test]
fn as_the_model_over_an_allocator_that_counts() {
    hold("lifecycle over counting", 700_000, operation(), |operations| {
        Pair::new(Counting::new(LIMIT, 2 * LIMIT)).run(operations, Counting::refuse);
    });
}

#[test]
fn as_the_model_over_the_real_allocator() {
    let directory = tempfile::tempdir().unwrap();
    hold("lifecycle over plasma", 300_000, operation(), |operations| {
        let mut pair = Pair::new(real(LIMIT, directory.path()));
        pair.run(operations, |_, _| {});
        let allocator = &pair.manager.table().allocator().inner;
        allocator.check_invariants().unwrap();
        assert_eq!(allocator.num_live(), 0);
        let whole = usize::try_from(LIMIT).unwrap();
        assert_eq!(allocator.free_bytes(), whole);
        assert_eq!(allocator.largest_free_block(), whole, "all merged again");
    });
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no file is left behind");
}
