//! The header before the data of a mutable object. It lies in shared memory; its layout is Ray's.

use std::sync::atomic::{AtomicBool, AtomicI32};

/// Bytes of a [`PlasmaObjectHeader`].
pub const OBJECT_HEADER_SIZE: i64 = 96;

/// State of a channel, shared between its writer and its readers.
#[derive(Debug)]
#[repr(C)]
pub struct PlasmaObjectHeader {
    semaphores_created: AtomicI32,
    unique_name: [u8; 32],
    version: i64,
    is_sealed: bool,
    has_error: AtomicBool,
    num_readers: i64,
    num_read_acquires_remaining: u64,
    num_read_releases_remaining: u64,
    data_size: u64,
    metadata_size: u64,
}

const _: () = {
    assert!(size_of::<PlasmaObjectHeader>() == 96);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, unique_name) == 4);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, version) == 40);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, is_sealed) == 48);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, has_error) == 49);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, num_readers) == 56);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, num_read_acquires_remaining) == 64);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, num_read_releases_remaining) == 72);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, data_size) == 80);
    assert!(std::mem::offset_of!(PlasmaObjectHeader, metadata_size) == 88);
};

impl PlasmaObjectHeader {
    /// Writes a fresh header: nothing written, nobody reading, and a name of its own for the semaphores,
    /// `<process id>-<nanoseconds since 1970>`.
    ///
    /// # Safety
    /// `place` is aligned, valid for writing a header, and used by nobody else during the call.
    pub unsafe fn initialize(place: *mut Self) {
        let fresh = Self::fresh();
        // SAFETY: the caller vouches for the place, and any such bytes are a header.
        unsafe { place.cast::<[u8; size_of::<Self>()]>().write(fresh) }
    }

    /// The bytes of a fresh header.
    #[must_use]
    pub fn fresh() -> [u8; size_of::<Self>()] {
        let nanoseconds = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_nanos());
        let name = format!("{}-{nanoseconds}", std::process::id());
        // Zeros, also between the fields, are a header that was never written or read; only the name is not zero.
        let mut bytes = [0; size_of::<Self>()];
        let length = name.len().min(30);
        let at = std::mem::offset_of!(Self, unique_name);
        bytes[at..at + length].copy_from_slice(&name.as_bytes()[..length]);
        bytes
    }
}
