//! Whether huge pages come fast enough to be asked for.
//!
//! A huge page costs one clearing where the system has one free. It costs many times that where the kernel has to move
//! others' pages first, or where it gave its free memory back to the host of a virtual machine (free page reporting), which
//! then provides it again in the smallest pieces. Only blocks as large as huge pages are given back so: small pages
//! mostly come from others, which the host still backs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::time::{clock_gettime, ClockId};

/// What comes slower than 2 MiB in this time is better had as small pages: reserving and first touching those takes 2 to
/// 3 ms where this was measured, and huge ones 0.2 to 0.5 or else 5 and more.
const SLOW: Duration = Duration::from_micros(1500);
const OF_BYTES: usize = 2 << 20;

/// So many in a row have to be slow: one alone is nothing unusual.
const ENOUGH: u32 = 2;

/// So many huge pages are had as small ones before the next try, and twice as many each time that one is slow again: at
/// most so often.
const FIRST_PAUSE: u32 = 64;
const DOUBLINGS: u32 = 6;

/// What has been learnt by all who reserve space of a file. Any thread may use it at any time; what they do at once may
/// make a pause a little longer or shorter.
#[derive(Debug, Default)]
pub(crate) struct HugePace {
    /// To be had as small pages before the next try.
    left: AtomicU32,
    /// Slow ones since the last that was not.
    slow: AtomicU32,
}

impl HugePace {
    /// Whether the next huge page should be one.
    pub(crate) fn asks_for_huge(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err()
    }

    /// Does what sets up a huge page of so many bytes, and learns from how long this thread had to work for it.
    pub(crate) fn timed<T>(&self, bytes: usize, set_up: impl FnOnce() -> T) -> T {
        let started = processor_time();
        let result = set_up();
        self.learn(bytes, processor_time().saturating_sub(started));
        result
    }

    fn learn(&self, bytes: usize, took: Duration) {
        let pages = u32::try_from((bytes / OF_BYTES).max(1)).unwrap_or(u32::MAX);
        if took <= SLOW.saturating_mul(pages) {
            self.slow.store(0, Ordering::Relaxed);
            return;
        }
        let slow = self.slow.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let Some(doublings) = slow.checked_sub(ENOUGH) else { return };
        let pause = FIRST_PAUSE << doublings.min(DOUBLINGS);
        self.left.store(pause, Ordering::Relaxed);
        log::debug!("{bytes} bytes as a huge page took {took:?}: small ones for the next {pause}");
    }
}

/// What this thread has worked: waiting for a processor is no sign of anything.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_micros(300);

    /// How many small ones are had before a huge one is asked for.
    fn small_ones(pace: &HugePace) -> u32 {
        (0..).find(|_| pace.asks_for_huge()).unwrap()
    }

    #[test]
    fn huge_pages_are_asked_for_while_they_are_fast() {
        let pace = HugePace::default();
        for _ in 0..100 {
            assert!(pace.asks_for_huge());
            pace.learn(OF_BYTES, FAST);
        }
        // Larger ones may take longer, smaller ones not less.
        pace.learn(16 * OF_BYTES, 16 * SLOW);
        pace.learn(OF_BYTES / 2, SLOW);
        assert_eq!(small_ones(&pace), 0);
    }

    #[test]
    fn one_slow_page_is_nothing_and_more_make_pauses_that_double_until_a_fast_one() {
        let pace = HugePace::default();
        for _ in 0..2 {
            pace.learn(OF_BYTES, 2 * SLOW);
            assert_eq!(small_ones(&pace), 0);
            let mut pauses = Vec::new();
            for _ in 0..8 {
                pace.learn(OF_BYTES, 2 * SLOW);
                pauses.push(small_ones(&pace));
            }
            assert_eq!(pauses, [64, 128, 256, 512, 1024, 2048, 4096, 4096]);
            pace.learn(OF_BYTES, FAST);
            assert_eq!(small_ones(&pace), 0);
        }
    }

    #[test]
    fn waiting_is_not_working() {
        let pace = HugePace::default();
        let waits = || {
            std::thread::sleep(2 * SLOW);
            7
        };
        assert_eq!([pace.timed(OF_BYTES, waits), pace.timed(OF_BYTES, waits)], [7, 7]);
        assert_eq!(small_ones(&pace), 0);
        for _ in 0..2 {
            pace.timed(OF_BYTES, || {
                let started = processor_time();
                while processor_time().saturating_sub(started) <= SLOW {}
            });
        }
        assert_eq!(small_ones(&pace), FIRST_PAUSE);
    }
}
