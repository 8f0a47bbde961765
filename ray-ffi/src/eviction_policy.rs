//! Behind `eviction_policy.h`: the cache and the policy for a store that they do not own.

use ray_object_manager::plasma::eviction_policy::{EvictionPolicy, LruCache};

use crate::layout::{object_id, CxxObjectId};

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    extern "Rust" {
        type LruCacheHandle;

        fn lru_cache_new(name: &CxxString, capacity: i64) -> Box<LruCacheHandle>;
        unsafe fn add(self: &mut LruCacheHandle, id: *const u8, size: i64);
        unsafe fn remove(self: &mut LruCacheHandle, id: *const u8) -> i64;
        unsafe fn exists(self: &LruCacheHandle, id: *const u8) -> bool;
        fn choose_objects_to_evict(self: &mut LruCacheHandle, bytes: i64, ids: &mut Vec<u8>)
            -> i64;
        fn adjust_capacity(self: &mut LruCacheHandle, difference: i64);
        fn original_capacity(self: &LruCacheHandle) -> i64;
        fn capacity(self: &LruCacheHandle) -> i64;
        fn remaining_capacity(self: &LruCacheHandle) -> i64;
        fn all(self: &LruCacheHandle) -> Vec<u8>;
        fn debug_string(self: &LruCacheHandle) -> String;

        type EvictionPolicyHandle;

        fn eviction_policy_new(footprint_limit: i64) -> Box<EvictionPolicyHandle>;
        unsafe fn object_created(self: &mut EvictionPolicyHandle, id: *const u8, size: i64);
        unsafe fn begin_object_access(self: &mut EvictionPolicyHandle, id: *const u8, size: i64);
        unsafe fn end_object_access(self: &mut EvictionPolicyHandle, id: *const u8, size: i64);
        unsafe fn remove_object(self: &mut EvictionPolicyHandle, id: *const u8);
        fn require_space(
            self: &mut EvictionPolicyHandle,
            size: i64,
            allocated: i64,
            limit: i64,
            ids: &mut Vec<u8>,
        ) -> i64;
        fn choose_objects_to_evict(
            self: &mut EvictionPolicyHandle,
            bytes: i64,
            ids: &mut Vec<u8>,
        ) -> i64;
        unsafe fn is_object_exists(self: &EvictionPolicyHandle, id: *const u8) -> bool;
        fn debug_string(self: &EvictionPolicyHandle) -> String;
    }
}

/// A `plasma::LRUCache`.
pub struct LruCacheHandle(LruCache<CxxObjectId>);

fn lru_cache_new(name: &cxx::CxxString, capacity: i64) -> Box<LruCacheHandle> {
    Box::new(LruCacheHandle(LruCache::new(&name.to_string_lossy(), capacity)))
}

impl LruCacheHandle {
    unsafe fn add(&mut self, id: *const u8, size: i64) {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        self.0.add(unsafe { object_id(id) }, size);
    }

    unsafe fn remove(&mut self, id: *const u8) -> i64 {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        self.0.remove(unsafe { object_id(id) })
    }

    unsafe fn exists(&self, id: *const u8) -> bool {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        self.0.exists(unsafe { object_id(id) })
    }

    fn choose_objects_to_evict(&mut self, bytes: i64, ids: &mut Vec<u8>) -> i64 {
        let mut keys = Vec::new();
        let chosen = self.0.choose_objects_to_evict(bytes, &mut keys);
        append_ids(ids, &keys);
        chosen
    }

    fn adjust_capacity(&mut self, difference: i64) {
        self.0.adjust_capacity(difference);
    }

    fn original_capacity(&self) -> i64 {
        self.0.statistics().original_capacity
    }

    fn capacity(&self) -> i64 {
        self.0.statistics().capacity
    }

    fn remaining_capacity(&self) -> i64 {
        self.0.statistics().remaining_capacity()
    }

    fn all(&self) -> Vec<u8> {
        let mut ids = Vec::new();
        append_ids(&mut ids, self.0.iter());
        ids
    }

    fn debug_string(&self) -> String {
        self.0.statistics().to_string()
    }
}

/// A `plasma::EvictionPolicy`.
pub struct EvictionPolicyHandle(EvictionPolicy<CxxObjectId>);

fn eviction_policy_new(footprint_limit: i64) -> Box<EvictionPolicyHandle> {
    Box::new(EvictionPolicyHandle(EvictionPolicy::new(footprint_limit)))
}

impl EvictionPolicyHandle {
    unsafe fn object_created(&mut self, id: *const u8, size: i64) {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        self.0.object_created(unsafe { object_id(id) }, size);
    }

    unsafe fn begin_object_access(&mut self, id: *const u8, size: i64) {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        self.0.begin_object_access(unsafe { object_id(id) }, size);
    }

    unsafe fn end_object_access(&mut self, id: *const u8, size: i64) {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        self.0.end_object_access(unsafe { object_id(id) }, size);
    }

    unsafe fn remove_object(&mut self, id: *const u8) {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        self.0.remove_object(unsafe { object_id(id) });
    }

    fn require_space(&mut self, size: i64, allocated: i64, limit: i64, ids: &mut Vec<u8>) -> i64 {
        let mut victims = keys_from(ids);
        let known = victims.len();
        let missing = self.0.require_space(size, allocated, limit, &mut victims);
        append_ids(ids, &victims[known..]);
        missing
    }

    fn choose_objects_to_evict(&mut self, bytes: i64, ids: &mut Vec<u8>) -> i64 {
        let mut victims = keys_from(ids);
        let known = victims.len();
        let freed = self.0.choose_objects_to_evict(bytes, &mut victims);
        append_ids(ids, &victims[known..]);
        freed
    }

    unsafe fn is_object_exists(&self, id: *const u8) -> bool {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        self.0.is_object_exists(unsafe { object_id(id) })
    }

    fn debug_string(&self) -> String {
        self.0.statistics().to_string()
    }
}

/// Ids cross in bulk as their bytes, one after the other.
pub(crate) fn append_ids<'a, K>(bytes: &mut Vec<u8>, keys: impl IntoIterator<Item = &'a K>)
where
    K: ray_object_manager::plasma::common::ObjectKey + 'a,
{
    for key in keys {
        bytes.extend_from_slice(key.object_id().as_bytes());
    }
}

/// The opposite of [`append_ids`].
pub(crate) fn keys_from(bytes: &[u8]) -> Vec<CxxObjectId> {
    bytes
        .chunks_exact(ray_common::ObjectId::LENGTH)
        .filter_map(|id| ray_common::ObjectId::from_binary(id).ok())
        .map(CxxObjectId::new)
        .collect()
}
