//! Whether to let others run while waiting, or to sleep.

use std::time::{Duration, Instant};

/// Who gets the core back later than this gave it to somebody who had nothing to do with the request.
const DEAR: Duration = Duration::from_micros(500);

/// For so many waits nobody is let run after that, and for more each time that it happens again. It begins with few: once is chance, and where
/// the other core is idle and belongs to a virtual machine, to be woken takes longer than anything else.
const SLEEPS: u32 = 4;
const MORE: u32 = 4;
const MOST_SLEEPS: u32 = 4096;

/// So many turns in a row that were not dear show that it has passed.
const CHEAP: u32 = 64;

/// Whether a thread that waits lets others run meanwhile, by what came of it before.
///
/// A thread that waits for another saves the way through the kernel if it only lets others run, of whom the other may be
/// one. Where somebody else wants the core all the time, the system lets that run for milliseconds instead: a thread that
/// gave its turn away has to wait for its next one. Who sleeps comes back when it is woken, for it has not used its share.
#[derive(Debug)]
pub(in crate::plasma) struct Turns {
    /// In the present wait.
    given: bool,
    /// So many waits to come are without.
    sleeps: u32,
    /// As many as there will be after the next dear turn.
    next: u32,
    cheap: u32,
}

impl Default for Turns {
    fn default() -> Self {
        Self { given: true, sleeps: 0, next: SLEEPS, cheap: 0 }
    }
}

impl Turns {
    /// A wait begins.
    pub(in crate::plasma) fn begin(&mut self) {
        self.given = self.sleeps == 0;
        self.sleeps = self.sleeps.saturating_sub(1);
    }

    /// Whether others are to be let run in this wait. If not, it is better to sleep.
    pub(in crate::plasma) fn are_given(&self) -> bool {
        self.given
    }

    /// Lets others run. Returns for how long.
    pub(in crate::plasma) fn give(&mut self) -> Duration {
        let gave = Instant::now();
        rustix::thread::sched_yield();
        let took = gave.elapsed();
        self.took(took);
        took
    }

    fn took(&mut self, time: Duration) {
        if time >= DEAR {
            (self.given, self.sleeps, self.cheap) = (false, self.next, 0);
            self.next = (self.next * MORE).min(MOST_SLEEPS);
            return;
        }
        self.cheap = self.cheap.saturating_add(1);
        if self.cheap >= CHEAP {
            self.next = SLEEPS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many waits are without a turn after a dear one.
    fn after_a_dear_one(turns: &mut Turns) -> usize {
        assert!(turns.are_given());
        turns.took(DEAR);
        assert!(!turns.are_given(), "not again in the same wait");
        let mut begin = || {
            turns.begin();
            turns.are_given()
        };
        std::iter::repeat_with(&mut begin).take_while(|given| !given).count()
    }

    #[test]
    fn turns_are_given_until_one_is_dear() {
        let mut turns = Turns::default();
        for _ in 0..10_000 {
            turns.begin();
            turns.took(DEAR - Duration::from_nanos(1));
            assert!(turns.are_given());
        }
    }

    #[test]
    fn dear_ones_become_seldom_and_cheap_ones_forgive_them() {
        let mut turns = Turns::default();
        let waits: Vec<usize> = (0..8).map(|_| after_a_dear_one(&mut turns)).collect();
        assert_eq!(waits, [4, 16, 64, 256, 1024, 4096, 4096, 4096]);
        for (cheap, then) in [(0, 4096), (63, 4096), (64, 4), (10, 16)] {
            for _ in 0..cheap {
                turns.took(Duration::ZERO);
            }
            assert_eq!(after_a_dear_one(&mut turns), then);
        }
    }
}
