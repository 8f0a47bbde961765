//! Where an object lies in this process, and the files in which objects lie.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use ray_sys::{ReceivedFile, ReceivedFileOptions};

use super::error::Cause;
use super::lane::Lane;
use crate::plasma::allocator::{MemFd, MMAP_REGIONS_GAP};
use crate::plasma::object_header::OBJECT_HEADER_SIZE;
use crate::plasma::protocol::PlasmaObject;

/// The pages of an object of at least so many bytes are set up before it is written.
const MANY: usize = 64 << 10;

/// An object as this process sees it. It keeps the memory mapped; that the store leaves the object there is up to
/// references, which this is not.
#[derive(Debug, Clone)]
pub struct RawObject {
    file: Arc<ReceivedFile>,
    header: usize,
    data: Range<usize>,
    metadata: Range<usize>,
    spec: PlasmaObject,
}

impl RawObject {
    /// Checks that every byte of the object lies in the file.
    pub(super) fn new(file: Arc<ReceivedFile>, spec: PlasmaObject) -> Result<Self, Cause> {
        let range = |offset: u64, size: u64| {
            let end = usize::try_from(offset.checked_add(size)?).ok()?;
            (end <= file.size()).then_some(usize::try_from(offset).ok()?..end)
        };
        let data = range(spec.data_offset, spec.data_size);
        let metadata = range(spec.metadata_offset, spec.metadata_size);
        let (Some(data), Some(metadata)) = (data, metadata) else {
            return Err(Cause::protocol(format!("an object outside its file: {spec:?}")));
        };
        let header = usize::try_from(spec.header_offset).unwrap_or(usize::MAX);
        let header_size = if spec.is_mutable { OBJECT_HEADER_SIZE.unsigned_abs() } else { 0 };
        let header_fits = spec.header_offset.checked_add(header_size) == Some(spec.data_offset);
        if data.end != metadata.start || (spec.is_mutable && !(header_fits && header % 8 == 0)) {
            return Err(Cause::protocol(format!("an object of an unknown shape: {spec:?}")));
        }
        Ok(Self { file, header, data, metadata, spec })
    }

    /// First byte of the data, for reading. Metadata follow.
    #[must_use]
    pub fn data_ptr(&self) -> NonNull<u8> {
        self.file.pointer(self.data.start, self.data.len()).unwrap_or(NonNull::dangling())
    }

    /// First byte of the data, for writing. Metadata follow.
    ///
    /// # Errors
    /// With [`super::ConnectOptions::read_only`].
    pub fn writable_data_ptr(&self) -> io::Result<NonNull<u8>> {
        self.file.writable_pointer(self.data.start, self.data.len())
    }

    /// The header of a mutable object, for reading and writing.
    ///
    /// # Errors
    /// [`Cause::NotMutable`]; as [`Self::writable_data_ptr`].
    pub fn header_ptr(&self) -> Result<NonNull<u8>, Cause> {
        if !self.spec.is_mutable {
            return Err(Cause::NotMutable);
        }
        let size = self.data.start - self.header;
        self.file.writable_pointer(self.header, size).map_err(Cause::Io)
    }

    /// Bytes of data.
    #[must_use]
    pub fn data_size(&self) -> usize {
        self.data.len()
    }

    /// Bytes of metadata, which follow the data.
    #[must_use]
    pub fn metadata_size(&self) -> usize {
        self.metadata.len()
    }

    /// Whether the object lies in a file of its own, on disk.
    #[must_use]
    pub fn is_fallback_allocated(&self) -> bool {
        self.spec.fallback_allocated
    }

    /// Whether the object is a channel.
    #[must_use]
    pub fn is_mutable(&self) -> bool {
        self.spec.is_mutable
    }

    /// The store's description of the object.
    #[must_use]
    pub fn description(&self) -> &PlasmaObject {
        &self.spec
    }

    pub(super) fn write_metadata(&self, bytes: &[u8]) -> Result<(), Cause> {
        debug_assert_eq!(bytes.len(), self.metadata.len());
        self.file.copy_in(self.metadata.start, bytes).map_err(Cause::Io)
    }

    /// The data.
    ///
    /// # Safety
    /// The object is sealed and pinned, and stays so as long as the slice lives.
    pub(super) unsafe fn data(&self) -> &[u8] {
        // SAFETY: nobody writes to a sealed object, and its memory is not used again while it is pinned.
        unsafe { self.file.bytes(self.data.start, self.data.len()) }
    }

    /// The metadata.
    ///
    /// # Safety
    /// As [`Self::data`].
    pub(super) unsafe fn metadata(&self) -> &[u8] {
        // SAFETY: as above.
        unsafe { self.file.bytes(self.metadata.start, self.metadata.len()) }
    }

    /// The data and the metadata for writing.
    ///
    /// # Safety
    /// The caller created the object, which is not sealed, and has no other reference to its bytes.
    #[allow(clippy::mut_from_ref, reason = "the bytes are not part of self; the caller vouches")]
    pub(super) unsafe fn contents_mut(&self) -> (&mut [u8], &mut [u8]) {
        // SAFETY: until it is sealed an object is its creator's alone.
        let all =
            unsafe { self.file.bytes_mut(self.data.start, self.data.len() + self.metadata.len()) };
        let at = self.data.len().min(all.len());
        all.split_at_mut(at)
    }

    /// Makes sure that the bytes can be written.
    pub(super) fn check_writable(&self) -> Result<(), Cause> {
        self.writable_data_ptr().map(drop).map_err(Cause::Io)
    }

    /// Whether both are the same bytes.
    pub(super) fn lies_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
            && (&self.data, &self.metadata) == (&other.data, &other.metadata)
    }

    /// Makes it faster to write many bytes.
    pub(super) fn prepare(&self) {
        let length = self.data.len() + self.metadata.len();
        if length >= MANY {
            self.file.prepare(self.header, length);
        }
    }

    /// Copies all data. The caller has seen that there are so many.
    pub(super) fn fill(&self, data: &[u8]) -> Result<(), Cause> {
        debug_assert_eq!(data.len(), self.data.len());
        let copy = if data.len() >= MANY { ReceivedFile::fill } else { ReceivedFile::copy_in };
        copy(&self.file, self.data.start, data).map_err(Cause::Io)
    }
}

/// The files that came over one connection, by the number that the store has them open under.
#[derive(Debug)]
pub(super) struct Files {
    options: ReceivedFileOptions,
    mapped: HashMap<i32, (i64, Arc<ReceivedFile>)>,
}

impl Files {
    pub(super) fn new(options: ReceivedFileOptions) -> Self {
        Self { options, mapped: HashMap::new() }
    }

    pub(super) fn get(&self, fd: MemFd) -> Option<&Arc<ReceivedFile>> {
        let (unique_id, file) = self.mapped.get(&fd.fd)?;
        (*unique_id == fd.unique_id).then_some(file)
    }

    /// Receives and maps a file that a reply named, unless that has been done. One that had the same number goes.
    pub(super) fn receive(
        &mut self,
        lane: &mut Lane,
        fd: MemFd,
        mmap_size: i64,
    ) -> Result<(), Cause> {
        if self.get(fd).is_some() {
            return Ok(());
        }
        let received = lane.receive_fd()?;
        let size = mmap_size.checked_sub(MMAP_REGIONS_GAP);
        let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let file = ReceivedFile::map(received, size, self.options).map_err(Cause::Io)?;
        self.mapped.insert(fd.fd, (fd.unique_id, Arc::new(file)));
        Ok(())
    }

    /// Where an object lies.
    pub(super) fn locate(&self, object: &PlasmaObject) -> Result<RawObject, Cause> {
        let file = self.get(object.store_fd);
        let file = file.ok_or_else(|| Cause::protocol(format!("no file came for {object:?}")))?;
        RawObject::new(Arc::clone(file), *object)
    }

    /// Forgets a file; it is unmapped when nobody looks at it any more.
    pub(super) fn forget(&mut self, fd: MemFd) {
        if self.get(fd).is_some() {
            self.mapped.remove(&fd.fd);
        }
    }
}
