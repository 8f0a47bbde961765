//! The life of an object: created, sealed or aborted, referenced, evicted or deleted.

mod room;

use std::collections::{HashSet, VecDeque};

use ray_common::ObjectId;

use super::allocator::{Allocation, Allocator};
use super::common::{ObjectDescription, ObjectInfo, ObjectKey, ObjectSource, PlasmaError};
use super::eviction_policy::{LruEvictionPolicy, ObjectEvictionPolicy, Victim};
use super::local_object::LocalObject;
use super::object_store::{KeyOf, ObjectStore, ObjectTable, Space};
use super::stats_collector::{ObjectStatsCollector, StatsCollector};
use crate::check::check;
use room::{InMemory, VICTIMS_AT_ONCE};

/// How often creation is tried with eviction in between, before it falls back or gives up.
pub const MAX_CREATE_TRIES: usize = 11;

/// A lifecycle over our own table, policy and counters.
pub type PlasmaLifecycle<A, I = ObjectInfo> =
    ObjectLifecycleManager<ObjectStore<A, I>, LruEvictionPolicy, ObjectStatsCollector>;

/// Keeps a table, an eviction policy and the counters in step. Not thread-safe.
///
/// The ids of sealed objects that are gone are collected; whoever runs the manager takes them with
/// [`Self::next_deleted`] after each call and tells the world. So nobody is called while the manager is
/// in the middle of a change, and may call it back.
///
/// Keys may lie in what is kept of the object itself: they are copied before that goes. Not earlier, for a look-up of a copy
/// would have to wait for the copying.
pub struct ObjectLifecycleManager<T: ObjectTable, P, C> {
    table: T,
    policy: P,
    stats: C,
    eager_deletions: EagerDeletions,
    deleted: VecDeque<ObjectId>,
    /// Bytes that are still to be evicted for what was created before.
    owed: i64,
    in_slices: bool,
    /// Empty; kept for its memory.
    victims: Vec<Victim<T>>,
}

/// Ids of objects that go as soon as nobody uses them.
pub type EagerDeletions = HashSet<ObjectId, foldhash::fast::RandomState>;

/// Knows who uses objects without a reference that the manager has heard of. `()` knows of nobody.
pub trait UnseenUsers<T: ObjectTable> {
    /// Frees what is set aside for such users and not used yet, when there is no room otherwise. Says whether there was any.
    fn give_way(&mut self, _table: &mut T) -> bool {
        false
    }

    /// Objects that such users have let go of since this was last called, the first first.
    fn let_go(&mut self, _table: &T) -> Vec<(KeyOf<T>, T::Ref)> {
        Vec::new()
    }

    /// Takes away those of the victims that such users have, and says how many they are; each has a reference from then
    /// on. Nobody can begin to use any of the others.
    fn keep(&mut self, _table: &T, _victims: &mut Vec<Victim<T>>) -> Vec<(Victim<T>, usize)> {
        Vec::new()
    }
}

impl<T: ObjectTable> UnseenUsers<T> for () {}

/// More room than this in a list that has become empty is given back.
const KEPT_DELETED: usize = 4096;

impl<A: Allocator, I: ObjectDescription> PlasmaLifecycle<A, I> {
    /// A lifecycle of no objects in an allocator's memory.
    pub fn over_allocator(allocator: A) -> Self {
        let policy = LruEvictionPolicy::new(allocator.footprint_limit());
        Self::new(ObjectStore::new(allocator), policy, ObjectStatsCollector::default())
    }

    /// Whether an object exists and is sealed.
    pub fn is_object_sealed(&self, key: &I::Key) -> bool {
        self.get(key).is_some_and(|object| object.sealed())
    }

    /// As [`Self::create_object`], in space that was set aside for it.
    ///
    /// # Errors
    /// As there. The space is as it was then.
    pub(super) fn create_object_set_aside(
        &mut self,
        info: &I,
        source: ObjectSource,
        allocation: &Allocation,
    ) -> Result<(), PlasmaError> {
        let key = info.key();
        if self.table.get_object(key).is_some() {
            return Err(PlasmaError::ObjectExists);
        }
        let object = self.table.create_set_aside(info, source, allocation);
        let object = object.ok_or(PlasmaError::OutOfMemory)?;
        self.policy.object_created(&mut self.table, key, object);
        self.stats.on_object_created(&self.table, object);
        Ok(())
    }

    /// An object by its id.
    pub fn get(&self, key: &I::Key) -> Option<LocalObject<'_, I>> {
        self.table.get_object(key).map(|object| self.table.object(object))
    }
}

impl<T, P, C> ObjectLifecycleManager<T, P, C>
where
    T: ObjectTable,
    P: ObjectEvictionPolicy<T>,
    C: StatsCollector<T>,
{
    /// A lifecycle over parts, which know of no objects yet.
    pub fn new(table: T, policy: P, stats: C) -> Self {
        Self {
            table,
            policy,
            stats,
            eager_deletions: HashSet::default(),
            deleted: VecDeque::new(),
            owed: 0,
            in_slices: false,
            victims: Vec::new(),
        }
    }

    /// Creates an unsealed object without references. If there is no room, unused objects are evicted,
    /// and as a last resort, if it is allowed, the object gets a file of its own.
    ///
    /// # Errors
    /// [`PlasmaError::ObjectExists`]; [`PlasmaError::OutOfMemory`] when there is no room, or when the sizes
    /// make no sense.
    pub fn create_object(
        &mut self,
        info: &T::Info,
        source: ObjectSource,
        fallback_allocator: bool,
    ) -> Result<T::Ref, PlasmaError> {
        self.create_object_beside(info, source, fallback_allocator, &mut ())
    }

    /// As [`Self::create_object`], where there are users that the manager has not heard of.
    ///
    /// # Errors
    /// As [`Self::create_object`].
    pub fn create_object_beside(
        &mut self,
        info: &T::Info,
        source: ObjectSource,
        fallback_allocator: bool,
        users: &mut impl UnseenUsers<T>,
    ) -> Result<T::Ref, PlasmaError> {
        let created =
            self.create_object_for_now(info, source, fallback_allocator, users, usize::MAX)?;
        created.ok_or(PlasmaError::OutOfMemory)
    }

    /// As [`Self::create_object_beside`], but evicts at most so many objects for it. Nothing is returned when that was too
    /// little, and the next call goes on where this one has stopped: so others need not wait for all of it.
    ///
    /// # Errors
    /// As [`Self::create_object`].
    pub fn create_object_for_now(
        &mut self,
        info: &T::Info,
        source: ObjectSource,
        fallback_allocator: bool,
        users: &mut impl UnseenUsers<T>,
        most: usize,
    ) -> Result<Option<T::Ref>, PlasmaError> {
        let key = info.key();
        if self.table.get_object(key).is_some() {
            return Err(PlasmaError::ObjectExists);
        }
        let Some(size) = info.checked_object_size() else {
            log::warn!("{} has impossible sizes", key.object_id());
            return Err(PlasmaError::OutOfMemory);
        };
        let object = match self.create_in_memory(info, size, source, users, most) {
            InMemory::Created(object) => object,
            InMemory::ForNow => return Ok(None),
            InMemory::NoRoom => self
                .create_in_file(info, size, source, fallback_allocator)
                .ok_or(PlasmaError::OutOfMemory)?,
        };
        self.policy.object_created(&mut self.table, key, object);
        self.stats.on_object_created(&self.table, object);
        Ok(Some(object))
    }

    /// Finds an object.
    #[inline]
    pub fn get_object(&self, key: &KeyOf<T>) -> Option<T::Ref> {
        self.table.get_object(key)
    }

    /// Seals an object; `None` when there is none, or when it is sealed already.
    pub fn seal_object(&mut self, key: &KeyOf<T>) -> Option<T::Ref> {
        let object = self.table.seal_object(key)?;
        self.stats.on_object_sealed(&self.table, object);
        Some(object)
    }

    /// Gives up an unsealed object, references or not. Nobody is told.
    ///
    /// # Errors
    /// [`PlasmaError::ObjectNonexistent`], [`PlasmaError::ObjectSealed`].
    pub fn abort_object(&mut self, key: &KeyOf<T>) -> Result<(), PlasmaError> {
        let Some(object) = self.table.get_object(key) else {
            log::error!("To abort an object it must be in the object table.");
            return Err(PlasmaError::ObjectNonexistent);
        };
        let key = &{ *key };
        if self.table.facts(object).sealed {
            log::error!("To abort an object it must not have been sealed.");
            return Err(PlasmaError::ObjectSealed);
        }
        self.delete_now(key, object);
        Ok(())
    }

    /// Deletes a sealed object that nobody uses. Any other goes as soon as it is one.
    ///
    /// # Errors
    /// [`PlasmaError::ObjectNonexistent`]; [`PlasmaError::ObjectNotSealed`] and
    /// [`PlasmaError::ObjectInUse`] when the object goes later.
    pub fn delete_object(&mut self, key: &KeyOf<T>) -> Result<(), PlasmaError> {
        let Some(object) = self.table.get_object(key) else {
            return Err(PlasmaError::ObjectNonexistent);
        };
        let facts = self.table.facts(object);
        let key = &{ *key };
        let obstacle = if !facts.sealed {
            PlasmaError::ObjectNotSealed
        } else if facts.ref_count != 0 {
            PlasmaError::ObjectInUse
        } else {
            self.delete_now(key, object);
            return Ok(());
        };
        self.eager_deletions.insert(*key.object_id());
        Err(obstacle)
    }

    /// The eviction policy's state for people to read.
    pub fn eviction_debug_string(&self) -> String {
        self.policy.debug_string()
    }

    /// Adds a reference; false when there is no such object.
    pub fn add_reference(&mut self, key: &KeyOf<T>) -> bool {
        let Some(object) = self.table.get_object(key) else {
            log::error!("{} doesn't exist, add reference failed.", key.object_id());
            return false;
        };
        self.add_reference_to(key, object);
        true
    }

    /// As [`Self::add_reference`], for an object that has just been found under this key.
    #[inline]
    pub fn add_reference_to(&mut self, key: &KeyOf<T>, object: T::Ref) {
        if self.table.facts(object).ref_count == 0 {
            self.policy.begin_object_access(&mut self.table, key, object);
        }
        self.table.add_to_ref_count(object, 1);
        self.stats.on_object_ref_increased(&self.table, object);
    }

    /// Takes a reference away; false when there is no such object, or it has none. An object without
    /// references can be evicted, and goes at once if its deletion was asked for.
    ///
    /// # Panics
    /// When the last reference of an unsealed object goes: it has to be aborted instead.
    pub fn remove_reference(&mut self, key: &KeyOf<T>) -> bool {
        let object = self.table.get_object(key);
        let Some(object) = object.filter(|&object| self.table.facts(object).ref_count != 0) else {
            log::error!(
                "{} doesn't exist, or its ref count is already 0, remove reference failed.",
                key.object_id()
            );
            return false;
        };
        let key = &{ *key };
        let remaining = self.table.add_to_ref_count(object, -1);
        self.stats.on_object_ref_decreased(&self.table, object);
        if remaining > 0 {
            return true;
        }
        self.policy.end_object_access(&mut self.table, key, object);
        check!(
            self.table.facts(object).sealed,
            "{} is not sealed while ref count becomes 0.",
            key.object_id()
        );
        if self.is_eagerly_deleted(key) {
            self.delete_now(key, object);
        }
        true
    }

    /// Evicts unused objects of so many bytes together, or all. Returns their bytes.
    ///
    /// # Panics
    /// When an unused object is not sealed.
    pub fn require_space(&mut self, size: i64) -> i64 {
        self.require_space_for_now(size, usize::MAX).0
    }

    /// As [`Self::require_space`], but stops soon after so many objects, and says then that there is more to do: so who is to
    /// be told of them need not wait for the last.
    ///
    /// # Panics
    /// As there.
    pub fn require_space_for_now(&mut self, size: i64, most: usize) -> (i64, bool) {
        let mut victims = std::mem::take(&mut self.victims);
        let (mut freed, mut evicted, mut more) = (0_i64, 0, true);
        while more && evicted < most {
            let missing = size.saturating_sub(freed);
            let chosen;
            (chosen, more) = self.policy.choose_some_to_evict(
                &mut self.table,
                missing,
                VICTIMS_AT_ONCE,
                &mut victims,
            );
            self.evict(&victims);
            evicted += victims.len();
            victims.clear();
            freed = freed.saturating_add(chosen);
        }
        self.victims = victims;
        (freed, more)
    }

    /// Deletes victims that the policy has chosen, or that a test names.
    ///
    /// # Panics
    /// When one does not exist, is not sealed, or is used.
    pub fn evict(&mut self, victims: &[Victim<T>]) {
        for victim in victims {
            let object = victim.object.or_else(|| self.table.get_object(&victim.key));
            let Some(object) = object else {
                crate::check::fatal(
                    "Check failed: To evict an object it must be in the object table.",
                );
            };
            let facts = self.table.facts(object);
            check!(facts.sealed, "To evict an object it must have been sealed.");
            check!(
                facts.ref_count == 0,
                "To evict an object, there must be no clients currently using it."
            );
            self.delete_now(&victim.key, object);
        }
    }

    /// The id of a sealed object that has gone and that nobody was told of yet, the first first.
    pub fn next_deleted(&mut self) -> Option<ObjectId> {
        let next = self.deleted.pop_front();
        if next.is_none() && self.deleted.capacity() > KEPT_DELETED {
            self.deleted.shrink_to(KEPT_DELETED);
        }
        next
    }

    /// As [`Self::next_deleted`], for as many ids as `tell` has places. Returns how many there were; if that is fewer, none
    /// are left.
    pub fn next_deleted_into<'a, K: From<ObjectId> + 'a>(
        &mut self,
        places: impl ExactSizeIterator<Item = &'a mut std::mem::MaybeUninit<K>>,
    ) -> usize {
        let count = places.len().min(self.deleted.len());
        for (id, place) in self.deleted.drain(..count).zip(places) {
            place.write(K::from(id));
        }
        if self.deleted.is_empty() && self.deleted.capacity() > KEPT_DELETED {
            self.deleted.shrink_to(KEPT_DELETED);
        }
        count
    }

    /// Whether there are such ids.
    pub fn has_deleted(&self) -> bool {
        !self.deleted.is_empty()
    }

    /// The table.
    pub fn table(&self) -> &T {
        &self.table
    }

    /// As [`Self::table`], to change it behind the back of policy and counters, as Ray's tests can.
    pub fn table_mut(&mut self) -> &mut T {
        &mut self.table
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// The counters.
    pub fn stats(&self) -> &C {
        &self.stats
    }

    /// The objects that go as soon as nobody uses them.
    pub fn eager_deletions(&self) -> &EagerDeletions {
        &self.eager_deletions
    }

    /// As [`Self::eager_deletions`], to change them.
    pub fn eager_deletions_mut(&mut self) -> &mut EagerDeletions {
        &mut self.eager_deletions
    }

    /// An object that is not in use has been, and is the last to be evicted.
    pub fn touch(&mut self, key: &KeyOf<T>, object: T::Ref) {
        let facts = self.table.facts(object);
        if facts.sealed && facts.ref_count == 0 {
            self.policy.begin_object_access(&mut self.table, key, object);
            self.policy.end_object_access(&mut self.table, key, object);
        }
    }

    fn create_in_file(
        &mut self,
        info: &T::Info,
        size: i64,
        source: ObjectSource,
        allowed: bool,
    ) -> Option<T::Ref> {
        if !allowed {
            log::debug!("Fallback allocation not enabled for this request.");
            return None;
        }
        log::info!("Shared memory store full, falling back to allocating from filesystem: {size}");
        let object = self.table.create_missing_object(info, source, true);
        if object.is_none() {
            log::error!("Plasma fallback allocator failed, likely out of disk space.");
        }
        object
    }

    fn is_eagerly_deleted(&self, key: &KeyOf<T>) -> bool {
        !self.eager_deletions.is_empty() && self.eager_deletions.contains(key.object_id())
    }

    #[inline]
    fn delete_now(&mut self, key: &KeyOf<T>, object: T::Ref) {
        let Some(object) = self.table.look_again(key, object) else {
            crate::check::fatal(&format!("Check failed: {} is gone", key.object_id()));
        };
        let sealed = self.table.facts(object).sealed;
        self.stats.on_object_deleting(&self.table, object);
        if !self.eager_deletions.is_empty() {
            self.eager_deletions.remove(key.object_id());
            if self.eager_deletions.is_empty() {
                self.eager_deletions.shrink_to(KEPT_DELETED);
            }
        }
        self.policy.remove_object(&mut self.table, key, object);
        self.table.delete_object(key, object);
        if sealed {
            self.deleted.push_back(*key.object_id());
        }
    }
}

impl<T: ObjectTable + Space, P, C> ObjectLifecycleManager<T, P, C> {
    /// Bytes in live allocations of the memory under the table.
    pub fn allocated(&self) -> i64 {
        self.table.allocated()
    }
}
