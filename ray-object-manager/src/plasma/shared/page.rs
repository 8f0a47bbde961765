//! A client's page, as the client and as the store see it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{fence, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use ray_sys::{futex_wait, futex_wake, SharedWords};
use rustix::event::{eventfd, EventfdFlags};

use super::index::{IndexReader, Listed, Place};
use super::layout::{self, page as at};
use super::ring::{Ring, RingError, Written};

const REQUESTS: Ring = Ring {
    start: at::REQUESTS,
    length: at::REQUESTS_LENGTH,
    head: at::REQUEST_HEAD,
    tail: at::REQUEST_TAIL,
};

const REPLIES: Ring = Ring {
    start: at::REPLIES,
    length: at::REPLIES_LENGTH,
    head: at::REPLY_HEAD,
    tail: at::REPLY_TAIL,
};

const _: () =
    assert!(at::REQUESTS_LENGTH.is_power_of_two() && at::REPLIES_LENGTH.is_power_of_two());

/// What the store says of itself.
const AWAKE: u64 = 0;
const ASLEEP: u64 = 1;
const MOVES: u64 = 2;

/// How often a client did something without a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::plasma) struct Unseen {
    pub(in crate::plasma) gets: u64,
    pub(in crate::plasma) contains: u64,
    pub(in crate::plasma) releases: u64,
}

/// A page, and how the store is woken. Any thread of the store may look at it.
#[derive(Debug)]
pub(in crate::plasma) struct StorePage {
    pub(super) words: SharedWords,
    doorbell: OwnedFd,
    /// Words of requests that were taken. What stands in the page about it is for the client.
    taken: AtomicU64,
}

impl StorePage {
    /// A page, and the descriptor of it for the client.
    ///
    /// # Errors
    /// When there is no memory or no descriptor.
    pub(in crate::plasma) fn new() -> io::Result<(Self, OwnedFd)> {
        let mut words = SharedWords::create(at::WORDS)?;
        words.word(at::STORE_SLEEPS).store(ASLEEP, Ordering::Relaxed);
        let doorbell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let descriptor = words.for_writing()?;
        words.close();
        Ok((Self { words, doorbell, taken: AtomicU64::new(0) }, descriptor))
    }

    /// What can be read once the client has something for a store that sleeps.
    pub(in crate::plasma) fn doorbell(&self) -> BorrowedFd<'_> {
        self.doorbell.as_fd()
    }

    /// Whether there is a request, or nonsense, which ends the connection when it is taken.
    pub(in crate::plasma) fn has_request(&self) -> bool {
        REQUESTS.has_message(&self.words, self.taken.load(Ordering::Relaxed))
    }

    /// The store will not look by itself any more, and is to be woken. False when there is something to be done first.
    pub(in crate::plasma) fn fall_asleep(&self) -> bool {
        self.words.word(at::STORE_SLEEPS).store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let idle = !self.has_request();
        if !idle {
            self.stay_awake();
        }
        idle
    }

    /// The store looks by itself from now on.
    pub(in crate::plasma) fn stay_awake(&self) {
        self.words.word(at::STORE_SLEEPS).store(AWAKE, Ordering::Relaxed);
    }

    /// The store looks by itself, but goes to another core first: see [`ClientPage::store_moves`].
    pub(in crate::plasma) fn move_away(&self) {
        self.words.word(at::STORE_SLEEPS).store(MOVES, Ordering::Relaxed);
    }

    /// Wakes the client, if it sleeps.
    pub(in crate::plasma) fn wake_client(&self) {
        fence(Ordering::SeqCst);
        let bed = self.words.bed(at::CLIENT_BED);
        if bed.load(Ordering::Relaxed) != 0 {
            bed.store(0, Ordering::Relaxed);
            futex_wake(bed, u32::MAX);
        }
    }

    /// Whether the client has pinned what lies there. After [`super::Index::retire`] that stays so if it is so, and does
    /// not come to be so if it is not.
    pub(in crate::plasma) fn has_pinned(&self, data_offset: u64) -> bool {
        let key = layout::key(data_offset);
        let line = layout::line(key);
        (line..line + at::LINE).any(|word| {
            let pin = self.words.word(word).load(Ordering::Acquire);
            pin != 0 && layout::unpin(pin).0 == key
        })
    }

    /// All pins: the place of an object divided by 64, and the slot in the index where it was found. Nothing of it can
    /// be trusted.
    pub(in crate::plasma) fn pins(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        let pins = at::PINS..at::PINS + at::LINES * at::LINE;
        pins.map(|word| self.words.word(word).load(Ordering::Acquire))
            .filter(|&pin| pin != 0)
            .map(layout::unpin)
    }

    /// The pins that were taken away since there had been `seen` of them, oldest first, and how many there have been
    /// now. Of many only the last.
    pub(in crate::plasma) fn let_go(&self, seen: u64) -> (Vec<(u64, usize)>, u64) {
        let now = self.words.word(at::LET_GO_COUNT).load(Ordering::Acquire);
        let count = now.wrapping_sub(seen).min(at::LET_GO_LENGTH as u64);
        let word =
            |number: u64| at::LET_GO + usize::try_from(number).unwrap_or(0) % at::LET_GO_LENGTH;
        let last = (0..count).rev().map(|back| word(now.wrapping_sub(back + 1)));
        (
            last.map(|word| layout::unpin(self.words.word(word).load(Ordering::Relaxed))).collect(),
            now,
        )
    }

    /// What the client says that it did.
    pub(in crate::plasma) fn unseen(&self) -> Unseen {
        let load = |word| self.words.word(word).load(Ordering::Relaxed);
        Unseen { gets: load(at::GETS), contains: load(at::CONTAINS), releases: load(at::RELEASES) }
    }
}

/// Takes a client's requests. One at a time does.
#[derive(Debug)]
pub(in crate::plasma) struct Requests {
    page: Arc<StorePage>,
}

impl Requests {
    /// More messages are never there at once. Who has taken so many has taken what was there when he began, also from
    /// somebody who sends without end.
    pub(in crate::plasma) const MOST: usize = at::REQUESTS_MOST;

    pub(in crate::plasma) fn new(page: Arc<StorePage>) -> Self {
        Self { page }
    }

    /// Copies the next message. False when there is none.
    ///
    /// # Errors
    /// When there is something that is no message.
    pub(in crate::plasma) fn take(&mut self, message: &mut Vec<u8>) -> Result<bool, RingError> {
        self.take_if(message, |_| true)
    }

    /// Copies the next message and takes it, if it is as wanted. False when it is not, or there is none.
    ///
    /// # Errors
    /// When there is something that is no message.
    pub(in crate::plasma) fn take_if(
        &mut self,
        message: &mut Vec<u8>,
        wanted: impl FnOnce(&[u8]) -> bool,
    ) -> Result<bool, RingError> {
        let taken = self.page.taken.load(Ordering::Relaxed);
        let next = REQUESTS.read(&self.page.words, taken, message)?;
        let Some(tail) = next.filter(|_| wanted(message)) else { return Ok(false) };
        self.page.taken.store(tail, Ordering::Relaxed);
        REQUESTS.take(&self.page.words, tail);
        Ok(true)
    }
}

/// Sends a client replies. One at a time does.
#[derive(Debug)]
pub(in crate::plasma) struct Replies {
    page: Arc<StorePage>,
    written: Written,
}

impl Replies {
    pub(in crate::plasma) fn new(page: Arc<StorePage>) -> Self {
        Self { page, written: Written::default() }
    }

    /// Sends whole messages; all or none.
    ///
    /// # Errors
    /// When there is no room.
    pub(in crate::plasma) fn send(&mut self, messages: &[u8]) -> Result<(), RingError> {
        REPLIES.write(&self.page.words, &mut self.written, messages)?;
        self.page.wake_client();
        Ok(())
    }
}

/// A pin of this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plasma) struct Pin {
    word: usize,
    place: Place,
}

/// A client's own page, with the index. Whoever pins and takes away does so under one lock; so does whoever sends, and
/// whoever receives.
#[derive(Debug)]
pub(in crate::plasma) struct ClientPage {
    pub(super) words: SharedWords,
    index: IndexReader,
    doorbell: OwnedFd,
    requests: AtomicU64,
    /// [`Written::tail`] of them.
    requests_taken: AtomicU64,
    replies: AtomicU64,
}

impl ClientPage {
    /// # Errors
    /// When what the store sent is not what it should be.
    pub(in crate::plasma) fn new(
        index: OwnedFd,
        page: OwnedFd,
        doorbell: OwnedFd,
    ) -> io::Result<Self> {
        let mut words = SharedWords::map(page, at::WORDS)?;
        words.close();
        Ok(Self {
            words,
            index: IndexReader::map(index)?,
            doorbell,
            requests: AtomicU64::new(0),
            requests_taken: AtomicU64::new(0),
            replies: AtomicU64::new(0),
        })
    }

    /// The index.
    pub(in crate::plasma) fn index(&self) -> &IndexReader {
        &self.index
    }

    fn count(&self, word: usize) {
        let count = self.words.word(word);
        count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether the index has the object.
    pub(in crate::plasma) fn contains(&self, id: &ray_common::ObjectId) -> bool {
        let found = self.index.find(id).is_some();
        if found {
            self.count(at::CONTAINS);
        }
        found
    }

    /// Finds and pins an object. `None` when it is not in the index, or no pin is left for it.
    #[inline]
    pub(in crate::plasma) fn pin(&self, id: &ray_common::ObjectId) -> Option<(Pin, Listed)> {
        let listed = self.index.find(id)?;
        let key = layout::key(listed.data_offset);
        let line = layout::line(key);
        let pin = layout::pin(key, listed.place.slot)?;
        let free = |word: &usize| self.words.word(*word).load(Ordering::Relaxed) == 0;
        let word = (line..line + at::LINE).find(free)?;
        super::step();
        self.words.word(word).store(pin, Ordering::Release);
        fence(Ordering::SeqCst);
        super::step();
        if !self.index.still_holds(&listed.place) {
            self.words.word(word).store(0, Ordering::Release);
            return None;
        }
        self.count(at::GETS);
        Some((Pin { word, place: listed.place }, listed))
    }

    /// Whether the store has not wanted to free the object since it was pinned.
    #[inline]
    pub(in crate::plasma) fn is_unseen(&self, pin: &Pin) -> bool {
        self.index.still_holds(&pin.place)
    }

    /// Takes a pin away. False when the store may have seen it, and has to be told that the object is let go.
    #[inline]
    pub(in crate::plasma) fn unpin(&self, pin: &Pin) -> bool {
        let word = self.words.word(pin.word);
        let count = self.words.word(at::LET_GO_COUNT);
        let number = count.load(Ordering::Relaxed);
        let last = at::LET_GO + usize::try_from(number).unwrap_or(0) % at::LET_GO_LENGTH;
        self.words.word(last).store(word.load(Ordering::Relaxed), Ordering::Relaxed);
        count.store(number.wrapping_add(1), Ordering::Release);
        word.store(0, Ordering::Release);
        fence(Ordering::SeqCst);
        self.count(at::RELEASES);
        self.index.still_holds(&pin.place)
    }

    /// Sends whole messages; all or none.
    ///
    /// # Errors
    /// When there is no room.
    pub(in crate::plasma) fn send(&self, messages: &[u8]) -> Result<(), RingError> {
        let mut written = Written {
            head: self.requests.load(Ordering::Relaxed),
            tail: self.requests_taken.load(Ordering::Relaxed),
        };
        REQUESTS.write(&self.words, &mut written, messages)?;
        self.requests.store(written.head, Ordering::Relaxed);
        self.requests_taken.store(written.tail, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.ring();
        Ok(())
    }

    /// Whether messages of this length can be sent at all.
    pub(in crate::plasma) fn could_send(messages: &[u8]) -> bool {
        Ring::room_for(messages) <= at::REQUESTS_LENGTH / 2
    }

    /// Wakes the store, if it sleeps.
    fn ring(&self) {
        let sleeps = self.words.word(at::STORE_SLEEPS);
        if sleeps.load(Ordering::Relaxed) == ASLEEP {
            sleeps.store(AWAKE, Ordering::Relaxed);
            // Fails when it has been rung 2^64 times and nobody came.
            let _ = rustix::io::write(&self.doorbell, &1_u64.to_ne_bytes());
        }
    }

    /// Copies the next message. False when there is none.
    ///
    /// # Errors
    /// When there is something that is no message.
    pub(in crate::plasma) fn receive(&self, message: &mut Vec<u8>) -> Result<bool, RingError> {
        let tail = self.replies.load(Ordering::Relaxed);
        let next = REPLIES.read(&self.words, tail, message)?;
        if let Some(next) = next {
            self.replies.store(next, Ordering::Relaxed);
            REPLIES.take(&self.words, next);
        }
        Ok(next.is_some())
    }

    /// Whether there is a message.
    #[inline]
    pub(in crate::plasma) fn has_reply(&self) -> bool {
        REPLIES.has_message(&self.words, self.replies.load(Ordering::Relaxed))
    }

    /// Whether the store is on its way to another core, where it will be in some hundred microseconds. To sleep until it answers from
    /// there would bring both together again: whoever is woken may come to run where it was woken from.
    pub(in crate::plasma) fn store_moves(&self) -> bool {
        self.words.word(at::STORE_SLEEPS).load(Ordering::Relaxed) == MOVES
    }

    /// Sleeps until there is a message, for so long at most.
    pub(in crate::plasma) fn sleep(&self, longest: Duration) {
        let bed = self.words.bed(at::CLIENT_BED);
        bed.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !self.has_reply() {
            futex_wait(bed, 1, longest);
        }
        bed.store(0, Ordering::Relaxed);
    }

    /// Wakes the thread that sleeps.
    pub(in crate::plasma) fn wake(&self) {
        let bed = self.words.bed(at::CLIENT_BED);
        bed.store(0, Ordering::Relaxed);
        futex_wake(bed, u32::MAX);
    }
}
