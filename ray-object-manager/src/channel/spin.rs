//! Whether it is worth looking a few times more before sleeping.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long to look: somewhat longer than falling asleep and being woken takes.
const LOOK: Duration = Duration::from_micros(50);
/// How long of that without letting others run: who is awaited may be running on another processor.
const ALONE: Duration = Duration::from_micros(2);
/// How often to look, without letting others run, for what is never long in coming.
const BRIEFLY: u32 = 16;
/// So many looks in turn are over before anybody needs to know the time.
const UNTIMED: u32 = 4;

/// Who gets a processor back later than this gave it to somebody who had nothing to do with the channel.
const DEAR: Duration = Duration::from_micros(500);
/// As long as all goes well, one look in so many is timed to see that.
const TIME_EVERY: u32 = 8;

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Seen,
    InVain,
    /// Perhaps not in vain, but sleeping would have been quicker.
    Dear,
}

/// Whether something has been worth its while.
#[derive(Debug)]
struct Credit {
    left: AtomicU32,
    asked: AtomicU32,
    try_every: AtomicU32,
}

impl Credit {
    /// What a success earns, what a failure and a dear one cost, and the most that can be earned.
    const GAIN: u32 = 2;
    const COST: u32 = 8;
    const DEAR: u32 = 32;
    const MOST: u32 = 64;
    /// Without credit, one in so many is a try, to see whether it has become worth it; fewer when such a try was dear.
    const TRY_EVERY: u32 = 16;
    const TRY_SELDOM: u32 = 4096;

    fn new() -> Self {
        let (left, asked) = (AtomicU32::new(Self::MOST), AtomicU32::new(0));
        Self { left, asked, try_every: AtomicU32::new(Self::TRY_EVERY) }
    }

    /// `None` if it is not; otherwise whether it is to be timed.
    fn is_worth_it(&self) -> Option<bool> {
        // Of two threads that ask at once one may go uncounted.
        let asked = self.asked.load(Ordering::Relaxed);
        self.asked.store(asked.wrapping_add(1), Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed);
        let is_try = || asked.is_multiple_of(self.try_every.load(Ordering::Relaxed));
        (left > 0 || is_try()).then(|| left < Self::MOST || asked.is_multiple_of(TIME_EVERY))
    }

    fn book(&self, look: Look) {
        let left = self.left.load(Ordering::Relaxed);
        let now_left = match look {
            Look::Seen => (left + Self::GAIN).min(Self::MOST),
            Look::InVain => left.saturating_sub(Self::COST),
            Look::Dear => left.saturating_sub(Self::DEAR),
        };
        if now_left != left {
            self.left.store(now_left, Ordering::Relaxed);
        }
        let every = self.try_every.load(Ordering::Relaxed);
        let now_every = match look {
            Look::Seen => Self::TRY_EVERY,
            Look::Dear if now_left == 0 => (every * 4).min(Self::TRY_SELDOM),
            _ => every,
        };
        if now_every != every {
            self.try_every.store(now_every, Ordering::Relaxed);
        }
    }
}

/// A short look instead of a sleep, as long as looks are not in vain: an end whose values come one after the other saves the
/// way through the kernel. An end that waits longer soon sleeps at once, and looks rarely.
///
/// Between two looks others run, who may be the ones to wait for: eight readers on two processors so have their turns without
/// being woken. Where the ends have a processor each, one looks without a pause before that, as long as this is not in vain.
/// Where somebody else wants the processor, too, the system may let that run for milliseconds instead; then it is better to
/// sleep, for who is woken has precedence.
#[derive(Debug)]
pub(super) struct Spin {
    alone: Credit,
    in_turn: Credit,
}

impl Default for Spin {
    fn default() -> Self {
        Self { alone: Credit::new(), in_turn: Credit::new() }
    }
}

impl Spin {
    /// Looks whether it has happened, in a channel of so many ends.
    pub(super) fn look(&self, ends: usize, has_happened: impl Fn() -> bool) -> bool {
        if ends <= processors() && self.alone.is_worth_it().is_some() {
            let happened = look_alone(&has_happened);
            self.alone.book(if happened { Look::Seen } else { Look::InVain });
            if happened {
                return true;
            }
        }
        let Some(is_timed) = self.in_turn.is_worth_it() else { return false };
        let (happened, look) = look_in_turn(is_timed, has_happened);
        self.in_turn.book(look);
        happened
    }

    /// Looks for something that is never long in coming, unless who it depends on has no processor.
    pub(super) fn look_briefly(&self, has_happened: impl Fn() -> bool) -> bool {
        (0..BRIEFLY).any(|_| look_again() || has_happened()) || {
            self.in_turn.left.load(Ordering::Relaxed) > 0 && look_in_turn(false, has_happened).0
        }
    }
}

fn look_alone(has_happened: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if (0..16).any(|_| has_happened() || look_again()) {
            return true;
        }
        if started.elapsed() >= ALONE {
            return false;
        }
    }
}

/// Looks, and lets others run between two looks. Returns whether it has happened, and what to think of the look.
fn look_in_turn(is_timed: bool, has_happened: impl Fn() -> bool) -> (bool, Look) {
    let mut started = is_timed.then(Instant::now);
    let mut looks = 0;
    let mut time = |is_wanted: bool| match (started, is_wanted) {
        (None, false) => Duration::ZERO,
        _ => started.get_or_insert_with(Instant::now).elapsed(),
    };
    loop {
        if has_happened() {
            let is_dear = looks > 0 && time(false) >= DEAR;
            return (true, if is_dear { Look::Dear } else { Look::Seen });
        }
        if looks >= UNTIMED {
            let elapsed = time(true);
            if elapsed >= LOOK {
                return (false, if elapsed >= DEAR { Look::Dear } else { Look::InVain });
            }
        }
        // Without the way through the C library, whose pages a turn may not need otherwise.
        rustix::thread::sched_yield();
        looks += 1;
    }
}

/// A pause in which the other thread of this core may run.
fn look_again() -> bool {
    std::hint::spin_loop();
    false
}

/// How many can run at once.
fn processors() -> usize {
    static PROCESSORS: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_vain_become_rare() {
        let spin = Spin::default();
        for _ in 0..10 {
            assert!(spin.look(2, || true));
        }
        for _ in 0..=Credit::MOST / Credit::COST {
            assert!(!spin.look(9, || false));
        }
        let looked = std::cell::Cell::new(false);
        let looks = (0..160)
            .filter(|_| {
                looked.set(false);
                assert!(!spin.look(9, || {
                    looked.set(true);
                    false
                }));
                looked.get()
            })
            .count();
        // Fewer where somebody else has the processor meanwhile.
        assert!(looks < 20, "{looks}");
    }

    #[test]
    fn dear_looks_become_rarer_until_one_is_not() {
        let credit = Credit::new();
        let tries = |asks: usize| (0..asks).filter(|_| credit.is_worth_it().is_some()).count();
        for _ in 0..10 {
            credit.book(Look::Dear);
        }
        let most = Credit::TRY_SELDOM as usize;
        assert_eq!(tries(most * 2), 2);
        credit.book(Look::Seen);
        assert_eq!(tries(100), 100);
        for _ in 0..=Credit::MOST / Credit::COST {
            credit.book(Look::InVain);
        }
        assert_eq!(tries(160), 10);
    }
}
