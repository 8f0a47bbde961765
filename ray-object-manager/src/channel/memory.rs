//! Where a channel lies.

use std::io;
use std::path::Path;
use std::ptr::NonNull;

use ray_sys::{FileMapping, MappingOptions};

use crate::plasma::client::MutableObject;
use crate::plasma::object_header::PlasmaObjectHeader;

/// The memory of a channel: a header, and behind it room for data and metadata. It is held as long as this value lives.
///
/// # Safety
/// [`Self::header`] is aligned to 8 and begins 96 bytes, [`Self::data`] begins [`Self::capacity`] bytes, that may be read and
/// written from any thread as long as the value lives, and always lie at the same place. No Rust reference leads there.
pub unsafe trait ChannelMemory: Send + Sync {
    /// The [`PlasmaObjectHeader`].
    fn header(&self) -> NonNull<u8>;
    /// First byte of the data.
    fn data(&self) -> NonNull<u8>;
    /// Bytes for data and metadata.
    fn capacity(&self) -> usize;
}

// SAFETY: the client checked that header and data lie in the object's file, which the reference keeps mapped, and the
// reference pins the object.
unsafe impl ChannelMemory for MutableObject {
    fn header(&self) -> NonNull<u8> {
        self.header()
    }

    fn data(&self) -> NonNull<u8> {
        self.data()
    }

    fn capacity(&self) -> usize {
        self.allocated_size()
    }
}

// SAFETY: what holds of the value behind the pointer holds here.
unsafe impl<M: ChannelMemory + ?Sized> ChannelMemory for std::sync::Arc<M> {
    fn header(&self) -> NonNull<u8> {
        (**self).header()
    }

    fn data(&self) -> NonNull<u8> {
        (**self).data()
    }

    fn capacity(&self) -> usize {
        (**self).capacity()
    }
}

/// A channel without a store: a piece of shared memory that is given to other processes by its descriptor.
#[derive(Debug)]
pub struct ChannelFile {
    mapping: FileMapping,
    capacity: usize,
}

const HEADER: usize = size_of::<PlasmaObjectHeader>();

impl ChannelFile {
    /// Makes a channel for values of up to so many bytes, in a file without a name in `directory`.
    ///
    /// # Errors
    /// As [`FileMapping::create`].
    pub fn create(directory: &Path, capacity: usize) -> io::Result<Self> {
        let size = capacity.checked_add(HEADER).ok_or(io::ErrorKind::InvalidInput)?;
        let options = MappingOptions { exclude_from_core_dump: true, ..MappingOptions::default() };
        let mapping = FileMapping::create(directory, size, options)?;
        mapping.reserve(0..mapping.len())?;
        mapping.copy_in(0, &PlasmaObjectHeader::fresh())?;
        Ok(Self { mapping, capacity })
    }

    /// A channel that another process made; `capacity` is as there.
    ///
    /// # Errors
    /// As [`FileMapping::from_fd`].
    pub fn open(fd: std::os::fd::OwnedFd, capacity: usize) -> io::Result<Self> {
        let size = capacity.checked_add(HEADER).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { mapping: FileMapping::from_fd(fd, size, true)?, capacity })
    }

    /// Sets all pages up now, so that the first value is no slower than later ones.
    pub fn populate(&self) {
        let mut byte = [0];
        for page in (0..self.mapping.len()).step_by(self.mapping.page_size()) {
            // Always inside of the mapping.
            let _ = self.mapping.copy_out(page, &mut byte);
        }
    }
}

impl std::os::fd::AsFd for ChannelFile {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.mapping.as_fd()
    }
}

// SAFETY: the mapping has a header and `capacity` bytes more, is aligned to a page, and lives as long as the value.
unsafe impl ChannelMemory for ChannelFile {
    fn header(&self) -> NonNull<u8> {
        self.mapping.base()
    }

    fn data(&self) -> NonNull<u8> {
        // SAFETY: the mapping is longer than a header.
        unsafe { self.mapping.base().add(HEADER) }
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}
