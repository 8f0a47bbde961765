//! One record for each piece of the region, free or live, numbered. A piece keeps its number as long as it is there.

use ray_sys::Zeroable;

use super::super::slab::{Slab, Slotted};
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
    /// Neighbours in a list of free pieces of one size; a quick list has no `back`. In a large free piece `forward` is the number
    /// of its node, in an unused record it says which is the next.
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
const USED_BITS: u64 = FREE_BIT | LIVE_BIT | QUICK_BIT;

/// Granules that offsets can count: more than an address space has.
pub(super) const MAX_GRANULES: u64 = u64::MAX >> OFFSET_SHIFT;

impl Slotted for Record {
    // A page.
    const SHIFT: u32 = 7;
    // A quarter of a megabyte.
    const KEPT_GROUPS: usize = if cfg!(test) { 1 } else { 64 };

    #[inline]
    fn is_used(&self) -> bool {
        self.place & USED_BITS != 0
    }

    #[inline]
    fn next_free(&self) -> u16 {
        // Only ever set below.
        u16::try_from(self.forward).unwrap_or(0)
    }

    #[inline]
    fn set_free(&mut self, next_free: u16) {
        self.place = 0;
        self.forward = next_free.into();
    }
}

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
        match self.place & USED_BITS {
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

/// The records.
#[derive(Debug)]
pub(super) struct Records {
    slab: Slab<Record>,
}

impl Records {
    pub(super) fn new(top: Record) -> Self {
        let mut records = Self { slab: Slab::new() };
        if let Err(error) = records.slab.reserve_one() {
            fatal(&format!("no memory for an allocator: {error}"));
        }
        let (number, record) = records.slab.insert();
        *record = top;
        assert_eq!(number, TOP, "numbers count from there");
        records
    }

    /// Whether one more record can be had.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        match self.slab.reserve_one() {
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
        self.slab.insert().0
    }

    #[inline]
    pub(super) fn remove(&mut self, index: u32) {
        self.slab.remove(index);
    }

    /// A record by a number that may be wrong: if there is no such record, nothing or an unused one.
    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&Record> {
        self.slab.any(number)
    }

    #[inline]
    pub(super) fn at(&self, index: u32) -> &Record {
        self.slab.at(index)
    }

    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Record {
        self.slab.at_mut(index)
    }

    /// Has the processor fetch a record. The number may be any.
    #[inline]
    pub(super) fn prefetch(&self, number: u32) {
        self.slab.prefetch(number);
    }

    /// How many are used. Linear.
    pub(super) fn used(&self) -> usize {
        self.slab.used()
    }

    /// Bytes of memory that the records take.
    pub(super) fn footprint(&self) -> usize {
        self.slab.footprint()
    }
}
