//! Which parts of a region are free: best fit, with the bookkeeping outside of the region.
//!
//! Everything is counted in granules of 64 bytes. Each piece, free or live, has a [`Record`]; pieces
//! that adjoin know each other, so that a piece which becomes free merges with its neighbours at once. Free
//! pieces are found by size in the zones of the region ([`zones`], [`small`], [`large`]), live ones by their offset in a hash table. Small pieces rest for a while in
//! lists of their own ([`quick`]) before they merge.
//!
//! The piece at the end of the region, the *top*, is in no list. It is cut from its low end, and only
//! when nothing else is large enough: so memory that was used before is used again before memory that
//! never was.

mod check;
mod large;
mod live;
mod quick;
mod records;
mod small;
#[cfg(test)]
mod tests;
mod zones;

use std::ops::ControlFlow;

use live::LiveTable;
use quick::QuickLists;
use records::{Record, Records, MAX_GRANULES, NIL, TOP};
use zones::Zones;

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

/// A piece that was given out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// Where it begins, in granules.
    pub(super) offset: u64,
    /// The number of its record, which may get another one: [`FreeSpace::release_numbered`] looks there first.
    pub(super) number: u32,
}

/// The free and the live pieces of a region.
#[derive(Debug)]
pub(super) struct FreeSpace {
    records: Records,
    zones: Zones,
    /// Of the live pieces and the quick ones.
    live: LiveTable,
    quick: QuickLists,
    /// The piece that merged last, which is in no list yet, or [`NIL`]. Objects that were created one after the other often go so, and
    /// then a piece that grows is not taken from its list and put into another each time.
    hand: u32,
    granules: u64,
    free: u64,
}

impl FreeSpace {
    /// A region of this many granules, all free. More than addresses can count are left unused.
    pub(super) fn new(granules: u64) -> Self {
        let granules = granules.min(MAX_GRANULES);
        Self {
            records: Records::new(Record::free(0, granules)),
            zones: Zones::new(granules),
            live: LiveTable::new(),
            quick: QuickLists::new(granules),
            hand: NIL,
            granules,
            free: granules,
        }
    }

    /// Gives out again what was freed a moment ago and has the right size.
    #[inline(always)]
    pub(super) fn take_quick(&mut self, bytes: usize) -> Option<Taken> {
        let size = granules(bytes);
        let index = self.quick.pop(&self.records, size)?;
        self.free -= size;
        let record = self.records.at_mut(index);
        let offset = record.offset();
        record.set_live(offset, slack(size, bytes));
        Some(Taken { offset, number: index })
    }

    /// Where `bytes` would go: at least a granule, so that each has its own address. Pieces may merge; what is live and how
    /// much is free stays the same. To be asked after [`Self::take_quick`].
    pub(super) fn find(&mut self, bytes: usize) -> Option<Fit> {
        let size = granules(bytes);
        if !self.records.has_room() {
            return None;
        }
        self.list_hand();
        let mut fit = self.zones.best_fit(&self.records, size);
        if fit.is_none() && self.quick.len() > 0 {
            self.consolidate();
            self.list_hand();
            fit = self.zones.best_fit(&self.records, size);
        }
        let index = match fit {
            Some(index) => index,
            None if self.records.at(TOP).size >= size => TOP,
            None => return None,
        };
        Some(Fit { index, size, offset: self.records.at(index).offset() })
    }

    /// Makes the low end of a piece live. `fit` must come from [`Self::find`] for the same `bytes`,
    /// with no change in between.
    #[inline]
    pub(super) fn take(&mut self, fit: Fit, bytes: usize) -> Taken {
        let Fit { index, size, offset } = fit;
        let slack = slack(size, bytes);
        self.free -= size;
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
                self.zones.remove(&mut self.records, index);
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
                    self.zones.insert(&mut self.records, free);
                }
                index
            }
        };
        self.live.insert(offset, index);
        Taken { offset, number: index }
    }

    /// Makes the live piece at `offset` free again. The bytes that had been asked for, or nothing
    /// if no live piece begins there.
    #[inline(always)]
    pub(super) fn release(&mut self, offset: u64) -> Option<usize> {
        self.release_numbered(Taken { offset, number: NIL })
    }

    /// As [`Self::release`]. The number may be any: the table of live pieces is asked when the piece is not there.
    #[inline(always)]
    pub(super) fn release_numbered(&mut self, piece: Taken) -> Option<usize> {
        let offset = piece.offset;
        let (position, index) = match self.records.get(piece.number) {
            Some(record) if record.is_live() && record.offset() == offset => (None, piece.number),
            _ => {
                let (position, index) = self.live.position(&self.records, offset)?;
                (Some(position), index)
            }
        };
        let record = self.records.at(index);
        if !record.is_live() {
            return None;
        }
        let (size, slack) = (record.size, record.slack());
        // A piece fits in memory, so its size does in `usize`.
        let bytes = usize::try_from(size).unwrap_or(usize::MAX).saturating_mul(GRANULE) - slack;
        self.free += size;
        if !self.quick.push(&mut self.records, index, size) {
            self.release_merged(offset, position, index);
        }
        Some(bytes)
    }

    /// Has the processor fetch what [`Self::release`] looks at first.
    #[inline]
    pub(super) fn prefetch_release(&self, offset: u64) {
        self.live.prefetch(offset);
    }

    /// `position` is where the table has the piece, if it was asked already.
    fn release_merged(&mut self, offset: u64, position: Option<usize>, index: u32) {
        match position {
            Some(position) => self.live.remove_at(position),
            None => {
                let entry = self.live.remove(&self.records, offset);
                debug_assert_eq!(entry, Some(index));
            }
        }
        self.merge(index);
        self.compact();
    }

    /// Merges all pieces of the quick lists. How many there were.
    #[cold]
    pub(super) fn consolidate(&mut self) -> usize {
        let pieces = self.quick.len();
        while let Some(index) = self.quick.pop_any(&self.records) {
            let offset = self.records.at(index).offset();
            let entry = self.live.remove(&self.records, offset);
            debug_assert_eq!(entry, Some(index));
            self.merge(index);
        }
        pieces
    }

    /// Puts the piece that merged last into its list.
    #[inline(always)]
    fn list_hand(&mut self) {
        let index = std::mem::replace(&mut self.hand, NIL);
        if index != NIL {
            self.zones.insert(&mut self.records, index);
        }
    }

    /// Takes a free piece from its list.
    #[inline(always)]
    fn unlist(&mut self, index: u32) {
        if index == self.hand {
            self.hand = NIL;
        } else {
            self.zones.remove(&mut self.records, index);
        }
    }

    /// Makes one piece of a piece that is in no list and its free neighbours, to be listed next.
    fn merge(&mut self, mut index: u32) {
        let Record { mut size, prev, next, .. } = *self.records.at(index);
        let mut offset = self.records.at(index).offset();
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
            self.list_hand();
            self.hand = index;
        }
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

    /// Gives bookkeeping memory back after very many pieces have gone, a little at each release.
    #[inline]
    fn compact(&mut self) {
        if self.records.is_sparse() {
            let releases = self.consolidate() + 1;
            // Two moves for at most two records that a release takes out.
            for _ in 0..2 * releases {
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
        if record.is_live() {
            self.live.renumber(record.offset(), from, to);
        } else if from == self.hand {
            self.hand = to;
        } else {
            self.zones.moved(&mut self.records, to);
        }
    }

    /// Shows free pieces that have at least so many granules, by offset and size, until told to stop; larger ones and those
    /// at the end of the region mostly come first. Pieces of quick lists are not shown.
    pub(super) fn visit_free(
        &self,
        least: u64,
        mut visit: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) {
        let mut show = |index| {
            let record = self.records.at(index);
            if record.size < least {
                return ControlFlow::Continue(());
            }
            visit(record.offset(), record.size)
        };
        if show(TOP).is_continue() && (self.hand == NIL || show(self.hand).is_continue()) {
            // Whether all were shown makes no difference.
            let _ = self.zones.visit(&self.records, least, show);
        }
    }

    /// Live pieces.
    pub(super) fn num_live(&self) -> usize {
        self.live.len() - self.quick.len()
    }

    /// Granules in free pieces, merged or not.
    pub(super) fn free_granules(&self) -> u64 {
        self.free
    }

    /// Bytes of memory that the bookkeeping takes.
    pub(super) fn footprint(&self) -> usize {
        self.records.footprint() + self.zones.footprint() + self.live.footprint()
    }
}

/// Granules for so many bytes; at least one, so that each piece has its own address.
#[inline]
fn granules(bytes: usize) -> u64 {
    bytes.div_ceil(GRANULE).max(1) as u64
}

/// What a piece of so many granules has beyond `bytes`.
#[inline]
fn slack(size: u64, bytes: usize) -> u64 {
    (size * GRANULE as u64).wrapping_sub(bytes as u64)
}
