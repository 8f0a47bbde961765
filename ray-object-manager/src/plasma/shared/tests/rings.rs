//! Messages through rings.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use proptest::prelude::*;
use ray_sys::SharedWords;

use super::{index, pages};
use crate::plasma::protocol::{Header, MessageType, HEADER_LENGTH};
use crate::plasma::shared::layout::page as at;
use crate::plasma::shared::{ClientPage, Replies, Requests, RingError, StorePage};

/// Both sides of a page, and its words.
fn sides() -> (Requests, Replies, Arc<StorePage>, ClientPage, SharedWords) {
    let (index, _) = index();
    let (store, client, words) = pages(&index);
    let store = Arc::new(store);
    let (requests, replies) = (Requests::new(Arc::clone(&store)), Replies::new(Arc::clone(&store)));
    (requests, replies, store, client, words)
}

/// A message with so many bytes of body, which differ from one to the next.
fn message(length: usize, first: u8) -> Vec<u8> {
    let mut message = Header::encode(MessageType(14), length).to_vec();
    message.extend((0..length).map(|at| first.wrapping_add(at.to_le_bytes()[0])));
    message
}

/// The longest body in so many words.
const fn body(words: usize) -> usize {
    words * 8 - HEADER_LENGTH
}

#[test]
fn messages_come_as_they_went_round_after_round() {
    let (mut requests, mut replies, store, client, _) = sides();
    let (mut at_store, mut at_client) = (Vec::new(), Vec::new());
    let mut passed = 0;
    for round in 0..3000_usize {
        let first = round.to_le_bytes()[0];
        let (asked, answered) =
            (message(round * 7 % 800, first), message(round * 13 % 900, !first));
        assert!(!store.has_request() && !client.has_reply());
        client.send(&asked).unwrap();
        assert!(store.has_request());
        assert!(requests.take(&mut at_store).unwrap());
        assert_eq!(at_store, asked);
        assert!(!requests.take(&mut at_store).unwrap());
        replies.send(&answered).unwrap();
        assert!(client.has_reply() && client.receive(&mut at_client).unwrap());
        assert_eq!(at_client, answered);
        assert!(!client.receive(&mut at_client).unwrap());
        passed += asked.len() / 8;
    }
    assert!(passed > 10 * at::REQUESTS_LENGTH);
}

#[test]
fn several_at_once_come_one_by_one() {
    let (mut requests, mut replies, _, client, _) = sides();
    let all = [message(0, 0), message(1, 1), message(8, 2), message(77, 3), message(16, 4)];
    let mut got = Vec::new();
    for _ in 0..500 {
        client.send(&all.concat()).unwrap();
        replies.send(&all.concat()).unwrap();
        for one in &all {
            assert!(requests.take(&mut got).unwrap() && got == *one);
            assert!(client.receive(&mut got).unwrap() && got == *one);
        }
    }
}

#[test]
fn one_that_is_not_wanted_stays() {
    let (mut requests, _, store, client, _) = sides();
    let mut got = Vec::new();
    client.send(&message(9, 1)).unwrap();
    assert!(!requests.take_if(&mut got, |bytes| bytes.len() > 1000).unwrap());
    assert!(store.has_request());
    assert!(requests.take_if(&mut got, |bytes| bytes == message(9, 1)).unwrap());
    assert!(!store.has_request());
}

#[test]
fn a_ring_can_be_full_to_the_last_word() {
    for shift in [0, 1, at::REQUESTS_LENGTH / 2, at::REQUESTS_LENGTH - 1] {
        let (mut requests, _, _, client, _) = sides();
        let mut got = Vec::new();
        if shift >= 3 {
            client.send(&message(body(shift), 1)).unwrap();
            requests.take(&mut got).unwrap();
        }
        let whole = message(body(at::REQUESTS_LENGTH), 5);
        assert_eq!(client.send(&[whole.clone(), message(0, 0)].concat()), Err(RingError::Full));
        client.send(&whole).unwrap();
        assert_eq!(client.send(&message(0, 0)), Err(RingError::Full));
        assert!(requests.take(&mut got).unwrap() && got == whole);
        client.send(&message(3, 0)).unwrap();
        assert!(requests.take(&mut got).unwrap() && got == message(3, 0));
    }
    let (_, mut replies, _, client, _) = sides();
    let mut got = Vec::new();
    let too_long = message(body(at::REPLIES_LENGTH) + 1, 5);
    assert_eq!(replies.send(&too_long), Err(RingError::Full));
    replies.send(&too_long[..0]).unwrap();
    assert!(!client.receive(&mut got).unwrap());
    assert!(!ClientPage::could_send(&too_long) && ClientPage::could_send(&message(8000, 0)));
}

#[test]
fn heads_and_lengths_that_make_no_sense_are_refused() {
    let length = at::REQUESTS_LENGTH as u64;
    for head in [length + 1, u64::MAX, 1 << 63, 1, 2] {
        let (mut requests, _, store, _, words) = sides();
        words.word(at::REQUEST_HEAD).store(head, Ordering::Relaxed);
        assert!(store.has_request());
        assert_eq!(requests.take(&mut Vec::new()), Err(RingError::Broken), "{head}");
    }
    // A header alone is all that the head says there is.
    for length in [1, 8, 1 << 40, i64::MAX, -1, i64::MIN] {
        let (mut requests, _, _, client, words) = sides();
        client.send(&message(0, 0)).unwrap();
        words.word(at::REQUESTS + 2).store(length.cast_unsigned(), Ordering::Relaxed);
        assert_eq!(requests.take(&mut Vec::new()), Err(RingError::Broken), "{length}");
    }
    let (mut requests, _, _, client, words) = sides();
    client.send(&message(0, 0)).unwrap();
    words.word(at::REQUESTS).store(1, Ordering::Relaxed);
    assert_eq!(requests.take(&mut Vec::new()), Err(RingError::Broken), "the first word is known");
    let length = at::REPLIES_LENGTH as u64;
    for tail in [length + 1, 1 << 63, u64::MAX] {
        let (_, mut replies, _, _, words) = sides();
        // It is looked at when there is no room otherwise.
        replies.send(&message(body(at::REPLIES_LENGTH), 5)).unwrap();
        words.word(at::REPLY_TAIL).store(tail, Ordering::Relaxed);
        assert_eq!(replies.send(&message(0, 0)), Err(RingError::Broken), "{tail}");
    }
}

/// Otherwise a client could keep a thread of the store looking for ever.
#[test]
fn what_the_store_has_taken_only_the_store_says() {
    let (mut requests, _, store, client, words) = sides();
    words.word(at::REQUEST_TAIL).store(12345, Ordering::Relaxed);
    assert!(!store.has_request());
    assert!(store.fall_asleep());
    words.word(at::REQUEST_TAIL).store(0, Ordering::Relaxed);
    client.send(&message(0, 0)).unwrap();
    assert!(store.has_request() && !store.fall_asleep());
    words.word(at::REQUEST_TAIL).store(3, Ordering::Relaxed);
    assert!(store.has_request());
    assert!(requests.take(&mut Vec::new()).unwrap());
    words.word(at::REQUEST_TAIL).store(0, Ordering::Relaxed);
    assert!(!store.has_request());
}

#[test]
fn only_a_store_that_sleeps_is_woken() {
    let (_, _, store, client, _) = sides();
    let rings = || {
        let mut count = [0; 8];
        rustix::io::read(store.doorbell(), &mut count).map(|_| u64::from_ne_bytes(count)).ok()
    };
    client.send(&message(0, 0)).unwrap();
    client.send(&message(0, 0)).unwrap();
    assert_eq!(rings(), Some(1), "at first it sleeps");
    assert!(!store.fall_asleep(), "there is something to be done");
    client.send(&message(0, 0)).unwrap();
    assert_eq!(rings(), None);
    store.move_away();
    assert!(client.store_moves());
    client.send(&message(0, 0)).unwrap();
    assert_eq!(rings(), None, "it comes by itself");
    assert!(client.store_moves(), "until it says that it is there");
    store.stay_awake();
    assert!(!client.store_moves());
}

/// What a client may do to its page.
#[derive(Debug, Clone)]
enum Misdeed {
    Write(usize, u64),
    Near(usize, u8),
    Send(usize),
    Take,
    Reply(usize),
}

fn misdeeds() -> impl Strategy<Value = Vec<Misdeed>> {
    let place = prop_oneof![
        Just(at::REQUEST_HEAD),
        Just(at::REQUEST_TAIL),
        Just(at::REPLY_HEAD),
        Just(at::REPLY_TAIL),
        at::REQUESTS..at::REQUESTS + 8,
        0..at::WORDS,
    ];
    let misdeed = prop_oneof![
        (place.clone(), any::<u64>()).prop_map(|(place, value)| Misdeed::Write(place, value)),
        (place, any::<u8>()).prop_map(|(place, value)| Misdeed::Near(place, value)),
        (0..5000_usize).prop_map(Misdeed::Send),
        Just(Misdeed::Take),
        (0..20_000_usize).prop_map(Misdeed::Reply),
    ];
    prop::collection::vec(misdeed, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every call comes back, with a message that fits into the ring, with nothing, or with an error.
    #[test]
    fn no_page_hangs_or_ends_the_store(misdeeds in misdeeds()) {
        let (mut requests, mut replies, store, client, words) = sides();
        let mut got = Vec::new();
        for misdeed in misdeeds {
            match misdeed {
                Misdeed::Write(place, value) => words.word(place).store(value, Ordering::Relaxed),
                Misdeed::Near(place, value) => {
                    let word = words.word(place);
                    let old = word.load(Ordering::Relaxed);
                    word.store(old.wrapping_add(value.into()), Ordering::Relaxed);
                }
                Misdeed::Send(length) => drop(client.send(&message(length, 1))),
                Misdeed::Take => {
                    let has = store.has_request();
                    if requests.take(&mut got) == Ok(true) {
                        prop_assert!(has && got.len() <= at::REQUESTS_LENGTH * 8);
                        prop_assert!(got.len() >= HEADER_LENGTH);
                    }
                }
                Misdeed::Reply(length) => drop(replies.send(&message(length, 2))),
            }
        }
    }
}
