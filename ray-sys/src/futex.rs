//! Sleeping until a word in shared memory changes.

use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::{clock_gettime, ClockId, Timespec};

/// Sleeps while `word` is `seen`, until [`futex_wake`], or for so long. May return early.
pub fn futex_wait(word: &AtomicU32, seen: u32, at_most: Duration) {
    let at_most = Timespec::try_from(at_most).ok();
    // Whatever the end was, the caller looks at its word again.
    let _ = futex::wait(word, Flags::empty(), seen, at_most.as_ref());
}

/// Wakes as many sleepers of a word, in all processes. Returns how many there were.
pub fn futex_wake(word: &AtomicU32, at_most: u32) -> usize {
    futex::wake(word, Flags::empty(), at_most.min(i32::MAX.unsigned_abs())).unwrap_or(0)
}

/// Sleeps while each word is what was seen of it, until one of them is woken, or until then. Later words are compared when the
/// earlier ones are already watched. Returns which word was woken, if any; may return early.
///
/// # Errors
/// When the system cannot do this (Linux before 5.16).
pub fn futex_wait_any(
    words: &[(&AtomicU32, u32)],
    until: Instant,
) -> std::io::Result<Option<usize>> {
    let waits: Vec<Wait> = words
        .iter()
        .map(|(word, seen)| {
            let mut wait = Wait::new();
            wait.val = u64::from(*seen);
            wait.uaddr = WaitPtr::new(std::ptr::from_ref::<AtomicU32>(word).cast_mut().cast());
            wait.flags = WaitFlags::SIZE_U32;
            wait
        })
        .collect();
    let left = until.saturating_duration_since(Instant::now());
    let Ok(left) = Timespec::try_from(left) else { return Ok(None) };
    let until = clock_gettime(ClockId::Monotonic) + left;
    match futex::waitv(&waits, WaitvFlags::empty(), Some(&until), ClockId::Monotonic) {
        Ok(index) => Ok(Some(index)),
        Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn a_changed_word_is_not_waited_for() {
        let word = AtomicU32::new(1);
        futex_wait(&word, 0, Duration::from_secs(600));
        let until = Instant::now() + Duration::from_secs(600);
        let other = AtomicU32::new(0);
        assert_eq!(futex_wait_any(&[(&other, 0), (&word, 0)], until).unwrap(), None);
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        let word = AtomicU32::new(0);
        futex_wait(&word, 0, Duration::from_millis(1));
        let until = Instant::now() + Duration::from_millis(1);
        assert_eq!(futex_wait_any(&[(&word, 0)], until).unwrap(), None);
        assert_eq!(futex_wake(&word, 1), 0);
    }

    #[test]
    fn a_wake_reaches_every_sleeper() {
        let (word, quiet) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| futex_wait(&word, 0, Duration::from_secs(600)));
            let any = scope.spawn(|| {
                let until = Instant::now() + Duration::from_secs(600);
                futex_wait_any(&[(&quiet, 0), (&word, 0)], until).unwrap()
            });
            let mut woken = 0;
            while woken < 2 {
                woken += futex_wake(&word, u32::MAX);
                std::thread::yield_now();
            }
            assert_eq!(any.join().unwrap(), Some(1));
        });
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }
}
