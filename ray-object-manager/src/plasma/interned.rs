//! Values that many objects have in common, kept once.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

/// Values by number, each as long as it has users. The one that was asked for last is found without a hash.
#[derive(Debug)]
pub(super) struct Interned<K> {
    entries: Vec<Option<Entry<K>>>,
    free: Vec<u32>,
    table: HashTable<u32>,
    hash: foldhash::fast::RandomState,
    last: u32,
}

#[derive(Debug)]
struct Entry<K> {
    value: K,
    users: u32,
}

impl<K> Default for Interned<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            hash: foldhash::fast::RandomState::default(),
            last: 0,
        }
    }
}

impl<K: Hash> Interned<K> {
    /// The number of a value, which has a user more then. `is` says whether one is it, `make` makes it.
    #[inline]
    pub(super) fn intern(&mut self, is: impl Fn(&K) -> bool, make: impl FnOnce() -> K) -> u32 {
        if let Some(Some(entry)) = self.entries.get_mut(self.last as usize) {
            if is(&entry.value) {
                entry.users += 1;
                return self.last;
            }
        }
        self.find_or_add(is, make())
    }

    #[cold]
    fn find_or_add(&mut self, is: impl Fn(&K) -> bool, value: K) -> u32 {
        let before = self.last;
        let hash = self.hash.hash_one(&value);
        let entries = &self.entries;
        let is_at = |&at: &u32| entries[at as usize].as_ref().is_some_and(|e| is(&e.value));
        let number = match self.table.find(hash, is_at) {
            Some(&number) => number,
            None => self.add(hash, value),
        };
        if let Some(entry) = &mut self.entries[number as usize] {
            entry.users += 1;
        }
        self.last = number;
        // It was kept for being the last.
        self.forget_unused(before);
        number
    }

    fn add(&mut self, hash: u64, value: K) -> u32 {
        let entry = Some(Entry { value, users: 0 });
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[number as usize] = entry;
                number
            }
            None => {
                self.entries.push(entry);
                // Each has a user, which has a number of 32 bits itself.
                u32::try_from(self.entries.len() - 1).expect("fewer values than objects")
            }
        };
        let (entries, state) = (&self.entries, &self.hash);
        self.table.insert_unique(hash, number, |&at| {
            entries[at as usize].as_ref().map_or(0, |entry| state.hash_one(&entry.value))
        });
        number
    }

    /// The value of a number that has a user.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &K {
        match &self.entries[number as usize] {
            Some(entry) => &entry.value,
            None => unreachable!("a value with users is there"),
        }
    }

    /// A value has a user less.
    #[inline]
    pub(super) fn release(&mut self, number: u32) {
        if let Some(entry) = &mut self.entries[number as usize] {
            entry.users -= 1;
            if entry.users == 0 && number != self.last {
                self.forget_unused(number);
            }
        }
    }

    #[cold]
    fn forget_unused(&mut self, number: u32) {
        if number == self.last {
            return;
        }
        let Some(entry) = self.entries.get_mut(number as usize) else { return };
        if let Some(unused) = entry.take_if(|entry| entry.users == 0) {
            let hash = self.hash.hash_one(&unused.value);
            if let Ok(found) = self.table.find_entry(hash, |&at| at == number) {
                found.remove();
            }
            self.free.push(number);
            if self.table.is_empty() {
                self.table.shrink_to(0, |_| 0);
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.entries.len() - self.free.len(), self.table.len());
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(values: &mut Interned<String>, text: &str) -> u32 {
        values.intern(|value| value == text, || text.to_owned())
    }

    #[test]
    fn a_value_is_there_once_and_as_long_as_it_is_used() {
        let mut values = Interned::default();
        let (a, b) = (intern(&mut values, "a"), intern(&mut values, "b"));
        assert_ne!(a, b);
        assert_eq!((intern(&mut values, "a"), intern(&mut values, "a")), (a, a));
        assert_eq!((values.get(a).as_str(), values.get(b).as_str()), ("a", "b"));
        values.release(b);
        assert_eq!(values.len(), 1, "b is gone");
        for _ in 0..3 {
            values.release(a);
        }
        assert_eq!(values.len(), 1, "the last one stays");
        assert_eq!(intern(&mut values, "a"), a);
        values.release(a);
        let c = intern(&mut values, "c");
        assert_eq!((values.len(), values.get(c).as_str()), (1, "c"));
    }

    #[test]
    fn many_values_come_and_go() {
        let mut values = Interned::default();
        let numbers: Vec<u32> =
            (0..10_000).map(|number| intern(&mut values, &(number % 3000).to_string())).collect();
        assert_eq!(values.len(), 3000);
        for (at, &number) in numbers.iter().enumerate() {
            assert_eq!(values.get(number), &(at % 3000).to_string());
        }
        for &number in &numbers {
            values.release(number);
        }
        assert!(values.len() <= 1);
    }
}
