//! One record for each piece of the region, free or live, numbered.

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
}

/// A piece of the region. Offsets and sizes are in granules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) offset: u64,
    pub(super) size: u64,
    /// The pieces before and after this one; the list is a ring that closes at the top.
    pub(super) prev: u32,
    pub(super) next: u32,
    /// Neighbours in a list of free pieces of one size, or of unused records.
    pub(super) forward: u32,
    pub(super) back: u32,
    /// Place in a trie of large free pieces.
    pub(super) child: [u32; 2],
    pub(super) parent: u32,
    pub(super) state: State,
    /// Bytes of the last granule that were not asked for; a whole one for a request of 0 bytes.
    pub(super) slack: u8,
}

const _: () = assert!(size_of::<Record>() == 48);

impl Record {
    pub(super) const fn new(state: State, offset: u64, size: u64) -> Self {
        Self {
            offset,
            size,
            prev: TOP,
            next: TOP,
            forward: NIL,
            back: NIL,
            child: [NIL; 2],
            parent: NIL,
            state,
            slack: 0,
        }
    }
}

/// The records, and which of their numbers can be used again.
#[derive(Debug)]
pub(super) struct Records {
    records: Vec<Record>,
    first_unused: u32,
    unused: usize,
}

/// Below this many, memory is not worth giving back.
const FEW: usize = 1024;

impl Records {
    pub(super) fn new(top: Record) -> Self {
        Self { records: vec![top], first_unused: NIL, unused: 0 }
    }

    /// Whether one more record can be had.
    pub(super) fn has_room(&self) -> bool {
        self.first_unused != NIL || u32::try_from(self.records.len()).is_ok()
    }

    pub(super) fn insert(&mut self, record: Record) -> u32 {
        let index = self.first_unused;
        if index != NIL {
            self.unlink_unused(index);
            *self.at_mut(index) = record;
            return index;
        }
        let index = u32::try_from(self.records.len()).expect("`has_room` was asked");
        self.records.push(record);
        index
    }

    pub(super) fn remove(&mut self, index: u32) {
        let after = self.first_unused;
        let record = self.at_mut(index);
        record.state = State::Unused;
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

    /// Cuts unused records off the end. If then most are unused, the pair of the last record and
    /// an unused number to which it should move, so that the end comes nearer.
    pub(super) fn sparse(&mut self) -> Option<(u32, u32)> {
        if self.len() <= FEW || self.unused < self.len() / 4 * 3 {
            return None;
        }
        while let Some(State::Unused) = self.records.last().map(|record| record.state) {
            self.unlink_unused(self.last());
            self.records.pop();
        }
        self.give_back();
        (self.unused > 0).then(|| (self.last(), self.first_unused))
    }

    /// Copies the last record to an unused number and cuts it off.
    pub(super) fn move_last(&mut self, to: u32) {
        self.unlink_unused(to);
        let record = self.records.pop().expect("the top is always there");
        *self.at_mut(to) = record;
    }

    fn give_back(&mut self) {
        let len = self.len();
        if self.records.capacity() / 4 > len.max(FEW) {
            self.records.shrink_to(len * 2);
        }
    }

    fn last(&self) -> u32 {
        u32::try_from(self.len() - 1).expect("numbers are 32 bits wide")
    }

    pub(super) fn at(&self, index: u32) -> &Record {
        &self.records[index as usize]
    }

    pub(super) fn at_mut(&mut self, index: u32) -> &mut Record {
        &mut self.records[index as usize]
    }

    /// Records, used or not.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Records that can be used again.
    pub(super) fn unused(&self) -> usize {
        self.unused
    }

    /// Bytes of memory that the records take.
    pub(super) fn footprint(&self) -> usize {
        self.records.capacity() * size_of::<Record>()
    }
}
