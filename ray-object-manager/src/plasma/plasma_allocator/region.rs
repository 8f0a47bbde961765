//! The memory from which an allocator gives.

use std::io;
use std::ops::Range;
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

    /// Bytes of the pages that can give their space back and have it again; none if there is no such way.
    fn page_size(&self) -> Option<usize> {
        None
    }

    /// Gives the space of whole pages back to the system. Afterwards every other page has space: who gives some
    /// back looks after it from then on.
    ///
    /// # Errors
    /// When the operating system refuses; the pages have their space as before then.
    fn give_back(&mut self, _pages: Range<usize>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives pages their space again.
    ///
    /// # Errors
    /// When there is none. Some of the pages may have it then.
    fn restore(&mut self, _pages: Range<usize>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Another one of the same kind and size, of whose pages none has space.
    ///
    /// # Errors
    /// When there is no descriptor or no room for another mapping.
    fn annex(&self) -> io::Result<Self>
    where
        Self: Sized,
    {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file without a name, mapped once, whose space is reserved before it comes into use.
#[derive(Debug)]
pub struct FileRegion {
    // These leave before the mapping does.
    ahead: Option<Ahead>,
    registration: Registration,
    mapping: FileMapping,
    directory: PathBuf,
    options: MappingOptions,
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
        let all = options.reserve || options.populate;
        let ahead = if all { None } else { Some(Ahead::of(&mapping, usable)?) };
        Self::over(mapping, directory, usable, options, ahead)
    }

    fn over(
        mapping: FileMapping,
        directory: &Path,
        usable: usize,
        options: MappingOptions,
        ahead: Option<Ahead>,
    ) -> io::Result<Self> {
        // A client unmaps as many bytes as it mapped; with huge pages they must be whole ones.
        let mapped = if mapping.is_huge() { mapping.len() } else { usable };
        let mapped = i64::try_from(mapped).map_err(|_| io::ErrorKind::InvalidInput)?;
        let base = mapping.base().as_ptr() as usize;
        let reserved = if ahead.is_some() { 0 } else { mapping.len() };
        Ok(Self {
            registration: Registration::new(base, mapping.raw_fd(), mapped),
            mapping,
            directory: directory.to_owned(),
            options,
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

    fn page_size(&self) -> Option<usize> {
        (!self.mapping.is_huge()).then(|| self.mapping.page_size())
    }

    fn give_back(&mut self, pages: Range<usize>) -> io::Result<()> {
        if let Some(ahead) = &self.ahead {
            ahead.reserve_to(&self.mapping, self.usable)?;
            self.reserved = self.mapping.len();
            self.ahead = None;
        }
        self.mapping.give_back(pages)
    }

    fn restore(&mut self, pages: Range<usize>) -> io::Result<()> {
        self.mapping.reserve(pages)
    }

    fn annex(&self) -> io::Result<Self> {
        let options =
            MappingOptions { huge_pages: false, reserve: false, populate: false, ..self.options };
        let mapping = FileMapping::create(&self.directory, self.usable, options)?;
        if mapping.page_size() != self.mapping.page_size() {
            // The directory is a hugetlbfs that had no pages left for the region, and has some now.
            return Err(io::ErrorKind::Unsupported.into());
        }
        Self::over(mapping, &self.directory, self.usable, options, None)
    }
}

/// Addresses without memory behind them: for tests and measurements of the bookkeeping alone.
#[derive(Debug)]
pub struct AddressesOnly {
    base: usize,
    usable: usize,
}

/// The last page below the largest address of user space, so that no mapping lies behind it.
const NO_MAPPING: usize = 0x7fff_ffff_f000;

impl AddressesOnly {
    /// So many bytes of addresses, which nobody may touch.
    #[must_use]
    pub fn new(usable: usize) -> Self {
        Self { base: NO_MAPPING, usable }
    }
}

impl Region for AddressesOnly {
    fn base(&self) -> *mut u8 {
        std::ptr::without_provenance_mut(self.base)
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

    fn page_size(&self) -> Option<usize> {
        Some(4096)
    }

    fn give_back(&mut self, _pages: Range<usize>) -> io::Result<()> {
        Ok(())
    }

    fn restore(&mut self, _pages: Range<usize>) -> io::Result<()> {
        Ok(())
    }

    fn annex(&self) -> io::Result<Self> {
        let base =
            self.base.checked_add(self.usable).and_then(|end| end.checked_next_multiple_of(4096));
        Ok(Self { base: base.ok_or(io::ErrorKind::InvalidInput)?, usable: self.usable })
    }
}
