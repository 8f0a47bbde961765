//! What the parts of the store share: object descriptions, states, sources and errors, with Ray's numbers.

use std::hash::Hash;
use std::os::fd::BorrowedFd;

use ray_common::{NodeId, ObjectId, WorkerId};
use rustix::io::Errno;

use super::allocator::Allocation;
use super::local_object::{ObjectViews, Owner};
use super::object_header::{PlasmaObjectHeader, OBJECT_HEADER_SIZE};

/// Where an object came from. Open: a number that is none of these is kept, and counted under no source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct ObjectSource(pub i32);

impl ObjectSource {
    /// Made by a worker: a `put` or a task's return value.
    pub const CREATED_BY_WORKER: Self = Self(0);
    /// Read back from external storage.
    pub const RESTORED_FROM_STORAGE: Self = Self(1);
    /// Copied from another node.
    pub const RECEIVED_FROM_REMOTE_RAYLET: Self = Self(2);
    /// An error that stands in for the object.
    pub const ERROR_STORED_BY_RAYLET: Self = Self(3);
}

/// Whether an object is still being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct ObjectState(pub i32);

impl ObjectState {
    /// Created, not yet sealed.
    pub const CREATED: Self = Self(1);
    /// Sealed: never changes again.
    pub const SEALED: Self = Self(2);
}

/// How an operation ended, with the numbers of the wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum PlasmaError {
    /// Done.
    Ok = 0,
    /// There is an object of this id.
    ObjectExists = 1,
    /// There is no object of this id.
    ObjectNonexistent = 2,
    /// No memory, not even after eviction.
    OutOfMemory = 3,
    /// The object is not sealed yet.
    ObjectNotSealed = 4,
    /// The object is referenced.
    ObjectInUse = 5,
    /// The request made no sense at this moment.
    UnexpectedError = 6,
    /// The object is sealed already.
    ObjectSealed = 7,
    /// The fallback directory is full.
    OutOfDisk = 8,
}

impl PlasmaError {
    /// The error of this number; `None` when there is none.
    pub fn from_number(number: i32) -> Option<Self> {
        const ALL: [PlasmaError; 9] = [
            PlasmaError::Ok,
            PlasmaError::ObjectExists,
            PlasmaError::ObjectNonexistent,
            PlasmaError::OutOfMemory,
            PlasmaError::ObjectNotSealed,
            PlasmaError::ObjectInUse,
            PlasmaError::UnexpectedError,
            PlasmaError::ObjectSealed,
            PlasmaError::OutOfDisk,
        ];
        usize::try_from(number).ok().and_then(|number| ALL.get(number)).copied()
    }
}

/// What names an object in a table. C++ keeps a cached hash beside the bytes; Rust does not.
pub trait ObjectKey: Copy + From<ObjectId> {
    /// The id itself.
    fn object_id(&self) -> &ObjectId;
}

impl ObjectKey for ObjectId {
    fn object_id(&self) -> &ObjectId {
        self
    }
}

/// The description of an object as its creator gave it.
pub trait ObjectDescription {
    /// The type of the object's id.
    type Key: ObjectKey;

    /// Who owns an object. Many objects have the same owner, and a table keeps it once.
    type Owner: Hash;

    /// Who looks at the objects of a table from outside; `()` when nobody does.
    type Views: ObjectViews;

    /// The object's id.
    fn key(&self) -> &Self::Key;

    /// Bytes of data.
    fn data_size(&self) -> i64;

    /// Bytes of metadata, which follow the data.
    fn metadata_size(&self) -> i64;

    /// Whether the object is a channel, with a [`PlasmaObjectHeader`] before its data.
    fn is_mutable(&self) -> bool;

    /// Bytes of memory that the object needs: header, data and metadata; `None` when a size is
    /// negative or the sum is more than an `i64` holds.
    fn checked_object_size(&self) -> Option<i64> {
        if self.data_size() < 0 || self.metadata_size() < 0 {
            return None;
        }
        let header = if self.is_mutable() { OBJECT_HEADER_SIZE } else { 0 };
        self.data_size().checked_add(self.metadata_size())?.checked_add(header)
    }

    /// As [`Self::checked_object_size`], for an object that exists and so has a size; wraps like Ray's otherwise.
    fn object_size(&self) -> i64 {
        let header = if self.is_mutable() { OBJECT_HEADER_SIZE } else { 0 };
        self.data_size().wrapping_add(self.metadata_size()).wrapping_add(header)
    }

    /// Whether `owner` is who owns the object.
    fn is_owned_by(&self, owner: &Self::Owner) -> bool;

    /// Who owns the object.
    fn owner(&self) -> Self::Owner;

    /// Prepares the memory of a mutable object; called once, right after it was allocated.
    ///
    /// # Safety
    /// `allocation` is live and nobody else uses its memory yet.
    unsafe fn initialize_header(&self, allocation: &Allocation);
}

/// The description of an object, for Rust programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object's id.
    pub object_id: ObjectId,
    /// Whether it is a channel, written again and again.
    pub is_mutable: bool,
    /// Bytes of data.
    pub data_size: i64,
    /// Bytes of metadata.
    pub metadata_size: i64,
    /// Node of the worker that owns the object.
    pub owner_node_id: NodeId,
    /// Address of that worker.
    pub owner_ip_address: String,
    /// Port of that worker.
    pub owner_port: i32,
    /// That worker.
    pub owner_worker_id: WorkerId,
}

impl ObjectInfo {
    /// An immutable object without an owner.
    pub fn new(object_id: ObjectId, data_size: i64, metadata_size: i64) -> Self {
        Self {
            object_id,
            is_mutable: false,
            data_size,
            metadata_size,
            owner_node_id: NodeId::NIL,
            owner_ip_address: String::new(),
            owner_port: 0,
            owner_worker_id: WorkerId::NIL,
        }
    }
}

impl ObjectDescription for ObjectInfo {
    type Key = ObjectId;
    type Owner = Owner;
    type Views = ();

    fn key(&self) -> &ObjectId {
        &self.object_id
    }

    fn data_size(&self) -> i64 {
        self.data_size
    }

    fn metadata_size(&self) -> i64 {
        self.metadata_size
    }

    fn is_mutable(&self) -> bool {
        self.is_mutable
    }

    fn is_owned_by(&self, owner: &Owner) -> bool {
        owner.is_of(self)
    }

    fn owner(&self) -> Owner {
        Owner::of(self)
    }

    unsafe fn initialize_header(&self, allocation: &Allocation) {
        // Clients have the file's descriptor, too: who touches a page that one of them has cut off dies of it, who writes
        // to the file does not. Where there is no file to be written (huge pages cannot), there is only the memory.
        if allocation.fd.fd >= 0 {
            // SAFETY: the file of a live allocation is open.
            let file = unsafe { BorrowedFd::borrow_raw(allocation.fd.fd) };
            let offset = allocation.offset.cast_unsigned() as u64;
            match rustix::io::pwrite(file, &PlasmaObjectHeader::fresh(), offset) {
                Err(Errno::INVAL | Errno::OPNOTSUPP) => {}
                Err(error) => {
                    return log::error!("the header of a channel is not written: {error}")
                }
                Ok(_) => return,
            }
        }
        // SAFETY: the memory is ours alone, aligned to 64 bytes and at least a header long.
        unsafe { PlasmaObjectHeader::initialize(allocation.address.cast()) }
    }
}

/// What the counters need to know of an object at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Bytes of header, data and metadata.
    pub size: i64,
    /// Where the object came from.
    pub source: ObjectSource,
    /// Whether it lies in a file of its own.
    pub fallback_allocated: bool,
    /// Whether it is sealed.
    pub sealed: bool,
    /// How many references it has.
    pub ref_count: i32,
}
