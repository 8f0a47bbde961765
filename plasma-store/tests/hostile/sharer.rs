//! A client that shares memory with the store and writes there what it likes. Where things lie is said here once more, so
//! that both cannot be wrong in the same way.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use ray_common::ObjectId;
use ray_object_manager::plasma::protocol::{
    capabilities, Header, MessageType, Reply, HEADER_LENGTH,
};
use ray_sys::SharedWords;
use real_peers::wire::Message;

use crate::harness::{bytes, Came, Talker, PATIENCE};

pub(crate) const REQUEST_HEAD: usize = 0;
pub(crate) const REQUEST_TAIL: usize = 8;
pub(crate) const STORE_SLEEPS: usize = 48;
pub(crate) const REPLY_HEAD: usize = 16;
pub(crate) const REPLY_TAIL: usize = 24;
pub(crate) const CLIENT_BED: usize = 32;
pub(crate) const FIGURES: std::ops::Range<usize> = 40..44;
pub(crate) const OFFERS_WANTED: usize = 44;
pub(crate) const OFFER: usize = 56;
pub(crate) const LET_GO: usize = 64;
pub(crate) const PINS: std::ops::Range<usize> = 320..320 + 2048;
pub(crate) const REQUESTS: usize = PINS.end;
pub(crate) const REQUESTS_LENGTH: usize = 2048;
const REPLIES: usize = REQUESTS + REQUESTS_LENGTH;
pub(crate) const REPLIES_LENGTH: usize = 4096;
pub(crate) const WORDS: usize = REPLIES + REPLIES_LENGTH;

/// Such a client.
#[derive(Debug)]
pub(crate) struct Sharer {
    pub(crate) talker: Talker,
    pub(crate) index: OwnedFd,
    pub(crate) page: OwnedFd,
    pub(crate) words: SharedWords,
    doorbell: OwnedFd,
    head: u64,
    tail: u64,
}

pub(crate) fn share() -> Vec<u8> {
    bytes(|encoder, out| encoder.connect_request(out, capabilities::SHARED))
}

pub(crate) fn seal_quietly(id: ObjectId) -> Vec<u8> {
    bytes(|encoder, out| encoder.seal_quietly_request(out, &id))
}

pub(crate) fn elsewhere(count: u64) -> Vec<u8> {
    bytes(|encoder, out| encoder.elsewhere(out, count))
}

pub(crate) fn set_aside(offer: u64) -> Vec<u8> {
    bytes(|encoder, out| encoder.set_aside(out, offer))
}

/// The words of a message.
fn words(message: &[u8]) -> impl Iterator<Item = u64> + '_ {
    message.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word)
    })
}

impl Sharer {
    pub(crate) fn to(socket: &Path) -> Self {
        let mut talker = Talker::to(socket);
        let Came::Message(reply) = talker.ask(&share()) else { panic!("no answer") };
        assert_eq!(granted(&reply) & capabilities::SHARED, capabilities::SHARED);
        let mut fd = || match talker.hear() {
            Came::Fd(fd) => fd,
            other => panic!("{other:?}"),
        };
        let (index, page, doorbell) = (fd(), fd(), fd());
        let words = SharedWords::map(page.try_clone().unwrap(), WORDS).unwrap();
        Self { talker, index, page, words, doorbell, head: 0, tail: 0 }
    }

    pub(crate) fn load(&self, word: usize) -> u64 {
        self.words.word(word).load(Ordering::SeqCst)
    }

    pub(crate) fn store(&self, word: usize, value: u64) {
        self.words.word(word).store(value, Ordering::SeqCst);
    }

    /// Wakes the store, whether it sleeps or not.
    pub(crate) fn ring(&self) {
        // Fails when it was rung too often.
        let _ = rustix::io::write(&self.doorbell, &1_u64.to_ne_bytes());
    }

    /// Writes a message where requests are, and does not say so.
    pub(crate) fn write(&mut self, message: &[u8]) {
        for word in words(message) {
            let at = usize::try_from(self.head).unwrap() % REQUESTS_LENGTH;
            self.store(REQUESTS + at, word);
            self.head += 1;
        }
    }

    /// Writes messages without waking the store.
    pub(crate) fn whisper(&mut self, messages: &[Vec<u8>]) {
        messages.iter().for_each(|message| self.write(message));
        self.store(REQUEST_HEAD, self.head);
    }

    pub(crate) fn say(&mut self, message: &[u8]) {
        self.whisper(&[message.to_vec()]);
        self.ring();
    }

    /// Words of answers that it has heard.
    pub(crate) fn heard(&self) -> usize {
        usize::try_from(self.tail).unwrap()
    }

    /// How many words there are still room for.
    pub(crate) fn room(&self) -> usize {
        REQUESTS_LENGTH - usize::try_from(self.head - self.load(REQUEST_TAIL)).unwrap()
    }

    /// The next message in shared memory.
    pub(crate) fn hear(&mut self) -> Came {
        let started = Instant::now();
        while self.load(REPLY_HEAD) == self.tail {
            assert!(started.elapsed() < PATIENCE, "no answer");
            std::thread::yield_now();
        }
        let mut header = Vec::new();
        self.copy(HEADER_LENGTH, &mut header);
        let decoded = Header::decode(header.first_chunk().unwrap(), 1 << 20).unwrap();
        let mut body = Vec::new();
        self.copy(decoded.length, &mut body);
        self.store(REPLY_TAIL, self.tail);
        Came::Message(Message { kind: decoded.kind.0, body })
    }

    fn copy(&mut self, length: usize, to: &mut Vec<u8>) {
        for _ in 0..length.div_ceil(8) {
            let at = usize::try_from(self.tail).unwrap() % REPLIES_LENGTH;
            to.extend(self.load(REPLIES + at).to_ne_bytes());
            self.tail += 1;
        }
        to.truncate(length);
    }

    pub(crate) fn ask(&mut self, message: &[u8]) -> Came {
        self.say(message);
        self.hear()
    }

    /// Pins what lies at a place, as if it had been found in a slot of the index. Returns the word with the pin.
    pub(crate) fn pin(&self, data_offset: u64, slot: u64) -> usize {
        let key = data_offset >> 6;
        let line = usize::try_from(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).unwrap();
        let first = PINS.start + line * 8;
        let word = (first..first + 8).find(|word| self.load(*word) == 0).unwrap();
        self.store(word, key << 24 | (slot + 1));
        word
    }
}

pub(crate) fn granted(message: &Message) -> u64 {
    match Reply::decode(MessageType(message.kind), &message.body).unwrap() {
        Reply::Connect { capabilities, .. } => capabilities,
        other => panic!("{other:?}"),
    }
}
