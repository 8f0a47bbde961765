//! The table of the objects that lie in an allocator's memory.

use std::cell::Cell;

use ray_common::ObjectId;

use super::allocator::{Allocation, Allocator};
use super::common::{ObjectDescription, ObjectFacts, ObjectInfo, ObjectKey, ObjectSource};
use super::id_index::IdIndex;
use super::interned::Interned;
use super::local_object::{flags, LocalObject, ObjectViews, Place, Record, SlotOf};
use super::lru_list::{Link, Links};
use super::slab::Slab;
use crate::check::check;

/// A table of objects, as the lifecycle of objects needs it. Stands for Ray's `IObjectStore`.
pub trait ObjectTable {
    /// How objects are described.
    type Info: ObjectDescription;
    /// Names an object of this table as long as it lives, so that it is looked up once for an operation.
    type Ref: Copy;

    /// Allocates and adds an unsealed object without references. `None` when there is no memory.
    fn create_object(
        &mut self,
        info: &Self::Info,
        source: ObjectSource,
        fallback_allocate: bool,
    ) -> Option<Self::Ref>;

    /// Finds an object.
    fn get_object(&self, key: &KeyOf<Self>) -> Option<Self::Ref>;

    /// Seals an object; `None` when there is none, or when it is sealed already.
    fn seal_object(&mut self, key: &KeyOf<Self>) -> Option<Self::Ref>;

    /// Frees an object's memory and forgets it.
    fn delete_object(&mut self, key: &KeyOf<Self>, object: Self::Ref);

    /// What there is to know of an object at this moment.
    fn facts(&self, object: Self::Ref) -> ObjectFacts;

    /// Changes the number of references of an object, and returns the new one.
    fn add_to_ref_count(&mut self, object: Self::Ref, difference: i32) -> i32;

    /// Called before a found object is deleted. Ray's manager looks the object up a second time at this
    /// point, and a store that is watched (in a test) must see that.
    fn look_again(&self, _key: &KeyOf<Self>, object: Self::Ref) -> Option<Self::Ref> {
        Some(object)
    }
}

/// The type of the ids in a table.
pub type KeyOf<T> = <<T as ObjectTable>::Info as ObjectDescription>::Key;

/// The memory under a table, as eviction sees it.
pub trait Space {
    /// Size of the primary region in bytes.
    fn footprint_limit(&self) -> i64;

    /// Bytes in live allocations.
    fn allocated(&self) -> i64;
}

/// Objects in the memory of an allocator, by id. Not thread-safe.
pub struct ObjectStore<A, I: ObjectDescription = ObjectInfo> {
    allocator: A,
    index: IdIndex,
    slab: Slab<SlotOf<I>>,
    owners: Interned<I::Owner>,
    places: Interned<Place>,
    views: I::Views,
    /// The object that was found or created last. It is mostly the next one, too, and then nothing is hashed.
    last: Cell<u32>,
}

/// Names an object in an [`ObjectStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRef(pub(super) u32);

impl<A: Allocator, I: ObjectDescription> ObjectStore<A, I> {
    /// An empty table over an allocator.
    pub fn new(allocator: A) -> Self {
        Self {
            allocator,
            index: IdIndex::default(),
            slab: Slab::new(),
            owners: Interned::default(),
            places: Interned::default(),
            views: I::Views::default(),
            last: Cell::new(0),
        }
    }

    /// The allocator in use.
    pub fn allocator(&self) -> &A {
        &self.allocator
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All objects, in no order.
    pub fn iter(&self) -> impl Iterator<Item = LocalObject<'_, I>> {
        self.index.iter().map(|index| self.object(ObjectRef(index)))
    }

    /// As [`Self::iter`], by the names of the objects.
    pub fn refs(&self) -> impl Iterator<Item = ObjectRef> + '_ {
        self.index.iter().map(ObjectRef)
    }

    /// An object.
    ///
    /// # Panics
    /// When it was deleted, and no other has got its name since.
    pub fn object(&self, object: ObjectRef) -> LocalObject<'_, I> {
        self.seen(self.slab.get(object.0))
    }

    /// Deletes an object by its id; false when there is none.
    pub fn delete_by_key(&mut self, key: &I::Key) -> bool {
        match self.get_object(key) {
            Some(object) => {
                self.delete_object(key, object);
                true
            }
            None => false,
        }
    }

    /// Shows an object to those who look from outside. What `show` returns is kept for them with the object, which has
    /// the number that they are told of.
    pub fn show(
        &mut self,
        object: ObjectRef,
        show: impl FnOnce(
            &mut I::Views,
            u32,
            <I::Views as ObjectViews>::Slot,
            LocalObject<'_, I>,
        ) -> <I::Views as ObjectViews>::Slot,
    ) {
        let record = self.slab.get(object.0);
        let (owner, place) = (self.owners.get(record.owner), self.places.get(record.place));
        let seen = LocalObject { record, owner, place };
        let slot = show(&mut self.views, object.0, record.view, seen);
        self.slab.get_mut(object.0).view = slot;
    }

    /// Those who look from outside.
    pub fn views_mut(&mut self) -> &mut I::Views {
        &mut self.views
    }

    /// The object of this number, if there is one.
    pub(super) fn numbered(&self, number: u32) -> Option<(ObjectRef, LocalObject<'_, I>)> {
        Some((ObjectRef(number), self.seen(self.slab.find(number)?)))
    }

    pub(super) fn record(&self, object: ObjectRef) -> &Record<SlotOf<I>> {
        self.slab.get(object.0)
    }

    /// Notes whether an object is in the eviction policy's list. Returns whether it was, and its size.
    #[inline]
    pub(super) fn set_in_lru(&mut self, object: ObjectRef, now: bool) -> (bool, i64) {
        let record = self.slab.get_mut(object.0);
        let before = record.is(flags::IN_LRU);
        record.flags = record.flags & !flags::IN_LRU | if now { flags::IN_LRU } else { 0 };
        (before, record.object_size())
    }

    /// Has the processor fetch an object that is the next to be looked at.
    #[inline]
    pub(super) fn prefetch(&self, object: ObjectRef) {
        self.slab.prefetch(object.0);
    }

    /// Has the processor fetch what the deletion of an object needs beside the object.
    #[inline]
    pub(super) fn prefetch_deletion(&self, object: ObjectRef) {
        self.index.prefetch(self.slab.get(object.0).hash);
    }

    fn seen<'a>(&'a self, record: &'a Record<SlotOf<I>>) -> LocalObject<'a, I> {
        let (owner, place) = (self.owners.get(record.owner), self.places.get(record.place));
        LocalObject { record, owner, place }
    }

    /// Frees every object's memory; for an allocator that outlives the table.
    pub fn clear(&mut self) {
        let all: Vec<ObjectRef> = self.refs().collect();
        for object in all {
            let key = I::Key::from(self.slab.get(object.0).id);
            self.delete_object(&key, object);
        }
    }

    /// Finds the object of an id whose hash is not known.
    #[inline]
    fn find(&self, id: &ObjectId) -> Option<u32> {
        let last = self.last.get();
        if self.slab.find(last).is_some_and(|record| record.id == *id) {
            return Some(last);
        }
        let found = self.find_hashed(self.index.hash(id), id)?;
        self.last.set(found);
        Some(found)
    }

    #[inline]
    fn find_hashed(&self, hash: u32, id: &ObjectId) -> Option<u32> {
        self.index.find(hash, |index| self.slab.get(index).id == *id)
    }

    /// Memory for an object, and a place in the table.
    fn allocate(&mut self, id: &ObjectId, size: usize, fallback: bool) -> Option<Allocation> {
        let reserved = self.index.reserve_one().and_then(|()| self.slab.reserve_one());
        if let Err(error) = reserved {
            log::error!("no memory for one more object in the table: {error}");
            return None;
        }
        let allocation = if fallback {
            self.allocator.fallback_allocate(size)
        } else {
            self.allocator.allocate(size)
        };
        allocation.map_err(|error| log::debug!("no memory for object {id}: {error}")).ok()
    }
}

impl<A: Allocator, I: ObjectDescription> ObjectTable for ObjectStore<A, I> {
    type Info = I;
    type Ref = ObjectRef;

    /// # Panics
    /// When an object of this id exists.
    fn create_object(
        &mut self,
        info: &I,
        source: ObjectSource,
        fallback_allocate: bool,
    ) -> Option<ObjectRef> {
        let id = *info.key().object_id();
        let size = usize::try_from(info.checked_object_size()?).ok()?;
        let hash = self.index.hash(&id);
        check!(self.find_hashed(hash, &id).is_none(), "{id} already exists!");
        let allocation = self.allocate(&id, size, fallback_allocate)?;
        if info.is_mutable() {
            // SAFETY: the memory was allocated a moment ago and nobody else knows it.
            unsafe { info.initialize_header(&allocation) };
        }
        let place = Place::of(&allocation);
        let mut bits = flags::LIVE;
        bits |= if info.is_mutable() { flags::MUTABLE } else { 0 };
        bits |= if allocation.fallback_allocated { flags::FALLBACK } else { 0 };
        let index = self.slab.insert(Record {
            id,
            ref_count: 0,
            link: Link::OUT,
            hash,
            flags: bits,
            next_free: 0,
            data_size: info.data_size(),
            metadata_size: info.metadata_size(),
            offset: allocation.offset,
            size: allocation.size,
            create_time: seconds_now(),
            construct_duration: -1,
            source,
            owner: self.owners.intern(|owner| info.is_owned_by(owner), || info.owner()),
            place: self.places.intern(|known| *known == place, || place),
            view: SlotOf::<I>::default(),
        });
        self.index.insert(hash, index);
        self.last.set(index);
        Some(ObjectRef(index))
    }

    fn get_object(&self, key: &I::Key) -> Option<ObjectRef> {
        self.find(key.object_id()).map(ObjectRef)
    }

    fn seal_object(&mut self, key: &I::Key) -> Option<ObjectRef> {
        let object = self.get_object(key)?;
        let record = self.slab.get_mut(object.0);
        if record.is(flags::SEALED) {
            return None;
        }
        record.flags |= flags::SEALED;
        let duration = seconds_now() - record.create_time;
        record.construct_duration =
            i32::try_from(duration).unwrap_or(if duration < 0 { i32::MIN } else { i32::MAX });
        self.views.sealed(record.view, object.0, record.construct_duration.into());
        Some(object)
    }

    fn delete_object(&mut self, _key: &I::Key, object: ObjectRef) {
        let record = self.slab.get(object.0);
        let allocation = self.places.get(record.place).allocation(record.offset, record.size);
        self.index.remove(record.hash, |index| index == object.0);
        self.views.deleted(record.view, object.0);
        self.owners.release(record.owner);
        self.places.release(record.place);
        self.slab.remove(object.0);
        if let Err(error) = self.allocator.free(allocation) {
            crate::check::fatal(&format!("Check failed: {error}"));
        }
    }

    #[inline]
    fn facts(&self, object: ObjectRef) -> ObjectFacts {
        self.slab.get(object.0).facts()
    }

    #[inline]
    fn add_to_ref_count(&mut self, object: ObjectRef, difference: i32) -> i32 {
        let record = self.slab.get_mut(object.0);
        record.ref_count += difference;
        self.views.referenced(record.view, object.0, record.ref_count);
        record.ref_count
    }
}

impl<A: Allocator, I: ObjectDescription> Space for ObjectStore<A, I> {
    fn footprint_limit(&self) -> i64 {
        self.allocator.footprint_limit()
    }

    fn allocated(&self) -> i64 {
        self.allocator.allocated()
    }
}

impl<A, I: ObjectDescription> Links for ObjectStore<A, I> {
    #[inline]
    fn link(&mut self, index: u32) -> &mut Link {
        self.slab.link(index)
    }

    #[inline]
    fn peek(&self, index: u32) -> Link {
        self.slab.peek(index)
    }
}

/// Seconds since 1970. The coarse clock: a tick late at most, and several times cheaper.
fn seconds_now() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse).tv_sec
}
