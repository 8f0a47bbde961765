//! Where the entries of the table lie: in chunks that never move and are as full as they can be.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use ray_common::ObjectId;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Entries in a chunk. A table grows by so many, instead of doubling.
const CHUNK: usize = 128;

/// What there is of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody has begun to put it.
    Pending,
    /// Its bytes are reserved or being written.
    Creating,
    /// It lies in the memory of this process.
    Memory,
    /// It lies in the plasma store only.
    Shared,
    /// It was deleted while somebody referred to it.
    Freed,
    /// Who had promised it has gone.
    Lost,
}

/// An object, or what is known of one that is to come. 72 bytes: they are most of what an object costs beside its data.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: ObjectId,
    /// `ObjectRef`s, readers, and objects that it is nested in.
    pub(super) refs: u32,
    pub(super) pins: u16,
    pub(super) state: State,
    flags: u8,
    /// Neighbours in a list of the eviction order, or the next free slot.
    pub(super) previous: u32,
    pub(super) next: u32,
    /// Number of its metadata.
    pub(super) kind: u32,
    /// FIFO: when it came. LFU: how often it was used.
    pub(super) key: u64,
    pub(super) data: Option<Arc<[u8]>>,
}

const _: () = assert!(size_of::<Slot>() == 72);

/// What is so or not of an object.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Flag {
    /// It goes with its last reference; else it stays until it is evicted.
    Owned = 1,
    /// It may be evicted, that is, stands in the eviction order.
    Listed = 2,
    /// Somebody in this process has promised it, so that nobody else will put it.
    Promised = 4,
    /// There is an [`super::Extra`] of it.
    HasExtra = 8,
    /// Another process is to read it, as soon as it is there.
    ToShare = 16,
}

impl Slot {
    fn new(id: ObjectId) -> Self {
        Self {
            id,
            refs: 0,
            pins: 0,
            state: State::Pending,
            flags: 0,
            previous: NONE,
            next: NONE,
            kind: NONE,
            key: 0,
            data: None,
        }
    }

    pub(super) fn is(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    pub(super) fn set(&mut self, flag: Flag, is: bool) {
        match is {
            true => self.flags |= flag as u8,
            false => self.flags &= !(flag as u8),
        }
    }

    /// Bytes of data in the memory of this process.
    pub(super) fn size(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.len())
    }
}

/// All slots. Numbers of those that are free are used again.
#[derive(Debug)]
pub(super) struct Slots {
    chunks: Vec<Vec<Slot>>,
    free: u32,
    live: usize,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, live: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn insert(&mut self, id: ObjectId) -> u32 {
        self.live += 1;
        let slot = Slot::new(id);
        if self.free != NONE {
            let number = self.free;
            self.free = std::mem::replace(&mut self[number], slot).next;
            return number;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("one was pushed");
        chunk.push(slot);
        u32::try_from(before + chunk.len() - 1).expect("fewer than four thousand million objects")
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.live -= 1;
        let free = self.free;
        let slot = &mut self[number];
        *slot = Slot::new(ObjectId::NIL);
        slot.next = free;
        self.free = number;
        if self.live == 0 {
            self.chunks = Vec::new();
            self.free = NONE;
        }
    }
}

impl Index<u32> for Slots {
    type Output = Slot;

    fn index(&self, number: u32) -> &Slot {
        let number = number as usize;
        &self.chunks[number / CHUNK][number % CHUNK]
    }
}

impl IndexMut<u32> for Slots {
    fn index_mut(&mut self, number: u32) -> &mut Slot {
        let number = number as usize;
        &mut self.chunks[number / CHUNK][number % CHUNK]
    }
}
