//! Copies that are too large for one processor.

use std::num::NonZero;
use std::sync::OnceLock;

/// So many bytes are copied by several threads, each of which has at least half as many: they do not stay in the caches
/// anyway, a processor alone does not take all that memory gives, and a thread begins within a hundredth of the time.
pub(crate) const VERY_MANY: usize = 8 << 20;

/// More threads than this do not make a copy faster.
const MOST_THREADS: usize = 8;

/// Parts begin at multiples of this, so that no page is written by two threads.
const UNIT: usize = 4096;

/// Copies `from` to `to`, which have one length: from 8 MiB on with as many threads as there are processors, and eight at
/// most. Of `at_once` such copies that are made at the same time each takes its share of the processors. Returns when all is
/// copied.
///
/// # Panics
/// When the lengths differ.
pub fn copy(to: &mut [u8], from: &[u8], at_once: usize) {
    assert_eq!(to.len(), from.len(), "a copy of another length");
    // SAFETY: as long as `from`, and nobody else has it.
    unsafe { copy_to(to.as_mut_ptr(), from, at_once) };
}

/// As [`copy`].
///
/// # Safety
/// As many bytes as `from` has can be written at `to`, by any thread, and `from` is elsewhere.
pub(crate) unsafe fn copy_to(to: *mut u8, from: &[u8], at_once: usize) {
    let threads = if from.len() < VERY_MANY { 1 } else { threads(from.len(), at_once) };
    if threads < 2 {
        // SAFETY: the caller vouches.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        return;
    }
    let part = from.len().div_ceil(threads).next_multiple_of(UNIT);
    let mut parts = from.chunks(part).enumerate().map(|(number, from)| {
        let to = Target(to.wrapping_add(number * part));
        // SAFETY: this part of the target lies where the caller vouches for, and no other part overlaps it.
        move || unsafe { to.fill(from) }
    });
    let first = parts.next();
    std::thread::scope(|scope| {
        for part in parts {
            let name = "plasma.copy".to_owned();
            let thread = std::thread::Builder::new().name(name).spawn_scoped(scope, part);
            if thread.is_err() {
                part();
            }
        }
        first.inspect(|first| first());
    });
}

/// How many threads copy so many bytes.
fn threads(length: usize, at_once: usize) -> usize {
    // Asking the system takes as long as copying many small values.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors =
        PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    (length / (VERY_MANY / 2)).min(MOST_THREADS).min(*processors / at_once.max(1))
}

#[derive(Clone, Copy)]
struct Target(*mut u8);

// SAFETY: the caller of `copy_to` vouches that any thread may write there.
unsafe impl Send for Target {}

impl Target {
    /// # Safety
    /// As many bytes as `from` has can be written there, and `from` is elsewhere.
    unsafe fn fill(self, from: &[u8]) {
        // SAFETY: the caller vouches.
        unsafe { self.0.copy_from_nonoverlapping(from.as_ptr(), from.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_arrives_and_none_beyond() {
        let odd = 3 * UNIT + 77;
        for length in [0, 1, 5000, VERY_MANY - 1, VERY_MANY, VERY_MANY + 1, 3 * VERY_MANY + odd] {
            let from: Vec<u8> = (0..length).map(|at| (at % 251).to_le_bytes()[0]).collect();
            let mut to = vec![255; length + 2];
            copy(&mut to[1..=length], &from, 1);
            assert!(to[1..=length] == from);
            assert_eq!((to[0], to[length + 1]), (255, 255));
        }
    }

    #[test]
    fn what_is_small_or_one_of_many_takes_no_other_threads() {
        assert_eq!(threads(VERY_MANY, usize::MAX), 0);
        assert!((1..=2).contains(&threads(VERY_MANY, 1)));
        assert!((1..=MOST_THREADS).contains(&threads(usize::MAX, 0)));
    }

    #[test]
    #[should_panic(expected = "another length")]
    fn lengths_have_to_agree() {
        copy(&mut [0; 3], &[0; 4], 1);
    }
}
