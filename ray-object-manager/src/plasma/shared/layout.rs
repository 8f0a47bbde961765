//! Which word is what. All numbers are of words of eight bytes.

use ray_common::id::ID_LENGTH;
use ray_common::ObjectId;

/// Names this layout, and changes with it.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"plasma03");

/// The index: first its head, then the tables of all sizes, of which one is in use.
pub(super) mod index {
    pub(in super::super) const MAGIC: usize = 0;
    /// 1 and the number of the table in use; 0 when there is none, or the store has ended.
    pub(in super::super) const TABLE: usize = 1;
    pub(in super::super) const SEED: usize = 2;
    /// The file in which all objects of the index lie: 1 when there is one, its two names, and the length to map.
    pub(in super::super) const FILE: usize = 3;
    pub(in super::super) const FILE_FD: usize = 4;
    pub(in super::super) const FILE_UNIQUE_ID: usize = 5;
    pub(in super::super) const FILE_MMAP_SIZE: usize = 6;
    const TABLES: usize = 512;

    /// Words of a slot: a cache line.
    pub(in super::super) const SLOT: usize = 8;

    /// Even and not 0 while the slot holds an object; changes whenever that does.
    pub(in super::super) const VERSION: usize = 0;
    /// Four words with the id, of which the last holds half as many bytes, and the size of the metadata above.
    pub(in super::super) const ID: usize = 1;
    pub(in super::super) const DATA_OFFSET: usize = 5;
    pub(in super::super) const DATA_SIZE: usize = 6;

    /// An object lies in one of so many slots from the one that its id names.
    pub(in super::super) const WINDOW: usize = 16;

    /// How many sizes of tables there are. Each is four times the one before.
    pub(in super::super) const CLASSES: usize = 5;

    /// Slots of a table.
    pub(in super::super) const fn slots(class: usize) -> usize {
        1 << (14 + 2 * class)
    }

    /// The first word of a table.
    pub(in super::super) const fn table(class: usize) -> usize {
        let mut start = TABLES;
        let mut smaller = 0;
        while smaller < class {
            start += slots(smaller) * SLOT;
            smaller += 1;
        }
        start
    }

    /// Words of the file.
    pub(in super::super) const WORDS: usize = table(CLASSES);
}

/// The page of a client.
pub(super) mod page {
    use crate::plasma::protocol::HEADER_LENGTH;

    /// Written by the client: words of requests ever.
    pub(in super::super) const REQUEST_HEAD: usize = 0;
    /// Written by the store: words of them that it has taken.
    pub(in super::super) const REQUEST_TAIL: usize = 8;
    /// Written by the store: words of replies ever.
    pub(in super::super) const REPLY_HEAD: usize = 16;
    /// Written by the client: words of them that it has taken.
    pub(in super::super) const REPLY_TAIL: usize = 24;
    /// Written by the client: whether it sleeps (32 bits).
    pub(in super::super) const CLIENT_BED: usize = 32;
    /// Written by the client: how often it did what without a message.
    pub(in super::super) const GETS: usize = 40;
    pub(in super::super) const CONTAINS: usize = 41;
    pub(in super::super) const RELEASES: usize = 42;
    /// The last pins that were taken away, and how many were ever.
    pub(in super::super) const LET_GO_COUNT: usize = 43;
    /// Whether the store has to be woken for more requests. Both write it, seldom, and the client reads it at each request: so
    /// nothing else is in this line of the cache.
    pub(in super::super) const STORE_SLEEPS: usize = 48;
    /// Space that the store has set aside for the client's next object: its number and state, and then where and how many bytes. The
    /// store writes the line, and the client the state.
    pub(in super::super) const OFFER: usize = 56;
    pub(in super::super) const OFFER_PLACE: usize = 57;
    pub(in super::super) const OFFER_SIZE: usize = 58;
    /// Written by the client: not 0 once it uses such space.
    pub(in super::super) const OFFERS_WANTED: usize = 44;
    pub(in super::super) const LET_GO: usize = 64;
    pub(in super::super) const LET_GO_LENGTH: usize = 256;

    pub(in super::super) const PINS: usize = LET_GO + LET_GO_LENGTH;
    /// A pin lies in the cache line that its place in memory names.
    pub(in super::super) const LINE: usize = 8;
    pub(in super::super) const LINES: usize = 256;

    pub(in super::super) const REQUESTS: usize = PINS + LINES * LINE;
    pub(in super::super) const REQUESTS_LENGTH: usize = 2048;
    /// More messages are never among the requests at once.
    pub(in super::super) const REQUESTS_MOST: usize = REQUESTS_LENGTH / (HEADER_LENGTH / 8);
    pub(in super::super) const REPLIES: usize = REQUESTS + REQUESTS_LENGTH;
    pub(in super::super) const REPLIES_LENGTH: usize = 4096;
    pub(in super::super) const WORDS: usize = REPLIES + REPLIES_LENGTH;
}

/// An id as it stands in a slot: the last word's upper half is 0.
pub(super) fn id_words(id: &ObjectId) -> [u64; 4] {
    let bytes = id.as_bytes();
    let mut padded = [0; 32];
    padded[..ID_LENGTH].copy_from_slice(bytes);
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(padded.chunks_exact(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(bytes);
        *word = u64::from_ne_bytes(eight);
    }
    words
}

/// The bits of an id that say where in the index it lies. Both sides have to agree on it, so it is part of the layout.
pub(super) fn hash(seed: u64, id: &[u64; 4]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = product as u64 ^ (product >> 64) as u64;
        folded
    };
    let first = mix(id[0] ^ seed, id[1] ^ ODD);
    let second = mix(id[2] ^ seed.rotate_left(32), id[3] ^ !ODD);
    mix(first ^ ODD, second ^ seed)
}

/// Names the place of an object in the memory of the store: objects lie at multiples of 64.
pub(super) fn key(data_offset: u64) -> u64 {
    data_offset >> 6
}

/// A pin: where the object lies, and below it 1 and the slot in which it was found.
pub(super) fn pin(key: u64, slot: usize) -> Option<u64> {
    let slot = slot as u64 + 1;
    (key < 1 << 40 && slot < 1 << 24).then_some(key << 24 | slot)
}

/// What a pin says. Not to be trusted.
pub(super) fn unpin(pin: u64) -> (u64, usize) {
    let slot = usize::try_from(pin & 0xff_ffff).unwrap_or(0);
    (pin >> 24, slot.wrapping_sub(1))
}

/// The first word of the cache line in which a pin of this key lies.
pub(super) fn line(key: u64) -> usize {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    page::PINS + usize::try_from(mixed).unwrap_or(0) % page::LINES * page::LINE
}

const _: () = assert!(index::slots(index::CLASSES - 1) < 1 << 24);
const _: () = assert!(page::LINES == 1 << 8);
const _: () = assert!(page::PINS.is_multiple_of(page::LINE));
const _: () = assert!(page::WORDS * 8 <= 72 << 10);
