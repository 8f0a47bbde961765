//! Messages in shared memory: each as it would travel through the socket, from a full word on.

use std::sync::atomic::Ordering;

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
    pub(super) length: usize,
    pub(super) head: usize,
    pub(super) tail: usize,
}

impl Ring {
    fn word(&self, at: u64) -> usize {
        self.start + usize::try_from(at % self.length as u64).unwrap_or(0)
    }

    /// Whether something was written that was not read, as far as the words say.
    pub(super) fn has_message(&self, words: &SharedWords, tail: u64) -> bool {
        words.word(self.head).load(Ordering::Acquire) != tail
    }

    /// Words of some messages in a ring.
    pub(super) fn room_for(messages: &[u8]) -> usize {
        pieces(messages).map(|message| message.len().div_ceil(WORD)).sum()
    }

    /// Writes whole messages behind the first `head` words; all or none. Returns how many words were ever written then.
    pub(super) fn write(
        &self,
        words: &SharedWords,
        head: u64,
        messages: &[u8],
    ) -> Result<u64, RingError> {
        let used = head.wrapping_sub(words.word(self.tail).load(Ordering::Acquire));
        let used = usize::try_from(used).ok().filter(|&used| used <= self.length);
        let free = self.length - used.ok_or(RingError::Broken)?;
        if Self::room_for(messages) > free {
            return Err(RingError::Full);
        }
        let mut at = head;
        for message in pieces(messages) {
            for bytes in message.chunks(WORD) {
                let mut word = [0; WORD];
                word[..bytes.len()].copy_from_slice(bytes);
                let place = words.word(self.word(at));
                place.store(u64::from_ne_bytes(word), Ordering::Relaxed);
                at = at.wrapping_add(1);
            }
        }
        words.word(self.head).store(at, Ordering::Release);
        Ok(at)
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
            for _ in 0..count {
                let word = words.word(self.word(at)).load(Ordering::Relaxed);
                message.extend_from_slice(&word.to_ne_bytes());
                at = at.wrapping_add(1);
            }
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
