//! The eviction policy of our own store: its list runs through the objects themselves.

use super::{space_to_free, CacheStatistics, ObjectEvictionPolicy, Victim};
use crate::check::check;
use crate::plasma::allocator::Allocator;
use crate::plasma::common::ObjectDescription;
use crate::plasma::lru_list::LruList;
use crate::plasma::object_store::{KeyOf, ObjectRef, ObjectStore, Space};

/// The same rules as [`super::EvictionPolicy`], without a table of its own: an object is in the list or
/// out of it, and no key is ever looked up.
#[derive(Debug)]
pub struct LruEvictionPolicy {
    order: LruList,
    statistics: CacheStatistics,
    pinned_memory_bytes: i64,
}

impl LruEvictionPolicy {
    /// A policy for a store of this capacity in bytes.
    pub fn new(footprint_limit: i64) -> Self {
        Self {
            order: LruList::new(),
            statistics: CacheStatistics::new("global lru", footprint_limit),
            pinned_memory_bytes: 0,
        }
    }

    /// Bytes and counts of the unused objects.
    pub fn statistics(&self) -> &CacheStatistics {
        &self.statistics
    }

    /// Bytes of the objects in use.
    pub fn pinned_memory_bytes(&self) -> i64 {
        self.pinned_memory_bytes
    }

    #[inline(always)]
    fn add<A: Allocator, I: ObjectDescription>(
        &mut self,
        store: &mut ObjectStore<A, I>,
        object: ObjectRef,
    ) -> i64 {
        let (known, size) = store.set_in_lru(object, true);
        check!(!known, "an object is in the cache already");
        self.order.push_newest(store, object.0);
        self.statistics.added(size);
        size
    }

    #[inline(always)]
    fn remove<A: Allocator, I: ObjectDescription>(
        &mut self,
        store: &mut ObjectStore<A, I>,
        object: ObjectRef,
    ) -> i64 {
        let (known, size) = store.set_in_lru(object, false);
        if known {
            self.order.remove(store, object.0);
            self.statistics.removed(size);
        }
        size
    }
}

impl<A: Allocator, I: ObjectDescription> ObjectEvictionPolicy<ObjectStore<A, I>>
    for LruEvictionPolicy
{
    fn object_created(&mut self, store: &mut ObjectStore<A, I>, _key: &I::Key, object: ObjectRef) {
        self.add(store, object);
    }

    fn require_space(
        &mut self,
        store: &mut ObjectStore<A, I>,
        size: i64,
        victims: &mut Vec<Victim<ObjectStore<A, I>>>,
    ) -> i64 {
        let (required, to_free) = space_to_free(size, store.allocated(), store.footprint_limit());
        required.saturating_sub(self.choose_objects_to_evict(store, to_free, victims))
    }

    fn begin_object_access(
        &mut self,
        store: &mut ObjectStore<A, I>,
        _key: &I::Key,
        object: ObjectRef,
    ) {
        let size = self.remove(store, object);
        self.pinned_memory_bytes = self.pinned_memory_bytes.saturating_add(size);
    }

    fn end_object_access(
        &mut self,
        store: &mut ObjectStore<A, I>,
        _key: &I::Key,
        object: ObjectRef,
    ) {
        let size = self.add(store, object);
        self.pinned_memory_bytes = self.pinned_memory_bytes.saturating_sub(size);
    }

    fn choose_objects_to_evict(
        &mut self,
        store: &mut ObjectStore<A, I>,
        num_bytes_required: i64,
        victims: &mut Vec<Victim<ObjectStore<A, I>>>,
    ) -> i64 {
        self.choose_some_to_evict(store, num_bytes_required, usize::MAX, victims).0
    }

    fn choose_some_to_evict(
        &mut self,
        store: &mut ObjectStore<A, I>,
        num_bytes_required: i64,
        most: usize,
        victims: &mut Vec<Victim<ObjectStore<A, I>>>,
    ) -> (i64, bool) {
        let mut freed = 0_i64;
        let most = most.saturating_add(victims.len());
        while freed < num_bytes_required {
            if victims.len() >= most {
                return (freed, true);
            }
            let Some(oldest) = self.order.oldest().map(ObjectRef) else { break };
            let key = KeyOf::<ObjectStore<A, I>>::from(store.record(oldest).id);
            let size = self.remove(store, oldest);
            self.statistics.chosen(size);
            freed = freed.saturating_add(size);
            victims.push(Victim { key, object: Some(oldest) });
            // Most of what a deletion takes is waiting for memory: that of the next ones comes meanwhile.
            store.prefetch_deletion(oldest);
            if let Some(next) = self.order.oldest() {
                store.prefetch(ObjectRef(next));
            }
        }
        (freed, false)
    }

    fn space_to_free(&self, store: &ObjectStore<A, I>, size: i64) -> Option<(i64, i64)> {
        Some(space_to_free(size, store.allocated(), store.footprint_limit()))
    }

    fn remove_object(&mut self, store: &mut ObjectStore<A, I>, _key: &I::Key, object: ObjectRef) {
        self.remove(store, object);
    }

    fn could_fit(&self, store: &ObjectStore<A, I>, size: i64) -> bool {
        size <= store.footprint_limit()
    }

    fn debug_string(&self) -> String {
        self.statistics.to_string()
    }
}
