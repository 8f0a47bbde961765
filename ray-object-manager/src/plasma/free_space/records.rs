//! One record for each piece of the region, free or live, numbered.

use ray_sys::{Zeroable, ZeroedArray};

use crate::check::fatal;

/// Number of the record that stands for the top of the region; in a link also "nothing", because no
/// list of free pieces holds the top.
pub(super) const TOP: u32 = 0;

/// No record.
pub(super) const NIL: u32 = 0;

/// What a record stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing at present.
    Unused,
    /// A piece that can be given out.
    Free,
    /// A piece that was given out.
    Live,
    /// A small piece that can be given out, but is not merged yet ([`super::quick`]).
    Quick,
}

/// A piece of the region. Two of them fill a line of the processor's cache.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Record {
    /// Offset in granules, above [`OFFSET_SHIFT`] bits of state and slack.
    place: u64,
    /// Size in granules.
    pub(super) size: u64,
    /// The pieces before and after this one; the list is a ring that closes at the top.
    pub(super) prev: u32,
    pub(super) next: u32,
    /// Neighbours in a list of free pieces of one size, or of unused records; a quick list has no `back`. In a large free
    /// piece `forward` is the number of its node.
    pub(super) forward: u32,
    pub(super) back: u32,
}

const _: () = assert!(size_of::<Record>() == 32);

// SAFETY: numbers; all of them zero is an unused record.
unsafe impl Zeroable for Record {}

const OFFSET_SHIFT: u32 = 16;
const STATE_SHIFT: u32 = 8;
const SLACK_MASK: u64 = 0x7f;
const FREE_BIT: u64 = 1 << STATE_SHIFT;
const LIVE_BIT: u64 = 2 << STATE_SHIFT;
const QUICK_BIT: u64 = 4 << STATE_SHIFT;

/// Granules that offsets can count: more than an address space has.
pub(super) const MAX_GRANULES: u64 = u64::MAX >> OFFSET_SHIFT;

impl Record {
    /// A free piece outside of any list.
    pub(super) const fn free(offset: u64, size: u64) -> Self {
        let place = (offset << OFFSET_SHIFT) | FREE_BIT;
        Self { place, size, prev: TOP, next: TOP, forward: NIL, back: NIL }
    }

    #[inline]
    pub(super) fn offset(&self) -> u64 {
        self.place >> OFFSET_SHIFT
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        match self.place & (FREE_BIT | LIVE_BIT | QUICK_BIT) {
            FREE_BIT => State::Free,
            LIVE_BIT => State::Live,
            QUICK_BIT => State::Quick,
            _ => State::Unused,
        }
    }

    #[inline]
    pub(super) fn is_free(&self) -> bool {
        self.place & FREE_BIT != 0
    }

    #[inline]
    pub(super) fn is_live(&self) -> bool {
        self.place & LIVE_BIT != 0
    }

    #[inline]
    pub(super) fn is_quick(&self) -> bool {
        self.place & QUICK_BIT != 0
    }

    /// Bytes of a live piece's last granule that were not asked for; a whole one for a request of 0 bytes.
    #[inline]
    pub(super) fn slack(&self) -> usize {
        // At most 7 bits.
        usize::try_from(self.place & SLACK_MASK).unwrap_or(0)
    }

    #[inline]
    pub(super) fn set_free(&mut self, offset: u64) {
        self.place = (offset << OFFSET_SHIFT) | FREE_BIT;
    }

    /// A live piece becomes one of a quick list.
    #[inline]
    pub(super) fn set_quick(&mut self) {
        self.place = (self.place & !(LIVE_BIT | SLACK_MASK)) | QUICK_BIT;
    }

    #[inline]
    pub(super) fn set_live(&mut self, offset: u64, slack: u64) {
        self.place = (offset << OFFSET_SHIFT) | LIVE_BIT | (slack & SLACK_MASK);
    }
}

/// The records, and which of their numbers can be used again.
#[derive(Debug)]
pub(super) struct Records {
    /// In pages of their own: they grow without being copied, and what is not needed any more goes back to the system.
    records: ZeroedArray<Record>,
    /// How many there are, used or not; those behind are zero or left over.
    len: usize,
    /// How many of them have memory at most.
    touched: usize,
    first_unused: u32,
    unused: usize,
}

/// Below this many, a quarter of a megabyte, memory is not worth giving back.
const FEW: usize = if cfg!(test) { 256 } else { 8 * 1024 };

impl Records {
    pub(super) fn new(top: Record) -> Self {
        let mut records = ZeroedArray::zeroed(FEW)
            .unwrap_or_else(|error| fatal(&format!("no memory for an allocator: {error}")));
        records[0] = top;
        Self { records, len: 1, touched: 1, first_unused: NIL, unused: 0 }
    }

    /// Whether one more record can be had.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        self.first_unused != NIL || self.len < self.records.len() || self.grow()
    }

    #[cold]
    fn grow(&mut self) -> bool {
        let most = u32::MAX as usize;
        let wanted = self.records.len().saturating_mul(2).min(most);
        if wanted == self.records.len() {
            return false;
        }
        match self.records.grow(wanted) {
            Ok(()) => true,
            Err(error) => {
                log::error!("no memory for more pieces: {error}");
                false
            }
        }
    }

    /// A number for a new piece, whose fields are still to be set. ([`Self::has_room`] said so.)
    ///
    /// They are to be set one by one: a record copied as a whole would have to wait for its parts.
    #[inline]
    pub(super) fn insert(&mut self) -> u32 {
        match self.first_unused {
            NIL => self.push(),
            index => {
                let after = self.at(index).forward;
                self.first_unused = after;
                if after != NIL {
                    self.at_mut(after).back = NIL;
                }
                self.unused -= 1;
                index
            }
        }
    }

    #[cold]
    fn push(&mut self) -> u32 {
        let index = u32::try_from(self.len).expect("`has_room` was asked");
        self.records[self.len] = Record::free(0, 0);
        self.len += 1;
        self.touched = self.touched.max(self.len);
        index
    }

    #[inline]
    pub(super) fn remove(&mut self, index: u32) {
        let after = self.first_unused;
        let record = self.at_mut(index);
        record.place = 0;
        record.forward = after;
        record.back = NIL;
        if after != NIL {
            self.at_mut(after).back = index;
        }
        self.first_unused = index;
        self.unused += 1;
    }

    fn unlink_unused(&mut self, index: u32) {
        let Record { forward, back, .. } = *self.at(index);
        match back {
            NIL => self.first_unused = forward,
            _ => self.at_mut(back).forward = forward,
        }
        if forward != NIL {
            self.at_mut(forward).back = back;
        }
        self.unused -= 1;
    }

    /// Whether so few records are used that some memory should go back: an eighth. Where the oldest go first, as in an eviction, all that
    /// remain by then have to move.
    #[inline]
    pub(super) fn is_sparse(&self) -> bool {
        self.len() > FEW && self.unused >= self.len() / 8 * 7
    }

    /// Cuts unused records off the end. If others remain, the pair of the last record and an unused
    /// number to which it should move, so that the end comes nearer.
    #[cold]
    pub(super) fn cut(&mut self) -> Option<(u32, u32)> {
        while self.at(self.last()).state() == State::Unused {
            self.unlink_unused(self.last());
            self.len -= 1;
        }
        let kept = self.len.max(FEW) * 2;
        if self.touched / 2 > kept {
            self.records.give_back(kept..self.touched);
            self.touched = kept;
        }
        (self.unused > 0).then(|| (self.last(), self.first_unused))
    }

    /// Copies the last record to an unused number and cuts it off.
    pub(super) fn move_last(&mut self, to: u32) {
        self.unlink_unused(to);
        *self.at_mut(to) = *self.at(self.last());
        self.len -= 1;
    }

    fn last(&self) -> u32 {
        // The top is always there.
        u32::try_from(self.len - 1).expect("numbers are 32 bits wide")
    }

    /// A record by a number that may be wrong: if there is no such record, nothing or an unused one.
    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&Record> {
        // What lies behind, of records that have moved, still looks like theirs.
        self.records[..self.len].get(number as usize)
    }

    #[inline]
    pub(super) fn at(&self, index: u32) -> &Record {
        &self.records[index as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Record {
        &mut self.records[index as usize]
    }

    /// Records, used or not.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Records that can be used again.
    pub(super) fn unused(&self) -> usize {
        self.unused
    }

    /// Bytes of memory that the records take.
    pub(super) fn footprint(&self) -> usize {
        self.touched * size_of::<Record>()
    }
}
