//! A shared file mapping without a name in any directory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use mmap_rs::{MmapFlags, MmapMut, MmapOptions};
use rustix::fs::{memfd_create, MemfdFlags};
use rustix::io::Errno;
use rustix::mm::{madvise, Advice};

use crate::context;
use crate::huge::{aligned_address, is_in_memory};
use crate::huge_pace::HugePace;
use crate::pages::{huge_page_size, page_size, round_up};
use crate::space::{check_free_memory, give_back, reserve, Reserver};

/// How [`FileMapping::create`] sets a mapping up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MappingOptions {
    /// Use huge pages; when there are none, say so in the log and use ordinary ones.
    pub huge_pages: bool,
    /// Reserve all space of the file before mapping it.
    pub reserve: bool,
    /// Reserve all space and set up all pages now, so that no first touch is slow later.
    pub populate: bool,
    /// Leave the mapping out of core dumps.
    pub exclude_from_core_dump: bool,
}

/// A file that has no name, mapped once, readable and writable, and shared with every process that
/// is given its descriptor. Unmapped and closed on drop.
#[derive(Debug)]
pub struct FileMapping {
    // Declared in the order in which they have to go.
    map: MmapMut,
    file: File,
    page_size: usize,
    pace: Arc<HugePace>,
}

impl FileMapping {
    /// Creates a file of `size` bytes, rounded up to pages, in `directory`, and maps it.
    ///
    /// The file is sparse unless `options` ask for its space. It has no name, mode 0600, and a
    /// descriptor that closes on exec. With huge pages it lies in `directory` if that is a
    /// hugetlbfs, else in an anonymous memory file.
    ///
    /// # Errors
    /// When the directory is missing or may not be written, when there is no space, or when the
    /// size is 0 or more than a mapping can have.
    pub fn create(directory: &Path, size: usize, options: MappingOptions) -> io::Result<Self> {
        let what = || format!("mapping {size} bytes in {}", directory.display());
        if size == 0 || round_up(size, page_size()).is_none() {
            return Err(context(&io::ErrorKind::InvalidInput.into(), what()));
        }
        let in_directory = File::open(directory).map_err(|error| context(&error, what()))?;
        if !in_directory.metadata().is_ok_and(|data| data.is_dir()) {
            return Err(context(&io::ErrorKind::NotADirectory.into(), what()));
        }
        let is_hugetlbfs = huge_page_size(&in_directory)?.is_some();
        if options.huge_pages || is_hugetlbfs {
            match Self::create_huge(directory, is_hugetlbfs, size, options) {
                Ok(mapping) => return Ok(mapping),
                Err(error) => log::warn!(
                    "no huge pages for {size} bytes in {}, using ordinary ones: {error}",
                    directory.display()
                ),
            }
        }
        let file = if is_hugetlbfs { memory_file(MemfdFlags::empty()) } else { named(directory) };
        let mapping = file
            .and_then(|file| Self::over_new_file(file, size, options))
            .map_err(|error| context(&error, what()))?;
        if options.huge_pages {
            mapping.advise(Advice::LinuxHugepage, "transparent huge pages");
        }
        Ok(mapping)
    }

    /// Maps the first `size` bytes, rounded up to pages, of a file that another process sent.
    ///
    /// # Errors
    /// When the file is shorter than that (touching what is missing would kill this process), or
    /// cannot be mapped for reading and writing.
    pub fn from_fd(fd: OwnedFd, size: usize, exclude_from_core_dump: bool) -> io::Result<Self> {
        let what = || format!("mapping {size} bytes of a received descriptor");
        let file = File::from(fd);
        let file_len = file.metadata().map_err(|error| context(&error, what()))?.len();
        let page_size = file_page_size(&file)?;
        let len = round_up(size, page_size).filter(|&len| len > 0 && len as u64 <= file_len);
        let len = len.ok_or_else(|| {
            context(&io::ErrorKind::InvalidInput.into(), format!("{} (it has {file_len})", what()))
        })?;
        let mapping = Self::map(file, len, page_size).map_err(|error| context(&error, what()))?;
        if exclude_from_core_dump {
            mapping.advise(Advice::LinuxDontDump, "exclusion from core dumps");
        }
        Ok(mapping)
    }

    fn create_huge(
        directory: &Path,
        is_hugetlbfs: bool,
        size: usize,
        options: MappingOptions,
    ) -> io::Result<Self> {
        let file = if is_hugetlbfs { named(directory) } else { memory_file(MemfdFlags::HUGETLB) }?;
        Self::over_new_file(file, size, options)
    }

    fn over_new_file(file: File, size: usize, options: MappingOptions) -> io::Result<Self> {
        let page_size = file_page_size(&file)?;
        let len = round_up(size, page_size).ok_or(io::ErrorKind::InvalidInput)?;
        file.set_len(len as u64)?;
        let mapping = Self::map(file, len, page_size)?;
        if options.reserve || options.populate {
            check_free_memory(&mapping.file, len)?;
            reserve(&mapping.file, &mapping.map, 0..len, true, &mapping.pace)?;
        }
        if options.populate {
            mapping.advise(Advice::LinuxPopulateWrite, "pages set up");
        }
        if options.exclude_from_core_dump {
            mapping.advise(Advice::LinuxDontDump, "exclusion from core dumps");
        }
        Ok(mapping)
    }

    fn map(file: File, len: usize, page_size: usize) -> io::Result<Self> {
        let map = shared(&file, len, page_size)?.map_mut().map_err(from_mmap)?;
        Ok(Self { map, file, page_size, pace: Arc::default() })
    }

    /// Best effort: these calls change speed or the size of a dump, never what is stored.
    fn advise(&self, advice: Advice, what: &str) {
        // SAFETY: the range is the whole of a mapping that we own; neither advice alters its bytes.
        let done = unsafe { madvise(self.base().as_ptr().cast(), self.len(), advice) };
        if let Err(error) = done {
            log::warn!("no {what} for a mapping of {} bytes: {error}", self.len());
        }
    }

    /// The first byte of the mapping.
    #[must_use]
    pub fn base(&self) -> NonNull<u8> {
        NonNull::new(self.map.as_ptr().cast_mut()).unwrap_or(NonNull::dangling())
    }

    /// Bytes mapped: a multiple of [`Self::page_size`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.size()
    }

    /// Never: a mapping has at least a page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a page of this file.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Whether the file consists of huge pages.
    #[must_use]
    pub fn is_huge(&self) -> bool {
        self.page_size != page_size()
    }

    /// The number of the descriptor, which stays open as long as this mapping.
    #[must_use]
    pub fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Makes sure that there is space behind these bytes of the file, so that touching them cannot
    /// fail. What they hold is kept, unless the file system has no call for it: there the range is
    /// overwritten with zeros, so ask only once for each byte, before its first use.
    ///
    /// # Errors
    /// When there is no space, or the range does not lie in the file.
    pub fn reserve(&self, range: Range<usize>) -> io::Result<()> {
        let what = || format!("reserving bytes {} to {}", range.start, range.end);
        if range.start > range.end || range.end > self.len() {
            return Err(context(&io::ErrorKind::InvalidInput.into(), what()));
        }
        reserve(&self.file, &self.map, range.clone(), true, &self.pace)
            .map_err(|error| context(&error, what()))
    }

    /// Gives the space behind these bytes of the file back to the system. They hold zeros afterwards, in every process that
    /// has them mapped, and whoever writes to them takes space anew.
    ///
    /// # Errors
    /// When the range does not lie in the file or does not consist of whole pages, or when the file system has no call for
    /// it ([`io::ErrorKind::Unsupported`]).
    pub fn give_back(&self, range: Range<usize>) -> io::Result<()> {
        let what = || format!("giving back bytes {} to {}", range.start, range.end);
        let whole = |at: usize| at.is_multiple_of(self.page_size);
        let lies_in = range.start <= range.end && range.end <= self.len();
        if !(lies_in && whole(range.start) && whole(range.end)) {
            return Err(context(&io::ErrorKind::InvalidInput.into(), what()));
        }
        give_back(&self.file, range.clone()).map_err(|error| context(&error, what()))
    }

    /// Something that another thread can reserve space with.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn reserver(&self) -> io::Result<Reserver> {
        Reserver::new(self.file.try_clone()?, self.len(), self.page_size, Arc::clone(&self.pace))
    }

    /// Copies `bytes` to `offset` of the mapping.
    ///
    /// # Errors
    /// When they would not all lie in the mapping.
    pub fn copy_in(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let to = self.checked(offset, bytes.len())?;
        // SAFETY: `checked` saw that the target lies in the mapping, and `bytes` cannot overlap it
        // because no reference into a mapping is ever made.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Copies what the mapping holds at `offset` to `bytes`.
    ///
    /// # Errors
    /// When the mapping ends before.
    pub fn copy_out(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let from = self.checked(offset, bytes.len())?;
        // SAFETY: as in `copy_in`.
        unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn checked(&self, offset: usize, len: usize) -> io::Result<*mut u8> {
        let end = offset.checked_add(len).filter(|&end| end <= self.len());
        end.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.base().as_ptr().wrapping_add(offset))
    }
}

impl AsFd for FileMapping {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn named(directory: &Path) -> io::Result<File> {
    tempfile::tempfile_in(directory)
}

fn memory_file(flags: MemfdFlags) -> io::Result<File> {
    Ok(memfd_create("plasma", flags | MemfdFlags::CLOEXEC)?.into())
}

/// How to map the first bytes of a file, shared, so that huge pages of it can be mapped whole.
pub(crate) fn shared(file: &File, size: usize, page_size: usize) -> io::Result<MmapOptions<'_>> {
    let length = round_up(size, page_size).ok_or(io::ErrorKind::InvalidInput)?;
    let mut options = MmapOptions::new(length).map_err(from_mmap)?.with_flags(MmapFlags::SHARED);
    if page_size == crate::page_size() && is_in_memory(file) {
        if let Some(address) = aligned_address(length) {
            options = options.with_address(address);
        }
    }
    // SAFETY: the mapping is reached by raw pointers and atomics, and by references only where somebody vouches for
    // them. The file has at least the bytes that are used.
    Ok(unsafe { options.with_file(file, 0) })
}

/// # Safety
/// The range lies in a mapping of the caller's, and the advice alters none of its bytes.
pub(crate) unsafe fn advise_range(
    base: *const u8,
    length: usize,
    advice: Advice,
) -> Result<(), Errno> {
    // SAFETY: the caller vouches.
    unsafe { madvise(base.cast_mut().cast(), length, advice) }
}

pub(crate) fn file_page_size(file: &File) -> io::Result<usize> {
    Ok(huge_page_size(file)?.unwrap_or_else(page_size))
}

pub(crate) fn from_mmap(error: mmap_rs::Error) -> io::Error {
    match error {
        mmap_rs::Error::Nix(errno) => io::Error::from_raw_os_error(errno as i32),
        mmap_rs::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn blocks(mapping: &FileMapping) -> i64 {
        rustix::fs::fstat(mapping).unwrap().st_blocks * 512
    }

    #[test]
    fn a_new_mapping_is_rounded_to_pages_sparse_and_zero() {
        let directory = tempfile::tempdir().unwrap();
        let mapping = FileMapping::create(directory.path(), 1, MappingOptions::default()).unwrap();
        assert_eq!(mapping.len(), mapping.page_size());
        assert!(!mapping.is_empty() && !mapping.is_huge());
        assert_eq!(blocks(&mapping), 0);
        let mut bytes = [1; 64];
        mapping.copy_out(mapping.len() - 64, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 64]);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let largest = isize::MAX.unsigned_abs();
        for size in [0, usize::MAX, usize::MAX - 4095, largest + 1, largest, largest - 4095] {
            let error = FileMapping::create(directory.path(), size, MappingOptions::default());
            assert!(error.unwrap_err().to_string().contains(&size.to_string()));
        }
    }

    #[test]
    fn reserved_bytes_have_space_and_keep_what_they_hold() {
        let directory = tempfile::tempdir().unwrap();
        let size = 1 << 20;
        let mapping =
            FileMapping::create(directory.path(), size, MappingOptions::default()).unwrap();
        mapping.copy_in(5000, b"kept").unwrap();
        mapping.reserve(0..size / 2).unwrap();
        assert!((512 << 10..1 << 20).contains(&blocks(&mapping)));
        let mut bytes = [0; 4];
        mapping.copy_out(5000, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
        mapping.reserve(size..size).unwrap();
        #[allow(clippy::reversed_empty_ranges)]
        let wrong = [0..size + 1, size..usize::MAX, 10..5];
        assert!(wrong.into_iter().all(|range| mapping.reserve(range).is_err()));
    }

    #[test]
    fn bytes_given_back_have_no_space_and_hold_zeros() {
        for directory in ["/dev/shm", "/tmp"].map(Path::new) {
            let size = 8 << 20;
            let options = MappingOptions { reserve: true, ..MappingOptions::default() };
            let mapping = FileMapping::create(directory, size, options).unwrap();
            let page = mapping.page_size();
            mapping.copy_in(0, &vec![7; size]).unwrap();
            let before = blocks(&mapping);
            // Also in the middle of what may be huge pages, and twice.
            let (start, end) = (3 * page, size - page);
            mapping.give_back(start..end).unwrap();
            mapping.give_back(start..end).unwrap();
            let gone = i64::try_from(end - start).unwrap();
            assert_eq!(blocks(&mapping), before - gone, "{}", directory.display());
            let mut bytes = vec![1; size];
            mapping.copy_out(0, &mut bytes).unwrap();
            assert!(bytes[..start].iter().chain(&bytes[end..]).all(|&byte| byte == 7));
            assert!(bytes[start..end].iter().all(|&byte| byte == 0));
            mapping.reserve(start..end).unwrap();
            assert_eq!(blocks(&mapping), before);
            mapping.give_back(page..page).unwrap();
            #[allow(clippy::reversed_empty_ranges)]
            let wrong = [0..1, 1..page, 2 * page..page, 0..size + page, size..usize::MAX];
            for range in wrong {
                let error = mapping.give_back(range).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            }
        }
    }

    #[test]
    fn copies_stay_in_the_mapping() {
        let directory = tempfile::tempdir().unwrap();
        let mapping = FileMapping::create(directory.path(), 4096, MappingOptions::default());
        let mapping = mapping.unwrap();
        let len = mapping.len();
        assert!(mapping.copy_in(len - 1, &[1]).is_ok());
        for offset in [len, len - 1, usize::MAX] {
            assert!(mapping.copy_in(offset, &[1, 2]).is_err());
            assert!(mapping.copy_out(offset, &mut [1, 2]).is_err());
        }
    }

    #[test]
    fn populating_reserves_and_needs_no_faults_later() {
        let directory = tempfile::tempdir().unwrap();
        let options = MappingOptions { populate: true, ..MappingOptions::default() };
        let mapping = FileMapping::create(directory.path(), 1 << 20, options).unwrap();
        assert!(blocks(&mapping) >= 1 << 20);
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", mapping.base().as_ptr() as usize);
        let entry = smaps.split_once(&start).unwrap().1;
        let resident = entry.lines().find(|line| line.starts_with("Rss:")).unwrap();
        assert!(resident.contains(" 1024 kB"), "{resident}");
    }

    #[test]
    fn a_received_file_must_be_long_enough() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let fd = || OwnedFd::from(file.try_clone().unwrap());
        let mapping = FileMapping::from_fd(fd(), 8000, true).unwrap();
        assert_eq!(mapping.len(), 8192);
        mapping.copy_in(8191, b"x").unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 8191).unwrap();
        assert_eq!(&byte, b"x", "shared with the file");
        for size in [0, 8193, 1 << 40, usize::MAX] {
            assert!(FileMapping::from_fd(fd(), size, true).is_err());
        }
        let read_only = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(FileMapping::from_fd(read_only.into(), 4096, true).is_err());
    }
}
