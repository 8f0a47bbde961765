//! Live pieces by offset, and those of the quick lists, for who frees a piece without its number: a hash table with open addressing.
//! It is made when it is asked for, and given up when that does not happen for long.
//!
//! An entry is the number of a record in its low half and the upper half of the hash in its high
//! half, 0 when empty. The upper half of the hash also says where an entry wants to lie, so nearly every
//! question is answered by one line of the cache, and a removal closes the gap by moving what comes after.

use ray_sys::ZeroedArray;

use super::records::{Records, NIL};
use crate::check::fatal;

/// The table.
#[derive(Debug)]
pub(super) struct LiveTable {
    /// In pages of its own, which go back to the system when it is made anew.
    entries: ZeroedArray<u64>,
    len: usize,
    /// A hash's upper half shifted right by so much is a position.
    shift: u32,
}

const LEAST: usize = 64;

/// Below this many entries memory is not worth giving back.
const KEPT_CAPACITY: usize = if cfg!(test) { 256 } else { 16 * 1024 };

impl LiveTable {
    pub(super) fn new() -> Self {
        Self::with_capacity(LEAST)
    }

    /// `capacity` is a power of two, at most 2^32.
    fn with_capacity(capacity: usize) -> Self {
        let entries = ZeroedArray::zeroed(capacity)
            .unwrap_or_else(|error| fatal(&format!("no memory for a table of pieces: {error}")));
        Self { entries, len: 0, shift: u32::BITS - capacity.trailing_zeros() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that the table takes.
    pub(super) fn footprint(&self) -> usize {
        self.entries.len() * size_of::<u64>()
    }

    #[inline]
    fn home(&self, entry: u64) -> usize {
        ((entry >> 32) >> self.shift) as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    /// Enters the piece that begins at `offset`, of which there is no entry.
    #[inline]
    pub(super) fn insert(&mut self, offset: u64, index: u32) {
        if self.len >= self.entries.len() / 2 {
            self.resize(self.entries.len() * 2);
        }
        self.enter(tag(offset) | u64::from(index));
    }

    #[inline]
    fn enter(&mut self, entry: u64) {
        let mut at = self.home(entry);
        while self.entries[at] != 0 {
            at = self.after(at);
        }
        self.entries[at] = entry;
        self.len += 1;
    }

    /// Where the entry is, and the record, of the piece that begins at `offset`, if one does.
    #[inline]
    fn position(&self, records: &Records, offset: u64) -> Option<(usize, u32)> {
        let tag = tag(offset);
        let mut at = self.home(tag);
        loop {
            let entry = self.entries[at];
            if entry == 0 {
                return None;
            }
            let index = low_half(entry);
            // Two offsets may share half a hash: the record decides.
            if entry ^ tag == u64::from(index) && records.at(index).offset() == offset {
                return Some((at, index));
            }
            at = self.after(at);
        }
    }

    /// The piece that begins at `offset`, if one does.
    #[inline]
    pub(super) fn find(&self, records: &Records, offset: u64) -> Option<u32> {
        self.position(records, offset).map(|(_, index)| index)
    }

    /// Takes out the entry at a position that [`Self::position`] gave, with no change in between.
    #[inline]
    fn remove_at(&mut self, position: usize) {
        let (mut gap, mut at) = (position, position);
        loop {
            at = self.after(at);
            let entry = self.entries[at];
            if entry == 0 {
                break;
            }
            // An entry may lie anywhere from its home on; the gap is such a place if it is no nearer
            // to where the entry is now than the home is.
            let mask = self.entries.len() - 1;
            if at.wrapping_sub(self.home(entry)) & mask >= at.wrapping_sub(gap) & mask {
                self.entries[gap] = entry;
                gap = at;
            }
        }
        self.entries[gap] = 0;
        self.len -= 1;
    }

    /// Takes out the piece that begins at `offset`, if one does.
    #[inline]
    pub(super) fn remove(&mut self, records: &Records, offset: u64) -> Option<u32> {
        let (position, index) = self.position(records, offset)?;
        self.remove_at(position);
        Some(index)
    }

    /// Whether the table is much too large.
    #[inline]
    pub(super) fn is_sparse(&self) -> bool {
        self.entries.len() > KEPT_CAPACITY && self.entries.len() / 16 > self.len
    }

    /// Gives memory back.
    #[cold]
    pub(super) fn shrink(&mut self) {
        self.resize((self.len * 4).next_power_of_two().max(LEAST));
    }

    #[cold]
    fn resize(&mut self, capacity: usize) {
        let old = std::mem::replace(self, Self::with_capacity(capacity));
        self.entries.populate();
        old.entries.iter().copied().filter(|&entry| entry != 0).for_each(|entry| self.enter(entry));
    }
}

/// The upper half of the hash of an offset. All bits of the offset reach the uppermost bits, from
/// which positions are made; the multiplier spreads equal distances evenly.
#[inline]
fn tag(offset: u64) -> u64 {
    offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !0xffff_ffff
}

#[inline]
fn low_half(entry: u64) -> u32 {
    // The mask makes it fit.
    u32::try_from(entry & 0xffff_ffff).unwrap_or(NIL)
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::{Entry, HashMap};

    use super::super::records::Record;
    use super::*;

    #[test]
    fn agrees_with_a_map() {
        let mut records = Records::new(Record::free(0, 0));
        let (mut table, mut map) = (LiveTable::new(), HashMap::new());
        let mut random = 1_u64;
        let mut below = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % bound
        };
        // Dense offsets, distances that are powers of two, and huge ones.
        for shift in [0, 4, 14, 30] {
            for step in 0..60_000 {
                let offset = below(3000) << shift;
                let grow = step % 20_000 < 12_000;
                if let Some(index) = map.get(&offset).copied().filter(|_| !grow || step % 3 == 0) {
                    assert_eq!(table.remove(&records, offset), Some(index));
                    records.remove(index);
                    map.remove(&offset);
                } else if let Entry::Vacant(place) = map.entry(offset) {
                    assert_eq!(table.find(&records, offset), None);
                    assert_eq!(table.remove(&records, offset), None);
                    if grow {
                        assert!(records.has_room());
                        let index = records.insert();
                        records.at_mut(index).set_live(offset, 0);
                        table.insert(offset, index);
                        place.insert(index);
                    }
                }
                if table.is_sparse() {
                    table.shrink();
                }
                assert_eq!(table.len(), map.len());
            }
            for (offset, index) in map.drain() {
                assert_eq!(table.find(&records, offset), Some(index));
                assert_eq!(table.remove(&records, offset), Some(index));
            }
            assert!(table.entries.iter().all(|&entry| entry == 0));
        }
    }
}
