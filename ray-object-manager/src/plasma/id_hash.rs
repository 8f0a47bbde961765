//! How object ids are hashed: seeded at random for each table, because ids come from clients.

use std::hash::{BuildHasher, Hasher};

use ray_common::ObjectId;

/// Hashes ids for one table.
#[derive(Debug, Clone, Default)]
pub(super) struct IdHash(foldhash::fast::RandomState);

impl IdHash {
    /// 32 bits for the id, which are all that a table keeps and works with.
    pub(super) fn of(&self, id: &ObjectId) -> u32 {
        let mut hasher = self.0.build_hasher();
        hasher.write(id.as_bytes());
        let hash = hasher.finish();
        #[allow(clippy::cast_possible_truncation)] // folding to 32 bits is the purpose
        let folded = (hash ^ (hash >> 32)) as u32;
        folded
    }

    /// Spreads the 32 bits over the 64 that the hash table looks at.
    pub(super) const fn spread(hash: u32) -> u64 {
        (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}
