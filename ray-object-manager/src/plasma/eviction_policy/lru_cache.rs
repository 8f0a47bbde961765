//! Keys in the order in which they were added.

use std::fmt;

use crate::check::check;
use crate::plasma::common::ObjectKey;
use crate::plasma::id_index::IdIndex;
use crate::plasma::lru_list::{Link, Links, LruList};

/// What a cache holds and has evicted, in bytes and objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Name for people.
    pub name: String,
    /// Bytes it was made for.
    pub original_capacity: i64,
    /// Bytes it is for now.
    pub capacity: i64,
    /// Bytes of the keys in it.
    pub used_capacity: i64,
    /// Keys in it.
    pub num_objects: usize,
    /// Keys ever chosen for eviction.
    pub num_evictions_total: i64,
    /// Bytes of those.
    pub bytes_evicted_total: i64,
}

impl CacheStatistics {
    pub(super) fn new(name: &str, capacity: i64) -> Self {
        Self {
            name: name.to_owned(),
            original_capacity: capacity,
            capacity,
            used_capacity: 0,
            num_objects: 0,
            num_evictions_total: 0,
            bytes_evicted_total: 0,
        }
    }

    /// Bytes that are not used.
    pub fn remaining_capacity(&self) -> i64 {
        self.capacity.saturating_sub(self.used_capacity)
    }

    #[inline]
    pub(super) fn added(&mut self, size: i64) {
        self.used_capacity = self.used_capacity.saturating_add(size);
        self.num_objects += 1;
    }

    #[inline]
    pub(super) fn removed(&mut self, size: i64) {
        self.used_capacity = self.used_capacity.saturating_sub(size);
        self.num_objects -= 1;
        check!(self.used_capacity >= 0, "{self}");
    }

    #[inline]
    pub(super) fn chosen(&mut self, size: i64) {
        self.num_evictions_total += 1;
        self.bytes_evicted_total = self.bytes_evicted_total.saturating_add(size);
    }
}

/// The text that Ray's store shows in its debug dump.
impl fmt::Display for CacheStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        #[allow(clippy::cast_precision_loss)] // a percentage for people
        let used = 100.0 * (1.0 - self.remaining_capacity() as f64 / self.original_capacity as f64);
        write!(
            f,
            "\n({name}) capacity: {}\n({name}) used: {}%\n({name}) num objects: {}\
             \n({name}) num evictions: {}\n({name}) bytes evicted: {}",
            self.capacity,
            SixDigits(used),
            self.num_objects,
            self.num_evictions_total,
            self.bytes_evicted_total
        )
    }
}

/// A number as a C++ stream shows it: six significant digits, no zeros at the end.
struct SixDigits(f64);

impl fmt::Display for SixDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() {
            return f.write_str(if self.0.is_sign_negative() { "-nan" } else { "nan" });
        }
        if self.0.is_infinite() || self.0 == 0.0 {
            return write!(f, "{}", self.0);
        }
        let scientific = format!("{:.5e}", self.0);
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let trimmed = |text: &str| match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text.to_owned(),
        };
        if (-4..6).contains(&exponent) {
            let decimals = usize::try_from(5 - exponent).unwrap_or(0);
            f.write_str(&trimmed(&format!("{:.decimals$}", self.0)))
        } else {
            let sign = if exponent < 0 { '-' } else { '+' };
            write!(f, "{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
        }
    }
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    size: i64,
    link: Link,
}

impl<K> Links for Vec<Entry<K>> {
    fn link(&mut self, index: u32) -> &mut Link {
        &mut self[index as usize].link
    }

    fn peek(&self, index: u32) -> Link {
        self[index as usize].link
    }
}

/// A cache that evicts what was added longest ago. It holds keys and sizes, not objects. Ray's `LRUCache`.
#[derive(Debug)]
pub struct LruCache<K> {
    statistics: CacheStatistics,
    entries: Vec<Entry<K>>,
    free: Vec<u32>,
    index: IdIndex,
    order: LruList,
}

impl<K: ObjectKey> LruCache<K> {
    /// An empty cache. The capacity is only reported; [`Self::add`] does not enforce it.
    pub fn new(name: &str, capacity: i64) -> Self {
        Self {
            statistics: CacheStatistics::new(name, capacity),
            entries: Vec::new(),
            free: Vec::new(),
            index: IdIndex::default(),
            order: LruList::new(),
        }
    }

    /// Adds a key as the newest.
    ///
    /// # Panics
    /// When the key is there.
    pub fn add(&mut self, key: &K, size: i64) {
        let id = *key.object_id();
        let hash = self.index.hash(&id);
        let entries = &self.entries;
        let known = self.index.find(hash, |at| *entries[at as usize].key.object_id() == id);
        check!(known.is_none(), "{id} is in the cache already");
        self.index.reserve_one().expect("memory for one more key");
        let entry = Entry { key: *key, size, link: Link::OUT };
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("more keys than a cache can number")
            }
        };
        self.index.insert(hash, index);
        self.order.push_newest(&mut self.entries, index);
        self.statistics.added(size);
    }

    /// Takes a key out. Returns its size, or -1 when it is not there.
    pub fn remove(&mut self, key: &K) -> i64 {
        let id = key.object_id();
        let entries = &self.entries;
        let hash = self.index.hash(id);
        let removed = self.index.remove(hash, |at| entries[at as usize].key.object_id() == id);
        let Some(index) = removed else { return -1 };
        self.order.remove(&mut self.entries, index);
        let size = self.entries[index as usize].size;
        self.free.push(index);
        self.statistics.removed(size);
        if self.index.len() == 0 {
            self.entries = Vec::new();
            self.free = Vec::new();
        }
        size
    }

    /// Adds the oldest keys to `keys` until they have so many bytes together, or there are no more; they
    /// stay in the cache. Returns their bytes.
    pub fn choose_objects_to_evict(&mut self, num_bytes_required: i64, keys: &mut Vec<K>) -> i64 {
        let mut bytes = 0_i64;
        for index in self.order.iter_oldest_first(&self.entries) {
            if bytes >= num_bytes_required {
                break;
            }
            let entry = &self.entries[index as usize];
            keys.push(entry.key);
            bytes = bytes.saturating_add(entry.size);
            self.statistics.chosen(entry.size);
        }
        bytes
    }

    /// Whether a key is there.
    pub fn exists(&self, key: &K) -> bool {
        let id = key.object_id();
        let hash = self.index.hash(id);
        self.index.find(hash, |at| self.entries[at as usize].key.object_id() == id).is_some()
    }

    /// Makes the capacity larger or, with a negative difference, smaller.
    pub fn adjust_capacity(&mut self, difference: i64) {
        let capacity = self.statistics.capacity;
        let adjusted = capacity.saturating_add(difference);
        log::info!(
            "adjusting {} capacity from {capacity} to {adjusted} (max {})",
            self.statistics.name,
            self.statistics.original_capacity
        );
        self.statistics.capacity = adjusted;
    }

    /// The keys from the newest to the oldest.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.order.iter(&self.entries).map(|index| &self.entries[index as usize].key)
    }

    /// Bytes and counts.
    pub fn statistics(&self) -> &CacheStatistics {
        &self.statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ray_common::ObjectId;

    #[test]
    fn numbers_look_as_a_stream_shows_them() {
        let shown = |number: f64| SixDigits(number).to_string();
        assert_eq!(shown(0.0), "0");
        assert_eq!(shown(100.0), "100");
        assert_eq!(shown(9.375), "9.375");
        assert_eq!(shown(33.333_333_333), "33.3333");
        assert_eq!(shown(1e-5), "1e-05");
        assert_eq!(shown(123_456_789.0), "1.23457e+08");
        assert_eq!(shown(-12.5), "-12.5");
        assert_eq!(shown(999_999.5), "1e+06");
    }

    #[test]
    fn a_missing_key_has_size_minus_one() {
        let mut cache = LruCache::new("cache", 1024);
        let key = ObjectId::random();
        assert_eq!(cache.remove(&key), -1);
        cache.add(&key, 0);
        assert!(cache.exists(&key));
        assert_eq!(cache.remove(&key), 0);
        assert_eq!(cache.remove(&key), -1);
    }

    #[test]
    fn chosen_keys_stay_until_they_are_removed() {
        let mut cache = LruCache::new("cache", 1024);
        let keys: Vec<ObjectId> = (0..4).map(|_| ObjectId::random()).collect();
        for key in &keys {
            cache.add(key, 10);
        }
        let mut chosen = Vec::new();
        assert_eq!(cache.choose_objects_to_evict(15, &mut chosen), 20);
        assert_eq!(chosen, keys[..2]);
        assert_eq!(cache.choose_objects_to_evict(0, &mut chosen), 0);
        assert_eq!(cache.choose_objects_to_evict(-5, &mut chosen), 0);
        assert_eq!(cache.statistics().num_evictions_total, 2);
        assert_eq!(cache.statistics().remaining_capacity(), 1024 - 40);
        assert_eq!(cache.iter().rev_collect(), keys);
        cache.adjust_capacity(-1000);
        assert_eq!(cache.statistics().capacity, 24);
        assert_eq!(cache.statistics().original_capacity, 1024);
        assert_eq!(cache.statistics().remaining_capacity(), -16);
        assert_eq!(
            cache.statistics().to_string(),
            "\n(cache) capacity: 24\n(cache) used: 101.562%\n(cache) num objects: 4\
             \n(cache) num evictions: 2\n(cache) bytes evicted: 20"
        );
    }

    #[test]
    #[should_panic(expected = "Check failed")]
    fn a_key_is_added_once() {
        let mut cache = LruCache::new("cache", 1);
        let key = ObjectId::random();
        cache.add(&key, 1);
        cache.add(&key, 1);
    }

    trait RevCollect<'a, K: 'a> {
        fn rev_collect(self) -> Vec<K>;
    }

    impl<'a, K: Copy + 'a, T: Iterator<Item = &'a K>> RevCollect<'a, K> for T {
        fn rev_collect(self) -> Vec<K> {
            let mut all: Vec<K> = self.copied().collect();
            all.reverse();
            all
        }
    }
}
