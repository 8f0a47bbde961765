//! Space behind the bytes of a file, promised before they are touched.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use mmap_rs::MmapMut;
use rustix::fs::{fallocate, fstatvfs, FallocateFlags};
use rustix::io::Errno;

use crate::huge::{is_in_memory, set_up, transparent_huge_page_size};
use crate::huge_pace::HugePace;
use crate::mapping::{from_mmap, shared};

/// Reserves space of a file while others use it.
#[derive(Debug)]
pub struct Reserver {
    // Declared in the order in which they have to go.
    map: MmapMut,
    file: File,
    pace: Arc<HugePace>,
}

impl Reserver {
    /// For the first `len` bytes of a file, which are mapped once more for it.
    pub(crate) fn new(
        file: File,
        len: usize,
        page_size: usize,
        pace: Arc<HugePace>,
    ) -> io::Result<Self> {
        let map = shared(&file, len, page_size)?.map_mut().map_err(from_mmap)?;
        Ok(Self { map, file, pace })
    }

    /// As [`FileMapping::reserve`](crate::FileMapping::reserve), but only where what the bytes hold is kept.
    ///
    /// # Errors
    /// When there is no space, the range does not lie in the file, or the file system has no call for it.
    pub fn reserve(&self, range: Range<usize>) -> io::Result<()> {
        if range.start > range.end || range.end > self.map.size() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        reserve(&self.file, &self.map, range, false, &self.pace)
    }
}

/// Reserves a range of a file that `map` maps from its start, and at least to the end of the range: by huge pages where
/// it holds whole ones, the kernel gives them, and `pace` says that they come fast enough. With `may_write`, zeros are
/// written where the file system has no call.
pub(crate) fn reserve(
    file: &File,
    map: &MmapMut,
    range: Range<usize>,
    may_write: bool,
    pace: &HugePace,
) -> io::Result<()> {
    let huge = transparent_huge_page_size().filter(|_| is_in_memory(file));
    let mut at = range.start;
    while let Some(size) = huge {
        let Some(start) = at.checked_next_multiple_of(size) else { break };
        if start.checked_add(size).is_none_or(|end| end > range.end) {
            break;
        }
        reserve_small(file, at..start, may_write)?;
        at = start;
        if !pace.asks_for_huge() {
            reserve_small(file, at..at + size, may_write)?;
        } else if !pace.timed(size, || set_up(file, map, start, size))? {
            break;
        }
        at += size;
    }
    reserve_small(file, at..range.end, may_write)
}

/// Whether so many bytes more can be in a file system in memory. One that is too small says so at once, instead of after all
/// of its pages have been cleared. Others are asked by reserving: what they call free is an estimate for some.
///
/// # Errors
/// When the bytes are more than what is free.
pub(crate) fn check_free_memory(file: &File, bytes: usize) -> io::Result<()> {
    if !is_in_memory(file) {
        return Ok(());
    }
    // A tmpfs without a limit has no blocks, and an anonymous file lies in such a one.
    let Ok(stat) = fstatvfs(file) else { return Ok(()) };
    if stat.f_blocks > 0 && stat.f_bfree.saturating_mul(stat.f_frsize) < bytes as u64 {
        return Err(Errno::NOSPC.into());
    }
    Ok(())
}

/// Smallest piece that a reservation is cut into when signals keep interrupting it.
const SMALLEST_PIECE: u64 = 256 * 1024;

fn reserve_small(file: &File, range: Range<usize>, may_write: bool) -> io::Result<()> {
    let (mut at, end) = (range.start as u64, range.end as u64);
    let mut piece = end - at;
    while at < end {
        let len = piece.min(end - at);
        match fallocate(file, FallocateFlags::empty(), at, len) {
            Ok(()) => at += len,
            // tmpfs gives back what an interrupted call had got so far: smaller steps get through.
            Err(Errno::INTR) => piece = (len / 2).max(SMALLEST_PIECE),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) if may_write => {
                return write_zeros(file, at..end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives the space of whole pages back.
pub(crate) fn give_back(file: &File, range: Range<usize>) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if range.is_empty() {
        return Ok(());
    }
    let (start, len) = (range.start as u64, range.len() as u64);
    loop {
        match fallocate(file, flags, start, len) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Err(io::ErrorKind::Unsupported.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn write_zeros(file: &File, range: Range<u64>) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
        file.write_all_at(&ZEROS[..len], at)?;
        at += len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_memory_has_no_room_for_is_refused_before_any_page_is_taken() {
        let in_memory = tempfile::tempfile_in("/dev/shm").unwrap();
        let refused = check_free_memory(&in_memory, usize::MAX).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        check_free_memory(&in_memory, 1).unwrap();
        // Those have no limit that would say anything, or say it when they are asked for space.
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let anonymous: File = rustix::fs::memfd_create("test", flags).unwrap().into();
        check_free_memory(&anonymous, usize::MAX).unwrap();
        check_free_memory(&File::open("/proc/self/exe").unwrap(), usize::MAX).unwrap();
    }

    #[test]
    fn zeros_stand_in_for_a_missing_call() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(300_000).unwrap();
        file.write_all_at(&[7; 300_000], 0).unwrap();
        write_zeros(&file, 1000..201_000).unwrap();
        let mut bytes = vec![1; 300_000];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes[..1000].iter().chain(&bytes[201_000..]).all(|&byte| byte == 7));
        assert!(bytes[1000..201_000].iter().all(|&byte| byte == 0));
        assert_eq!(file.metadata().unwrap().len(), 300_000);
    }
}
