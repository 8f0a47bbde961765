//! The objects that a client uses, and how often.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use ray_common::ObjectId;
use ray_sys::ReceivedFile;

use super::object::{Files, RawObject};
use crate::plasma::allocator::MemFd;
use crate::plasma::protocol::PlasmaObject;
use crate::plasma::shared::{ClientPage, Pin};

#[derive(Debug)]
struct Entry {
    count: usize,
    sealed: bool,
    object: RawObject,
    /// Instead of a reference that the store knows of.
    pin: Option<Pin>,
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
    pub(super) is_mutable: bool,
}

/// The objects in use, and those of them to be deleted afterwards.
///
/// The store knows of one reference a client; what is counted here is how many parts of the client share it. So only
/// the first and the last are told to the store, and only who holds the connection may count to or from 0. What is pinned
/// in shared memory anybody may count: the store is told nothing of it.
#[derive(Debug, Default)]
pub(super) struct Table {
    objects: HashMap<ObjectId, Entry, RandomState>,
    deletions: HashSet<ObjectId, RandomState>,
    /// Memory that is shared with the store.
    shared: Option<Arc<ClientPage>>,
    /// The file in which the objects lie that can be pinned.
    file: Option<(MemFd, Arc<ReceivedFile>)>,
    /// Objects that were let go of, of which the store may think that they are used.
    owed: Vec<ObjectId>,
}

/// What giving a reference back did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Released {
    /// It is given back, and nobody has to be told.
    Done,
    /// It is given back, and the store is owed the message.
    Owed,
    /// It is the last, and has to be told to the store; nothing was changed.
    Last,
    /// There was none.
    Unknown,
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
            is_mutable: entry.object.is_mutable(),
        })
    }

    /// A new, unsealed object. `false` when there is one of this id.
    pub(super) fn insert_created(&mut self, id: ObjectId, object: RawObject, count: usize) -> bool {
        if self.objects.contains_key(&id) {
            return false;
        }
        self.objects.insert(id, Entry { count, sealed: false, object, pin: None });
        true
    }

    /// An object that the store has sent, with no reference yet unless it was there before.
    pub(super) fn insert_sealed(&mut self, id: ObjectId, object: RawObject) {
        let entry = self.objects.entry(id);
        let entry = entry.or_insert(Entry { count: 0, sealed: true, object, pin: None });
        entry.sealed = true;
        // The store knows of a reference now, and one is enough.
        if let (Some(pin), Some(shared)) = (entry.pin.take(), &self.shared) {
            shared.unpin(&pin);
        }
    }

    /// Takes a reference to each sealed object that is in use or can be pinned, and not yet found. Says whether all are
    /// found now.
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
                Some(_) => all = false,
                None => {
                    *found = self.pin(id);
                    all &= found.is_some();
                }
            }
        }
        all
    }

    /// Pins an object that is not in use.
    fn pin(&mut self, id: &ObjectId) -> Option<RawObject> {
        let (shared, (fd, file)) = (self.shared.as_ref()?, self.file.as_ref()?);
        let (pin, listed) = shared.pin(id)?;
        let spec = PlasmaObject {
            store_fd: *fd,
            header_offset: listed.data_offset,
            data_offset: listed.data_offset,
            metadata_offset: listed.data_offset.wrapping_add(listed.data_size),
            data_size: listed.data_size,
            metadata_size: listed.metadata_size,
            allocated_size: listed.data_size.wrapping_add(listed.metadata_size),
            ..PlasmaObject::ZERO
        };
        match RawObject::new(Arc::clone(file), spec) {
            Ok(object) => {
                let entry =
                    Entry { count: 1, sealed: true, object: object.clone(), pin: Some(pin) };
                self.objects.insert(*id, entry);
                Some(object)
            }
            Err(error) => {
                log::error!("the index of the store is wrong: {error}");
                shared.unpin(&pin);
                None
            }
        }
    }

    /// Finds objects in shared memory from now on.
    pub(super) fn share(&mut self, shared: Arc<ClientPage>) {
        self.shared = Some(shared);
    }

    /// Notes where the file is in which they lie, if that is known by now.
    pub(super) fn note_file(&mut self, files: &Files) {
        let Some(shared) = self.shared.as_ref().filter(|_| self.file.is_none()) else { return };
        let file = shared.index().file().and_then(|(fd, _)| Some((fd, Arc::clone(files.get(fd)?))));
        self.file = file;
    }

    /// Gives a reference back, if the store need not be told first.
    pub(super) fn release(&mut self, id: &ObjectId) -> Released {
        let Some(entry) = self.objects.get_mut(id) else { return Released::Unknown };
        if entry.count > 1 {
            entry.count -= 1;
            return Released::Done;
        }
        let (Some(pin), Some(shared)) = (entry.pin, &self.shared) else { return Released::Last };
        if !shared.is_unseen(&pin) || self.deletions.contains(id) {
            return Released::Last;
        }
        self.objects.remove(id);
        if shared.unpin(&pin) {
            return Released::Done;
        }
        self.owed.push(*id);
        Released::Owed
    }

    /// What the store is owed messages for.
    pub(super) fn take_owed(&mut self) -> Vec<ObjectId> {
        std::mem::take(&mut self.owed)
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

    /// Removes an object, and says whether it is to be deleted. The store may think that it is used.
    pub(super) fn remove(&mut self, id: &ObjectId) -> (Option<RawObject>, bool) {
        let entry = self.objects.remove(id);
        if let (Some(Entry { pin: Some(pin), .. }), Some(shared)) = (&entry, &self.shared) {
            shared.unpin(pin);
        }
        (entry.map(|entry| entry.object), self.deletions.remove(id))
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
