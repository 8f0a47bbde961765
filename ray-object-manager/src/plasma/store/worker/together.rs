//! Whether requests come from the core on which the thread of the store runs.
//!
//! The system may leave a client and the store on one core for tens of milliseconds although another is idle: in virtual machines whose
//! idle cores count as taken by the host, whoever is woken comes to run where it was woken from. Each request then
//! costs a change between the two and back, which takes longer than all else.

/// After so many requests in a row that came while somebody else had the core, the thread moves: who sent them runs there, too.
/// Twice as many each time that this did not help.
const PATIENCE: u32 = 8;
const MOST_PATIENCE: u32 = 1024;

/// So many requests in a row from another core show that it did help.
const APART: u32 = 64;

/// What the latest requests say about that.
#[derive(Debug)]
pub(super) struct Together {
    requests: u32,
    apart: u32,
    patience: u32,
}

impl Default for Together {
    fn default() -> Self {
        Self { requests: 0, apart: 0, patience: PATIENCE }
    }
}

impl Together {
    /// A request has come, and since the last somebody else has had the core, or nobody. Whether to leave it.
    pub(super) fn is_to_end(&mut self, let_go: bool) -> bool {
        if !let_go {
            self.requests = 0;
            self.apart = self.apart.saturating_add(1);
            if self.apart >= APART {
                self.patience = PATIENCE;
            }
            return false;
        }
        self.apart = 0;
        self.requests += 1;
        if self.requests < self.patience {
            return false;
        }
        self.requests = 0;
        self.patience = (self.patience * 2).min(MOST_PATIENCE);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests come while somebody else has the core, until the thread moves.
    fn until_it_moves(together: &mut Together) -> u32 {
        (1..).find(|_| together.is_to_end(true)).unwrap()
    }

    #[test]
    fn a_thread_moves_ever_more_seldom_while_that_does_not_help() {
        let mut together = Together::default();
        let moves: Vec<u32> = (0..9).map(|_| until_it_moves(&mut together)).collect();
        assert_eq!(moves, [8, 16, 32, 64, 128, 256, 512, 1024, 1024]);
        // A few from elsewhere are chance, many are success.
        for (from_elsewhere, then) in [(1, 1024), (63, 1024), (64, 8), (1, 16)] {
            for _ in 0..from_elsewhere {
                assert!(!together.is_to_end(false));
            }
            assert_eq!(until_it_moves(&mut together), then);
        }
    }

    #[test]
    fn a_thread_that_is_not_disturbed_again_and_again_stays() {
        let mut together = Together::default();
        for request in 0..10_000 {
            assert!(!together.is_to_end(request % 8 != 0));
        }
    }
}
