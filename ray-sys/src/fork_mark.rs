//! Notices, without a system call, that this process is a fork.

use std::io;

use mmap_rs::{MmapMut, MmapOptions};
use rustix::mm::{madvise, Advice};

use crate::mapping::from_mmap;
use crate::page_size;

/// A mark that a fork of this process does not have.
#[derive(Debug)]
pub struct ForkMark(MmapMut);

impl ForkMark {
    /// Makes a mark, which takes a page.
    ///
    /// # Errors
    /// When there is no memory, or the kernel is older than 4.14.
    pub fn new() -> io::Result<Self> {
        let mut map =
            MmapOptions::new(page_size()).map_err(from_mmap)?.map_mut().map_err(from_mmap)?;
        // SAFETY: the range is the whole of a mapping that we own; the advice empties it in forks only.
        unsafe { madvise(map.as_mut_ptr().cast(), map.size(), Advice::LinuxWipeOnFork) }?;
        // SAFETY: the mapping is writable, ours alone, and at least a byte long.
        unsafe { map.as_mut_ptr().write(1) };
        Ok(Self(map))
    }

    /// Whether this process was forked from the one that made the mark, or from a fork of it.
    #[must_use]
    pub fn is_in_fork(&self) -> bool {
        // SAFETY: the mapping is readable and at least a byte long. Volatile, because a fork changes it unseen.
        unsafe { self.0.as_ptr().read_volatile() == 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_fork_has_no_mark() {
        let mark = ForkMark::new().unwrap();
        assert!(!mark.is_in_fork());
        let mut command = Command::new("true");
        let seen = move || match mark.is_in_fork() {
            true => Err(io::Error::from_raw_os_error(42)),
            false => Ok(()),
        };
        // SAFETY: between fork and exec it only reads memory.
        let error = unsafe { command.pre_exec(seen) }.spawn().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(42));
    }
}
