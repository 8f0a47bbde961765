//! What Ray's lifecycle manager does, written down as simply as it can be said: a map of objects, and a list
//! of the unused ones. How the allocator answers is not modelled but taken from what it did.

use std::collections::{BTreeMap, BTreeSet};

use ray_common::ObjectId;
use ray_object_manager::plasma::common::{ObjectSource, PlasmaError};
use ray_object_manager::plasma::stats_collector::{ObjectStatsCollector, Tally};

use super::allocators::{Request, Served};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) size: i64,
    pub(crate) source: ObjectSource,
    pub(crate) in_file: bool,
    pub(crate) sealed: bool,
    pub(crate) references: i32,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    limit: i64,
    pub(crate) objects: BTreeMap<ObjectId, Object>,
    /// The unused ones, the first to go first.
    pub(crate) unused: Vec<ObjectId>,
    pub(crate) eager: BTreeSet<ObjectId>,
    /// Sealed objects that have gone since the test last looked.
    pub(crate) deleted: Vec<ObjectId>,
    pub(crate) evicted: Tally,
    /// Ray's policy adds at the first reference and subtracts at the last release only.
    pub(crate) pinned: i64,
    created: Tally,
}

impl Model {
    pub(crate) fn new(limit: i64) -> Self {
        Self { limit, ..Self::default() }
    }

    /// `next_request` is what was asked of the allocator, and how it answered.
    pub(crate) fn create(
        &mut self,
        id: ObjectId,
        size: i64,
        source: ObjectSource,
        fallback: bool,
        mut next_request: impl FnMut() -> Option<Request>,
    ) -> Result<(), PlasmaError> {
        if self.objects.contains_key(&id) {
            return Err(PlasmaError::ObjectExists);
        }
        let mut ask = |fallback| {
            let request = next_request().expect("the allocator is asked");
            assert_eq!((request.fallback, request.size), (fallback, size));
            request.served
        };
        for _ in 0..11 {
            if let Some(place) = ask(false) {
                self.add(id, size, source, place);
                return Ok(());
            }
            if size > self.limit {
                break;
            }
            let missing = self.allocated() + size - self.limit;
            if missing > self.evict(missing.max(self.limit / 5)) {
                break;
            }
        }
        let place = if fallback { ask(true) } else { None };
        self.add(id, size, source, place.ok_or(PlasmaError::OutOfMemory)?);
        Ok(())
    }

    fn add(&mut self, id: ObjectId, size: i64, source: ObjectSource, place: Served) {
        let in_file = place == Served::File;
        self.objects.insert(id, Object { size, source, in_file, sealed: false, references: 0 });
        self.unused.push(id);
        count(&mut self.created, size);
    }

    pub(crate) fn seal(&mut self, id: &ObjectId) -> bool {
        self.objects.get_mut(id).is_some_and(|object| !std::mem::replace(&mut object.sealed, true))
    }

    pub(crate) fn abort(&mut self, id: &ObjectId) -> Result<(), PlasmaError> {
        match self.objects.get(id) {
            None => Err(PlasmaError::ObjectNonexistent),
            Some(object) if object.sealed => Err(PlasmaError::ObjectSealed),
            Some(_) => {
                self.remove(id);
                Ok(())
            }
        }
    }

    pub(crate) fn delete(&mut self, id: &ObjectId) -> Result<(), PlasmaError> {
        let object = self.objects.get(id).ok_or(PlasmaError::ObjectNonexistent)?;
        if object.sealed && object.references == 0 {
            self.remove(id);
            return Ok(());
        }
        self.eager.insert(*id);
        Err(if object.sealed { PlasmaError::ObjectInUse } else { PlasmaError::ObjectNotSealed })
    }

    pub(crate) fn add_reference(&mut self, id: &ObjectId) -> bool {
        let Some(object) = self.objects.get_mut(id) else { return false };
        if object.references == 0 {
            self.unused.retain(|other| other != id);
            self.pinned += object.size;
        }
        object.references += 1;
        true
    }

    pub(crate) fn remove_reference(&mut self, id: &ObjectId) -> bool {
        let Some(object) = self.objects.get_mut(id).filter(|object| object.references > 0) else {
            return false;
        };
        object.references -= 1;
        if object.references == 0 {
            assert!(object.sealed, "the test must not do this");
            self.pinned -= object.size;
            self.unused.push(*id);
            if self.eager.contains(id) {
                self.remove(id);
            }
        }
        true
    }

    /// Evicts at least so many bytes, or all that can be.
    pub(crate) fn evict(&mut self, bytes: i64) -> i64 {
        let mut freed = 0;
        while freed < bytes && !self.unused.is_empty() {
            let id = self.unused[0];
            let object = self.objects[&id];
            assert!(object.sealed, "the test must not do this");
            freed += object.size;
            count(&mut self.evicted, object.size);
            self.remove(&id);
        }
        freed
    }

    fn remove(&mut self, id: &ObjectId) {
        let object = self.objects.remove(id).expect("an object that exists");
        self.unused.retain(|other| other != id);
        self.eager.remove(id);
        if object.sealed {
            self.deleted.push(*id);
        }
    }

    pub(crate) fn allocated(&self) -> i64 {
        self.objects.values().map(|object| object.size).sum()
    }

    pub(crate) fn in_files(&self) -> i64 {
        self.objects.values().filter(|object| object.in_file).map(|object| object.size).sum()
    }

    pub(crate) fn unused_bytes(&self) -> i64 {
        self.unused.iter().map(|id| self.objects[id].size).sum()
    }

    /// The counters from nothing but the objects.
    pub(crate) fn counters(&self) -> ObjectStatsCollector {
        let mut all =
            ObjectStatsCollector { created_total: self.created, ..ObjectStatsCollector::default() };
        for object in self.objects.values() {
            let Object { size, source, in_file, sealed, references } = *object;
            let from_worker = source == ObjectSource::CREATED_BY_WORKER;
            for (holds, tally) in [
                (sealed && references == 1 && from_worker, &mut all.spillable),
                (!sealed, &mut all.unsealed),
                (references > 0, &mut all.in_use),
                (sealed && references == 0, &mut all.evictable),
                (from_worker, &mut all.created_by_worker),
                (source == ObjectSource::RESTORED_FROM_STORAGE, &mut all.restored),
                (source == ObjectSource::RECEIVED_FROM_REMOTE_RAYLET, &mut all.received),
                (source == ObjectSource::ERROR_STORED_BY_RAYLET, &mut all.errored),
            ] {
                if holds {
                    count(tally, size);
                }
            }
            all.bytes_by_location[usize::from(in_file) * 2 + usize::from(sealed)] += size;
        }
        all
    }
}

fn count(tally: &mut Tally, size: i64) {
    tally.objects += 1;
    tally.bytes += size;
}
