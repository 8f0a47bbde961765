//! Named POSIX semaphores, as `sem_open` makes them, in files that have room for more than the semaphore.

use std::cell::UnsafeCell;
use std::ffi::{c_int, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mmap_rs::{MmapFlags, MmapMut, MmapOptions};
use rustix::fs::{fallocate, linkat, AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::context;
use crate::mapping::from_mmap;
use crate::pages::page_size;

/// Where the C library keeps its named semaphores.
const FOLDER: &str = "/dev/shm";

extern "C" {
    // In glibc since 2.30; the libc crate does not list it.
    fn sem_clockwait(
        sem: *mut libc::sem_t,
        clock: libc::clockid_t,
        until: *const libc::timespec,
    ) -> c_int;
}

/// A semaphore in memory that other processes share.
#[repr(transparent)]
pub struct Semaphore(UnsafeCell<libc::sem_t>);

// SAFETY: that is what a semaphore is for.
unsafe impl Sync for Semaphore {}
// SAFETY: as above; it belongs to no thread.
unsafe impl Send for Semaphore {}

impl std::fmt::Debug for Semaphore {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Semaphore at {:p}", self.as_ptr())
    }
}

impl Semaphore {
    /// The semaphore behind a `sem_t *`.
    ///
    /// # Safety
    /// It points to a semaphore that is initialised and lives as long as the reference is used.
    #[must_use]
    pub unsafe fn from_ptr<'a>(pointer: *mut u8) -> &'a Self {
        // SAFETY: the caller vouches for it.
        unsafe { &*pointer.cast() }
    }

    /// The `sem_t *`.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.0.get().cast()
    }

    /// Adds one and wakes somebody who waits.
    pub fn post(&self) {
        if self.post_alone() {
            return;
        }
        // SAFETY: an initialised semaphore.
        let failed = unsafe { libc::sem_post(self.0.get()) } != 0;
        if failed {
            // Only possible at two thousand million.
            log::error!("a semaphore is full: {}", io::Error::last_os_error());
        }
    }

    /// Takes one if there is one.
    pub fn try_wait(&self) -> bool {
        if let Some(words) = self.words() {
            let take = |both: u64| both.checked_sub(1).filter(|_| value_in(both) > 0);
            let order = (Ordering::Acquire, Ordering::Relaxed);
            return words.both.fetch_update(order.0, order.1, take).is_ok();
        }
        // SAFETY: an initialised semaphore.
        unsafe { libc::sem_trywait(self.0.get()) == 0 }
    }

    /// Adds one if nobody waits. This and the way in which [`Self::try_wait`] takes one are the C library's own, in place:
    /// who has just got a processor for a few hundred nanoseconds saves the way to pages of the library that it has not at hand.
    fn post_alone(&self) -> bool {
        let Some(words) = self.words() else { return false };
        let is_plain = |both: u64| both >> 32 == 0 && value_in(both) < i32::MAX.unsigned_abs();
        let give = |both: u64| is_plain(both).then(|| both + 1);
        words.both.fetch_update(Ordering::AcqRel, Ordering::Relaxed, give).is_ok()
    }

    /// Takes one; waits for it until then. Returns `false` when there was none, and may do so early (after a signal).
    pub fn wait_until(&self, until: Instant) -> bool {
        if self.try_wait() {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let Some(until) = monotonic_after(left) else { return false };
        // SAFETY: an initialised semaphore, and a time on our stack.
        unsafe { sem_clockwait(self.0.get(), libc::CLOCK_MONOTONIC, &raw const until) == 0 }
    }

    /// The words by which a thread can notice a [`Self::post`] without taking anything: glibc keeps the value in the lower
    /// half and the number of waiters in the upper half of the first eight bytes, and a post wakes a waiter on the lower
    /// half if that number is not 0. `None` with another C library or processor.
    #[must_use]
    pub fn words(&self) -> Option<SemaphoreWords<'_>> {
        if cfg!(all(target_env = "gnu", target_pointer_width = "64", target_endian = "little")) {
            let first = self.0.get();
            // SAFETY: these bytes are a semaphore's, aligned to 8, and only ever accessed atomically.
            let (both, value) =
                unsafe { (&*first.cast::<AtomicU64>(), &*first.cast::<AtomicU32>()) };
            Some(SemaphoreWords { both, value })
        } else {
            None
        }
    }
}

/// See [`Semaphore::words`].
#[derive(Debug, Clone, Copy)]
pub struct SemaphoreWords<'a> {
    /// The value, and above its 32 bits the number of waiters.
    pub both: &'a AtomicU64,
    /// The value alone, which waiters sleep on.
    pub value: &'a AtomicU32,
}

fn value_in(both: u64) -> u32 {
    #[allow(clippy::cast_possible_truncation)]
    let value = both as u32;
    value
}

fn monotonic_after(left: Duration) -> Option<libc::timespec> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let mut seconds = now.tv_sec.checked_add(i64::try_from(left.as_secs()).ok()?)?;
    let mut nanoseconds = now.tv_nsec + i64::from(left.subsec_nanos());
    if nanoseconds >= 1_000_000_000 {
        nanoseconds -= 1_000_000_000;
        seconds = seconds.checked_add(1)?;
    }
    Some(libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds })
}

/// What lies behind a semaphore in its file, when we made room for it: zeros at first, and never touched by the C library.
#[derive(Debug)]
#[repr(C)]
pub struct SemaphoreTail {
    /// For whatever its users agree on.
    pub words: [AtomicU32; 16],
    /// For whatever its users agree on.
    pub slots: [AtomicU64; 496],
}

/// Bytes from the beginning of the file to the tail.
const TAIL_AT: usize = 64;
/// Bytes of a file that has room for the tail.
pub const SEMAPHORE_FILE_SIZE: usize = TAIL_AT + size_of::<SemaphoreTail>();
const _: () = assert!(SEMAPHORE_FILE_SIZE == 4096 && size_of::<libc::sem_t>() <= TAIL_AT);

/// A semaphore with a name, which every process of this user can open, mapped. Also what `sem_open` of the C library opens by
/// this name. The name stays until [`NamedSemaphore::unlink`].
#[derive(Debug)]
pub struct NamedSemaphore {
    map: MmapMut,
    inode: u64,
}

impl NamedSemaphore {
    /// Makes a semaphore of a name that is not in use.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`]; a name that is none; what the file system says.
    pub fn create(name: &str, value: u32) -> io::Result<Self> {
        let path = path(name)?;
        let mode = Mode::RUSR | Mode::WUSR;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(FOLDER, flags, mode)?);
        let semaphore = Self::over(file.try_clone()?)?;
        // SAFETY: the memory is as large as a semaphore, aligned to a page, and nobody knows it yet.
        let failed =
            unsafe { libc::sem_init(semaphore.semaphore().0.get(), c_int::from(true), value) } != 0;
        if failed {
            return Err(context(&io::Error::last_os_error(), format!("a semaphore {name}")));
        }
        // It appears under its name when it is complete.
        let own = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        linkat(rustix::fs::CWD, own, rustix::fs::CWD, path, AtFlags::SYMLINK_FOLLOW)?;
        Ok(semaphore)
    }

    /// Opens a semaphore that there is.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`]; [`io::ErrorKind::InvalidData`] for a file that is no semaphore; what the file system says.
    pub fn open(name: &str) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = File::from(rustix::fs::open(path(name)?, flags, Mode::empty())?);
        let data = file.metadata()?;
        if !data.is_file() || data.len() < size_of::<libc::sem_t>() as u64 {
            let error = io::Error::from(io::ErrorKind::InvalidData);
            return Err(context(&error, format!("{name} is no semaphore")));
        }
        Self::over(file)
    }

    /// Maps the file, after room was made for the tail, so that touching it cannot fail.
    fn over(file: File) -> io::Result<Self> {
        loop {
            match fallocate(&file, FallocateFlags::empty(), 0, SEMAPHORE_FILE_SIZE as u64) {
                Err(Errno::INTR) => {}
                done => break done?,
            }
        }
        let inode = file.metadata()?.ino();
        let options = MmapOptions::new(SEMAPHORE_FILE_SIZE.next_multiple_of(page_size()));
        let options = options.map_err(from_mmap)?.with_flags(MmapFlags::SHARED);
        // SAFETY: the mapping is reached by atomics and the C library's functions only. The file is as long as what is used
        // of it, and nobody makes a semaphore shorter.
        let map = unsafe { options.with_file(&file, 0) }.map_mut().map_err(from_mmap)?;
        Ok(Self { map, inode })
    }

    /// Takes a name away. Who has the semaphore keeps it. No error if there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn unlink(name: &str) -> io::Result<()> {
        match std::fs::remove_file(path(name)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Whether there is a semaphore of this name.
    #[must_use]
    pub fn exists(name: &str) -> bool {
        path(name).is_ok_and(|path| path.exists())
    }

    /// Bytes of the file, which is how ours differ from those that the C library made, and how long ago it was made.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`]; what the file system says.
    pub fn size_and_age(name: &str) -> io::Result<(u64, Duration)> {
        let data = std::fs::symlink_metadata(path(name)?)?;
        Ok((data.len(), data.modified()?.elapsed().unwrap_or_default()))
    }

    /// The names of all semaphores that there are.
    ///
    /// # Errors
    /// What the file system says.
    pub fn names() -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(FOLDER)? {
            let name = entry?.file_name();
            let Some(rest) = name.as_bytes().strip_prefix(b"sem.") else { continue };
            names.extend(String::from_utf8(rest.to_vec()));
        }
        Ok(names)
    }

    /// The semaphore.
    #[must_use]
    pub fn semaphore(&self) -> &Semaphore {
        // SAFETY: the file begins with one, and the mapping lives as long as `self`.
        unsafe { Semaphore::from_ptr(self.map.as_ptr().cast_mut()) }
    }

    /// The number of the file, by which it is known whatever it was called when somebody mapped it.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// What lies behind it.
    #[must_use]
    pub fn tail(&self) -> &SemaphoreTail {
        let base = NonNull::new(self.map.as_ptr().cast_mut()).unwrap_or(NonNull::dangling());
        // SAFETY: `over` made the file this long; any bytes are such atomics, and they are accessed as atomics only.
        unsafe { base.add(TAIL_AT).cast().as_ref() }
    }
}

fn path(name: &str) -> io::Result<PathBuf> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 100 || !name.bytes().all(is_plain) {
        let error = io::Error::from(io::ErrorKind::InvalidInput);
        return Err(context(&error, format!("{name:?} cannot be the name of a semaphore")));
    }
    Ok([FOLDER, &format!("sem.{name}")].iter().collect())
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::sync::atomic::Ordering;

    use super::*;

    /// A name of this test's own that goes again.
    struct Name(String);

    impl Name {
        fn new(what: &str) -> Self {
            Self(format!("test-{what}-{}", std::process::id()))
        }
    }

    impl Drop for Name {
        fn drop(&mut self) {
            let _ = NamedSemaphore::unlink(&self.0);
        }
    }

    #[test]
    fn a_name_is_created_once_opened_and_taken_away() {
        let name = Name::new("name");
        let error = NamedSemaphore::open(&name.0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let made = NamedSemaphore::create(&name.0, 1).unwrap();
        let error = NamedSemaphore::create(&name.0, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let opened = NamedSemaphore::open(&name.0).unwrap();
        assert!(NamedSemaphore::names().unwrap().contains(&name.0));
        assert!(opened.semaphore().try_wait());
        assert!(!made.semaphore().try_wait());
        made.tail().slots[495].store(7, Ordering::Relaxed);
        assert_eq!(opened.tail().slots[495].load(Ordering::Relaxed), 7);
        NamedSemaphore::unlink(&name.0).unwrap();
        NamedSemaphore::unlink(&name.0).unwrap();
        assert!(!NamedSemaphore::exists(&name.0));
        made.semaphore().post();
        assert!(opened.semaphore().try_wait());
    }

    #[test]
    fn the_c_library_opens_ours_and_we_open_its() {
        let ours = Name::new("ours");
        let made = NamedSemaphore::create(&ours.0, 2).unwrap();
        let c_name = CString::new(ours.0.clone()).unwrap();
        // SAFETY: plain calls of the C library, with a name that lives.
        unsafe {
            let opened = libc::sem_open(c_name.as_ptr(), 0);
            assert_ne!(opened, libc::SEM_FAILED);
            assert_eq!(libc::sem_trywait(opened), 0);
            assert!(made.semaphore().try_wait() && !made.semaphore().try_wait());
            libc::sem_post(opened);
            assert!(made.semaphore().try_wait());
            libc::sem_close(opened);
        }
        let theirs = Name::new("theirs");
        let c_name = CString::new(theirs.0.clone()).unwrap();
        // SAFETY: as above.
        unsafe {
            let flags = libc::O_CREAT | libc::O_EXCL;
            let made = libc::sem_open(c_name.as_ptr(), flags, 0o600, 1);
            assert_ne!(made, libc::SEM_FAILED);
            let opened = NamedSemaphore::open(&theirs.0).unwrap();
            assert!(opened.tail().slots.iter().all(|slot| slot.load(Ordering::Relaxed) == 0));
            assert!(opened.semaphore().try_wait());
            assert_ne!(libc::sem_trywait(made), 0);
            libc::sem_close(made);
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for name in ["", "a/b", "../x", "a\0b", &"a".repeat(101)] {
            let error = NamedSemaphore::open(name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn a_wait_ends_with_a_post_or_with_its_time() {
        let name = Name::new("wait");
        let made = NamedSemaphore::create(&name.0, 0).unwrap();
        let opened = NamedSemaphore::open(&name.0).unwrap();
        assert!(!made.semaphore().wait_until(Instant::now()));
        assert!(!made.semaphore().wait_until(Instant::now() + Duration::from_millis(1)));
        std::thread::scope(|scope| {
            scope.spawn(|| opened.semaphore().post());
            let until = Instant::now() + Duration::from_secs(60);
            while !made.semaphore().wait_until(until) {}
        });
    }

    #[test]
    fn a_thread_that_waits_is_counted_where_we_look() {
        let name = Name::new("words");
        let made = NamedSemaphore::create(&name.0, 0).unwrap();
        let Some(words) = made.semaphore().words() else { return };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !made.semaphore().wait_until(Instant::now() + Duration::from_secs(60)) {}
            });
            while words.both.load(Ordering::SeqCst) >> 32 == 0 {
                std::thread::yield_now();
            }
            made.semaphore().post();
        });
        assert_eq!(words.both.load(Ordering::SeqCst), 0);
        made.semaphore().post();
        assert_eq!(words.value.load(Ordering::SeqCst), 1);
        assert!(made.semaphore().try_wait());
    }
}
