//! Room for a new object: what Ray's rule evicts for it, at once or in slices.

use super::{ObjectLifecycleManager, UnseenUsers, MAX_CREATE_TRIES};
use crate::plasma::common::ObjectSource;
use crate::plasma::eviction_policy::{ObjectEvictionPolicy, Victim};
use crate::plasma::object_store::ObjectTable;
use crate::plasma::stats_collector::StatsCollector;

/// Victims that are chosen before they are deleted: what the processor has fetched of them is still there then.
pub(super) const VICTIMS_AT_ONCE: usize = 128;

/// So many objects of what is owed are evicted in any case by the creation that owes it.
const FEW_OWED: usize = 256;

/// The least that is evicted at once for an object that has no room, although as many bytes are free.
const LEAST_STEP: i64 = 64 << 10;

/// What has become of an attempt to create an object in memory.
pub(super) enum InMemory<R> {
    Created(R),
    NoRoom,
    /// More can be evicted for it, and has to be.
    ForNow,
}

impl<T, P, C> ObjectLifecycleManager<T, P, C>
where
    T: ObjectTable,
    P: ObjectEvictionPolicy<T>,
    C: StatsCollector<T>,
{
    /// Evicts at most so many objects before the object fits.
    pub(super) fn create_in_memory(
        &mut self,
        info: &T::Info,
        size: i64,
        source: ObjectSource,
        users: &mut impl UnseenUsers<T>,
        mut most: usize,
    ) -> InMemory<T::Ref> {
        let (mut tries, mut step, mut evicted) = (0, 1, false);
        while tries < MAX_CREATE_TRIES {
            if let Some(object) = self.table.create_missing_object(info, source, false) {
                if evicted {
                    self.pay(i64::MAX, FEW_OWED, users);
                }
                return InMemory::Created(object);
            }
            if users.give_way(&mut self.table) {
                continue;
            }
            if !self.policy.could_fit(&self.table, size) {
                return InMemory::NoRoom;
            }
            if most == 0 {
                return InMemory::ForNow;
            }
            self.touch_let_go(users);
            let whole = match self.policy.space_to_free(&self.table, size) {
                Some((missing, to_free)) => {
                    self.make_room(size, to_free, missing.max(step), &mut most, users)
                }
                None => self.make_room_at_once(size, users),
            };
            let Some(whole) = whole else { return InMemory::NoRoom };
            tries += usize::from(whole);
            step = step.saturating_mul(2).max(size).max(LEAST_STEP);
            evicted = true;
        }
        InMemory::NoRoom
    }

    /// Evicts what is owed, which becomes `to_free` if it is nothing, or with [`Self::evict_in_slices`] so many bytes of it,
    /// and not more than so many objects. Returns whether that was all; `None` when there is nothing left to evict, and
    /// too little room all the same.
    fn make_room(
        &mut self,
        size: i64,
        to_free: i64,
        at_once: i64,
        most: &mut usize,
        users: &mut impl UnseenUsers<T>,
    ) -> Option<bool> {
        let of_others = self.owed > 0;
        if !of_others {
            self.owed = to_free;
        }
        let bytes = if self.in_slices { at_once } else { i64::MAX };
        *most -= self.pay(bytes, *most, users);
        if self.owed > 0 {
            return Some(false);
        }
        let (missing, _) = self.policy.space_to_free(&self.table, size)?;
        if missing > 0 && of_others {
            // What was owed for others, or is the rest of something, says nothing of what there is to evict.
            return Some(false);
        }
        (missing <= 0).then_some(true)
    }

    /// As [`Self::make_room`], with a policy that chooses all victims itself.
    fn make_room_at_once(&mut self, size: i64, users: &mut impl UnseenUsers<T>) -> Option<bool> {
        let mut victims = Vec::new();
        let missing = self.policy.require_space(&mut self.table, size, &mut victims);
        let kept = self.evict_unless_kept(&mut victims, users);
        // Every kept object is one victim less to choose from, so this ends.
        (missing <= 0).then_some(kept == 0)
    }

    /// Evicts of what is owed so many bytes, or all, but not more than so many objects. Returns how many were chosen.
    fn pay(&mut self, bytes: i64, most: usize, users: &mut impl UnseenUsers<T>) -> usize {
        let (mut paid, mut evicted) = (0_i64, 0);
        let mut victims = std::mem::take(&mut self.victims);
        while self.owed > 0 && paid < bytes && evicted < most {
            let wanted = self.owed.min(bytes.saturating_sub(paid));
            let at_once = VICTIMS_AT_ONCE.min(most - evicted);
            let (chosen, _) =
                self.policy.choose_some_to_evict(&mut self.table, wanted, at_once, &mut victims);
            if victims.is_empty() {
                self.owed = 0;
                break;
            }
            evicted += victims.len();
            let freed = chosen.saturating_sub(self.evict_unless_kept(&mut victims, users));
            paid = paid.saturating_add(freed);
            self.owed = self.owed.saturating_sub(freed).max(0);
        }
        self.victims = victims;
        evicted
    }

    /// Evicts those victims that nobody uses unseen; none are left in the list. Returns the bytes of the others.
    fn evict_unless_kept(
        &mut self,
        victims: &mut Vec<Victim<T>>,
        users: &mut impl UnseenUsers<T>,
    ) -> i64 {
        let mut bytes = 0_i64;
        for (victim, users) in &users.keep(&self.table, victims) {
            bytes = bytes.saturating_add(self.keep(victim, *users));
        }
        self.evict(victims);
        victims.clear();
        bytes
    }

    fn touch_let_go(&mut self, users: &mut impl UnseenUsers<T>) {
        for (key, object) in users.let_go(&self.table) {
            self.touch(&key, object);
        }
    }

    /// From now on a creation evicts what it needs, and of the rest that Ray's rule asks for only a little: that is owed, and
    /// evicted by [`Self::evict_owed`], or by the next creation that has no room. With a policy that cannot choose in
    /// parts nothing changes.
    pub fn evict_in_slices(&mut self) {
        self.in_slices = true;
    }

    /// Bytes that Ray's rule would have evicted by now, and that are still there.
    pub fn owed(&self) -> i64 {
        self.owed
    }

    /// Evicts some of what is owed, but not more than so many objects. What is used again meanwhile stays, and the next in
    /// order goes instead. Returns whether anything is owed still.
    pub fn evict_owed(&mut self, most: usize, users: &mut impl UnseenUsers<T>) -> bool {
        self.touch_let_go(users);
        self.pay(i64::MAX, most, users);
        self.owed > 0
    }

    /// A victim is used after all. Returns its bytes.
    fn keep(&mut self, victim: &Victim<T>, users: usize) -> i64 {
        let Some(object) = victim.object.or_else(|| self.table.get_object(&victim.key)) else {
            return 0;
        };
        for _ in 0..users {
            self.add_reference_to(&victim.key, object);
        }
        self.table.facts(object).size
    }
}
