//! Ray's C++ structures as Rust sees them. `src/cpp/layout.cc` asserts the same numbers.

use std::hash::{Hash, Hasher};
use std::mem::{offset_of, MaybeUninit};
use std::sync::atomic::{AtomicU64, Ordering};

use ray_common::ObjectId;
use ray_object_manager::plasma::allocator::{Allocation, MemFd};
use ray_object_manager::plasma::common::{
    ObjectDescription, ObjectFacts, ObjectKey, ObjectSource, ObjectState, PlasmaError,
};
use ray_object_manager::plasma::local_object::LocalObject;
use ray_object_manager::plasma::object_header::PlasmaObjectHeader;
use ray_object_manager::plasma::object_header::OBJECT_HEADER_SIZE;
use ray_object_manager::plasma::protocol::PlasmaObject;

use crate::views::CxxViews;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");

        /// Copy-constructs a `ray::ObjectInfo` at `to`.
        unsafe fn copy_object_info(from: *const u8, to: *mut u8);

        /// Destroys the `ray::ObjectInfo` at `place`, without freeing its memory.
        unsafe fn destroy_object_info(place: *mut u8);

        /// Whether two `ray::ObjectInfo`s name the same owner.
        unsafe fn is_same_owner(one: *const u8, other: *const u8) -> bool;

        /// What a `ray::ObjectInfo` says of its owner, as bytes. Two owners that are the same have the same.
        unsafe fn owner_bytes(info: *const u8) -> Vec<u8>;
    }
}

/// `ray::ObjectID`: a cached hash, then the bytes, packed.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed)]
pub struct CxxObjectId {
    hash: u64,
    id: ObjectId,
}

impl CxxObjectId {
    /// An id without a cached hash.
    pub const fn new(id: ObjectId) -> Self {
        Self { hash: 0, id }
    }
}

impl From<ObjectId> for CxxObjectId {
    fn from(id: ObjectId) -> Self {
        Self::new(id)
    }
}

impl ObjectKey for CxxObjectId {
    fn object_id(&self) -> &ObjectId {
        // An id is an array of bytes, so it is aligned anywhere.
        &self.id
    }
}

/// `ray::ObjectInfo`. Only C++ makes and destroys one, in place: it holds a `std::string`.
#[derive(Debug)]
#[repr(C)]
pub struct CxxObjectInfo {
    object_id: CxxObjectId,
    is_mutable: bool,
    data_size: i64,
    metadata_size: i64,
    owner: [u64; 14],
}

/// Who owns an object: a `ray::ObjectInfo` of which only that counts.
pub struct CxxOwner {
    info: Box<MaybeUninit<CxxObjectInfo>>,
    serial: u64,
}

static NEXT_OWNER: AtomicU64 = AtomicU64::new(1);

impl CxxOwner {
    fn of(info: &CxxObjectInfo) -> Self {
        let mut copy = Box::new(MaybeUninit::<CxxObjectInfo>::uninit());
        // SAFETY: C++ makes a complete copy at the place.
        unsafe { ffi::copy_object_info(address(info), copy.as_mut_ptr().cast()) };
        Self { info: copy, serial: NEXT_OWNER.fetch_add(1, Ordering::Relaxed) }
    }

    /// A number that no other owner has had in this process; not 0.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    fn info(&self) -> &CxxObjectInfo {
        // SAFETY: `of` has made it.
        unsafe { self.info.assume_init_ref() }
    }
}

impl Hash for CxxOwner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // SAFETY: it is a live `ray::ObjectInfo`.
        unsafe { ffi::owner_bytes(address(self.info())) }.hash(state);
    }
}

impl Drop for CxxOwner {
    fn drop(&mut self) {
        // SAFETY: `of` has made it, and it is dropped once.
        unsafe { self.info.assume_init_drop() };
    }
}

fn address<T>(value: &T) -> *const u8 {
    std::ptr::from_ref(value).cast()
}

/// `plasma::LocalObject`.
#[derive(Debug)]
#[repr(C)]
pub struct CxxLocalObject {
    allocation: Allocation,
    info: CxxObjectInfo,
    ref_count: i32,
    create_time: i64,
    construct_duration: i64,
    state: ObjectState,
    source: ObjectSource,
}

impl CxxLocalObject {
    /// Makes at `place` an object of this owner that [`Self::describe`] can be called for.
    ///
    /// # Safety
    /// `place` is valid for writing, aligned, and holds nothing that needs dropping.
    pub(crate) unsafe fn create_at(place: *mut Self, owner: &CxxOwner) {
        let allocation = Allocation {
            address: std::ptr::null_mut(),
            size: 0,
            fd: MemFd::INVALID,
            offset: 0,
            device_num: 0,
            mmap_size: 0,
            fallback_allocated: false,
            number: 0,
        };
        // SAFETY: `place` is valid for writing, so each of its fields is. C++ makes a complete description.
        unsafe {
            ffi::copy_object_info(address(owner.info()), (&raw mut (*place).info).cast());
            (&raw mut (*place).allocation).write(allocation);
            (&raw mut (*place).ref_count).write(0);
            (&raw mut (*place).create_time).write(0);
            (&raw mut (*place).construct_duration).write(-1);
            (&raw mut (*place).state).write(ObjectState::CREATED);
            (&raw mut (*place).source).write(ObjectSource::CREATED_BY_WORKER);
        }
    }

    /// Says of an object all but its owner.
    #[inline]
    pub(crate) fn describe(&mut self, object: LocalObject<'_, CxxObjectInfo>) {
        self.info.object_id = CxxObjectId::new(*object.id());
        self.info.is_mutable = object.is_mutable();
        self.info.data_size = object.data_size();
        self.info.metadata_size = object.metadata_size();
        self.allocation = object.allocation();
        self.ref_count = object.ref_count();
        self.create_time = object.create_time();
        self.construct_duration = object.construct_duration();
        self.state = if object.sealed() { ObjectState::SEALED } else { ObjectState::CREATED };
        self.source = object.source();
    }

    /// What the counters need to know.
    pub(crate) fn facts(&self) -> ObjectFacts {
        let header = if self.info.is_mutable { OBJECT_HEADER_SIZE } else { 0 };
        ObjectFacts {
            size: self.info.data_size.wrapping_add(self.info.metadata_size).wrapping_add(header),
            source: self.source,
            fallback_allocated: self.allocation.fallback_allocated,
            sealed: self.state == ObjectState::SEALED,
            ref_count: self.ref_count,
        }
    }

    pub(crate) fn set_ref_count(&mut self, ref_count: i32) {
        self.ref_count = ref_count;
    }

    pub(crate) fn seal(&mut self, construct_duration: i64) {
        self.state = ObjectState::SEALED;
        self.construct_duration = construct_duration;
    }
}

/// `plasma::PlasmaObject`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CxxPlasmaObject {
    pub fd: i32,
    pub unique_fd_id: i64,
    pub header_offset: isize,
    pub data_offset: isize,
    pub metadata_offset: isize,
    pub data_size: i64,
    pub metadata_size: i64,
    pub allocated_size: i64,
    pub device_num: i32,
    pub mmap_size: i64,
    pub fallback_allocated: bool,
    pub is_experimental_mutable_object: bool,
}

/// The error of this number of C++'s; a number that is none is an unexpected error.
pub(crate) fn plasma_error(number: i32) -> PlasmaError {
    PlasmaError::from_number(number).unwrap_or(PlasmaError::UnexpectedError)
}

impl From<CxxPlasmaObject> for PlasmaObject {
    fn from(object: CxxPlasmaObject) -> Self {
        Self {
            store_fd: MemFd { fd: object.fd, unique_id: object.unique_fd_id },
            header_offset: object.header_offset.cast_unsigned() as u64,
            data_offset: object.data_offset.cast_unsigned() as u64,
            metadata_offset: object.metadata_offset.cast_unsigned() as u64,
            data_size: object.data_size.cast_unsigned(),
            metadata_size: object.metadata_size.cast_unsigned(),
            allocated_size: object.allocated_size.cast_unsigned(),
            device_num: object.device_num,
            mmap_size: object.mmap_size,
            fallback_allocated: object.fallback_allocated,
            is_mutable: object.is_experimental_mutable_object,
        }
    }
}

impl From<PlasmaObject> for CxxPlasmaObject {
    fn from(object: PlasmaObject) -> Self {
        let offset = |offset: u64| isize::try_from(offset).unwrap_or(isize::MAX);
        Self {
            fd: object.store_fd.fd,
            unique_fd_id: object.store_fd.unique_id,
            header_offset: offset(object.header_offset),
            data_offset: offset(object.data_offset),
            metadata_offset: offset(object.metadata_offset),
            data_size: object.data_size.cast_signed(),
            metadata_size: object.metadata_size.cast_signed(),
            allocated_size: object.allocated_size.cast_signed(),
            device_num: object.device_num,
            mmap_size: object.mmap_size,
            fallback_allocated: object.fallback_allocated,
            is_experimental_mutable_object: object.is_mutable,
        }
    }
}

const _: () = {
    assert!(size_of::<CxxPlasmaObject>() == 88);
    assert!(offset_of!(CxxPlasmaObject, unique_fd_id) == 8);
    assert!(offset_of!(CxxPlasmaObject, header_offset) == 16);
    assert!(offset_of!(CxxPlasmaObject, data_offset) == 24);
    assert!(offset_of!(CxxPlasmaObject, metadata_offset) == 32);
    assert!(offset_of!(CxxPlasmaObject, data_size) == 40);
    assert!(offset_of!(CxxPlasmaObject, metadata_size) == 48);
    assert!(offset_of!(CxxPlasmaObject, allocated_size) == 56);
    assert!(offset_of!(CxxPlasmaObject, device_num) == 64);
    assert!(offset_of!(CxxPlasmaObject, mmap_size) == 72);
    assert!(offset_of!(CxxPlasmaObject, fallback_allocated) == 80);
    assert!(offset_of!(CxxPlasmaObject, is_experimental_mutable_object) == 81);
    assert!(size_of::<CxxObjectId>() == 36);
    assert!(size_of::<CxxObjectInfo>() == 168);
    assert!(align_of::<CxxObjectInfo>() == 8);
    assert!(offset_of!(CxxObjectInfo, is_mutable) == 36);
    assert!(offset_of!(CxxObjectInfo, data_size) == 40);
    assert!(offset_of!(CxxObjectInfo, metadata_size) == 48);
    assert!(size_of::<Allocation>() == 64);
    assert!(offset_of!(Allocation, size) == 8);
    assert!(offset_of!(Allocation, fd) == 16);
    assert!(offset_of!(Allocation, offset) == 32);
    assert!(offset_of!(Allocation, device_num) == 40);
    assert!(offset_of!(Allocation, mmap_size) == 48);
    assert!(offset_of!(Allocation, fallback_allocated) == 56);
    assert!(size_of::<CxxLocalObject>() == 264);
    assert!(offset_of!(CxxLocalObject, info) == 64);
    assert!(offset_of!(CxxLocalObject, ref_count) == 232);
    assert!(offset_of!(CxxLocalObject, create_time) == 240);
    assert!(offset_of!(CxxLocalObject, construct_duration) == 248);
    assert!(offset_of!(CxxLocalObject, state) == 256);
    assert!(offset_of!(CxxLocalObject, source) == 260);
};

impl ObjectDescription for CxxObjectInfo {
    type Key = CxxObjectId;
    type Owner = CxxOwner;
    type Views = CxxViews;

    fn key(&self) -> &CxxObjectId {
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

    fn is_owned_by(&self, owner: &CxxOwner) -> bool {
        // SAFETY: both are live `ray::ObjectInfo`s.
        unsafe { ffi::is_same_owner(address(self), address(owner.info())) }
    }

    fn owner(&self) -> CxxOwner {
        CxxOwner::of(self)
    }

    unsafe fn initialize_header(&self, allocation: &Allocation) {
        // SAFETY: the memory is new, aligned to 64 bytes and at least a header long.
        unsafe { PlasmaObjectHeader::initialize(allocation.address.cast()) }
    }
}

impl Drop for CxxObjectInfo {
    fn drop(&mut self) {
        // SAFETY: C++ made this one in its place, and it is dropped once.
        unsafe { ffi::destroy_object_info(std::ptr::from_mut(self).cast()) }
    }
}

/// The object behind an address from C++.
///
/// # Safety
/// `address` is that of a live `plasma::LocalObject` that is not changed as long as the reference is used.
pub(crate) unsafe fn local_object<'a>(address: *const u8) -> &'a CxxLocalObject {
    // SAFETY: the caller vouches for the address; the layouts are the same.
    unsafe { &*address.cast() }
}

/// The id behind an address from C++.
///
/// # Safety
/// `address` is that of a live `ray::ObjectID`.
pub(crate) unsafe fn object_id<'a>(address: *const u8) -> &'a CxxObjectId {
    // SAFETY: the caller vouches for the address; the layouts are the same.
    unsafe { &*address.cast() }
}

/// The description behind an address from C++.
///
/// # Safety
/// `address` is that of a live `ray::ObjectInfo`.
pub(crate) unsafe fn object_info<'a>(address: *const u8) -> &'a CxxObjectInfo {
    // SAFETY: the caller vouches for the address; the layouts are the same.
    unsafe { &*address.cast() }
}
