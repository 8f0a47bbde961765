//! Memory that several processes use at once, as words that are only ever touched atomically.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

use mmap_rs::{Mmap, MmapMut};
use rustix::fs::{
    fallocate, fchmod, fcntl_add_seals, fcntl_get_seals, memfd_create, FallocateFlags, MemfdFlags,
    Mode, SealFlags,
};
use rustix::mm::Advice;

use crate::context;
use crate::mapping::{advise_range, file_page_size, from_mmap, shared};

const WORD: usize = size_of::<u64>();

/// Seals under which nobody who uses the memory can be killed by somebody who makes the file shorter.
const LASTING: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Memory in a file without a name whose length never changes, mapped for reading and writing.
///
/// Whoever else has it mapped may write anything at any time: what is read is a number, and no more is known of it.
#[derive(Debug)]
pub struct SharedWords {
    map: MmapMut,
    /// Until nobody else is to have it.
    file: Option<File>,
    count: usize,
}

impl SharedWords {
    /// Makes a file of so many words, all 0, which take memory when they are used.
    ///
    /// # Errors
    /// When there is no memory or no descriptor, or `count` is 0 or more than a mapping can have.
    pub fn create(count: usize) -> io::Result<Self> {
        let what = || format!("making {count} words of shared memory");
        let create = || {
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let file: File = memfd_create("plasma-shared", flags)?.into();
            file.set_len(bytes_of(count)? as u64)?;
            fcntl_add_seals(&file, LASTING)?;
            Self::over(file, count)
        };
        create().map_err(|error: io::Error| context(&error, what()))
    }

    /// Maps what another process made.
    ///
    /// # Errors
    /// When it is not such a file, or has fewer words.
    pub fn map(fd: OwnedFd, count: usize) -> io::Result<Self> {
        let what = || format!("mapping {count} words of shared memory");
        checked(fd, count)
            .and_then(|file| Self::over(file, count))
            .map_err(|error| context(&error, what()))
    }

    fn over(file: File, count: usize) -> io::Result<Self> {
        let map = shared(&file, bytes_of(count)?, file_page_size(&file)?)?;
        let map = map.map_mut().map_err(from_mmap)?;
        exclude_from_dumps(map.as_ptr(), map.size());
        Ok(Self { map, file: Some(file), count })
    }

    /// Closes the descriptor: nobody else is to have the memory, which stays mapped.
    pub fn close(&mut self) {
        self.file = None;
    }

    fn file(&self) -> io::Result<&File> {
        let closed = || io::Error::new(io::ErrorKind::NotFound, "the descriptor is closed");
        self.file.as_ref().ok_or_else(closed)
    }

    /// How many words there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// A word.
    ///
    /// # Panics
    /// When there is none of this number.
    #[inline]
    #[must_use]
    pub fn word(&self, number: usize) -> &AtomicU64 {
        assert!(number < self.count, "no such word");
        // SAFETY: the word lies in the mapping, which is aligned to pages, is as long as `self`, and is only ever
        // touched atomically by all who know it.
        unsafe { &*self.map.as_ptr().cast::<AtomicU64>().add(number) }
    }

    /// Some words, one after the other.
    ///
    /// # Panics
    /// When there are not as many from the first on.
    #[inline]
    #[must_use]
    pub fn words(&self, first: usize, count: usize) -> &[AtomicU64] {
        let end = first.checked_add(count);
        assert!(end.is_some_and(|end| end <= self.count), "no such words");
        // SAFETY: as in `word`, for each of them.
        unsafe {
            std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>().add(first), count)
        }
    }

    /// The first half of a word, to sleep on. Nobody uses it as anything else.
    ///
    /// # Panics
    /// When there is none of this number.
    #[inline]
    #[must_use]
    pub fn bed(&self, number: usize) -> &AtomicU32 {
        assert!(number < self.count, "no such word");
        // SAFETY: as in `word`; this one is never touched as a whole.
        unsafe { &*self.map.as_ptr().cast::<AtomicU32>().add(2 * number) }
    }

    /// A descriptor through which the file can only be read. Once all who are to have one do, nobody without the rights
    /// of this user can open it otherwise.
    ///
    /// # Errors
    /// When there is no descriptor left, or it was closed, or there is no `/proc`.
    pub fn for_reading(&self) -> io::Result<OwnedFd> {
        use std::os::fd::AsRawFd;
        // What a descriptor may do is looked at when it is opened, so the rights are there for that moment only.
        let file = self.file()?;
        fchmod(file, Mode::RUSR)?;
        let opened = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()));
        fchmod(file, Mode::empty())?;
        Ok(opened?.into())
    }

    /// A descriptor through which the file can be read and written.
    ///
    /// # Errors
    /// When there is none left, or it was closed.
    pub fn for_writing(&self) -> io::Result<OwnedFd> {
        self.file()?.as_fd().try_clone_to_owned()
    }

    /// Sets words to 0 and gives their memory back, all whole pages among them at least. Nobody else writes there.
    ///
    /// # Panics
    /// When they are not all there.
    pub fn clear(&self, words: std::ops::Range<usize>) {
        assert!(words.start <= words.end && words.end <= self.count, "no such words");
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let (start, length) = (words.start * WORD, words.len() * WORD);
        let punched = self
            .file()
            .is_ok_and(|file| fallocate(file, flags, start as u64, length as u64).is_ok());
        if !punched {
            for number in words {
                self.word(number).store(0, Ordering::Relaxed);
            }
        }
        fence(Ordering::SeqCst);
    }
}

/// The same memory, mapped for reading.
#[derive(Debug)]
pub struct ReadWords {
    map: Mmap,
    count: usize,
}

impl ReadWords {
    /// Maps what another process made.
    ///
    /// # Errors
    /// When it is not such a file, or has fewer words.
    pub fn map(fd: OwnedFd, count: usize) -> io::Result<Self> {
        let what = || format!("mapping {count} words of shared memory for reading");
        let map = || {
            let file = checked(fd, count)?;
            let map = shared(&file, bytes_of(count)?, file_page_size(&file)?)?;
            let map = map.map().map_err(from_mmap)?;
            exclude_from_dumps(map.as_ptr(), map.size());
            Ok(Self { map, count })
        };
        map().map_err(|error| context(&error, what()))
    }

    /// What a word holds now; 0 where there is none. Relaxed.
    #[inline]
    #[must_use]
    pub fn load(&self, number: usize) -> u64 {
        if number >= self.count {
            return 0;
        }
        // SAFETY: the word lies in the mapping, which is aligned to pages and as long as `self`. A relaxed load of a word
        // never writes, so that it may be of memory for reading only.
        unsafe { &*self.map.as_ptr().cast::<AtomicU64>().add(number) }.load(Ordering::Relaxed)
    }
}

fn bytes_of(count: usize) -> io::Result<usize> {
    let most = isize::MAX.unsigned_abs() / 2;
    let bytes = count.checked_mul(WORD).filter(|&bytes| bytes > 0 && bytes < most);
    bytes.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// A file that cannot become shorter and is long enough.
fn checked(fd: OwnedFd, count: usize) -> io::Result<File> {
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what.to_owned()));
    let seals = fcntl_get_seals(&fd).unwrap_or(SealFlags::empty());
    if !seals.contains(SealFlags::SHRINK) {
        return wrong("the file could become shorter");
    }
    let file = File::from(fd);
    let length = file.metadata()?.len();
    if length < bytes_of(count)? as u64 {
        return wrong(&format!("the file has {length} bytes"));
    }
    Ok(file)
}

fn exclude_from_dumps(base: *const u8, length: usize) {
    // SAFETY: the range is a whole mapping that we own, and the advice alters no byte.
    let done = unsafe { advise_range(base, length, Advice::LinuxDontDump) };
    if let Err(error) = done {
        log::debug!("shared memory will be in core dumps: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_writes_the_other_reads() {
        let words = SharedWords::create(1000).unwrap();
        let same = SharedWords::map(words.for_writing().unwrap(), 1000).unwrap();
        let read = ReadWords::map(words.for_reading().unwrap(), 1000).unwrap();
        same.word(999).store(7, Ordering::Relaxed);
        assert_eq!((words.word(999).load(Ordering::Relaxed), read.load(999)), (7, 7));
        assert_eq!((read.load(1000), read.load(0)), (0, 0));
        assert_eq!(words.count(), 1000);
    }

    #[test]
    fn for_reading_is_for_reading() {
        let words = SharedWords::create(1).unwrap();
        assert!(SharedWords::map(words.for_reading().unwrap(), 1).is_err());
        let fd = words.for_reading().unwrap();
        assert!(rustix::io::write(&fd, &[1]).is_err());
    }

    #[test]
    fn the_length_is_checked_and_stays() {
        let words = SharedWords::create(512).unwrap();
        assert!(SharedWords::map(words.for_writing().unwrap(), 513).is_err());
        assert!(ReadWords::map(words.for_reading().unwrap(), 513).is_err());
        let file = File::from(words.for_writing().unwrap());
        assert!(file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
        let other = tempfile::tempfile().unwrap();
        other.set_len(4096).unwrap();
        assert!(SharedWords::map(other.into(), 512).is_err(), "it could become shorter");
        for count in [0, usize::MAX, usize::MAX / 8] {
            assert!(SharedWords::create(count).is_err());
        }
    }

    #[test]
    fn cleared_memory_is_zero_and_given_back() {
        let words = SharedWords::create(1 << 16).unwrap();
        let read = ReadWords::map(words.for_reading().unwrap(), 1 << 16).unwrap();
        for number in 0..1 << 16 {
            words.word(number).store(1, Ordering::Relaxed);
        }
        let resident = || {
            let data = words.file().unwrap().metadata().unwrap();
            std::os::unix::fs::MetadataExt::blocks(&data) * 512
        };
        assert_eq!(resident(), 1 << 19);
        words.clear(512..(1 << 16) - 512);
        assert_eq!(resident(), 2 * 4096);
        let sum = (0..1 << 16).map(|number| read.load(number)).sum::<u64>();
        assert_eq!(sum, 1024);
        let mut words = words;
        words.close();
        assert!(words.for_writing().is_err() && words.for_reading().is_err());
        words.clear(0..512);
        assert_eq!((words.word(0).load(Ordering::Relaxed), read.load(511)), (0, 0));
    }
}
