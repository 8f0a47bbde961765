//! What Ray's rule evicts beyond what a creation needs, between other requests.

use std::time::{Duration, Instant};

use super::Core;
use crate::plasma::allocator::Allocator;
use crate::plasma::store::sharing::Pins;
use crate::plasma::store::timers::Due;

/// How long clients wait for a slice.
const SLICE: Duration = Duration::from_micros(300);

/// Objects that are evicted between two looks at the clock.
const AT_ONCE: usize = 128;

impl<A: Allocator> Core<A> {
    /// After a creation: what it owes is evicted soon.
    pub(super) fn plan_eviction(&mut self) {
        if self.lifecycle.owed() > 0 && !self.evicting {
            self.evicting = true;
            self.timers.add(Instant::now(), Due::Evict);
        }
    }

    /// Evicts for a while, and plans the next slice if something is left.
    pub(in crate::plasma::store) fn evict_slice(&mut self) {
        self.evicting = false;
        let started = Instant::now();
        loop {
            let mut pins = Pins::of(&mut self.sharing);
            let more = self.lifecycle.evict_owed(AT_ONCE, &mut pins);
            let adopted = pins.adopted;
            self.note_adoptions(&adopted);
            self.collect_deleted();
            if !more {
                return;
            }
            if started.elapsed() >= SLICE {
                return self.plan_eviction();
            }
        }
    }
}
