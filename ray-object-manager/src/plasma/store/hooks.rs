//! What a store tells the world, and asks it.

use ray_common::ObjectId;

use crate::plasma::common::{ObjectInfo, ObjectSource};

/// The four callbacks of Ray's store, and the state of the disk.
///
/// They are called on the store's threads, one at a time where order matters, without a lock of the store:
/// they may ask the store. For one object the calls come in the order of what happened to it. An object's seal
/// is told before anybody gets an answer that shows it.
pub trait StoreHooks: Send + Sync + 'static {
    /// An object has been created, of so many bytes.
    fn object_created(&self, _size: i64, _source: ObjectSource) {}

    /// An object has been sealed.
    fn object_added(&self, info: &ObjectInfo);

    /// A sealed object has gone.
    fn object_deleted(&self, id: &ObjectId);

    /// Asks for objects to be spilled because `waiting` does not fit. Returns whether objects are being spilled.
    fn spill_objects(&self, waiting: &ObjectInfo) -> bool;

    /// As [`Self::spill_objects`], which it calls unless it is replaced; `source` is where `waiting` comes from.
    fn spill_objects_for(&self, waiting: &ObjectInfo, _source: ObjectSource) -> bool {
        self.spill_objects(waiting)
    }

    /// The store is full: whoever can free something, should.
    fn object_store_full(&self);

    /// Whether the disk of the fallback files is too full to be used.
    fn disk_is_full(&self) -> bool;

    /// Whether the calls about objects do anything. Asked once.
    fn wants_events(&self) -> bool {
        true
    }

    /// An object has its memory, in a file of its own or not, and its creator uses it. Told as soon as it is so: before
    /// [`Self::object_created`], and before the creator gets the answer.
    fn object_allocated(&self, _info: &ObjectInfo, _source: ObjectSource, _in_own_file: bool) {}

    /// An object has gone before it was sealed.
    fn object_aborted(&self, _id: &ObjectId) {}

    /// So many clients use a sealed object now.
    fn references_changed(&self, _id: &ObjectId, _references: i32) {}

    /// Whether [`Self::object_allocated`], [`Self::object_aborted`] and [`Self::references_changed`] do anything, too;
    /// they take their turn with the other events. Asked once.
    fn wants_whole_lives(&self) -> bool {
        false
    }
}

/// A store on its own: it evicts, and then uses the disk until that is nearly full.
#[derive(Debug)]
pub struct NoHooks {
    disk: super::disk::DiskMonitor,
}

impl NoHooks {
    /// Watches the disk.
    pub fn new(disk: super::disk::DiskMonitor) -> Self {
        Self { disk }
    }
}

impl StoreHooks for NoHooks {
    fn object_added(&self, _info: &ObjectInfo) {}

    fn object_deleted(&self, _id: &ObjectId) {}

    fn spill_objects(&self, _waiting: &ObjectInfo) -> bool {
        false
    }

    fn object_store_full(&self) {}

    fn disk_is_full(&self) -> bool {
        self.disk.is_over_capacity()
    }

    fn wants_events(&self) -> bool {
        false
    }
}
