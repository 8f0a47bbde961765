//! Where the records of a table lie: in pages of their own, which are given back when no record is left in them. A record stays
//! where it is as long as it is used, so that its number can be kept elsewhere.

use std::io;

use ray_sys::{Zeroable, ZeroedArray};

use super::lru_list::{Link, Links, LruList, NONE};

/// What a [`Slab`] has, and what it notes in a record that is not used. All of it zero is such a record.
pub(super) trait Slotted: Zeroable {
    /// 1 << SHIFT records go back to the operating system together. These are whole pages of 4096.
    const SHIFT: u32;

    /// So many groups without records are kept, or an eighth less, and a quarter of those with any, so that records that come and go do not
    /// cost pages each time.
    const KEPT_GROUPS: usize;

    /// Whether it is a record.
    fn is_used(&self) -> bool;

    /// In one that is not used: the next of its group, plus one.
    fn next_free(&self) -> u16;

    /// It is not used any more.
    fn set_free(&mut self, next_free: u16);
}

#[derive(Debug, Clone, Copy, Default)]
struct Group {
    /// How many records it has.
    live: u16,
    /// Slots from here on were never used since the pages came.
    fresh: u16,
    /// The first of the slots that are free again, plus one; they are chained.
    free: u16,
}

/// Groups in some order.
#[derive(Debug)]
struct Chain {
    links: Vec<Link>,
    order: LruList,
    len: usize,
}

impl Links for Vec<Link> {
    fn link(&mut self, index: u32) -> &mut Link {
        &mut self[index as usize]
    }

    fn peek(&self, index: u32) -> Link {
        self[index as usize]
    }
}

impl Chain {
    const fn new() -> Self {
        Self { links: Vec::new(), order: LruList::new(), len: 0 }
    }

    fn push(&mut self, number: u32) {
        self.order.push_newest(&mut self.links, number);
        self.len += 1;
    }

    fn take_out(&mut self, number: u32) {
        self.order.remove(&mut self.links, number);
        self.len -= 1;
    }
}

/// Records by number. A number is used again after its record is gone.
#[derive(Debug)]
pub(super) struct Slab<T> {
    records: ZeroedArray<T>,
    groups: Vec<Group>,
    /// Those with pages and a free slot.
    with_room: Chain,
    /// Those with pages and no record.
    empty: Chain,
    without_pages: Vec<u32>,
}

impl<T: Slotted> Slab<T> {
    const IN_GROUP: usize = {
        assert!(T::SHIFT < u16::BITS && (size_of::<T>() << T::SHIFT).is_multiple_of(4096));
        1 << T::SHIFT
    };

    pub(super) fn new() -> Self {
        Self {
            records: ZeroedArray::new(),
            groups: Vec::new(),
            with_room: Chain::new(),
            empty: Chain::new(),
            without_pages: Vec::new(),
        }
    }

    /// Makes room for one more record.
    ///
    /// # Errors
    /// When there is no memory for it.
    #[inline]
    pub(super) fn reserve_one(&mut self) -> io::Result<()> {
        match self.with_room.order.newest() {
            Some(_) => Ok(()),
            None => self.add_group(),
        }
    }

    #[cold]
    fn add_group(&mut self) -> io::Result<()> {
        let number = match self.without_pages.pop() {
            Some(number) => number,
            None => {
                let number = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
                if number >= NONE >> T::SHIFT {
                    return Err(io::ErrorKind::OutOfMemory.into());
                }
                let needed = (self.groups.len() + 1) * Self::IN_GROUP;
                if needed > self.records.len() {
                    self.records
                        .grow(needed.max(self.records.len() * 2).max(16 * Self::IN_GROUP))?;
                    self.records.use_huge_pages();
                }
                self.groups.push(Group::default());
                self.with_room.links.push(Link::OUT);
                self.empty.links.push(Link::OUT);
                number
            }
        };
        self.with_room.push(number);
        self.empty.push(number);
        Ok(())
    }

    /// Adds a record, after [`Self::reserve_one`]. All that it says is still to be set.
    #[inline]
    pub(super) fn insert(&mut self) -> (u32, &mut T) {
        let number = self.with_room.order.newest().expect("room was made");
        let group = &mut self.groups[number as usize];
        let first = (number as usize) << T::SHIFT;
        let slot = match group.free {
            0 => {
                group.fresh += 1;
                group.fresh - 1
            }
            free => {
                group.free = self.records[first + usize::from(free) - 1].next_free();
                free - 1
            }
        };
        if group.live == 0 {
            self.empty.take_out(number);
        }
        group.live += 1;
        if usize::from(group.live) == Self::IN_GROUP {
            self.with_room.take_out(number);
        }
        (number << T::SHIFT | u32::from(slot), &mut self.records[first + usize::from(slot)])
    }

    /// Forgets a record.
    ///
    /// # Panics
    /// When there is no such record.
    #[inline]
    pub(super) fn remove(&mut self, index: u32) {
        let number = index >> T::SHIFT;
        let group = &mut self.groups[number as usize];
        let record = &mut self.records[index as usize];
        assert!(record.is_used(), "no record of this number");
        record.set_free(group.free);
        #[allow(clippy::cast_possible_truncation)] // less than a group
        let slot = index as u16 & (Self::IN_GROUP - 1) as u16;
        group.free = slot + 1;
        if usize::from(group.live) == Self::IN_GROUP {
            self.with_room.push(number);
        }
        group.live -= 1;
        if group.live == 0 {
            self.empty.push(number);
            self.give_back();
        }
    }

    /// Gives back what is too much, and of much a little more: a call of the operating system, which may have to tell the
    /// other processors, costs more than what it does. The group that was empty longest goes first.
    fn give_back(&mut self) {
        let in_use = self.groups.len() - self.without_pages.len() - self.empty.len;
        let most = T::KEPT_GROUPS + in_use / 4;
        if self.empty.len <= most {
            return;
        }
        let kept = most - most / 8;
        let known = self.without_pages.len();
        while self.empty.len > kept {
            let Some(number) = self.empty.order.oldest() else { break };
            self.empty.take_out(number);
            self.with_room.take_out(number);
            self.groups[number as usize] = Group::default();
            self.without_pages.push(number);
        }
        let gone = &mut self.without_pages[known..];
        gone.sort_unstable_by(|one, other| other.cmp(one));
        for neighbours in gone.chunk_by(|one, next| next + 1 == *one) {
            let (Some(last), Some(first)) = (neighbours.first(), neighbours.last()) else { break };
            let (first, last) = ((*first as usize) << T::SHIFT, (*last as usize) << T::SHIFT);
            self.records.give_back(first..last + Self::IN_GROUP);
        }
    }

    /// How many groups have their pages.
    fn groups_with_pages(&self) -> usize {
        self.groups.len() - self.without_pages.len()
    }

    /// Bytes of memory that the records take.
    pub(super) fn footprint(&self) -> usize {
        self.groups_with_pages() * Self::IN_GROUP * size_of::<T>()
    }

    /// How many records are used. Linear in the groups.
    pub(super) fn used(&self) -> usize {
        self.groups.iter().map(|group| usize::from(group.live)).sum()
    }

    /// The place of a number that may never have been one: a record, or what is left of one.
    #[inline]
    pub(super) fn any(&self, index: u32) -> Option<&T> {
        self.records.get(index as usize)
    }

    /// The place of a number: a record, or what is left of one.
    ///
    /// # Panics
    /// When there never was one.
    #[inline]
    pub(super) fn at(&self, index: u32) -> &T {
        &self.records[index as usize]
    }

    /// # Panics
    /// As [`Self::at`].
    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> &mut T {
        &mut self.records[index as usize]
    }

    /// # Panics
    /// When there is no such record.
    #[inline]
    pub(super) fn get(&self, index: u32) -> &T {
        let record = self.at(index);
        assert!(record.is_used(), "no record of this number");
        record
    }

    /// # Panics
    /// As [`Self::get`].
    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        let record = self.at_mut(index);
        assert!(record.is_used(), "no record of this number");
        record
    }

    /// The record of a number that may not be one.
    #[inline]
    pub(super) fn find(&self, index: u32) -> Option<&T> {
        self.records.get(index as usize).filter(|record| record.is_used())
    }

    /// Has the processor fetch a record.
    #[inline]
    pub(super) fn prefetch(&self, index: u32) {
        let record = self.records.as_ptr().wrapping_add(index as usize);
        ray_sys::prefetch(record);
        ray_sys::prefetch(record.wrapping_add(1).cast::<u64>().wrapping_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plasma::local_object::tests::record;
    use crate::plasma::local_object::Record;

    const KEPT_GROUPS: usize = <Record<()>>::KEPT_GROUPS;
    const IN_GROUP: usize = Slab::<Record<()>>::IN_GROUP;

    fn add(slab: &mut Slab<Record<()>>, size: i64) -> u32 {
        slab.reserve_one().unwrap();
        let (number, place) = slab.insert();
        *place = record(size);
        number
    }

    #[test]
    fn records_stay_and_pages_go() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..100_000).map(|size| add(&mut slab, size)).collect();
        for (size, &number) in numbers.iter().enumerate() {
            assert_eq!(slab.get(number).data_size, i64::try_from(size).unwrap());
        }
        assert_eq!(slab.groups_with_pages(), 100_000_usize.div_ceil(IN_GROUP));
        for &number in &numbers {
            slab.remove(number);
        }
        let kept = KEPT_GROUPS - KEPT_GROUPS / 8..=KEPT_GROUPS;
        assert!(kept.contains(&slab.groups_with_pages()), "{}", slab.groups_with_pages());
        let again: Vec<u32> = (0..30_000).map(|size| add(&mut slab, size)).collect();
        let mut unique = again.clone();
        unique.sort_unstable();
        assert!(unique[29_999] < 100_000_u32.next_multiple_of(512), "numbers are used again");
        unique.dedup();
        assert_eq!(unique.len(), 30_000);
        for (size, &number) in again.iter().enumerate() {
            assert_eq!(slab.get(number).data_size, i64::try_from(size).unwrap());
        }
    }

    /// Records come and go at random, so that groups fill and become empty in any order.
    #[test]
    fn no_record_lies_on_another() {
        let mut slab = Slab::new();
        let mut live: Vec<(u32, i64)> = Vec::new();
        let mut state = 1_u64;
        for (step, target) in [90_000_usize, 100, 60_000, 0, 70_000, 33].into_iter().enumerate() {
            while live.len() != target {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let chance = usize::try_from(state >> 40).unwrap();
                if live.is_empty() || (live.len() < target) == (chance % 8 != 0) {
                    let size = i64::try_from(chance).unwrap();
                    live.push((add(&mut slab, size), size));
                } else {
                    // First in, first out in half of the rounds.
                    let at = if step % 2 == 0 { chance % live.len() } else { 0 };
                    slab.remove(live.swap_remove(at).0);
                }
            }
            for &(number, size) in &live {
                assert_eq!(slab.get(number).data_size, size);
            }
            let fewest = live.len().div_ceil(IN_GROUP);
            assert!(slab.groups_with_pages() >= fewest);
            assert!(slab.empty.len <= KEPT_GROUPS + slab.groups.len() / 4);
        }
    }

    #[test]
    #[should_panic(expected = "no record of this number")]
    fn a_removed_record_cannot_be_reached() {
        let mut slab = Slab::new();
        let (first, _second) = (add(&mut slab, 1), add(&mut slab, 2));
        slab.remove(first);
        assert!(slab.find(first).is_none());
        slab.get(first);
    }

    #[test]
    fn a_number_that_never_was_is_no_record() {
        let mut slab = Slab::new();
        assert!(slab.find(0).is_none());
        add(&mut slab, 1);
        assert!(slab.find(0).is_some() && slab.find(1).is_none() && slab.find(u32::MAX).is_none());
        slab.prefetch(u32::MAX);
    }
}
