//! The header before the data of a mutable object. It lies in shared memory; its layout is Ray's.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, AtomicU8, Ordering};

/// Bytes of a [`PlasmaObjectHeader`].
pub const OBJECT_HEADER_SIZE: i64 = 96;

/// Bytes that a name for semaphores can have.
pub(crate) const NAME_SIZE: usize = 30;

/// State of a channel, shared between its writer and its readers. Every field is read and written by other processes at any
/// time, and so an atomic here; the semaphore of the header orders what is written to most of them.
#[derive(Debug)]
#[repr(C)]
pub struct PlasmaObjectHeader {
    /// Whether the semaphores have been made: 0 no, 1 somebody is about it, 2 yes.
    pub(crate) semaphores_created: AtomicI32,
    unique_name: [AtomicU8; 32],
    pub(crate) version: AtomicI64,
    // Flags are bytes here: what another process writes there need not be a `bool`.
    pub(crate) is_sealed: AtomicU8,
    pub(crate) has_error: AtomicU8,
    unused: [AtomicU8; 6],
    pub(crate) num_readers: AtomicI64,
    pub(crate) num_read_acquires_remaining: AtomicU64,
    pub(crate) num_read_releases_remaining: AtomicU64,
    pub(crate) data_size: AtomicU64,
    pub(crate) metadata_size: AtomicU64,
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
        let name = format!("{}-{}", std::process::id(), fresh_nanoseconds());
        // Zeros, also between the fields, are a header that was never written or read; only the name is not zero.
        let mut bytes = [0; size_of::<Self>()];
        let length = name.len().min(NAME_SIZE);
        let at = std::mem::offset_of!(Self, unique_name);
        bytes[at..at + length].copy_from_slice(&name.as_bytes()[..length]);
        bytes
    }

    /// The header at a place.
    ///
    /// # Safety
    /// `place` is aligned to 8, and 96 bytes from it on stay valid for reading and writing as long as the reference is used.
    #[must_use]
    pub unsafe fn at<'a>(place: NonNull<u8>) -> &'a Self {
        // SAFETY: the caller vouches for the place; any bytes are such atomics.
        unsafe { place.cast().as_ref() }
    }

    /// The name that both semaphores have after `obj` and `hdr`. `None` when it is none that [`Self::fresh`] or Ray makes.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let bytes = self.unique_name.iter().map(|byte| byte.load(Ordering::Relaxed));
        let bytes: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
        let is_plain = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
        let is_name = !bytes.is_empty() && bytes.len() <= NAME_SIZE && bytes.iter().all(is_plain);
        if is_name {
            String::from_utf8(bytes).ok()
        } else {
            None
        }
    }

    /// Two words that change when a version is begun, written or given up: the low half of the version, and both flags.
    pub(crate) fn watched_words(&self) -> (&AtomicU32, &AtomicU32) {
        let half = if cfg!(target_endian = "little") { 0 } else { 1 };
        let version = std::ptr::from_ref(&self.version).cast::<AtomicU32>().wrapping_add(half);
        let at_flags = std::mem::offset_of!(Self, is_sealed);
        let flags = std::ptr::from_ref(self).cast::<u8>().wrapping_add(at_flags);
        // SAFETY: both lie in the header, are aligned to 4, and are only ever accessed atomically.
        unsafe { (&*version, &*flags.cast::<AtomicU32>()) }
    }

    /// The process that wrote the header, by its name.
    #[must_use]
    pub fn creator(name: &str) -> Option<u32> {
        name.split_once('-')?.0.parse().ok()
    }

    /// Whether the error is raised: an end has failed, closed or died.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.has_error.load(Ordering::Acquire) != 0
    }

    /// The lines that a person can make something of.
    #[must_use]
    pub fn describe(&self) -> String {
        let order = Ordering::Relaxed;
        format!(
            "semaphores_created: {}, unique_name: {}, version: {}, is_sealed: {}, has_error: {}, num_readers: {}, \
             num_read_acquires_remaining: {}, num_read_releases_remaining: {}, data_size: {}, metadata_size: {}",
            self.semaphores_created.load(order),
            self.name().unwrap_or_default(),
            self.version.load(order),
            self.is_sealed.load(order) != 0,
            self.has_error.load(order) != 0,
            self.num_readers.load(order),
            self.num_read_acquires_remaining.load(order),
            self.num_read_releases_remaining.load(order),
            self.data_size.load(order),
            self.metadata_size.load(order),
        )
    }
}

/// Nanoseconds since 1970, never the same twice in this process: two headers must not share semaphores.
fn fresh_nanoseconds() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |elapsed| u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    let later = |last: u64| now.max(last + 1);
    LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last)))
        .map_or(now, later)
}
