//! From an object id to the number of its entry in some slab.

use std::io;

use ray_common::ObjectId;
use ray_sys::{prefetch, with_upper_half, ZeroedArray};

use super::id_hash::IdHash;

/// A hash table of entry numbers with open addressing. The ids themselves lie in the entries, which the caller compares.
///
/// A place holds the hash, which is never 0, in its high half and the number plus one in its low half, 0 when it is empty. Eight places, a line
/// of the cache, are a bucket, which is filled from its first place on. The upper bits of the hash say to which bucket an
/// entry belongs; it lies there, or behind if all buckets in between are full. So nearly every question is answered by one
/// line, which is compared as a whole: a processor that must guess how long a search is loses more than the comparisons.
/// A removal closes the gap by moving what comes after.
#[derive(Debug, Default)]
pub(super) struct IdIndex {
    places: ZeroedArray<u64>,
    len: usize,
    hash: IdHash,
}

/// Places of a bucket.
const BUCKET: usize = 8;

type Bucket = [u64; BUCKET];

/// Below this many places the table never gives memory back.
const KEPT_CAPACITY: usize = 16 * 1024;

/// Places at the start.
const LEAST_CAPACITY: usize = 64;

/// Of eight places at most this many are in use.
const FULL_EIGHTHS: usize = 5;

fn place_of(hash: u32, index: u32) -> u64 {
    u64::from(hash) << 32 | (u64::from(index) + 1)
}

#[allow(clippy::cast_possible_truncation)] // the upper half
fn hash_in(place: u64) -> u32 {
    (place >> 32) as u32
}

#[allow(clippy::cast_possible_truncation)] // the lower half
fn index_in(place: u64) -> u32 {
    (place as u32).wrapping_sub(1)
}

/// Whether nothing can be added to a bucket.
#[inline]
fn is_full(bucket: &Bucket) -> bool {
    bucket[BUCKET - 1] != 0
}

/// How many places of a bucket are in use.
#[inline]
fn in_use(bucket: &Bucket) -> usize {
    // The hash of an empty place is 0.
    (with_upper_half(bucket, 0) | 1 << BUCKET).trailing_zeros() as usize
}

/// Empties a place; the last one in use takes its position. Whether the bucket was full.
#[inline]
fn take_out(bucket: &mut Bucket, place: usize) -> bool {
    let used = in_use(bucket);
    bucket[place] = bucket[used - 1];
    bucket[used - 1] = 0;
    used == BUCKET
}

impl IdIndex {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The hash of an id in this table, for the functions that want it.
    #[inline]
    pub(super) fn hash(&self, id: &ObjectId) -> u32 {
        self.hash.of(id).max(1)
    }

    /// The bucket to which an entry of this hash belongs. The capacity is a power of two, 2^32 at most.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        // Without places nothing is ever looked for.
        ((u64::from(hash) * (self.places.len() / BUCKET) as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, bucket: usize) -> usize {
        (bucket + 1) & (self.places.len() / BUCKET - 1)
    }

    #[inline]
    fn bucket(&self, bucket: usize) -> &Bucket {
        self.places[bucket * BUCKET..].first_chunk().expect("whole buckets")
    }

    #[inline]
    fn bucket_mut(&mut self, bucket: usize) -> &mut Bucket {
        self.places[bucket * BUCKET..].first_chunk_mut().expect("whole buckets")
    }

    /// Bucket and place in it.
    #[inline(always)]
    fn position(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<(usize, usize)> {
        if self.len == 0 {
            return None;
        }
        let mut at = self.home(hash);
        loop {
            let bucket = self.bucket(at);
            let mut found = with_upper_half(bucket, hash);
            while found != 0 {
                let place = found.trailing_zeros() as usize;
                if is(index_in(bucket[place])) {
                    return Some((at, place));
                }
                found &= found - 1;
            }
            if !is_full(bucket) {
                return None;
            }
            at = self.after(at);
        }
    }

    /// The entry of an id of this hash that `is` the one.
    #[inline(always)]
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.position(hash, is).map(|(at, place)| index_in(self.bucket(at)[place]))
    }

    /// Has the processor fetch what [`Self::find`] and [`Self::remove`] look at.
    #[inline]
    pub(super) fn prefetch(&self, hash: u32) {
        prefetch(self.places.as_ptr().wrapping_add(self.home(hash) * BUCKET));
    }

    /// Makes room for one more entry.
    ///
    /// # Errors
    /// When there is no memory for it.
    #[inline]
    pub(super) fn reserve_one(&mut self) -> io::Result<()> {
        if (self.len + 1) * 8 <= self.places.len() * FULL_EIGHTHS {
            return Ok(());
        }
        self.resize((self.places.len() * 2).max(LEAST_CAPACITY))
    }

    /// Adds an entry, which is not there, after [`Self::reserve_one`].
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, index: u32) {
        let mut at = self.home(hash);
        while is_full(self.bucket(at)) {
            at = self.after(at);
        }
        let bucket = self.bucket_mut(at);
        bucket[in_use(bucket)] = place_of(hash, index);
        self.len += 1;
    }

    /// Forgets the entry of this hash that `is` the one, and returns its number.
    #[inline]
    pub(super) fn remove(&mut self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let (at, place) = self.position(hash, is)?;
        let bucket = self.bucket_mut(at);
        let index = index_in(bucket[place]);
        if take_out(bucket, place) {
            self.fill(at);
        }
        self.len -= 1;
        if self.places.len() > KEPT_CAPACITY && self.len * 16 < self.places.len() {
            self.shrink();
        }
        Some(index)
    }

    /// A bucket was full and is not any more: brings back what went past it.
    #[cold]
    fn fill(&mut self, mut gap: usize) {
        let mask = self.places.len() / BUCKET - 1;
        let mut at = gap;
        loop {
            at = self.after(at);
            let bucket = *self.bucket(at);
            // An entry may lie in any bucket from its own on; the gap is such a one if it is no nearer to where the entry is
            // now than its own is.
            let far = at.wrapping_sub(gap) & mask;
            let goes = |&place: &u64| {
                place != 0 && at.wrapping_sub(self.home(hash_in(place))) & mask >= far
            };
            let moved = bucket.iter().position(goes);
            if let Some(place) = moved {
                let to = self.bucket_mut(gap);
                to[in_use(to)] = bucket[place];
                take_out(self.bucket_mut(at), place);
                gap = at;
            }
            if !is_full(&bucket) {
                return;
            }
        }
    }

    #[cold]
    fn shrink(&mut self) {
        // To a quarter full: an emptying table is made anew seldom, and does not have to grow again at once.
        if let Err(error) = self.resize(self.places.len() / 4) {
            log::debug!("a table of objects stays larger than it need be: {error}");
        }
    }

    /// Moves all entries to a table of another capacity. They go from the first place to the last in both, for an entry's
    /// home grows with its hash.
    #[cold]
    fn resize(&mut self, capacity: usize) -> io::Result<()> {
        let places = ZeroedArray::zeroed(capacity)?;
        places.use_huge_pages();
        places.populate();
        let old = std::mem::replace(&mut self.places, places);
        self.len = 0;
        for &place in old.iter().filter(|&&place| place != 0) {
            self.insert(hash_in(place), index_in(place));
        }
        Ok(())
    }

    /// The numbers of all entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.places.iter().filter(|&&place| place != 0).map(|&place| index_in(place))
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

    /// Ids by number, with their index.
    #[derive(Default)]
    struct Table {
        index: IdIndex,
        ids: Vec<ObjectId>,
    }

    impl Table {
        fn find(&self, id: &ObjectId) -> Option<u32> {
            self.index.find(self.index.hash(id), |at| self.ids[at as usize] == *id)
        }

        fn add(&mut self, id: ObjectId) {
            self.index.reserve_one().unwrap();
            self.index.insert(self.index.hash(&id), u32::try_from(self.ids.len()).unwrap());
            self.ids.push(id);
        }

        fn remove(&mut self, id: &ObjectId) -> Option<u32> {
            self.index.remove(self.index.hash(id), |at| self.ids[at as usize] == *id)
        }
    }

    /// Two ids of which the table keeps the same 32 bits.
    fn of_one_hash(index: &IdIndex) -> (ObjectId, ObjectId) {
        let mut seen = std::collections::HashMap::new();
        (0..)
            .find_map(|number| {
                Some((id(seen.insert(index.hash(&id(number)), number)?), id(number)))
            })
            .unwrap()
    }

    #[test]
    fn ids_of_one_hash_are_told_apart() {
        let mut table = Table::default();
        let (one, other) = of_one_hash(&table.index);
        table.add(one);
        assert_eq!(table.find(&other), None);
        assert_eq!(table.remove(&other), None);
        table.add(other);
        assert_eq!((table.find(&one), table.find(&other)), (Some(0), Some(1)));
        assert_eq!(table.remove(&one), Some(0));
        assert_eq!((table.find(&one), table.find(&other)), (None, Some(1)));
        assert_eq!(table.remove(&other), Some(1));
        assert_eq!(table.index.len(), 0);
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let mut index = IdIndex::default();
        assert_eq!(index.find(7, |_| true), None);
        assert_eq!(index.remove(7, |_| true), None);
        index.prefetch(7);
        assert_eq!(index.iter().count(), 0);
    }

    /// Entries come and go at random, with hashes that all want to lie in few places: gaps close around the end, too.
    #[test]
    fn gaps_close() {
        let mut index = IdIndex::default();
        let mut present: Vec<(u32, u32)> = Vec::new();
        let mut state = 1_u32;
        for step in 0..20_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hash = [1, 2, u32::MAX, u32::MAX - 1, 1 << 31][(state >> 8) as usize % 5];
            if present.len() < 38 && state >> 31 == 0 {
                index.reserve_one().unwrap();
                index.insert(hash, step);
                present.push((hash, step));
            } else if !present.is_empty() {
                let (hash, number) = present.swap_remove(state as usize % present.len());
                assert_eq!(index.remove(hash, |at| at == number), Some(number));
                assert_eq!(index.find(hash, |at| at == number), None);
            }
            assert_eq!(index.len(), present.len());
            for &(hash, number) in &present {
                assert_eq!(index.find(hash, |at| at == number), Some(number));
            }
        }
    }

    #[test]
    fn memory_is_given_back() {
        let mut table = Table::default();
        for number in 0..100_000 {
            table.add(id(number));
        }
        for number in 0..100_000 {
            assert_eq!(table.remove(&id(number)), Some(number));
            assert!(number + 1 == 100_000 || table.find(&id(number + 1)) == Some(number + 1));
        }
        assert!(table.index.places.len() <= KEPT_CAPACITY, "{}", table.index.places.len());
    }
}
