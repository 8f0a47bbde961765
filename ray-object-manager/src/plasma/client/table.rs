//! The objects that a client uses, and how often.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use ray_common::ObjectId;

use super::object::RawObject;

#[derive(Debug)]
struct Entry {
    count: usize,
    sealed: bool,
    object: RawObject,
}

/// What is known of an object in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// References of this client.
    pub count: usize,
    /// Whether the object is sealed, as far as this client has seen.
    pub sealed: bool,
    /// Whether it lies in a file of its own.
    pub(super) fallback_allocated: bool,
}

/// The objects in use, and those of them to be deleted afterwards.
///
/// The store knows of one reference a client; what is counted here is how many parts of the client share it. So only
/// the first and the last are told to the store, and only who holds the connection may count to or from 0.
#[derive(Debug, Default)]
pub(super) struct Table {
    objects: HashMap<ObjectId, Entry, RandomState>,
    deletions: HashSet<ObjectId, RandomState>,
}

/// What taking a reference away did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Others are left.
    OthersLeft,
    /// It would be the last; nothing was changed.
    Last(InUse),
    /// There was none.
    Unknown,
}

impl Table {
    pub(super) fn state(&self, id: &ObjectId) -> Option<InUse> {
        self.objects.get(id).map(|entry| InUse {
            count: entry.count,
            sealed: entry.sealed,
            fallback_allocated: entry.object.is_fallback_allocated(),
        })
    }

    /// A new, unsealed object. `false` when there is one of this id.
    pub(super) fn insert_created(&mut self, id: ObjectId, object: RawObject, count: usize) -> bool {
        if self.objects.contains_key(&id) {
            return false;
        }
        self.objects.insert(id, Entry { count, sealed: false, object });
        true
    }

    /// An object that the store has sent, with no reference yet unless it was there before.
    pub(super) fn insert_sealed(&mut self, id: ObjectId, object: RawObject) {
        let entry = self.objects.entry(id);
        entry.or_insert(Entry { count: 0, sealed: true, object }).sealed = true;
    }

    /// Takes a reference to each sealed object that is in use and not yet found. Says whether all are found now.
    pub(super) fn find(&mut self, ids: &[ObjectId], found: &mut [Option<RawObject>]) -> bool {
        let mut all = true;
        for (id, found) in ids.iter().zip(found) {
            if found.is_some() {
                continue;
            }
            match self.objects.get_mut(id) {
                Some(entry) if entry.sealed => {
                    entry.count += 1;
                    *found = Some(entry.object.clone());
                }
                _ => all = false,
            }
        }
        all
    }

    /// One more reference to an object in use.
    pub(super) fn add(&mut self, id: &ObjectId) -> bool {
        self.objects.get_mut(id).map(|entry| entry.count += 1).is_some()
    }

    pub(super) fn seal(&mut self, id: &ObjectId) {
        if let Some(entry) = self.objects.get_mut(id) {
            entry.sealed = true;
        }
    }

    /// One reference less, unless it is the last.
    pub(super) fn take(&mut self, id: &ObjectId) -> Taken {
        match self.objects.get_mut(id) {
            None => Taken::Unknown,
            Some(entry) if entry.count > 1 => {
                entry.count -= 1;
                Taken::OthersLeft
            }
            Some(_) => self.state(id).map_or(Taken::Unknown, Taken::Last),
        }
    }

    /// Removes an object, and says whether it is to be deleted.
    pub(super) fn remove(&mut self, id: &ObjectId) -> (Option<RawObject>, bool) {
        let object = self.objects.remove(id).map(|entry| entry.object);
        (object, self.deletions.remove(id))
    }

    /// Remembers to delete an object that is in use. `false` when it is not.
    pub(super) fn delete_later(&mut self, id: &ObjectId) -> bool {
        let in_use = self.objects.contains_key(id);
        if in_use {
            self.deletions.insert(*id);
        }
        in_use
    }
}
