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
mod live;
mod records;
mod small;
#[cfg(test)]
mod tests;

use large::LargeBins;
use live::LiveTable;
use records::{Record, Records, State, MAX_GRANULES, TOP};
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
    live: LiveTable,
    granules: u64,
    free: u64,
}

impl FreeSpace {
    /// A region of this many granules, all free. More than addresses can count are left unused.
    pub(super) fn new(granules: u64) -> Self {
        let granules = granules.min(MAX_GRANULES);
        Self {
            records: Records::new(Record::free(0, granules)),
            small: SmallBins::new(),
            large: LargeBins::new(),
            live: LiveTable::new(),
            granules,
            free: granules,
        }
    }

    /// Where `bytes` would go; nothing changes. At least a granule, so that each has its own address.
    #[inline(always)]
    pub(super) fn find(&self, bytes: usize) -> Option<Fit> {
        let size = bytes.div_ceil(GRANULE).max(1) as u64;
        if !self.records.has_room() {
            return None;
        }
        let small = SmallBins::bin(size).and_then(|bin| self.small.best_fit(bin));
        let index = match small.or_else(|| self.large.best_fit(size)) {
            Some(index) => index,
            None if self.records.at(TOP).size >= size => TOP,
            None => return None,
        };
        Some(Fit { index, size, offset: self.records.at(index).offset() })
    }

    /// Makes the low end of a piece live. `fit` must come from [`Self::find`] for the same `bytes`,
    /// with no change in between.
    #[inline]
    pub(super) fn take(&mut self, fit: Fit, bytes: usize) {
        let Fit { index, size, offset } = fit;
        let slack = (size * GRANULE as u64).wrapping_sub(bytes as u64);
        let index = match index {
            TOP => {
                let top = self.records.at_mut(TOP);
                top.set_free(offset + size);
                top.size -= size;
                let index = self.insert_before(TOP);
                let record = self.records.at_mut(index);
                record.size = size;
                record.set_live(offset, slack);
                index
            }
            _ => {
                self.unlist(index);
                let record = self.records.at_mut(index);
                let rest = record.size - size;
                record.set_live(offset, slack);
                if rest > 0 {
                    record.size = size;
                    let next = record.next;
                    let free = self.insert_before(next);
                    let record = self.records.at_mut(free);
                    record.size = rest;
                    record.set_free(offset + size);
                    self.list(free);
                }
                index
            }
        };
        self.free -= size;
        self.live.insert(offset, index);
    }

    /// Makes the live piece at `offset` free again. The bytes that had been asked for, or nothing
    /// if no live piece begins there.
    #[inline]
    pub(super) fn release(&mut self, offset: u64) -> Option<usize> {
        let mut index = self.live.remove(&self.records, offset)?;
        let record = self.records.at(index);
        let (mut size, prev, next, slack) = (record.size, record.prev, record.next, record.slack());
        // A piece fits in memory, so its size does in `usize`.
        let bytes = usize::try_from(size).unwrap_or(usize::MAX).saturating_mul(GRANULE) - slack;
        self.free += size;
        let mut offset = offset;
        if prev != TOP && self.records.at(prev).is_free() {
            self.unlist(prev);
            size += self.records.at(prev).size;
            offset = self.records.at(prev).offset();
            self.absorb(index);
            index = prev;
        }
        if next == TOP {
            let top = self.records.at_mut(TOP);
            top.set_free(offset);
            top.size += size;
            self.absorb(index);
        } else {
            if self.records.at(next).is_free() {
                self.unlist(next);
                size += self.records.at(next).size;
                self.absorb(next);
            }
            let record = self.records.at_mut(index);
            record.set_free(offset);
            record.size = size;
            self.list(index);
        }
        self.compact();
        Some(bytes)
    }

    /// Enters a new piece just before another one of the ring. Its place and size are still to be set.
    #[inline(always)]
    fn insert_before(&mut self, next: u32) -> u32 {
        let prev = self.records.at(next).prev;
        let index = self.records.insert();
        let record = self.records.at_mut(index);
        record.prev = prev;
        record.next = next;
        self.records.at_mut(prev).next = index;
        self.records.at_mut(next).prev = index;
        index
    }

    /// Takes a piece that is now part of a neighbour out of the ring.
    #[inline(always)]
    fn absorb(&mut self, index: u32) {
        let Record { prev, next, .. } = *self.records.at(index);
        self.records.at_mut(prev).next = next;
        self.records.at_mut(next).prev = prev;
        self.records.remove(index);
    }

    #[inline]
    fn list(&mut self, index: u32) {
        match SmallBins::bin(self.records.at(index).size) {
            Some(bin) => self.small.insert(&mut self.records, bin, index),
            None => self.large.insert(&mut self.records, index),
        }
    }

    #[inline]
    fn unlist(&mut self, index: u32) {
        match SmallBins::bin(self.records.at(index).size) {
            Some(bin) => self.small.remove(&mut self.records, bin, index),
            None => self.large.remove(&self.records, index),
        }
    }

    /// Gives bookkeeping memory back after very many pieces have gone, a little at each release.
    #[inline]
    fn compact(&mut self) {
        if self.records.is_sparse() {
            // Two moves for at most two records that a release takes out.
            for _ in 0..2 {
                let Some((from, to)) = self.records.cut() else { break };
                self.renumber(from, to);
            }
        }
        if self.live.is_sparse() {
            self.live.shrink();
        }
    }

    /// Moves the last record to an unused number.
    #[cold]
    fn renumber(&mut self, from: u32, to: u32) {
        self.records.move_last(to);
        let record = *self.records.at(to);
        self.records.at_mut(record.prev).next = to;
        self.records.at_mut(record.next).prev = to;
        match (record.state(), SmallBins::bin(record.size)) {
            (State::Live, _) => self.live.renumber(record.offset(), from, to),
            (_, Some(bin)) => self.small.moved(&mut self.records, bin, to),
            (_, None) => self.large.moved(&self.records, to),
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
        self.records.footprint() + self.large.footprint() + self.live.footprint()
    }
}
