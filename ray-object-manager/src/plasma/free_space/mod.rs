//! Which parts of a region are free: best fit, with the bookkeeping outside of the region.
//!
//! Everything is counted in granules of 64 bytes. Each piece, free or live, has a [`Record`]; pieces
//! that adjoin know each other, so that a piece which becomes free merges with its neighbours at once. Free
//! pieces are found by size ([`small`], [`large`]), live ones by their offset in a hash table.
//!
//! The piece at the end of the region, the *top*, is in no list. It is cut from its low end, and only
//! when nothing else is large enough: so memory that was used before is used again before memory that
//! never was.

mod check;
mod large;
mod records;
mod small;
#[cfg(test)]
mod tests;

use hashbrown::HashTable;

use large::LargeBins;
use records::{Record, Records, State, TOP};
use small::SmallBins;

/// Bytes of a granule.
pub(super) const GRANULE: usize = super::allocator::ALIGNMENT;

/// A free piece that is large enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    index: u32,
    /// Granules wanted, counted from the low end of the piece.
    size: u64,
    /// Where the piece begins, in granules.
    pub(super) offset: u64,
}

impl Fit {
    /// Where the wanted granules end.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.size
    }
}

/// The free and the live pieces of a region.
#[derive(Debug)]
pub(super) struct FreeSpace {
    records: Records,
    small: SmallBins,
    large: LargeBins,
    live: HashTable<u32>,
    granules: u64,
    free: u64,
}

impl FreeSpace {
    /// A region of this many granules, all free.
    pub(super) fn new(granules: u64) -> Self {
        Self {
            records: Records::new(Record::new(State::Free, 0, granules)),
            small: SmallBins::new(),
            large: LargeBins::new(),
            live: HashTable::new(),
            granules,
            free: granules,
        }
    }

    /// Where `bytes` would go; nothing changes. At least a granule, so that each has its own address.
    #[inline]
    pub(super) fn find(&self, bytes: usize) -> Option<Fit> {
        let size = bytes.div_ceil(GRANULE).max(1) as u64;
        if !self.records.has_room() {
            return None;
        }
        let index = match SmallBins::bin(size) {
            Some(bin) => self.small.best_fit(bin).or_else(|| self.large_fit(size)),
            None => self.large.best_fit(&self.records, size),
        };
        let index = match index {
            Some(index) => index,
            None if self.records.at(TOP).size >= size => TOP,
            None => return None,
        };
        Some(Fit { index, size, offset: self.records.at(index).offset })
    }

    fn large_fit(&self, size: u64) -> Option<u32> {
        self.large.best_fit(&self.records, size)
    }

    /// Makes the low end of a piece live. `fit` must come from [`Self::find`] for the same `bytes`,
    /// with no change in between.
    #[inline]
    pub(super) fn take(&mut self, fit: Fit, bytes: usize) {
        let Fit { index, size, offset } = fit;
        let mut live = Record::new(State::Live, offset, size);
        live.slack = slack(size, bytes);
        let index = match index {
            TOP => {
                let top = self.records.at_mut(TOP);
                top.offset += size;
                top.size -= size;
                self.insert_before(TOP, live)
            }
            _ => {
                self.unlist(index);
                let record = self.records.at_mut(index);
                let rest = record.size - size;
                record.state = State::Live;
                record.slack = live.slack;
                record.size = size;
                let next = record.next;
                if rest > 0 {
                    let rest = Record::new(State::Free, offset + size, rest);
                    let rest = self.insert_before(next, rest);
                    self.list(rest);
                }
                index
            }
        };
        self.free -= size;
        let records = &self.records;
        self.live.insert_unique(hash(offset), index, |&index| hash(records.at(index).offset));
    }

    /// Makes the live piece at `offset` free again. The bytes that had been asked for, or nothing
    /// if no live piece begins there.
    #[inline]
    pub(super) fn release(&mut self, offset: u64) -> Option<usize> {
        let records = &self.records;
        let live = self.live.find_entry(hash(offset), |&index| records.at(index).offset == offset);
        let (mut index, _) = live.ok()?.remove();
        let Record { size, prev, next, slack, .. } = *self.records.at(index);
        self.free += size;
        self.records.at_mut(index).state = State::Free;
        if prev != TOP && self.records.at(prev).state == State::Free {
            self.unlist(prev);
            self.records.at_mut(prev).size += size;
            self.absorb(index);
            index = prev;
        }
        if next == TOP {
            let Record { offset, size, .. } = *self.records.at(index);
            let top = self.records.at_mut(TOP);
            top.offset = offset;
            top.size += size;
            self.absorb(index);
        } else {
            if self.records.at(next).state == State::Free {
                self.unlist(next);
                self.records.at_mut(index).size += self.records.at(next).size;
                self.absorb(next);
            }
            self.list(index);
        }
        self.compact();
        // A piece fits in memory, so its size does in `usize`.
        let bytes = usize::try_from(size).unwrap_or(usize::MAX).saturating_mul(GRANULE);
        Some(bytes - usize::from(slack))
    }

    /// Enters a piece just before another one of the ring.
    fn insert_before(&mut self, next: u32, mut record: Record) -> u32 {
        let prev = self.records.at(next).prev;
        (record.prev, record.next) = (prev, next);
        let index = self.records.insert(record);
        self.records.at_mut(prev).next = index;
        self.records.at_mut(next).prev = index;
        index
    }

    /// Takes a piece that is now part of a neighbour out of the ring.
    fn absorb(&mut self, index: u32) {
        let Record { prev, next, .. } = *self.records.at(index);
        self.records.at_mut(prev).next = next;
        self.records.at_mut(next).prev = prev;
        self.records.remove(index);
    }

    fn list(&mut self, index: u32) {
        match SmallBins::bin(self.records.at(index).size) {
            Some(bin) => self.small.insert(&mut self.records, bin, index),
            None => self.large.insert(&mut self.records, index),
        }
    }

    fn unlist(&mut self, index: u32) {
        match SmallBins::bin(self.records.at(index).size) {
            Some(bin) => self.small.remove(&mut self.records, bin, index),
            None => self.large.remove(&mut self.records, index),
        }
    }

    /// Gives bookkeeping memory back after very many pieces have gone, a little at each release.
    #[inline]
    fn compact(&mut self) {
        // Two moves for at most two records that a release takes out.
        for _ in 0..2 {
            let Some((from, to)) = self.records.sparse() else { return };
            self.renumber(from, to);
        }
        if self.live.capacity() / 8 > self.live.len().max(1024) {
            let records = &self.records;
            self.live.shrink_to(self.live.len() * 2, |&index| hash(records.at(index).offset));
        }
    }

    /// Moves the last record to an unused number.
    #[cold]
    fn renumber(&mut self, from: u32, to: u32) {
        self.records.move_last(to);
        let Record { offset, size, prev, next, state, .. } = *self.records.at(to);
        self.records.at_mut(prev).next = to;
        self.records.at_mut(next).prev = to;
        match (state, SmallBins::bin(size)) {
            (State::Live, _) => {
                let entry = self.live.find_mut(hash(offset), |&index| index == from);
                *entry.expect("a live piece is in the table") = to;
            }
            (_, Some(bin)) => self.small.moved(&mut self.records, bin, from, to),
            (_, None) => self.large.moved(&mut self.records, from, to),
        }
    }

    /// Live pieces.
    pub(super) fn num_live(&self) -> usize {
        self.live.len()
    }

    /// Granules in free pieces.
    pub(super) fn free_granules(&self) -> u64 {
        self.free
    }

    /// Bytes of memory that the bookkeeping takes.
    pub(super) fn footprint(&self) -> usize {
        self.records.footprint() + self.live.allocation_size()
    }
}

/// Bytes of `size` granules that were not asked for: at most 64.
fn slack(size: u64, bytes: usize) -> u8 {
    let whole = size.wrapping_mul(GRANULE as u64);
    u8::try_from(whole.wrapping_sub(bytes as u64)).unwrap_or(0)
}

/// Offsets are often multiples of large powers of two: the product's high half has all their bits.
#[inline]
fn hash(offset: u64) -> u64 {
    let product = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}
