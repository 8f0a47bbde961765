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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> ObjectId {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        ObjectId::from_bytes(bytes)
    }

    fn add(index: &mut IdIndex, ids: &mut Vec<ObjectId>, new: ObjectId) -> bool {
        let added = index.insert_with(
            &new,
            |ids: &Vec<ObjectId>, at| ids[at as usize] == new,
            ids,
            |ids| {
                ids.push(new);
                Ok::<u32, ()>(u32::try_from(ids.len() - 1).unwrap())
            },
        );
        added.is_some()
    }

    /// Two ids of which the table keeps the same 32 bits.
    fn of_one_hash(index: &IdIndex) -> (ObjectId, ObjectId) {
        let mut seen = std::collections::HashMap::new();
        (0..)
            .find_map(|number| {
                Some((id(seen.insert(index.hash.of(&id(number)), number)?), id(number)))
            })
            .unwrap()
    }

    #[test]
    fn ids_of_one_hash_are_told_apart() {
        let (mut index, mut ids) = (IdIndex::default(), Vec::new());
        let (one, other) = of_one_hash(&index);
        assert!(add(&mut index, &mut ids, one));
        assert_eq!(index.find(&other, |at| ids[at as usize] == other), None);
        assert_eq!(index.remove(&other, |at| ids[at as usize] == other), None);
        assert!(add(&mut index, &mut ids, other));
        assert!(!add(&mut index, &mut ids, one), "it is there");
        assert_eq!(index.find(&one, |at| ids[at as usize] == one), Some(0));
        assert_eq!(index.find(&other, |at| ids[at as usize] == other), Some(1));
        assert_eq!(index.remove(&other, |at| ids[at as usize] == other), Some(1));
        assert_eq!(index.remove(&one, |at| ids[at as usize] == one), Some(0));
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn what_fails_leaves_no_entry() {
        let mut index = IdIndex::default();
        let failed = index.insert_with(&id(1), |(), _| true, &mut (), |()| Err::<u32, &str>("no"));
        assert_eq!(failed, Some(Err("no")));
        assert_eq!((index.len(), index.find(&id(1), |_| true)), (0, None));
    }

    #[test]
    fn memory_is_given_back() {
        let (mut index, mut ids) = (IdIndex::default(), Vec::new());
        for number in 0..100_000 {
            assert!(add(&mut index, &mut ids, id(number)));
        }
        for number in 0..100_000 {
            assert_eq!(index.remove(&id(number), |at| at == number), Some(number));
            assert!(
                number + 1 == 100_000
                    || index.find(&id(number + 1), |at| at == number + 1).is_some()
            );
        }
        assert!(index.table.capacity() <= 8 * KEPT_CAPACITY, "{}", index.table.capacity());
    }
}
