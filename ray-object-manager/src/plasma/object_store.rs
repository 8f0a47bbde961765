//! The table of the objects that lie in an allocator's memory.

use std::cell::Cell;

use ray_common::ObjectId;

use super::allocator::{Allocation, Allocator};
use super::common::{ObjectDescription, ObjectFacts, ObjectInfo, ObjectKey, ObjectSource};
use super::id_hash::brief;
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

    /// As [`Self::create_object`], after [`Self::get_object`] has not found one of this id.
    fn create_missing_object(
        &mut self,
        info: &Self::Info,
        source: ObjectSource,
        fallback_allocate: bool,
    ) -> Option<Self::Ref> {
        self.create_object(info, source, fallback_allocate)
    }

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
    slab: Slab<Record<SlotOf<I>>>,
    owners: Interned<I::Owner>,
    places: Interned<Place>,
    views: I::Views,
    /// The object that was found or created last. It is mostly the next one, too, and then nothing is hashed.
    last: Cell<Last>,
}

/// Where an object may be found without a hash, and of which ids this is not to be tried.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: u32,
    brief: u64,
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
            last: Cell::new(Last { number: 0, brief: 0 }),
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

    /// Those who look from outside, what is kept for them with an object, and the object's number that they are told of.
    #[inline]
    pub fn shown(&self, object: ObjectRef) -> (&I::Views, <I::Views as ObjectViews>::Slot, u32) {
        (&self.views, self.slab.get(object.0).view, object.0)
    }

    /// Shows an object to those who look from outside, with its number. The first of what `show` returns is kept for them
    /// with the object.
    pub fn show<R>(
        &mut self,
        object: ObjectRef,
        show: impl FnOnce(
            &mut I::Views,
            u32,
            LocalObject<'_, I>,
        ) -> (<I::Views as ObjectViews>::Slot, R),
    ) -> R {
        let record = self.slab.get(object.0);
        let (owner, place) = (self.owners.get(record.owner), self.places.get(record.place));
        let seen = LocalObject { record, owner, place };
        let (slot, shown) = show(&mut self.views, object.0, seen);
        self.slab.get_mut(object.0).view = slot;
        shown
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
        let record = self.slab.get(object.0);
        self.index.prefetch(record.hash);
        self.allocator.prefetch_free(record.piece);
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

    /// Memory of the primary region for an object to come, which counts as allocated. `None` when there is none.
    pub(super) fn set_aside(&mut self, size: usize) -> Option<Allocation> {
        self.allocator.allocate(size).ok()
    }

    /// Frees what was set aside.
    pub(super) fn free_set_aside(&mut self, allocation: Allocation) {
        if let Err(error) = self.allocator.free(allocation) {
            log::error!("what was set aside cannot be freed: {error}");
        }
    }

    /// As [`ObjectTable::create_missing_object`], where space for exactly this object was set aside, which is the object's then. It is no
    /// channel. `None` when the table has no place for it.
    pub(super) fn create_set_aside(
        &mut self,
        info: &I,
        source: ObjectSource,
        allocation: &Allocation,
    ) -> Option<ObjectRef> {
        self.reserve_one()?;
        Some(self.insert(info, source, allocation))
    }

    /// Enters an object for which there is a place in the table.
    fn insert(&mut self, info: &I, source: ObjectSource, allocation: &Allocation) -> ObjectRef {
        let id = info.key().object_id();
        if info.is_mutable() {
            // SAFETY: the memory was allocated a moment ago and nobody else knows it: for channels none is set aside.
            unsafe { info.initialize_header(allocation) };
        }
        let place = Place::of(allocation);
        let mut bits = flags::LIVE;
        bits |= if info.is_mutable() { flags::MUTABLE } else { 0 };
        bits |= if allocation.fallback_allocated { flags::FALLBACK } else { 0 };
        let place = self.places.intern(|known| *known == place, || place);
        let owner = self.owners.intern(|owner| info.is_owned_by(owner), || info.owner());
        let hash = self.index.hash(id);
        let (number, record) = self.slab.insert();
        // Where it is to lie, and not put together elsewhere: a processor waits for what was written in small pieces when it
        // is read in large ones at once.
        record.id = *id;
        record.ref_count = 0;
        record.link = Link::OUT;
        record.hash = hash;
        record.flags = bits;
        record.next_free = 0;
        record.data_size = info.data_size();
        record.metadata_size = info.metadata_size();
        record.offset = allocation.offset;
        record.size = allocation.size;
        record.create_time = seconds_now();
        record.construct_duration = -1;
        record.source = source;
        record.owner = owner;
        record.place = place;
        record.piece = allocation.number;
        record.view = SlotOf::<I>::default();
        self.index.insert(hash, number);
        self.last.set(Last { number, brief: brief(id) });
        ObjectRef(number)
    }

    /// Finds the object of an id whose hash is not known.
    #[inline(always)]
    fn find(&self, id: &ObjectId) -> Option<u32> {
        let (last, brief) = (self.last.get(), brief(id));
        if last.brief == brief && self.slab.find(last.number).is_some_and(|record| record.id == *id)
        {
            return Some(last.number);
        }
        let number = self.index.find(self.index.hash(id), |at| self.slab.get(at).id == *id)?;
        self.last.set(Last { number, brief });
        Some(number)
    }

    /// A place in the table for one more.
    fn reserve_one(&mut self) -> Option<()> {
        let reserved = self.index.reserve_one().and_then(|()| self.slab.reserve_one());
        let failed = |error: &_| log::error!("no memory for one more object in the table: {error}");
        reserved.inspect_err(failed).ok()
    }

    /// Memory for an object, and a place in the table.
    fn allocate(&mut self, id: &ObjectId, size: usize, fallback: bool) -> Option<Allocation> {
        self.reserve_one()?;
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
        let id = info.key().object_id();
        check!(self.find(id).is_none(), "{id} already exists!");
        self.create_missing_object(info, source, fallback_allocate)
    }

    #[inline]
    fn create_missing_object(
        &mut self,
        info: &I,
        source: ObjectSource,
        fallback_allocate: bool,
    ) -> Option<ObjectRef> {
        let id = info.key().object_id();
        let size = usize::try_from(info.checked_object_size()?).ok()?;
        let allocation = self.allocate(id, size, fallback_allocate)?;
        Some(self.insert(info, source, &allocation))
    }

    #[inline(always)]
    fn get_object(&self, key: &I::Key) -> Option<ObjectRef> {
        self.find(key.object_id()).map(ObjectRef)
    }

    #[inline]
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
        let allocation =
            self.places.get(record.place).allocation(record.offset, record.size, record.piece);
        self.index.remove(record.hash, |index| index == object.0);
        self.views.deleted(record.view, object.0);
        self.owners.release(record.owner);
        self.places.release(record.place);
        self.slab.remove(object.0);
        if let Err(error) = self.allocator.free(allocation) {
            crate::check::fatal(&format!("Check failed: {error}"));
        }
    }

    #[inline(always)]
    fn facts(&self, object: ObjectRef) -> ObjectFacts {
        self.slab.get(object.0).facts()
    }

    #[inline(always)]
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
