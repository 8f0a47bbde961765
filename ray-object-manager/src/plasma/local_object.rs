//! What a table keeps of an object, and how it is looked at.

use std::fmt;

use ray_common::{NodeId, ObjectId, WorkerId};
use ray_sys::Zeroable;

use super::allocator::{Allocation, MemFd};
use super::common::{ObjectDescription, ObjectFacts, ObjectInfo, ObjectSource};
use super::lru_list::{Link, Links};
use super::object_header::OBJECT_HEADER_SIZE;
use super::slab::{Slab, Slotted};

/// Bits of [`Record::flags`].
pub(super) mod flags {
    /// There is an object.
    pub(in super::super) const LIVE: u8 = 1;
    pub(in super::super) const SEALED: u8 = 2;
    /// The object is in the eviction policy's list.
    pub(in super::super) const IN_LRU: u8 = 4;
    pub(in super::super) const MUTABLE: u8 = 8;
    /// It lies in a file of its own.
    pub(in super::super) const FALLBACK: u8 = 16;
}

/// All that is kept of an object: what many objects have in common is kept once, beside the records. `S` is what a
/// table notes for its [`ObjectViews`].
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Record<S> {
    pub(super) id: ObjectId,
    pub(super) ref_count: i32,
    pub(super) link: Link,
    /// Of the id, in the table's index.
    pub(super) hash: u32,
    pub(super) flags: u8,
    /// In a slot without an object: the next one of its group, plus one.
    pub(super) next_free: u16,
    pub(super) data_size: i64,
    pub(super) metadata_size: i64,
    pub(super) offset: isize,
    /// Of the allocation.
    pub(super) size: i64,
    pub(super) create_time: i64,
    /// Seconds; those of a lifetime fit.
    pub(super) construct_duration: i32,
    pub(super) source: ObjectSource,
    pub(super) owner: u32,
    pub(super) place: u32,
    /// [`Allocation::number`].
    pub(super) piece: u32,
    pub(super) view: S,
}

// SAFETY: numbers, bytes of an id, and a type that says so itself.
unsafe impl<S: Zeroable> Zeroable for Record<S> {}

const _: () = {
    assert!(size_of::<Record<()>>() == 112);
    assert!(size_of::<Record<u32>>() == 112);
};

impl<S: Zeroable> Slotted for Record<S> {
    const SHIFT: u32 = 9;
    const KEPT_GROUPS: usize = 32;

    #[inline]
    fn is_used(&self) -> bool {
        self.is(flags::LIVE)
    }

    #[inline]
    fn next_free(&self) -> u16 {
        self.next_free
    }

    #[inline]
    fn set_free(&mut self, next_free: u16) {
        self.flags = 0;
        self.next_free = next_free;
    }
}

impl<S: Zeroable> Links for Slab<Record<S>> {
    #[inline]
    fn link(&mut self, index: u32) -> &mut Link {
        &mut self.get_mut(index).link
    }

    #[inline]
    fn peek(&self, index: u32) -> Link {
        self.get(index).link
    }
}

impl<S> Record<S> {
    #[inline]
    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of header, data and metadata.
    #[inline]
    pub(super) fn object_size(&self) -> i64 {
        let header = if self.is(flags::MUTABLE) { OBJECT_HEADER_SIZE } else { 0 };
        self.data_size.wrapping_add(self.metadata_size).wrapping_add(header)
    }

    #[inline]
    pub(super) fn facts(&self) -> ObjectFacts {
        ObjectFacts {
            size: self.object_size(),
            source: self.source,
            fallback_allocated: self.is(flags::FALLBACK),
            sealed: self.is(flags::SEALED),
            ref_count: self.ref_count,
        }
    }
}

/// Where allocations lie: a mapping of a file. Many have it in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    fd: MemFd,
    /// First byte of the file in this process.
    base: *mut u8,
    device_num: i32,
    mmap_size: i64,
    fallback_allocated: bool,
}

// SAFETY: an address, of memory that belongs to no thread.
unsafe impl Send for Place {}

impl Place {
    #[inline]
    pub(super) fn of(allocation: &Allocation) -> Self {
        Self {
            fd: allocation.fd,
            base: allocation.address.wrapping_offset(allocation.offset.wrapping_neg()),
            device_num: allocation.device_num,
            mmap_size: allocation.mmap_size,
            fallback_allocated: allocation.fallback_allocated,
        }
    }

    #[inline]
    pub(super) fn address(&self, offset: isize) -> *mut u8 {
        self.base.wrapping_offset(offset)
    }

    #[inline]
    pub(super) fn allocation(&self, offset: isize, size: i64, number: u32) -> Allocation {
        Allocation {
            address: self.address(offset),
            size,
            fd: self.fd,
            offset,
            device_num: self.device_num,
            mmap_size: self.mmap_size,
            fallback_allocated: self.fallback_allocated,
            number,
        }
    }
}

/// Copies of objects that somebody outside of the table looks at. The table says what becomes of them.
pub trait ObjectViews: Default {
    /// What the table notes for an object; zero for one of which there is no copy.
    type Slot: Zeroable + Default + fmt::Debug;

    /// An object was sealed, so many seconds after it was created.
    fn sealed(&mut self, slot: Self::Slot, object: u32, construct_duration: i64);

    /// An object has so many references now.
    fn referenced(&mut self, slot: Self::Slot, object: u32, ref_count: i32);

    /// An object is gone.
    fn deleted(&mut self, slot: Self::Slot, object: u32);
}

/// Nobody looks.
impl ObjectViews for () {
    type Slot = ();

    #[inline(always)]
    fn sealed(&mut self, (): (), _: u32, _: i64) {}

    #[inline(always)]
    fn referenced(&mut self, (): (), _: u32, _: i32) {}

    #[inline(always)]
    fn deleted(&mut self, (): (), _: u32) {}
}

/// What a table notes for an object's copy.
pub(super) type SlotOf<I> = <<I as ObjectDescription>::Views as ObjectViews>::Slot;

/// Who owns an object: what [`ObjectInfo`] says of that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    node_id: NodeId,
    ip_address: Box<str>,
    port: i32,
    worker_id: WorkerId,
}

impl Owner {
    pub(super) fn of(info: &ObjectInfo) -> Self {
        Self {
            node_id: info.owner_node_id,
            ip_address: info.owner_ip_address.as_str().into(),
            port: info.owner_port,
            worker_id: info.owner_worker_id,
        }
    }

    #[inline]
    pub(super) fn is_of(&self, info: &ObjectInfo) -> bool {
        self.port == info.owner_port
            && self.worker_id == info.owner_worker_id
            && self.node_id == info.owner_node_id
            && *self.ip_address == *info.owner_ip_address
    }
}

/// An object of the local store, looked at in its table. What Ray's `plasma::LocalObject` tells.
pub struct LocalObject<'a, I: ObjectDescription> {
    pub(super) record: &'a Record<SlotOf<I>>,
    pub(super) owner: &'a I::Owner,
    pub(super) place: &'a Place,
}

impl<I: ObjectDescription> Clone for LocalObject<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I: ObjectDescription> Copy for LocalObject<'_, I> {}

impl<'a, I: ObjectDescription> LocalObject<'a, I> {
    /// The object's id.
    pub fn id(&self) -> &'a ObjectId {
        &self.record.id
    }

    /// The memory of the object, which the object owns.
    pub fn allocation(&self) -> Allocation {
        self.place.allocation(self.record.offset, self.record.size, self.record.piece)
    }

    /// Bytes of data.
    pub fn data_size(&self) -> i64 {
        self.record.data_size
    }

    /// Bytes of metadata.
    pub fn metadata_size(&self) -> i64 {
        self.record.metadata_size
    }

    /// Bytes of header, data and metadata.
    pub fn object_size(&self) -> i64 {
        self.record.object_size()
    }

    /// Whether it is a channel.
    pub fn is_mutable(&self) -> bool {
        self.record.is(flags::MUTABLE)
    }

    /// Whether it lies in a file of its own.
    pub fn is_fallback_allocated(&self) -> bool {
        self.record.is(flags::FALLBACK)
    }

    /// Who owns it.
    pub fn owner(&self) -> &'a I::Owner {
        self.owner
    }

    /// How many references there are.
    pub fn ref_count(&self) -> i32 {
        self.record.ref_count
    }

    /// Seconds since 1970 when it was created.
    pub fn create_time(&self) -> i64 {
        self.record.create_time
    }

    /// Seconds from creation to sealing, -1 before.
    pub fn construct_duration(&self) -> i64 {
        self.record.construct_duration.into()
    }

    /// Where it came from.
    pub fn source(&self) -> ObjectSource {
        self.record.source
    }

    /// Whether it is sealed.
    pub fn sealed(&self) -> bool {
        self.record.is(flags::SEALED)
    }

    /// What the counters need to know.
    pub fn facts(&self) -> ObjectFacts {
        self.record.facts()
    }
}

impl LocalObject<'_, ObjectInfo> {
    /// The description that its creator gave.
    #[must_use]
    pub fn info(&self) -> ObjectInfo {
        ObjectInfo {
            object_id: self.record.id,
            is_mutable: self.is_mutable(),
            data_size: self.record.data_size,
            metadata_size: self.record.metadata_size,
            owner_node_id: self.owner.node_id,
            owner_ip_address: self.owner.ip_address.as_ref().to_owned(),
            owner_port: self.owner.port,
            owner_worker_id: self.owner.worker_id,
        }
    }
}

impl<I: ObjectDescription> fmt::Debug for LocalObject<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An object of so many bytes of data, and nothing else.
    pub(in super::super) fn record(data_size: i64) -> Record<()> {
        Record {
            id: ObjectId::random(),
            ref_count: 0,
            link: Link::OUT,
            hash: 0,
            flags: flags::LIVE,
            next_free: 0,
            data_size,
            metadata_size: 0,
            offset: 0,
            size: data_size,
            create_time: 0,
            construct_duration: -1,
            source: ObjectSource::CREATED_BY_WORKER,
            owner: 0,
            place: 0,
            piece: 0,
            view: (),
        }
    }

    #[test]
    fn an_allocation_comes_back_as_it_was() {
        let mut bytes = [0_u8; 64];
        for offset in [0_isize, 8, -8, 1 << 40] {
            let allocation = Allocation {
                address: bytes.as_mut_ptr(),
                size: 5,
                fd: MemFd { fd: 3, unique_id: 9 },
                offset,
                device_num: 1,
                mmap_size: 77,
                fallback_allocated: true,
                number: 6,
            };
            assert_eq!(Place::of(&allocation).allocation(offset, 5, 6), allocation);
        }
    }
}
