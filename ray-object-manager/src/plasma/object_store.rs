//! The table of the objects that lie in an allocator's memory.

use ray_common::ObjectId;

use super::allocator::Allocator;
use super::common::{LocalObject, ObjectDescription, ObjectInfo, ObjectKey, ObjectSource};
use super::id_index::IdIndex;
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

    /// The object itself.
    fn object(&self, object: Self::Ref) -> &LocalObject<Self::Info>;

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
///
/// The address of an object ([`ObjectTable::object`]) stays the same until it is deleted.
pub struct ObjectStore<A, I = ObjectInfo> {
    allocator: A,
    index: IdIndex,
    slab: Slab<I>,
}

/// Names an object in an [`ObjectStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRef(pub(super) u32);

impl<A: Allocator, I: ObjectDescription> ObjectStore<A, I> {
    /// An empty table over an allocator.
    pub fn new(allocator: A) -> Self {
        Self { allocator, index: IdIndex::default(), slab: Slab::new() }
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
    pub fn iter(&self) -> impl Iterator<Item = &LocalObject<I>> {
        self.index.iter().map(|index| self.slab.get(index))
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

    /// The object of this number, if there is one.
    pub(super) fn numbered(&self, number: u32) -> Option<(ObjectRef, &LocalObject<I>)> {
        Some((ObjectRef(number), self.slab.find(number)?))
    }

    pub(super) fn in_lru(&mut self, object: ObjectRef) -> &mut bool {
        self.slab.in_lru(object.0)
    }

    fn is(slab: &Slab<I>, index: u32, id: &ObjectId) -> bool {
        slab.get(index).info().key().object_id() == id
    }

    /// Frees every object's memory; for an allocator that outlives the table.
    pub fn clear(&mut self) {
        let keys: Vec<I::Key> = self.iter().map(|object| *object.info().key()).collect();
        for key in &keys {
            self.delete_by_key(key);
        }
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
        let allocator = &mut self.allocator;
        let created = self.index.insert_with(
            &id,
            |slab, index| Self::is(slab, index, &id),
            &mut self.slab,
            |slab| {
                let allocation = if fallback_allocate {
                    allocator.fallback_allocate(size)
                } else {
                    allocator.allocate(size)
                }
                .map_err(|error| log::debug!("no memory for object {id}: {error}"))?;
                if info.is_mutable() {
                    // SAFETY: the memory was allocated a moment ago and nobody else knows it.
                    unsafe { info.initialize_header(&allocation) };
                }
                // SAFETY: `create_at` writes the complete object.
                Ok::<u32, ()>(unsafe {
                    slab.insert(|place| {
                        LocalObject::create_at(place, allocation, info, source, seconds_now());
                    })
                })
            },
        );
        check!(created.is_some(), "{id} already exists!");
        created.and_then(Result::ok).map(ObjectRef)
    }

    fn get_object(&self, key: &I::Key) -> Option<ObjectRef> {
        let id = key.object_id();
        self.index.find(id, |index| Self::is(&self.slab, index, id)).map(ObjectRef)
    }

    fn seal_object(&mut self, key: &I::Key) -> Option<ObjectRef> {
        let object = self.get_object(key)?;
        let entry = self.slab.get_mut(object.0);
        if entry.sealed() {
            return None;
        }
        entry.seal(seconds_now());
        Some(object)
    }

    fn delete_object(&mut self, key: &I::Key, object: ObjectRef) {
        self.index.remove(key.object_id(), |index| index == object.0);
        let allocation = self.slab.get_mut(object.0).take_allocation();
        self.slab.remove(object.0);
        if let Err(error) = self.allocator.free(allocation) {
            crate::check::fatal(&format!("Check failed: {error}"));
        }
    }

    fn object(&self, object: ObjectRef) -> &LocalObject<I> {
        self.slab.get(object.0)
    }

    fn add_to_ref_count(&mut self, object: ObjectRef, difference: i32) -> i32 {
        self.slab.get_mut(object.0).add_to_ref_count(difference)
    }
}

impl<A: Allocator, I> Space for ObjectStore<A, I> {
    fn footprint_limit(&self) -> i64 {
        self.allocator.footprint_limit()
    }

    fn allocated(&self) -> i64 {
        self.allocator.allocated()
    }
}

impl<A, I> Links for ObjectStore<A, I> {
    fn link(&mut self, index: u32) -> &mut Link {
        self.slab.link(index)
    }

    fn peek(&self, index: u32) -> Link {
        self.slab.peek(index)
    }
}

/// Seconds since 1970. The coarse clock: a tick late at most, and several times cheaper.
fn seconds_now() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse).tv_sec
}
