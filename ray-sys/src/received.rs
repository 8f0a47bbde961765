//! Files that a store sent, mapped.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use mmap_rs::{Mmap, MmapFlags, MmapMut, MmapOptions};
use rustix::mm::{madvise, Advice};

use crate::context;
use crate::mapping::{file_page_size, from_mmap};
use crate::pages::round_up;

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
}

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
            let map = mapping_of(&file, size, page_size)?.map().map_err(from_mmap)?;
            exclude(map.as_ptr(), map.size(), dump);
            Map::ReadOnly(map)
        } else {
            let map = mapping_of(&file, size, page_size)?.map_mut().map_err(from_mmap)?;
            exclude(map.as_ptr(), map.size(), dump);
            Map::ReadWrite(map)
        };
        Ok(Self { map, size })
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

    /// Copies `bytes` to `offset`.
    ///
    /// # Errors
    /// As [`Self::writable_pointer`].
    pub fn copy_in(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let to = self.writable_pointer(offset, bytes.len())?;
        // SAFETY: the target lies in the mapping, which is writable and as long as `self`; memory that somebody has
        // a reference to is not given to this function.
        unsafe { to.as_ptr().copy_from(bytes.as_ptr(), bytes.len()) };
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

fn mapping_of(file: &File, size: usize, page_size: usize) -> io::Result<MmapOptions<'_>> {
    let length = round_up(size, page_size).ok_or(io::ErrorKind::InvalidInput)?;
    let options = MmapOptions::new(length).map_err(from_mmap)?.with_flags(MmapFlags::SHARED);
    // SAFETY: the mapping is reached by raw pointers, and by references only where somebody vouches for them. The
    // file has at least the bytes that are used.
    Ok(unsafe { options.with_file(file, 0) })
}

/// Best effort: it changes the size of a dump, nothing else.
fn exclude(base: *const u8, length: usize, wanted: bool) {
    if !wanted {
        return;
    }
    // SAFETY: the range is a whole mapping that we own, and the advice alters no byte.
    let done = unsafe { madvise(base.cast_mut().cast(), length, Advice::LinuxDontDump) };
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
