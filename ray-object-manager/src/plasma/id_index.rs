//! From an object id to the number of its entry in some slab.

use hashbrown::hash_table::Entry as TableEntry;
use hashbrown::HashTable;
use ray_common::ObjectId;

use super::id_hash::IdHash;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    index: u32,
}

/// A hash table of entry numbers. The ids themselves lie in the entries, which the caller compares.
#[derive(Debug, Default)]
pub(super) struct IdIndex {
    table: HashTable<Entry>,
    hash: IdHash,
}

/// Below this many entries the table never gives memory back.
const KEPT_CAPACITY: usize = 16 * 1024;

impl IdIndex {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&self, id: &ObjectId, is: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash.of(id);
        self.table
            .find(IdHash::spread(hash), |entry| entry.hash == hash && is(entry.index))
            .map(|entry| entry.index)
    }

    /// Adds what `make` returns unless the id is there, in which case `make` is not called and
    /// nothing is returned. `make` may fail, which leaves the table as it was.
    pub(super) fn insert_with<T, E>(
        &mut self,
        id: &ObjectId,
        mut is: impl FnMut(&T, u32) -> bool,
        slab: &mut T,
        make: impl FnOnce(&mut T) -> Result<u32, E>,
    ) -> Option<Result<u32, E>> {
        let hash = self.hash.of(id);
        let entry = self.table.entry(
            IdHash::spread(hash),
            |entry| entry.hash == hash && is(slab, entry.index),
            |entry| IdHash::spread(entry.hash),
        );
        match entry {
            TableEntry::Occupied(_) => None,
            TableEntry::Vacant(vacant) => Some(make(slab).inspect(|&index| {
                vacant.insert(Entry { hash, index });
            })),
        }
    }

    /// Forgets an entry, and returns its number.
    pub(super) fn remove(&mut self, id: &ObjectId, is: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash.of(id);
        let found = self
            .table
            .find_entry(IdHash::spread(hash), |entry| entry.hash == hash && is(entry.index))
            .ok()?;
        let (entry, _) = found.remove();
        let wanted = (self.table.len() * 2).max(KEPT_CAPACITY);
        if self.table.capacity() > wanted * 4 {
            self.table.shrink_to(wanted, |entry| IdHash::spread(entry.hash));
        }
        Some(entry.index)
    }

    /// The numbers of all entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.table.iter().map(|entry| entry.index)
    }
}
