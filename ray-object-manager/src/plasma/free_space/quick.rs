//! Small pieces that were freed a moment ago: a list for each size, the last one first.
//!
//! Such a piece merges with nothing and stays in the table of live pieces, if there is one, so that freeing it and giving it out
//! again for the same size touches its own record and no other. It is free all the same: when nothing else is large enough, all of them
//! are merged before memory is taken that was never used, or a request is refused.

use super::records::{Records, NIL};

/// Pieces of so many granules or fewer come here: up to 2 KiB.
const LARGEST: usize = 32;

/// At most so many of one size.
const MOST: u8 = 128;

/// At most this part of a region.
const PART: u64 = 64;

/// The lists.
#[derive(Debug)]
pub(super) struct QuickLists {
    heads: [u32; LARGEST + 1],
    counts: [u8; LARGEST + 1],
    /// Granules that may still come. There is no count of all pieces beside it: what is changed at every request should be little,
    /// and two numbers side by side, each written alone and then read as one, cost a processor a dozen nanoseconds.
    room: u64,
}

impl QuickLists {
    /// For a region of so many granules.
    pub(super) fn new(granules: u64) -> Self {
        let (heads, counts) = ([NIL; LARGEST + 1], [0; LARGEST + 1]);
        Self { heads, counts, room: granules / PART }
    }

    #[inline]
    fn list(size: u64) -> Option<usize> {
        usize::try_from(size).ok().filter(|&size| size <= LARGEST)
    }

    /// Takes a live piece of this size that is being freed. Whether there was room for it.
    #[inline]
    pub(super) fn push(&mut self, records: &mut Records, index: u32, size: u64) -> bool {
        let Some(list) = Self::list(size).filter(|&at| self.counts[at] < MOST) else {
            return false;
        };
        if size > self.room {
            return false;
        }
        let record = records.at_mut(index);
        record.set_quick();
        record.forward = self.heads[list];
        self.heads[list] = index;
        self.counts[list] += 1;
        self.room -= size;
        true
    }

    /// Takes out the piece of exactly this size that was freed last.
    #[inline]
    pub(super) fn pop(&mut self, records: &Records, size: u64) -> Option<u32> {
        let list = Self::list(size)?;
        let index = self.heads[list];
        if index == NIL {
            return None;
        }
        self.heads[list] = records.at(index).forward;
        self.counts[list] -= 1;
        self.room += size;
        Some(index)
    }

    /// Takes out any piece.
    pub(super) fn pop_any(&mut self, records: &Records) -> Option<u32> {
        let list = self.heads.iter().position(|&head| head != NIL)?;
        self.pop(records, list as u64)
    }

    /// How many pieces there are, counted anew each time.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.counts.iter().map(|&count| usize::from(count)).sum()
    }

    /// The pieces of one size after the other, and whether the counts agree with them. For tests.
    pub(super) fn check(&self, records: &Records, granules: u64) -> Result<(), String> {
        let mut room = granules / PART;
        for (size, &head) in self.heads.iter().enumerate() {
            let (mut index, mut count) = (head, 0);
            while index != NIL {
                let record = records.at(index);
                if !record.is_quick() || record.size != size as u64 || count == MOST {
                    return Err(format!("{record:?} is in the quick list of {size}"));
                }
                (index, count) = (record.forward, count + 1);
                room = room.checked_sub(size as u64).ok_or("too much in quick lists")?;
            }
            if count != self.counts[size] {
                return Err(format!("the quick list of {size} is miscounted"));
            }
        }
        if room == self.room {
            Ok(())
        } else {
            Err("the granules of quick pieces are miscounted".to_owned())
        }
    }
}
