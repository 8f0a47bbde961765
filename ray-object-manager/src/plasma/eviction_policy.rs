//! Which unused object goes first, by Ray's rules: the one that was released longest ago, and at least
//! a fifth of the capacity at a time.

mod intrusive;
mod keyed;
mod lru_cache;

pub use intrusive::LruEvictionPolicy;
pub use keyed::EvictionPolicy;
pub use lru_cache::{CacheStatistics, LruCache};

use super::object_store::{KeyOf, ObjectTable};

/// An object that is to be evicted.
pub struct Victim<T: ObjectTable + ?Sized> {
    /// Its id.
    pub key: KeyOf<T>,
    /// The object, when the policy knows it and it need not be looked up.
    pub object: Option<T::Ref>,
}

/// Chooses victims among the objects of a table. Stands for Ray's `IEvictionPolicy`.
pub trait ObjectEvictionPolicy<T: ObjectTable> {
    /// An object was created; until its first use it is unused.
    fn object_created(&mut self, table: &mut T, key: &KeyOf<T>, object: T::Ref);

    /// Chooses victims that make room for `size` bytes, a fifth of the capacity at least.
    /// Returns the bytes that are still missing; zero or less when there is room then.
    fn require_space(&mut self, table: &mut T, size: i64, victims: &mut Vec<Victim<T>>) -> i64;

    /// An unused object is used from now on.
    fn begin_object_access(&mut self, table: &mut T, key: &KeyOf<T>, object: T::Ref);

    /// An object is no longer used.
    fn end_object_access(&mut self, table: &mut T, key: &KeyOf<T>, object: T::Ref);

    /// Chooses victims of so many bytes together, or all. Returns their bytes.
    fn choose_objects_to_evict(
        &mut self,
        table: &mut T,
        num_bytes_required: i64,
        victims: &mut Vec<Victim<T>>,
    ) -> i64;

    /// An object is about to be deleted.
    fn remove_object(&mut self, table: &mut T, key: &KeyOf<T>, object: T::Ref);

    /// As [`Self::choose_objects_to_evict`], but at most so many objects. Says besides whether it stopped for that, and would
    /// go on. A policy that cannot stop chooses them all.
    fn choose_some_to_evict(
        &mut self,
        table: &mut T,
        num_bytes_required: i64,
        _most: usize,
        victims: &mut Vec<Victim<T>>,
    ) -> (i64, bool) {
        (self.choose_objects_to_evict(table, num_bytes_required, victims), false)
    }

    /// The bytes that are missing for `size` more, and those to be freed then, if the policy leaves it to the caller to
    /// choose so many in parts. Of any other [`Self::require_space`] is asked.
    fn space_to_free(&self, _table: &T, _size: i64) -> Option<(i64, i64)> {
        None
    }

    /// Whether an object of this size fits once everything else is gone. Only a policy that knows this for
    /// certain says no; nothing is evicted then for the sake of an object that can never fit.
    fn could_fit(&self, _table: &T, _size: i64) -> bool {
        true
    }

    /// State for people to read.
    fn debug_string(&self) -> String;
}

/// How much is missing for `size` more bytes, and how much to free: the missing part, and at least a
/// fifth of the capacity.
pub(crate) fn space_to_free(size: i64, allocated: i64, limit: i64) -> (i64, i64) {
    let required = allocated.saturating_add(size).saturating_sub(limit);
    (required, required.max(limit / 5))
}
