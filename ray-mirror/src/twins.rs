//! What is known of the twins.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use ray_common::ObjectId;
use ray_object_manager::plasma::allocator::MemFd;
use ray_object_manager::plasma::common::{ObjectDescription, ObjectInfo, ObjectSource};

use crate::pressure::Pressure;

/// References beyond this make no difference to the raylet.
pub(crate) const ENOUGH: u8 = 2;

/// Whether a twin is in the shadow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has been asked for.
    Asked,
    There {
        file: MemFd,
        fallback: bool,
    },
    /// The shadow has no room for it, or has evicted it.
    Missing,
}

/// The twin of an object of ours.
pub(crate) struct Twin {
    pub(crate) info: ObjectInfo,
    pub(crate) source: ObjectSource,
    pub(crate) sealed: bool,
    pub(crate) place: Place,
    /// References of ours, at most [`ENOUGH`].
    pub(crate) wanted: u8,
    /// References in the shadow: the first peer has one if it is 1 or more, the second if it is 2.
    pub(crate) held: u8,
    /// It is among those whose references differ.
    pub(crate) dirty: bool,
    /// Who created it and has its reference, until it is sealed, if not the first peer.
    pub(crate) creator: Option<Box<Pressure>>,
    /// Its place among the unused, if it is one.
    turn: Option<u64>,
}

impl Twin {
    pub(crate) fn new(info: ObjectInfo, source: ObjectSource) -> Self {
        let (place, sealed, dirty) = (Place::Asked, false, false);
        Self { info, source, sealed, place, wanted: 1, held: 1, dirty, creator: None, turn: None }
    }

    /// The file in which it lies alone, if so.
    pub(crate) fn own_file(&self) -> Option<MemFd> {
        match self.place {
            Place::There { file, fallback: true } => Some(file),
            _ => None,
        }
    }

    /// Bytes that it takes of the shadow's main file.
    fn main_bytes(&self) -> i64 {
        match self.place {
            Place::There { fallback: false, .. } => self.info.object_size(),
            _ => 0,
        }
    }
}

/// All twins, and the orders in which they are looked for.
#[derive(Default)]
pub(crate) struct Twins {
    by_id: HashMap<ObjectId, Twin, RandomState>,
    /// Sealed ones without a reference in the shadow, which evicts them in this order.
    unused: BTreeMap<u64, ObjectId>,
    next_turn: u64,
    /// Bytes of them in the shadow's main file.
    main_bytes: i64,
    dirty: Vec<ObjectId>,
}

impl Twins {
    pub(crate) fn get(&mut self, id: &ObjectId) -> Option<&mut Twin> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn main_bytes(&self) -> i64 {
        self.main_bytes
    }

    pub(crate) fn insert(&mut self, twin: Twin) {
        self.main_bytes += twin.main_bytes();
        self.by_id.insert(twin.info.object_id, twin);
    }

    pub(crate) fn remove(&mut self, id: &ObjectId) -> Option<Twin> {
        let twin = self.by_id.remove(id)?;
        self.main_bytes -= twin.main_bytes();
        if let Some(turn) = twin.turn {
            self.unused.remove(&turn);
        }
        Some(twin)
    }

    /// Notes where a twin is.
    pub(crate) fn place(&mut self, id: &ObjectId, place: Place) {
        let Some(twin) = self.by_id.get_mut(id) else {
            return;
        };
        self.main_bytes -= twin.main_bytes();
        twin.place = place;
        self.main_bytes += twin.main_bytes();
        if place == Place::Missing {
            twin.held = 0;
            if let Some(turn) = twin.turn.take() {
                self.unused.remove(&turn);
            }
        }
    }

    /// Notes how many references the shadow has.
    pub(crate) fn hold(&mut self, id: &ObjectId, held: u8) {
        let Some(twin) = self.by_id.get_mut(id) else {
            return;
        };
        twin.held = held;
        if let Some(turn) = twin.turn.take() {
            self.unused.remove(&turn);
        }
        if held == 0 && twin.place != Place::Missing {
            self.next_turn += 1;
            twin.turn = Some(self.next_turn);
            self.unused.insert(self.next_turn, *id);
        }
    }

    /// The one that the shadow evicts first.
    pub(crate) fn first_unused(&self) -> Option<ObjectId> {
        self.unused.first_key_value().map(|(_, id)| *id)
    }

    pub(crate) fn all_unused(&self) -> Vec<ObjectId> {
        self.unused.values().copied().collect()
    }

    /// Notes that the references of a twin differ.
    pub(crate) fn mark(&mut self, id: &ObjectId) {
        if let Some(twin) = self.by_id.get_mut(id).filter(|twin| !twin.dirty) {
            twin.dirty = true;
            self.dirty.push(*id);
        }
    }

    pub(crate) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Those whose references differ, which are not marked any more.
    pub(crate) fn take_dirty(&mut self) -> Vec<ObjectId> {
        let dirty = std::mem::take(&mut self.dirty);
        for id in &dirty {
            if let Some(twin) = self.by_id.get_mut(id) {
                twin.dirty = false;
            }
        }
        dirty
    }
}
