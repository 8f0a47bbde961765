//! Space that the store sets aside for a client's next object, as the page says it.
//!
//! One word has the number of the offer and whether it is taken. Numbers are never used twice on a page, so the place and the size that a
//! client has read are those of the offer that it takes, or it does not get it. The client alone says that it has taken an offer, and that it
//! does not write there any more; the store can take an offer back only as long as nobody has taken it.

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;

use super::layout::page as at;
use super::page::{ClientPage, StorePage};

/// Bytes of the objects for which it is worth while: filling fewer takes less time than asking the store does, and filling more takes so long
/// that asking does not count.
pub(in crate::plasma) const SIZES: RangeInclusive<u64> = 32 << 10..=8 << 20;

/// There is none.
const NONE: u64 = 0;

/// The state of an offer: its number, and the lowest bit once it is taken.
fn offered(number: u64) -> u64 {
    number << 1
}

fn taken(number: u64) -> u64 {
    number << 1 | 1
}

impl StorePage {
    /// Whether the client says that it uses what it is offered.
    pub(in crate::plasma) fn wants_offers(&self) -> bool {
        self.words.word(at::OFFERS_WANTED).load(Ordering::Relaxed) != 0
    }

    /// Offers space, where nothing is offered or taken. Numbers begin with 1.
    pub(in crate::plasma) fn offer(&self, number: u64, place: u64, size: u64) {
        self.words.word(at::OFFER_PLACE).store(place, Ordering::Relaxed);
        self.words.word(at::OFFER_SIZE).store(size, Ordering::Relaxed);
        self.words.word(at::OFFER).store(offered(number), Ordering::Release);
    }

    /// Takes an offer back. False when the client has taken it, or says so: then it may be writing there.
    pub(in crate::plasma) fn withdraw(&self, number: u64) -> bool {
        let word = self.words.word(at::OFFER);
        word.compare_exchange(offered(number), NONE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Whether the client says that it has taken the offer.
    pub(in crate::plasma) fn has_taken(&self, number: u64) -> bool {
        self.words.word(at::OFFER).load(Ordering::Acquire) == taken(number)
    }

    /// Nothing is offered any more: an object lies there.
    pub(in crate::plasma) fn end_offer(&self) {
        self.words.word(at::OFFER).store(NONE, Ordering::Release);
    }
}

/// Space that a client has taken. Until it asks for an object there or gives it back, nobody else gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plasma) struct Offer {
    /// Not used twice on a page.
    pub(in crate::plasma) number: u64,
    /// Where it begins in the store's memory.
    pub(in crate::plasma) place: u64,
}

impl ClientPage {
    /// From now on there may be offers.
    pub(in crate::plasma) fn want_offers(&self) {
        let wanted = self.words.word(at::OFFERS_WANTED);
        if wanted.load(Ordering::Relaxed) == 0 {
            wanted.store(1, Ordering::Relaxed);
        }
    }

    /// Takes space of exactly this size, if that is offered.
    pub(in crate::plasma) fn take_offer(&self, size: u64) -> Option<Offer> {
        let word = self.words.word(at::OFFER);
        let state = word.load(Ordering::Acquire);
        if state == NONE || state & 1 != 0 {
            return None;
        }
        let number = state >> 1;
        let place = self.words.word(at::OFFER_PLACE).load(Ordering::Relaxed);
        if self.words.word(at::OFFER_SIZE).load(Ordering::Relaxed) != size {
            return None;
        }
        super::step();
        word.compare_exchange(state, taken(number), Ordering::AcqRel, Ordering::Relaxed).ok()?;
        Some(Offer { number, place })
    }

    /// Gives space back in which no object came to lie, and into which nobody writes any more.
    pub(in crate::plasma) fn give_back(&self, offer: Offer) {
        let (from, to) = (taken(offer.number), offered(offer.number));
        // Fails when the store has ended the offer.
        let _ = self.words.word(at::OFFER).compare_exchange(
            from,
            to,
            Ordering::Release,
            Ordering::Relaxed,
        );
    }
}
