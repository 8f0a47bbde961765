//! Which parts of a region are free: best fit, with the bookkeeping outside of the region.
//!
//! Everything is counted in granules of 64 bytes. Each piece, free or live, has a [`Record`]; pieces
//! that adjoin know each other, so that a piece which becomes free merges with its neighbours at once. Free
//! pieces are found by size in the zones of the region ([`zones`], [`small`], [`large`]), live ones by the number of their record, which
//! whoever frees them mostly knows, else by their offset ([`live`]). Small pieces rest for a while in lists of their own ([`quick`]) before they merge.
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

/// Bytes of records that are worth giving back.
const LARGE: usize = if cfg!(test) { 16 << 10 } else { 512 << 10 };

/// The table of live pieces by offset stays for so many releases at least.
const LEAST_STAY: usize = 1024;

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
    /// The number of its record, where [`FreeSpace::release_numbered`] looks for it first.
    pub(super) number: u32,
}

/// The free and the live pieces of a region.
#[derive(Debug)]
pub(super) struct FreeSpace {
    records: Records,
    zones: Zones,
    quick: QuickLists,
    /// Live pieces.
    live: usize,
    /// The most of them, as [`Self::take`] sees it, since pieces of quick lists were merged because few are left.
    most_live: usize,
    /// When fewer than this are live, few are left.
    few_live: usize,
    /// The live and the quick pieces by offset, since somebody freed a piece without its number.
    by_offset: Option<LiveTable>,
    /// After so many releases by number that table is given up.
    table_stays: usize,
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
            quick: QuickLists::new(granules),
            live: 0,
            most_live: 0,
            few_live: 0,
            by_offset: None,
            table_stays: 0,
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
        self.live += 1;
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
        self.live += 1;
        if self.live > self.most_live {
            self.count_from_here();
        }
        if let Some(table) = &mut self.by_offset {
            table.insert(offset, index);
        }
        Taken { offset, number: index }
    }

    /// Makes the live piece at `offset` free again. The bytes that had been asked for, or nothing
    /// if no live piece begins there.
    pub(super) fn release(&mut self, offset: u64) -> Option<usize> {
        let index = self.find_live(offset)?;
        self.records.at(index).is_live().then(|| self.release_live(offset, index))
    }

    /// As [`Self::release`]. The number may be any: all live pieces are searched when the piece is not there.
    #[inline(always)]
    pub(super) fn release_numbered(&mut self, piece: Taken) -> Option<usize> {
        let Taken { offset, number } = piece;
        match self.records.get(number) {
            Some(record) if record.is_live() && record.offset() == offset => {
                Some(self.release_live(offset, number))
            }
            _ => self.release_elsewhere(offset),
        }
    }

    /// Apart, for what it needs on the stack.
    #[cold]
    #[inline(never)]
    fn release_elsewhere(&mut self, offset: u64) -> Option<usize> {
        self.release(offset)
    }

    #[inline(always)]
    fn release_live(&mut self, offset: u64, index: u32) -> usize {
        let record = self.records.at(index);
        let (size, slack) = (record.size, record.slack());
        // A piece fits in memory, so its size does in `usize`.
        let bytes = usize::try_from(size).unwrap_or(usize::MAX).saturating_mul(GRANULE) - slack;
        self.free += size;
        self.live -= 1;
        if !self.quick.push(&mut self.records, index, size) {
            self.release_merged(offset, index);
        }
        if self.live < self.few_live {
            self.few_are_left();
        }
        bytes
    }

    /// Pieces that rest in quick lists keep the memory of records that were beside theirs: they are merged when seven of eight pieces
    /// have gone, if there is much of such memory.
    #[cold]
    fn few_are_left(&mut self) {
        if self.records.footprint() > LARGE {
            self.consolidate();
        }
        self.count_from_here();
    }

    fn count_from_here(&mut self) {
        self.most_live = self.live;
        self.few_live = self.live / 8;
    }

    /// The record of the live or quick piece at `offset`. Linear the first time, and again after as many releases by number as there are
    /// pieces: so the searches of a caller who knows no number take no longer than his calls.
    fn find_live(&mut self, offset: u64) -> Option<u32> {
        let table = self.by_offset.get_or_insert_with(|| {
            let mut table = LiveTable::new();
            let mut index = self.records.at(TOP).next;
            while index != TOP {
                let record = self.records.at(index);
                if !record.is_free() {
                    table.insert(record.offset(), index);
                }
                index = record.next;
            }
            table
        });
        self.table_stays = table.len().max(LEAST_STAY);
        table.find(&self.records, offset)
    }

    /// Has the processor fetch what [`Self::release_numbered`] looks at first.
    #[inline]
    pub(super) fn prefetch_release(&self, number: u32) {
        self.records.prefetch(number);
    }

    fn release_merged(&mut self, offset: u64, index: u32) {
        self.forget(offset, index);
        self.merge(index);
    }

    /// A piece is neither live nor quick any more.
    #[inline]
    fn forget(&mut self, offset: u64, index: u32) {
        if self.by_offset.is_some() {
            self.forget_in_table(offset, index);
        }
    }

    #[cold]
    fn forget_in_table(&mut self, offset: u64, index: u32) {
        let Some(table) = &mut self.by_offset else { return };
        let entry = table.remove(&self.records, offset);
        debug_assert_eq!(entry, Some(index));
        if table.is_sparse() {
            table.shrink();
        }
        match self.table_stays.checked_sub(1) {
            Some(left) => self.table_stays = left,
            None => self.by_offset = None,
        }
    }

    /// Merges all pieces of the quick lists. How many there were.
    #[cold]
    pub(super) fn consolidate(&mut self) -> usize {
        let pieces = self.quick.len();
        while let Some(index) = self.quick.pop_any(&self.records) {
            let offset = self.records.at(index).offset();
            self.forget(offset, index);
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
        self.live
    }

    /// Granules in free pieces, merged or not.
    pub(super) fn free_granules(&self) -> u64 {
        self.free
    }

    /// Bytes of memory that the bookkeeping takes.
    pub(super) fn footprint(&self) -> usize {
        let table = self.by_offset.as_ref().map_or(0, LiveTable::footprint);
        self.records.footprint() + self.zones.footprint() + table
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
