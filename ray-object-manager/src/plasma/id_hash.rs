//! How object ids are hashed: seeded at random for each table, because ids come from clients.

use std::hash::{BuildHasher, Hasher};

use ray_common::id::ID_LENGTH;
use ray_common::ObjectId;

/// Hashes ids for one table.
#[derive(Debug, Clone, Default)]
pub(super) struct IdHash(foldhash::fast::RandomState);

impl IdHash {
    /// 32 bits for the id, which are all that a table keeps and works with.
    #[inline]
    pub(super) fn of(&self, id: &ObjectId) -> u32 {
        let bytes = id.as_bytes();
        let mut hasher = self.0.build_hasher();
        // As numbers, which are mixed in place; a slice of this length takes a call. The last two overlap.
        for start in [0, 8, 16, ID_LENGTH - 8] {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[start..start + 8]);
            hasher.write_u64(u64::from_ne_bytes(word));
        }
        let hash = hasher.finish();
        #[allow(clippy::cast_possible_truncation)] // folding to 32 bits is the purpose
        let folded = (hash ^ (hash >> 32)) as u32;
        folded
    }
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
