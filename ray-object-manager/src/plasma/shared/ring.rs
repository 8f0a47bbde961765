//! Messages in shared memory: each as it would travel through the socket, from a full word on.

use std::sync::atomic::{AtomicU64, Ordering};

use ray_sys::SharedWords;

use crate::plasma::protocol::{Header, HEADER_LENGTH};

const WORD: usize = 8;

/// Why messages cannot be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::plasma) enum RingError {
    /// There is no room at present.
    #[error("the ring is full")]
    Full,
    /// The other side has written what makes no sense.
    #[error("the ring is broken")]
    Broken,
}

/// Where a ring lies: the words for its contents, and those that say how much was ever written and read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    pub(super) start: usize,
    /// A power of two.
    pub(super) length: usize,
    pub(super) head: usize,
    pub(super) tail: usize,
}

/// What who writes to a ring knows of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// Words that were ever written.
    pub(super) head: u64,
    /// Words that had ever been read when this was last looked at. That is only done for more room: who reads writes that word
    /// each time, and to fetch it from another processor takes as long as a message takes to write.
    pub(super) tail: u64,
}

impl Written {
    /// Words that are in the ring as far as is known.
    fn used(self, ring: &Ring) -> Option<usize> {
        let used = usize::try_from(self.head.wrapping_sub(self.tail)).ok();
        used.filter(|&used| used <= ring.length)
    }
}

/// Writes bytes to words of which there are just enough.
#[inline]
fn store(places: &[AtomicU64], bytes: &[u8]) {
    let (words, rest) = bytes.as_chunks();
    for (place, word) in places.iter().zip(words) {
        place.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
    }
    if let (false, Some(place)) = (rest.is_empty(), places.get(words.len())) {
        let mut word = [0; WORD];
        word[..rest.len()].copy_from_slice(rest);
        place.store(u64::from_ne_bytes(word), Ordering::Relaxed);
    }
}

impl Ring {
    /// So many words, as many as the ring has at most, from one on: up to the end, and from the start.
    #[inline]
    fn places<'a>(&self, words: &'a SharedWords, at: u64, count: usize) -> [&'a [AtomicU64]; 2] {
        #[allow(clippy::cast_possible_truncation)] // what is cut off is a multiple of the length
        let first = at as usize & (self.length - 1);
        let until_end = count.min(self.length - first);
        [words.words(self.start + first, until_end), words.words(self.start, count - until_end)]
    }

    /// Whether something was written that was not read, as far as the words say.
    pub(super) fn has_message(&self, words: &SharedWords, tail: u64) -> bool {
        words.word(self.head).load(Ordering::Acquire) != tail
    }

    /// Words of some messages in a ring.
    pub(super) fn room_for(messages: &[u8]) -> usize {
        pieces(messages).map(|message| message.len().div_ceil(WORD)).sum()
    }

    /// Writes whole messages behind what was written before; all or none.
    pub(super) fn write(
        &self,
        words: &SharedWords,
        written: &mut Written,
        messages: &[u8],
    ) -> Result<(), RingError> {
        let needed = Self::room_for(messages);
        let fits = |written: &Written| {
            written.used(self).map(|used| needed <= self.length - used).ok_or(RingError::Broken)
        };
        if !fits(written)? {
            let tail = words.word(self.tail).load(Ordering::Acquire);
            let looked = Written { tail, ..*written };
            if !fits(&looked)? {
                return Err(RingError::Full);
            }
            *written = looked;
        }
        for message in pieces(messages) {
            let count = message.len().div_ceil(WORD);
            let [places, others] = self.places(words, written.head, count);
            let (bytes, rest) = message.split_at(message.len().min(places.len() * WORD));
            store(places, bytes);
            store(others, rest);
            written.head = written.head.wrapping_add(count as u64);
        }
        words.word(self.head).store(written.head, Ordering::Release);
        Ok(())
    }

    /// Copies the message behind the first `tail` words. Returns how many words were ever read once it is taken, which is
    /// another step; `None` when there is no message.
    pub(super) fn read(
        &self,
        words: &SharedWords,
        tail: u64,
        message: &mut Vec<u8>,
    ) -> Result<Option<u64>, RingError> {
        let there = words.word(self.head).load(Ordering::Acquire).wrapping_sub(tail);
        if there == 0 {
            return Ok(None);
        }
        let there = usize::try_from(there).ok().filter(|&there| there <= self.length);
        let there = there.ok_or(RingError::Broken)?;
        message.clear();
        let mut at = tail;
        let mut copy = |count: usize, message: &mut Vec<u8>| {
            message.reserve(count * WORD);
            for place in self.places(words, at, count).into_iter().flatten() {
                message.extend_from_slice(&place.load(Ordering::Relaxed).to_ne_bytes());
            }
            at = at.wrapping_add(count as u64);
        };
        let header_words = HEADER_LENGTH / WORD;
        if there < header_words {
            return Err(RingError::Broken);
        }
        copy(header_words, message);
        let header = message.first_chunk().ok_or(RingError::Broken)?;
        let most = (there - header_words) * WORD;
        let length = Header::decode(header, most).map_err(|_| RingError::Broken)?.length;
        copy(length.div_ceil(WORD), message);
        message.truncate(HEADER_LENGTH + length);
        Ok(Some(at))
    }

    /// Gives back the room of what was read.
    pub(super) fn take(&self, words: &SharedWords, tail: u64) {
        words.word(self.tail).store(tail, Ordering::Release);
    }
}

/// The messages among some bytes, which are whole. What is none is one piece.
fn pieces(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let length =
            bytes.first_chunk().and_then(|header| Header::decode(header, bytes.len()).ok());
        let end = length.map_or(bytes.len(), |header| HEADER_LENGTH + header.length);
        let (piece, rest) = bytes.split_at(end.min(bytes.len()));
        bytes = rest;
        Some(piece)
    })
}
