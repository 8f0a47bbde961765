//! The memory from which an allocator gives.

use std::io;
use std::path::{Path, PathBuf};

use ray_sys::{FileMapping, MappingOptions};

use super::ahead::Ahead;
use crate::plasma::allocator::MemFd;
use crate::plasma::mappings::{MmapRecord, Registration};

/// A piece of memory with a fixed address. The allocator neither reads nor writes it.
pub trait Region {
    /// Its first byte, aligned to [`ALIGNMENT`](crate::plasma::allocator::ALIGNMENT).
    fn base(&self) -> *mut u8;

    /// Bytes that can be given out.
    fn usable(&self) -> usize;

    /// What a client is told about its file.
    fn record(&self) -> MmapRecord;

    /// Bytes, counted from the first one, that can be touched without harm.
    fn reserved(&self) -> usize;

    /// Makes sure that the first `end` bytes can be touched, where `end` is at most [`Self::usable`].
    ///
    /// # Errors
    /// When the operating system has no space; nothing has changed then.
    fn reserve_to(&mut self, end: usize) -> io::Result<()>;

    /// Where its space comes from, for messages.
    fn directory(&self) -> &Path;
}

/// A file without a name, mapped once, whose space is reserved before it comes into use.
#[derive(Debug)]
pub struct FileRegion {
    // These leave before the mapping does.
    ahead: Option<Ahead>,
    registration: Registration,
    mapping: FileMapping,
    directory: PathBuf,
    usable: usize,
    /// As far as is known here, or all.
    reserved: usize,
}

impl FileRegion {
    /// Maps a new file of at least `usable` bytes in `directory`.
    ///
    /// # Errors
    /// When there can be no such file, or no space for it if `options` ask for all of it at once.
    pub fn new(directory: &Path, usable: usize, options: MappingOptions) -> io::Result<Self> {
        let mapping = FileMapping::create(directory, usable, options)?;
        // A client unmaps as many bytes as it mapped; with huge pages they must be whole ones.
        let mapped = if mapping.is_huge() { mapping.len() } else { usable };
        let mapped = i64::try_from(mapped).map_err(|_| io::ErrorKind::InvalidInput)?;
        let base = mapping.base().as_ptr() as usize;
        let all = options.reserve || options.populate;
        let reserved = if all { mapping.len() } else { 0 };
        let ahead = if all { None } else { Some(Ahead::of(&mapping, usable)?) };
        Ok(Self {
            registration: Registration::new(base, mapping.raw_fd(), mapped),
            mapping,
            directory: directory.to_owned(),
            usable,
            reserved,
            ahead,
        })
    }

    /// The mapping.
    #[must_use]
    pub fn mapping(&self) -> &FileMapping {
        &self.mapping
    }
}

impl Region for FileRegion {
    #[inline]
    fn base(&self) -> *mut u8 {
        self.mapping.base().as_ptr()
    }

    #[inline]
    fn usable(&self) -> usize {
        self.usable
    }

    #[inline]
    fn record(&self) -> MmapRecord {
        self.registration.record()
    }

    fn reserved(&self) -> usize {
        self.ahead.as_ref().map_or(self.reserved, Ahead::reserved)
    }

    #[inline]
    fn reserve_to(&mut self, end: usize) -> io::Result<()> {
        let Some(ahead) = &mut self.ahead else { return Ok(()) };
        ahead.used(end);
        if end > self.reserved {
            if end > ahead.reserved() {
                ahead.reserve_to(&self.mapping, end)?;
            }
            self.reserved = ahead.reserved();
        }
        Ok(())
    }

    fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Addresses without memory behind them: for tests and measurements of the bookkeeping alone.
#[derive(Debug)]
pub struct AddressesOnly {
    usable: usize,
}

impl AddressesOnly {
    /// So many bytes of addresses, which nobody may touch.
    #[must_use]
    pub fn new(usable: usize) -> Self {
        Self { usable }
    }
}

impl Region for AddressesOnly {
    fn base(&self) -> *mut u8 {
        // The last page below the largest address of user space, so that no mapping lies behind it.
        std::ptr::without_provenance_mut(0x7fff_ffff_f000)
    }

    fn usable(&self) -> usize {
        self.usable
    }

    fn record(&self) -> MmapRecord {
        MmapRecord { fd: MemFd::INVALID, size: 0 }
    }

    fn reserved(&self) -> usize {
        self.usable
    }

    fn reserve_to(&mut self, _end: usize) -> io::Result<()> {
        Ok(())
    }

    fn directory(&self) -> &Path {
        Path::new("")
    }
}
