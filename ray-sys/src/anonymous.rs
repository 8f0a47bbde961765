//! Memory of this process that does not lie in the heap, so that it can be given back page by page.

use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use rustix::mm::{madvise, mmap_anonymous, mremap, munmap};
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags};

use crate::context;
use crate::pages::{page_size, round_up};

/// Above this many bytes [`ZeroedArray::use_huge_pages`] has an effect.
const HUGE_PAGE: usize = 2 << 20;

/// A type of which memory that is zero is a value, and that needs no dropping.
///
/// # Safety
/// All bytes zero are a valid value.
pub unsafe trait Zeroable: Copy {}

// SAFETY: integers; and nothing.
unsafe impl Zeroable for u64 {}
// SAFETY: as above.
unsafe impl Zeroable for u32 {}
// SAFETY: as above.
unsafe impl Zeroable for () {}

/// An array in pages of its own. Elements are zero until they are written; pages take memory once they are touched.
///
/// It moves when it grows, as a vector does, but nothing is copied: the pages keep their contents and get other addresses.
#[derive(Debug)]
pub struct ZeroedArray<T> {
    start: NonNull<T>,
    len: usize,
    /// Bytes that are mapped; 0 when nothing is.
    mapped: usize,
}

// SAFETY: the array owns its memory alone, like a vector.
unsafe impl<T: Send> Send for ZeroedArray<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for ZeroedArray<T> {}

impl<T: Zeroable> ZeroedArray<T> {
    /// An array without elements, which takes no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { start: NonNull::dangling(), len: 0, mapped: 0 }
    }

    /// An array of so many zeros.
    ///
    /// # Errors
    /// As [`Self::grow`].
    pub fn zeroed(len: usize) -> io::Result<Self> {
        let mut array = Self::new();
        array.grow(len)?;
        Ok(array)
    }

    /// Makes the array longer; what is new is zero. Does nothing if it is as long already.
    ///
    /// # Errors
    /// When the operating system has no address space or no memory for it. Nothing has changed then.
    pub fn grow(&mut self, len: usize) -> io::Result<()> {
        if len <= self.len {
            return Ok(());
        }
        let what = || format!("memory for {len} elements of {} bytes", size_of::<T>());
        let bytes = len.checked_mul(size_of::<T>()).and_then(|bytes| round_up(bytes, page_size()));
        let Some(bytes) = bytes.filter(|&bytes| bytes <= isize::MAX.unsigned_abs()) else {
            return Err(context(&io::ErrorKind::OutOfMemory.into(), what()));
        };
        if bytes > self.mapped {
            // SAFETY: a new mapping touches nothing else; an old one is ours, and `&mut self` says that nobody uses it.
            let start = unsafe {
                if self.mapped == 0 {
                    let access = ProtFlags::READ | ProtFlags::WRITE;
                    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
                    mmap_anonymous(std::ptr::null_mut(), bytes, access, flags)
                } else {
                    mremap(self.start.as_ptr().cast(), self.mapped, bytes, MremapFlags::MAYMOVE)
                }
            }
            .map_err(|error| context(&error.into(), what()))?;
            self.start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            self.mapped = bytes;
        }
        self.len = len;
        Ok(())
    }

    /// Asks for huge pages, which make random access faster. What is given back of one later goes at once if the kernel can
    /// split it, and else when nothing of it is left.
    pub fn use_huge_pages(&self) {
        if self.mapped >= HUGE_PAGE {
            self.advise(0..self.mapped, Advice::LinuxHugepage);
        }
    }

    /// Sets up all pages with one call, where every one of them is about to be written at random: two faults a page otherwise, when it
    /// is read first.
    pub fn populate(&self) {
        self.advise(0..self.mapped, Advice::LinuxPopulateWrite);
    }

    /// Gives the memory of some elements back; they are zero then. What shares a page with others stays as it is.
    pub fn give_back(&mut self, elements: Range<usize>) {
        let page = page_size();
        let Some(start) = round_up(elements.start * size_of::<T>(), page) else { return };
        let end = elements.end.min(self.len) * size_of::<T>() / page * page;
        if start < end {
            self.advise(start..end, Advice::LinuxDontNeed);
        }
    }

    fn advise(&self, bytes: Range<usize>, advice: Advice) {
        if bytes.is_empty() {
            return;
        }
        let at = self.start.as_ptr().wrapping_byte_add(bytes.start);
        // SAFETY: the range is of our own mapping. Advice changes no contents, except for `LinuxDontNeed`, which
        // makes them zero, a valid value, and which only `give_back` uses, that nobody has a reference during.
        if let Err(error) = unsafe { madvise(at.cast(), bytes.len(), advice) } {
            log::debug!("{advice:?} for {} bytes is refused: {error}", bytes.len());
        }
    }
}

impl<T: Zeroable> Default for ZeroedArray<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for ZeroedArray<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: so many elements are mapped, aligned to a page, and zero or written: valid in either case.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for ZeroedArray<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and the array is borrowed by us alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T> Drop for ZeroedArray<T> {
    fn drop(&mut self) {
        if self.mapped > 0 {
            // SAFETY: the mapping is ours, and nobody has a reference into it any more.
            if let Err(error) = unsafe { munmap(self.start.as_ptr().cast(), self.mapped) } {
                log::error!("{} bytes cannot be unmapped: {error}", self.mapped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_stays_while_it_grows() {
        let mut array = ZeroedArray::<u64>::new();
        assert!(array.is_empty());
        for length in [1_usize, 511, 512, 513, 100_000, 1_000_000] {
            let before = array.len();
            array.grow(length).unwrap();
            assert_eq!(array.len(), length);
            assert!(array[before..].iter().all(|&element| element == 0));
            for (at, element) in array.iter_mut().enumerate().skip(before) {
                *element = at as u64 + 1;
            }
        }
        array.grow(5).unwrap();
        assert_eq!(array.len(), 1_000_000, "it never gets shorter");
        array.use_huge_pages();
        assert!(array.iter().enumerate().all(|(at, &element)| element == at as u64 + 1));
    }

    #[test]
    fn only_whole_pages_are_given_back() {
        let each = page_size() / size_of::<u64>();
        let mut array = ZeroedArray::<u64>::zeroed(4 * each).unwrap();
        array.fill(7);
        array.give_back(1..3 * each - 1);
        for (at, element) in array.iter().enumerate() {
            let gone = (each..2 * each).contains(&at);
            assert_eq!(*element, if gone { 0 } else { 7 }, "{at}");
        }
        array[each] = 9;
        assert_eq!(array[each], 9, "it can be used again");
        array.give_back(0..usize::MAX / 16);
        assert!(array.iter().all(|&element| element == 0));
    }

    #[test]
    fn populated_pages_are_resident_and_zero() {
        let pages = 64;
        let mut array = ZeroedArray::<u64>::zeroed(pages * page_size() / size_of::<u64>()).unwrap();
        array[5] = 6;
        array.populate();
        let mut resident = vec![0_u8; pages];
        // SAFETY: the mapping has so many pages, and there is a byte for each of them.
        let done = unsafe {
            libc::mincore(array.start.as_ptr().cast(), array.mapped, resident.as_mut_ptr())
        };
        assert_eq!(done, 0);
        assert!(resident.iter().all(|page| page & 1 == 1));
        assert_eq!(array[5], 6);
        assert_eq!(array.iter().sum::<u64>(), 6);
        ZeroedArray::<u64>::new().populate();
    }

    #[test]
    fn more_than_there_can_be_is_refused() {
        let mut array = ZeroedArray::<u64>::zeroed(10).unwrap();
        array[3] = 4;
        assert!(array.grow(usize::MAX / 8).is_err());
        assert!(array.grow(usize::MAX).is_err());
        assert_eq!((array.len(), array[3]), (10, 4));
    }
}
