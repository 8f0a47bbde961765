//! Metadata of objects, each kept once: most objects of a program have the same few.

use std::sync::Arc;

use hashbrown::HashTable;

/// Metadata that objects have, by number.
#[derive(Debug)]
pub(super) struct Kinds {
    kinds: Vec<Kind>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Debug)]
struct Kind {
    metadata: Arc<[u8]>,
    objects: u32,
}

impl Kinds {
    pub(super) fn new() -> Self {
        Self {
            kinds: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    fn hash(&self, metadata: &[u8]) -> u64 {
        std::hash::BuildHasher::hash_one(&self.hasher, metadata)
    }

    pub(super) fn get(&self, number: u32) -> &Arc<[u8]> {
        &self.kinds[number as usize].metadata
    }

    /// The number of this metadata, for one more object.
    pub(super) fn insert(&mut self, metadata: &[u8]) -> u32 {
        let hash = self.hash(metadata);
        let is_it = |number: &u32| *self.kinds[*number as usize].metadata == *metadata;
        if let Some(number) = self.index.find(hash, is_it) {
            self.kinds[*number as usize].objects += 1;
            return *number;
        }
        let kind = Kind { metadata: metadata.into(), objects: 1 };
        let number = match self.free.pop() {
            Some(number) => {
                self.kinds[number as usize] = kind;
                number
            }
            None => {
                self.kinds.push(kind);
                u32::try_from(self.kinds.len() - 1).expect("no more kinds than objects")
            }
        };
        let Self { kinds, index, hasher, .. } = self;
        index.insert_unique(hash, number, |number| {
            std::hash::BuildHasher::hash_one(hasher, &*kinds[*number as usize].metadata)
        });
        number
    }

    /// An object of this kind has gone.
    pub(super) fn remove(&mut self, number: u32) {
        let kind = &mut self.kinds[number as usize];
        kind.objects -= 1;
        if kind.objects > 0 {
            return;
        }
        let metadata = std::mem::replace(&mut kind.metadata, Arc::new([]));
        let hash = self.hash(&metadata);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
        self.free.push(number);
    }
}
