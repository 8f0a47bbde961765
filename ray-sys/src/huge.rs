//! Huge pages for files in memory, without anybody having set the machine up for them.
//!
//! `MADV_COLLAPSE` (Linux 6.1) gives a part of a tmpfs file one huge page in place of many small ones, whatever
//! `shmem_enabled` says, unless that is `deny`. One clearing of 2 MiB and one fault in each process take the place of 512.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use mmap_rs::{MmapMut, MmapOptions};
use rustix::fs::{fallocate, fstatfs, FallocateFlags};
use rustix::io::Errno;
use rustix::mm::{madvise, Advice};

use crate::pages::page_size;

/// `f_type` of a tmpfs, and of memory files.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Named by neither rustix nor libc yet.
const MADV_COLLAPSE: i32 = 25;

/// Bytes of a huge page that ordinary memory can consist of, if the kernel knows such.
pub(crate) fn transparent_huge_page_size() -> Option<usize> {
    static SIZE: OnceLock<Option<usize>> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let path = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";
        let size = std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok()?;
        (size.is_power_of_two() && size > page_size()).then_some(size)
    })
}

/// An address for a new mapping of `len` bytes at which its huge pages can be mapped whole, or nothing where that
/// makes no difference. A hint: when another thread takes the place first, the mapping comes to lie elsewhere.
pub(crate) fn aligned_address(len: usize) -> Option<usize> {
    let huge = transparent_huge_page_size().filter(|&huge| huge <= len)?;
    let room = MmapOptions::new(len.checked_add(huge)?).ok()?.map_none().ok()?;
    (room.as_ptr() as usize).checked_next_multiple_of(huge)
}

/// Whether a file lies in memory.
pub(crate) fn is_in_memory(file: impl AsFd) -> bool {
    // The kernel's type is signed on some platforms.
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
    fstatfs(file).is_ok_and(|stat| stat.f_type as u64 & 0xffff_ffff == TMPFS_MAGIC)
}

/// Gives the bytes of `file` from `at` on, which `map` maps from its start, one huge page. What they hold is kept, and
/// whoever has them mapped notices nothing. `false` when the kernel gives none.
///
/// # Errors
/// When there is no space for even an ordinary page.
///
/// # Panics
/// When the bytes do not lie in the mapping.
pub(crate) fn set_up(file: &File, map: &MmapMut, at: usize, size: usize) -> io::Result<bool> {
    assert!(at.checked_add(size).is_some_and(|end| end <= map.size()));
    let address = map.as_ptr().wrapping_add(at).cast_mut();
    if !(address as usize).is_multiple_of(size) || !at.is_multiple_of(size) {
        return Ok(false);
    }
    // A part without any page counts as cut off from the file.
    match fallocate(file, FallocateFlags::empty(), at as u64, page_size() as u64) {
        Ok(()) => {}
        Err(Errno::INTR) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    // SAFETY: the range lies in the mapping, as was asserted; the call alters no byte.
    let refused = unsafe { libc::madvise(address.cast(), size, MADV_COLLAPSE) } != 0;
    if refused {
        let error = io::Error::last_os_error();
        log::debug!("no huge page at {at}: {error}");
        return Ok(false);
    }
    // The call maps the page here too, where it would count as memory of this process.
    // SAFETY: as above; for a shared mapping the call drops entries of page tables and no byte.
    if let Err(error) = unsafe { madvise(address.cast(), size, Advice::LinuxDontNeed) } {
        log::debug!("a huge page stays mapped: {error}");
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use super::*;
    use crate::mapping::{shared, FileMapping, MappingOptions};

    /// The number of a line of `/proc/self/smaps`, in bytes, of the mapping at this address.
    fn smaps(base: *const u8, name: &str) -> usize {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let entry = smaps.split_once(&format!("{:x}-", base as usize)).unwrap().1;
        let line = entry.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
    }

    /// A file in memory of this many huge pages, and their size; none where the kernel knows none.
    fn in_memory(pages: usize) -> Option<(File, usize)> {
        let size = transparent_huge_page_size()?;
        let file: File =
            rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into();
        file.set_len((pages * size) as u64).unwrap();
        Some((file, size))
    }

    #[test]
    fn what_a_huge_page_holds_is_kept_and_nothing_stays_mapped() {
        let Some((file, size)) = in_memory(3) else { return };
        file.write_all_at(b"kept", size as u64 + 5000).unwrap();
        let map = shared(&file, 3 * size, page_size()).unwrap().map_mut().unwrap();
        assert_eq!(map.as_ptr() as usize % size, 0);
        let given = set_up(&file, &map, size, size).unwrap();
        assert_eq!(smaps(map.as_ptr(), "Rss:"), 0);
        let mut bytes = [1; 8];
        file.read_exact_at(&mut bytes, size as u64 + 5000).unwrap();
        assert_eq!(&bytes, b"kept\0\0\0\0");
        let blocks = file.metadata().map(|data| std::os::unix::fs::MetadataExt::blocks(&data));
        let space = usize::try_from(blocks.unwrap()).unwrap() * 512;
        assert_eq!(space, if given { size } else { 2 * page_size() });
    }

    #[test]
    fn whoever_maps_the_file_has_one_page_for_all() {
        let Some((file, size)) = in_memory(2) else { return };
        let map = shared(&file, 2 * size, page_size()).unwrap().map_mut().unwrap();
        if !set_up(&file, &map, 0, size).unwrap() {
            eprintln!("this kernel gives no huge pages");
            return;
        }
        let mapping = FileMapping::from_fd(file.into(), 2 * size, false).unwrap();
        mapping.copy_in(12_345, &[1]).unwrap();
        assert_eq!(smaps(mapping.base().as_ptr(), "ShmemPmdMapped:"), size);
    }

    #[test]
    fn bytes_that_are_no_whole_page_are_left_alone() {
        let Some((file, size)) = in_memory(2) else { return };
        let map = shared(&file, 2 * size, page_size()).unwrap().map_mut().unwrap();
        assert!(!set_up(&file, &map, page_size(), size).unwrap());
        assert_eq!(std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()), 0);
    }

    #[test]
    fn reserved_ranges_have_all_their_space_whatever_the_pages_are() {
        let Some(size) = transparent_huge_page_size() else { return };
        let mapping =
            FileMapping::create(Path::new("/dev/shm"), 4 * size, MappingOptions::default());
        let mapping = mapping.unwrap();
        let space =
            || usize::try_from(rustix::fs::fstat(&mapping).unwrap().st_blocks).unwrap() * 512;
        mapping.copy_in(size, b"kept").unwrap();
        mapping.reserve(4096..2 * size + 4096).unwrap();
        assert_eq!(space(), 2 * size);
        let reserver = mapping.reserver().unwrap();
        reserver.reserve(0..4 * size).unwrap();
        assert_eq!(space(), 4 * size);
        let mut bytes = [0; 4];
        mapping.copy_out(size, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
        assert!(reserver.reserve(0..4 * size + 1).is_err());
    }

    #[test]
    fn files_on_disk_are_not_in_memory() {
        assert!(!is_in_memory(File::open("/proc/self/exe").unwrap()));
        assert!(is_in_memory(File::open("/dev/shm").unwrap()));
    }
}
