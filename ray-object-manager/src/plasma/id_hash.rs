//! How object ids are hashed: seeded at random for each table, because ids come from clients.

use std::hash::BuildHasher;

use ray_common::id::ID_LENGTH;
use ray_common::ObjectId;

/// Hashes ids for one table.
#[derive(Debug, Clone)]
pub(super) struct IdHash {
    seeds: [u64; 5],
}

impl Default for IdHash {
    fn default() -> Self {
        let random = foldhash::quality::RandomState::default();
        Self { seeds: std::array::from_fn(|at| random.hash_one(at)) }
    }
}

impl IdHash {
    /// 32 bits for the id, which are all that a table keeps and works with.
    #[inline]
    pub(super) fn of(&self, id: &ObjectId) -> u32 {
        // As foldhash does it, for this length: every word meets a seed, and the product of two has all bits of both.
        let [a, b, c, d] = words(id);
        let [sa, sb, sc, sd, last] = self.seeds;
        let hash = folded(folded(a ^ sa, b ^ sb) ^ folded(c ^ sc, d ^ sd), last);
        #[allow(clippy::cast_possible_truncation)] // folding to 32 bits is the purpose
        let half = (hash ^ (hash >> 32)) as u32;
        half
    }
}

/// The id as numbers. The last two overlap.
#[inline]
fn words(id: &ObjectId) -> [u64; 4] {
    let bytes = id.as_bytes();
    [0, 8, 16, ID_LENGTH - 8].map(|start| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[start..start + 8]);
        u64::from_ne_bytes(word)
    })
}

#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[allow(clippy::cast_possible_truncation)] // both halves are used
    let folded = product as u64 ^ (product >> 64) as u64;
    folded
}

/// A number that says of most ids which are not the same that they are not, and costs next to nothing.
#[inline]
pub(super) fn brief(id: &ObjectId) -> u64 {
    let [start, .., end] = words(id);
    start ^ end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_counts() {
        let hash = IdHash::default();
        let start = ObjectId::random();
        for bit in 0..8 * ID_LENGTH {
            let mut bytes = *start.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(hash.of(&ObjectId::from_bytes(bytes)), hash.of(&start), "bit {bit}");
        }
    }

    /// Ray's ids of one task differ in their last bytes only.
    #[test]
    fn ids_of_one_task_spread() {
        let hash = IdHash::default();
        let mut hashes: Vec<u32> = (0..100_000_u32)
            .map(|index| {
                let mut bytes = [7; ID_LENGTH];
                bytes[24..].copy_from_slice(&index.to_le_bytes());
                hash.of(&ObjectId::from_bytes(bytes))
            })
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert!(hashes.len() > 99_950, "{} of 100,000 hashes differ", hashes.len());
    }
}
