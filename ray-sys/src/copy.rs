//! Copies that are too large for one processor.

use std::num::NonZero;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;
use std::time::Instant;

use crate::copiers::{share, Bytes, PIECE};

/// So many bytes are copied by several threads, where that is quicker: they do not stay in the nearest caches anyway.
pub(crate) const VERY_MANY: usize = 8 << 20;

/// From here on several threads are quicker wherever that was measured: no cache has all of it.
const BEYOND_CACHES: usize = 32 << 20;

/// More threads than this do not make a copy faster.
const MOST_THREADS: usize = 8;

/// Copies `from` to `to`, which have one length: from 8 MiB on with as many threads as there are processors, and eight at
/// most, up to 32 MiB only while that is quicker than with one. Of `at_once` such copies that are made at the same time each takes its share of the processors. Returns when all is
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
    // SAFETY: the caller vouches for any thread.
    let shared = || unsafe {
        share(Bytes { to, from: from.as_ptr(), len: from.len() }, threads - 1);
    };
    if from.len() >= BEYOND_CACHES {
        return shared();
    }
    static SPEEDS: Speeds = Speeds::new();
    let started = Instant::now();
    let (how, number) = SPEEDS.choose();
    match how {
        Threads::Several => shared(),
        // SAFETY: the caller vouches.
        Threads::One => unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) },
    }
    let pieces = u32::try_from(from.len() / PIECE).unwrap_or(u32::MAX);
    let time = u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX);
    SPEEDS.note(how, number, time / pieces);
}

/// How many threads copy so many bytes.
fn threads(length: usize, at_once: usize) -> usize {
    // Asking the system takes as long as copying many small values.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors =
        PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    (length / (VERY_MANY / 2)).min(MOST_THREADS).min(*processors / at_once.max(1))
}

/// With how many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threads {
    One = 0,
    Several = 1,
}

/// What copies took that a cache may have: whether several threads are quicker depends on the machine, and on what its
/// processors do besides.
#[derive(Debug)]
struct Speeds {
    /// Nanoseconds for a piece with one thread and with several, over the last few; 0 before the first.
    times: [AtomicU32; 2],
    copies: AtomicU32,
    /// The number of the copy that is next made in the way that was slower, and after how many more the one that follows.
    next_trial: AtomicU32,
    pause: AtomicU32,
}

impl Speeds {
    /// The first copies: with one thread, with several, which have to begin, and with several.
    const FIRST: [Threads; 3] = [Threads::One, Threads::Several, Threads::Several];
    const LEAST_PAUSE: u32 = 16;
    const LONGEST_PAUSE: u32 = 1024;

    const fn new() -> Self {
        Self {
            times: [const { AtomicU32::new(0) }; 2],
            copies: AtomicU32::new(0),
            next_trial: AtomicU32::new(Self::LEAST_PAUSE),
            pause: AtomicU32::new(Self::LEAST_PAUSE),
        }
    }

    fn best(&self) -> Threads {
        let [one, several] = [0, 1].map(|at: usize| self.times[at].load(Ordering::Relaxed));
        if several < one {
            Threads::Several
        } else {
            Threads::One
        }
    }

    /// How the next copy is made, and its number. Several at the same time may both take a trial for theirs, or none.
    fn choose(&self) -> (Threads, u32) {
        let number = self.copies.fetch_add(1, Ordering::Relaxed);
        let first = usize::try_from(number).ok().and_then(|number| Self::FIRST.get(number));
        if let Some(&how) = first {
            return (how, number);
        }
        let best = self.best();
        if number != self.next_trial.load(Ordering::Relaxed) {
            return (best, number);
        }
        let pause = self.pause.load(Ordering::Relaxed).saturating_mul(2).min(Self::LONGEST_PAUSE);
        self.pause.store(pause, Ordering::Relaxed);
        self.next_trial.store(number.wrapping_add(pause), Ordering::Relaxed);
        (if best == Threads::One { Threads::Several } else { Threads::One }, number)
    }

    /// What copy number `number` took for a piece.
    fn note(&self, how: Threads, number: u32, time: u32) {
        if number == 1 {
            return;
        }
        let known = &self.times[how as usize];
        let (before, best) = (known.load(Ordering::Relaxed), self.best());
        // A copy that had to wait for new pages or for its turn says little: it counts as twice the usual at most.
        let new = match before {
            0 => time,
            _ if time < before => time.midpoint(before),
            _ => before - before / 4 + time.min(before.saturating_mul(2)) / 4,
        };
        known.store(new.max(1), Ordering::Relaxed);
        if best != self.best() {
            self.pause.store(Self::LEAST_PAUSE, Ordering::Relaxed);
            self.next_trial.store(number.wrapping_add(Self::LEAST_PAUSE), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_arrives_and_none_beyond() {
        let odd = 3 * 4096 + 77;
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

    /// Which of so many copies were made with several threads, when they take so long for a piece.
    fn several(speeds: &Speeds, copies: usize, one: u32, several: u32) -> Vec<usize> {
        let mut all = Vec::new();
        for at in 0..copies {
            let (how, number) = speeds.choose();
            speeds.note(how, number, if how == Threads::One { one } else { several });
            if how == Threads::Several {
                all.push(at);
            }
        }
        all
    }

    #[test]
    fn the_quicker_way_is_taken_and_the_other_tried_ever_more_seldom() {
        let speeds = Speeds::new();
        // The first with several has to start threads and says nothing.
        assert_eq!(several(&speeds, 1000, 80, 100), [1, 2, 18, 50, 114, 242, 498]);
        // They have become quicker, which the next trials show; then they are taken.
        let now = several(&speeds, 10_000, 80, 20);
        assert!(now.len() > 5000, "{}", now.len());
        assert_eq!(several(&speeds, 1000, 80, 20).len(), 999);
        // And slower.
        assert!(several(&speeds, 10_000, 80, 300).len() < 30);
    }

    #[test]
    fn one_slow_copy_changes_nothing() {
        let speeds = Speeds::new();
        several(&speeds, 100, 80, 100);
        speeds.note(Threads::One, 100, u32::MAX);
        assert_eq!(speeds.best(), Threads::One);
        // Two are taken for a change, until it turns out to be none.
        speeds.note(Threads::One, 101, u32::MAX);
        assert_eq!(speeds.best(), Threads::Several);
        assert!(several(&speeds, 100, 80, 100).len() < 60);
    }

    #[test]
    #[should_panic(expected = "another length")]
    fn lengths_have_to_agree() {
        copy(&mut [0; 3], &[0; 4], 1);
    }
}
