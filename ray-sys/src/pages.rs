//! Page sizes and rounding to them.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::fstatfs;

/// `f_type` of a hugetlbfs; the bits count, whatever the sign of the field.
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;

/// Bytes of an ordinary page.
#[must_use]
pub fn page_size() -> usize {
    rustix::param::page_size()
}

/// `size` rounded up to a multiple of `unit`, or nothing if that is more than a mapping can have.
///
/// `unit` must be a power of two.
#[must_use]
pub fn round_up(size: usize, unit: usize) -> Option<usize> {
    debug_assert!(unit.is_power_of_two());
    let rounded = size.checked_add(unit - 1)? & !(unit - 1);
    (rounded <= isize::MAX.unsigned_abs()).then_some(rounded)
}

/// The page size of a file, if it consists of huge pages.
pub(crate) fn huge_page_size(file: impl AsFd) -> io::Result<Option<usize>> {
    let stat = fstatfs(file)?;
    // The kernel's type is signed on some platforms, and the number has its 32nd bit set.
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
    let kind = stat.f_type as u64 & 0xffff_ffff;
    if kind != HUGETLBFS_MAGIC {
        return Ok(None);
    }
    let size = usize::try_from(stat.f_bsize).ok().filter(|size| size.is_power_of_two());
    size.map(Some).ok_or_else(|| io::Error::other("a hugetlbfs names no page size"))
}

#[cfg(test)]
mod tests {
    use super::{page_size, round_up};

    #[test]
    fn rounding() {
        assert_eq!(round_up(0, 4096), Some(0));
        assert_eq!(round_up(1, 4096), Some(4096));
        assert_eq!(round_up(4096, 4096), Some(4096));
        assert_eq!(round_up(4097, 4096), Some(8192));
    }

    #[test]
    fn rounding_never_wraps_nor_exceeds_a_mapping() {
        let largest = isize::MAX.unsigned_abs();
        assert_eq!(round_up(usize::MAX, 4096), None);
        assert_eq!(round_up(usize::MAX - 4095, 4096), None);
        assert_eq!(round_up(largest, 4096), None);
        assert_eq!(round_up(largest - 4095, 4096), Some(largest - 4095));
    }

    #[test]
    fn pages_are_powers_of_two() {
        assert!(page_size().is_power_of_two());
    }
}
