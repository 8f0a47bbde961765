//! Files that a store sent, mapped.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use mmap_rs::{Mmap, MmapMut};
use rustix::mm::Advice;

use crate::context;
use crate::copy::{copy_to, VERY_MANY};
use crate::mapping::{advise_range, file_page_size, from_mmap, shared};

/// How a [`ReceivedFile`] is mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceivedFileOptions {
    /// Map for reading only.
    pub read_only: bool,
    /// Leave the mapping out of core dumps.
    pub exclude_from_core_dump: bool,
}

#[derive(Debug)]
enum Map {
    ReadWrite(MmapMut),
    ReadOnly(Mmap),
}

/// The first bytes of a file that another process sent, shared with it. Unmapped on drop.
///
/// Other processes may write to them at any time. So it hands out pointers; who makes a reference of one
/// has to know that nobody writes there.
#[derive(Debug)]
pub struct ReceivedFile {
    map: Map,
    size: usize,
    /// A word for each piece of [`PIECE`] bytes, with a bit for each page that was set up in this process.
    prepared: Box<[AtomicU64]>,
}

/// Bytes whose pages are set up with one call.
const PIECE: usize = 64 * PAGE;

/// The smallest page.
const PAGE: usize = 4096;

impl ReceivedFile {
    /// Maps the first `size` bytes.
    ///
    /// # Errors
    /// When the file is shorter than that (touching what is missing would kill this process), when `size` is 0 or
    /// more than a mapping can have, or when the operating system refuses.
    pub fn map(fd: OwnedFd, size: usize, options: ReceivedFileOptions) -> io::Result<Self> {
        let what = || format!("mapping {size} bytes of a received descriptor");
        Self::try_map(fd.into(), size, options).map_err(|error| context(&error, what()))
    }

    fn try_map(file: File, size: usize, options: ReceivedFileOptions) -> io::Result<Self> {
        let file_size = file.metadata()?.len();
        if size == 0 || size as u64 > file_size {
            let what = format!("the file has {file_size}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let page_size = file_page_size(&file)?;
        let dump = options.exclude_from_core_dump;
        let map = if options.read_only {
            let map = shared(&file, size, page_size)?.map().map_err(from_mmap)?;
            exclude(map.as_ptr(), map.size(), dump);
            Map::ReadOnly(map)
        } else {
            let map = shared(&file, size, page_size)?.map_mut().map_err(from_mmap)?;
            exclude(map.as_ptr(), map.size(), dump);
            Map::ReadWrite(map)
        };
        let words = if options.read_only { 0 } else { size.div_ceil(PIECE) };
        let prepared = std::iter::repeat_with(AtomicU64::default).take(words).collect();
        Ok(Self { map, size, prepared })
    }

    /// How many bytes may be used.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    fn contains(&self, offset: usize, length: usize) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.size)
    }

    /// Where `length` bytes at `offset` can be read; `None` when they do not all lie in the mapping.
    #[must_use]
    pub fn pointer(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        let base = match &self.map {
            Map::ReadWrite(map) => map.as_ptr(),
            Map::ReadOnly(map) => map.as_ptr(),
        };
        self.contains(offset, length).then(|| NonNull::new(base.cast_mut().wrapping_add(offset)))?
    }

    /// Where `length` bytes at `offset` can be written: the same address.
    ///
    /// # Errors
    /// When they do not all lie in the mapping, or it is for reading only.
    pub fn writable_pointer(&self, offset: usize, length: usize) -> io::Result<NonNull<u8>> {
        if let Map::ReadOnly(_) = self.map {
            let why = "the memory is mapped for reading only";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        self.pointer(offset, length).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// Sets up the pages of `length` bytes at `offset`, so that writing to them makes no faults: with one call instead,
    /// which costs a fraction, and only where it was not done before. Best effort: nothing happens where the operating
    /// system cannot.
    pub fn prepare(&self, offset: usize, length: usize) {
        for piece in self.pieces(offset, length) {
            self.prepare_piece(piece);
        }
    }

    /// As [`Self::copy_in`], for many bytes: [prepares](Self::prepare) each part right before it is written, while new
    /// pages are in the processor's caches.
    ///
    /// # Errors
    /// As [`Self::writable_pointer`].
    pub fn fill(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.writable_pointer(offset, bytes.len())?;
        if bytes.len() >= VERY_MANY {
            return self.copy_in(offset, bytes);
        }
        let part = |range: &Range<usize>| &bytes[range.start - offset..range.end - offset];
        let mut copied = offset;
        for piece in self.pieces(offset, bytes.len()) {
            if self.is_prepared(&piece) {
                continue;
            }
            // What lies before is copied as a whole, which is faster.
            self.copy_in(copied, part(&(copied..piece.start)))?;
            self.prepare_piece(piece.clone());
            self.copy_in(piece.start, part(&piece))?;
            copied = piece.end;
        }
        self.copy_in(copied, part(&(copied..offset + bytes.len())))
    }

    /// The parts of a range that lie in one piece each.
    fn pieces(&self, offset: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
        let end = offset.saturating_add(length).min(self.size);
        let mut at = offset;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let start = at;
            at = end.min((start / PIECE + 1) * PIECE);
            Some(start..at)
        })
    }

    /// The word of a piece, or of a part of it, and the bits of its pages.
    fn bits(&self, part: &Range<usize>) -> Option<(&AtomicU64, u64)> {
        let first = part.start % PIECE / PAGE;
        let pages =
            part.len().saturating_add(part.start % PAGE).div_ceil(PAGE).clamp(1, 64 - first);
        Some((self.prepared.get(part.start / PIECE)?, u64::MAX >> (64 - pages) << first))
    }

    fn is_prepared(&self, part: &Range<usize>) -> bool {
        self.bits(part).is_some_and(|(word, bits)| word.load(Ordering::Relaxed) & bits == bits)
    }

    fn prepare_piece(&self, part: Range<usize>) {
        let Some((word, bits)) = self.bits(&part) else { return };
        if word.load(Ordering::Relaxed) & bits != bits {
            self.populate(part);
            word.fetch_or(bits, Ordering::Relaxed);
        }
    }

    fn populate(&self, range: Range<usize>) {
        let page = crate::page_size();
        let start = range.start / page * page;
        let Map::ReadWrite(map) = &self.map else { return };
        let base = map.as_ptr().wrapping_add(start);
        // SAFETY: the range lies in a mapping that we own, and the advice alters no byte.
        let done = unsafe { advise_range(base, range.end - start, Advice::LinuxPopulateWrite) };
        if let Err(error) = done {
            log::debug!("{} bytes are not set up: {error}", range.len());
        }
    }

    /// Copies `bytes` to `offset`, as [`copy`](crate::copy()).
    ///
    /// # Errors
    /// As [`Self::writable_pointer`].
    pub fn copy_in(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let to = self.writable_pointer(offset, bytes.len())?;
        // SAFETY: the target lies in the mapping, which is writable and as long as `self`; memory that somebody has
        // a reference to is not given to this function.
        unsafe { copy_to(to.as_ptr(), bytes, 1) };
        Ok(())
    }

    /// The `length` bytes at `offset`; none, if they do not all lie in the mapping.
    ///
    /// # Safety
    /// Nobody, in any process, writes to them as long as the slice lives.
    #[must_use]
    pub unsafe fn bytes(&self, offset: usize, length: usize) -> &[u8] {
        match self.pointer(offset, length) {
            // SAFETY: mapped, readable and initialised as every byte of a file is; the caller vouches for the rest.
            Some(start) => unsafe { std::slice::from_raw_parts(start.as_ptr(), length) },
            None => &[],
        }
    }

    /// The `length` bytes at `offset` for writing; none, if they do not all lie in the mapping or it cannot be
    /// written.
    ///
    /// # Safety
    /// Nobody else, in any process, reads or writes them as long as the slice lives.
    #[must_use]
    #[allow(clippy::mut_from_ref, reason = "the bytes are not part of self; the caller vouches")]
    pub unsafe fn bytes_mut(&self, offset: usize, length: usize) -> &mut [u8] {
        match self.writable_pointer(offset, length) {
            // SAFETY: mapped, writable and initialised as every byte of a file is; the caller vouches for the rest.
            Ok(start) => unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), length) },
            Err(_) => &mut [],
        }
    }
}

/// Best effort: it changes the size of a dump, nothing else.
fn exclude(base: *const u8, length: usize, wanted: bool) {
    if !wanted {
        return;
    }
    // SAFETY: the range is a whole mapping that we own, and the advice alters no byte.
    let done = unsafe { advise_range(base, length, Advice::LinuxDontDump) };
    if let Err(error) = done {
        log::warn!("a mapping of {length} bytes will be in core dumps: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    const WRITE: ReceivedFileOptions =
        ReceivedFileOptions { read_only: false, exclude_from_core_dump: true };
    const READ: ReceivedFileOptions =
        ReceivedFileOptions { read_only: true, exclude_from_core_dump: true };

    fn file(size: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        file
    }

    fn fd(file: &File) -> OwnedFd {
        file.try_clone().unwrap().into()
    }

    /// The line of `/proc/self/smaps` with this name, of the mapping at this address.
    fn smaps(base: NonNull<u8>, name: &str) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", base.as_ptr() as usize);
        let entry = smaps.split_once(&start).unwrap().1;
        entry.lines().find(|line| line.contains(name)).unwrap().to_owned()
    }

    #[test]
    fn what_is_written_is_in_the_file_and_not_in_dumps() {
        let file = file(10_000);
        let mapping = ReceivedFile::map(fd(&file), 9000, WRITE).unwrap();
        mapping.copy_in(8996, b"last").unwrap();
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, 8996).unwrap();
        assert_eq!(&bytes, b"last");
        // SAFETY: only this thread knows the file.
        assert_eq!(unsafe { mapping.bytes(8996, 4) }, b"last");
        let base = mapping.pointer(0, 1).unwrap();
        assert_eq!(mapping.writable_pointer(0, 9000).unwrap(), base);
        assert!(smaps(base, "VmFlags").contains(" dd"));
        assert!(smaps(base, "s ").contains("rw-s"));
    }

    #[test]
    fn what_is_mapped_for_reading_cannot_be_written() {
        let readable = File::open("/proc/self/exe").unwrap();
        let file = file(4096);
        file.write_all_at(b"first", 0).unwrap();
        for (fd, writable) in [(fd(&file), true), (readable.into(), false)] {
            let mapping = ReceivedFile::map(fd, 4096, READ).unwrap();
            let base = mapping.pointer(0, 1).unwrap();
            assert!(smaps(base, "VmFlags").contains(" dd"));
            assert!(smaps(base, "r--").contains("r--"));
            assert!(mapping.writable_pointer(0, 1).is_err());
            assert!(mapping.copy_in(0, b"x").is_err());
            // SAFETY: only this thread knows the file.
            let first = unsafe { mapping.bytes(0, 5) };
            assert_eq!(first == b"first", writable);
        }
    }

    #[test]
    fn prepared_pages_are_resident_and_keep_what_they_hold() {
        let file = file(3 << 20);
        file.write_all_at(b"kept", 1 << 20).unwrap();
        let mapping = ReceivedFile::map(fd(&file), 3 << 20, WRITE).unwrap();
        let base = mapping.pointer(0, 1).unwrap();
        let resident = || {
            let line = smaps(base, "Rss:");
            line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
        };
        assert_eq!(resident(), 0);
        mapping.prepare(1 << 20, 1 << 20);
        assert_eq!(resident(), 1 << 20);
        // Parts of pieces, twice, and what lies outside.
        for _ in 0..2 {
            mapping.prepare(5000, 100_000);
            mapping.prepare((3 << 20) - 1, 1 << 20);
            mapping.prepare(usize::MAX, 1);
            mapping.prepare(3 << 20, usize::MAX);
        }
        assert!((1 << 20..2 << 20).contains(&resident()));
        // SAFETY: only this thread knows the file.
        assert_eq!(unsafe { mapping.bytes(1 << 20, 4) }, b"kept");
    }

    #[test]
    fn pages_are_remembered_one_by_one() {
        let mapping = ReceivedFile::map(fd(&file(3 << 20)), 3 << 20, WRITE).unwrap();
        let mut set = vec![false; (3 << 20) / PAGE];
        let ends =
            [(0, 1), (5000, 1), (4096, 8192), (PIECE - 1, 2), (PIECE, PIECE), (700_000, 500_001)];
        for (offset, length) in ends {
            mapping.prepare(offset, length);
            set[offset / PAGE..(offset + length).div_ceil(PAGE)].fill(true);
            for (page, &is_set) in set.iter().enumerate() {
                assert_eq!(mapping.is_prepared(&(page * PAGE + 17..page * PAGE + 18)), is_set);
            }
            for piece in 0..(3 << 20) / PIECE {
                let all = set[piece * 64..][..64].iter().all(|&is_set| is_set);
                assert_eq!(mapping.is_prepared(&(piece * PIECE..(piece + 1) * PIECE)), all);
            }
            assert!(mapping.pieces(offset, length).all(|part| mapping.is_prepared(&part)));
        }
    }

    #[test]
    fn what_is_filled_is_what_was_given() {
        let file = file(4 << 20);
        let mapping = ReceivedFile::map(fd(&file), 4 << 20, WRITE).unwrap();
        // Some pieces are prepared, some are not; starts and ends lie anywhere.
        mapping.prepare(1 << 20, 512 << 10);
        let bytes: Vec<u8> = (0..3_000_001_usize).map(|at| (at % 251).to_le_bytes()[0]).collect();
        for offset in [0, 1, 4095, 262_143, 1_000_000] {
            mapping.fill(offset, &bytes).unwrap();
            let mut read = vec![0; bytes.len()];
            file.read_exact_at(&mut read, offset as u64).unwrap();
            assert!(read == bytes);
        }
        assert!(mapping.fill(4 << 20, &[]).is_ok());
        assert!(mapping.fill((4 << 20) - 1, b"xx").is_err());
        let large: Vec<u8> = (0..VERY_MANY + 77).map(|at| (at % 253).to_le_bytes()[0]).collect();
        let file = self::file(20 << 20);
        let mapping = ReceivedFile::map(fd(&file), 20 << 20, WRITE).unwrap();
        mapping.fill(33, &large).unwrap();
        let mut read = vec![0; large.len() + 2];
        file.read_exact_at(&mut read, 32).unwrap();
        assert!(read[0] == 0 && read[1..=large.len()] == large && read[large.len() + 1] == 0);
    }

    #[test]
    fn nothing_outside_can_be_reached() {
        let mapping = ReceivedFile::map(fd(&file(8192)), 5000, WRITE).unwrap();
        assert_eq!(mapping.size(), 5000);
        assert!(mapping.pointer(5000, 0).is_some());
        for (offset, length) in [(5000, 1), (0, 5001), (usize::MAX, 1), (1, usize::MAX)] {
            assert!(mapping.pointer(offset, length).is_none());
            assert!(mapping.writable_pointer(offset, length).is_err());
            // SAFETY: only this thread knows the file.
            let (bytes, bytes_mut) =
                unsafe { (mapping.bytes(offset, length), mapping.bytes_mut(offset, length)) };
            assert!(bytes.is_empty() && bytes_mut.is_empty());
        }
    }

    #[test]
    fn short_files_are_refused() {
        for options in [WRITE, READ] {
            for (size, wanted) in [(100, 101), (0, 1), (4096, 0), (4096, usize::MAX)] {
                assert!(ReceivedFile::map(fd(&file(size)), wanted, options).is_err());
            }
        }
    }
}
