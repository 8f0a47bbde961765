//! Space that is set aside for a client's next object, of which the client says what it likes.

use ray_common::ObjectId;
use ray_object_manager::plasma::object_header::OBJECT_HEADER_SIZE;
use ray_object_manager::plasma::protocol::CreateRequest;

use crate::bytes::rand_like::Random;
use crate::harness::{create, creation, delete, id, release, seal, Came, Watched};
use crate::model::scaled;
use crate::shared::{sharer, stands, ONE};
use crate::sharer::{set_aside, Sharer, OFFER, OFFERS_WANTED};

/// A size for which space is set aside.
const SIZE: u64 = 50_000;
const OFFER_PLACE: usize = OFFER + 1;

fn make(one: &mut Sharer, id: ObjectId, size: u64) {
    assert_eq!(one.ask(&create(&creation(id, size))).error(), 0);
    assert_eq!(one.ask(&seal(id)).error(), 0);
    one.say(&release(id, false));
}

/// Brings the store to set space aside. Returns the state of the offer.
pub(crate) fn offered(one: &mut Sharer) -> u64 {
    one.store(OFFERS_WANTED, 1);
    for number in 0..3 {
        let id = id(3_000_000 + std::process::id() + number);
        make(one, id, SIZE);
        assert_eq!(one.ask(&delete(&[id])).error(), 0);
    }
    let state = one.load(OFFER);
    assert!(state != 0 && state.is_multiple_of(2), "{state}");
    state
}

/// Takes it.
pub(crate) fn take(one: &mut Sharer) -> u64 {
    let state = offered(one);
    one.store(OFFER, state | 1);
    state >> 1
}

/// Where the object lies that was just created.
fn place_of(one: &mut Sharer, messages: &[Vec<u8>]) -> u64 {
    one.whisper(messages);
    one.ring();
    let Came::Message(message) = one.hear() else { panic!("no answer") };
    crate::shared::created_at(&message)
}

#[test]
fn one_that_does_as_it_should() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    for _ in 0..100 {
        let number = take(&mut one);
        let place = one.load(OFFER_PLACE);
        let at = place_of(&mut one, &[set_aside(number), create(&creation(ONE, SIZE))]);
        assert_eq!(at, place);
        assert_eq!(one.ask(&seal(ONE)).error(), 0);
        one.say(&release(ONE, false));
        assert_eq!(one.ask(&delete(&[ONE])).error(), 0);
    }
    drop(one);
    store.is_as_before();
}

#[test]
fn what_was_not_taken_or_is_another_is_created_elsewhere() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    for case in 0..6 {
        let number = take(&mut one);
        let place = one.load(OFFER_PLACE);
        let (said, size) = match case {
            0 => (number + 1, SIZE),
            1 => (0, SIZE),
            2 => (u64::MAX, SIZE),
            3 => (number, SIZE - 1),
            4 => (number, 0),
            _ => {
                one.store(OFFER, number << 1);
                (number, SIZE)
            }
        };
        let at = place_of(&mut one, &[set_aside(said), create(&creation(ONE, size))]);
        assert_ne!(at, place, "case {case}");
        assert_eq!(one.ask(&seal(ONE)).error(), 0);
        one.say(&release(ONE, false));
        assert_eq!(one.ask(&delete(&[ONE])).error(), 0);
        // As one that gives it back, so that it can be freed.
        one.store(OFFER, number << 1);
    }
    assert!(stands(&mut one));
    drop(one);
    store.is_as_before();
}

#[test]
fn channels_do_not_lie_there() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    let number = take(&mut one);
    let header = OBJECT_HEADER_SIZE.unsigned_abs();
    let channel = CreateRequest { is_mutable: true, ..creation(ONE, SIZE - header) };
    let at = place_of(&mut one, &[set_aside(number), create(&channel)]);
    assert_ne!(at - header, one.load(OFFER_PLACE));
    assert_eq!(one.load(OFFER), number << 1 | 1, "it is taken as before");
    drop(one);
    store.is_as_before();
}

#[test]
fn what_is_taken_and_never_used_goes_with_its_client() {
    let mut store = Watched::start(&[]);
    let mut others: Vec<Sharer> = (0..10).map(|_| sharer(&store)).collect();
    for other in &mut others {
        take(other);
        other.say(&set_aside(1));
    }
    // What was taken is in use, and nothing else is.
    store.until(|stat| stat["allocated"] == 10 * SIZE && stat["objects"] == 0);
    store.neighbour.works();
    others.truncate(3);
    store.until(|stat| stat["allocated"] == 3 * SIZE);
    drop(others);
    store.is_as_before();
}

#[test]
fn what_is_offered_is_not_seen() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    for _ in 0..100 {
        let state = offered(&mut one);
        let stat = store.stat();
        assert_eq!((&stat["allocated"], &stat["objects"]), (&0.into(), &0.into()));
        assert_eq!(one.load(OFFER), 0, "it was withdrawn");
        // Too late.
        one.store(OFFER, state | 1);
        assert_ne!(one.ask(&set_aside_and(state >> 1)).error(), 1);
        assert_eq!(one.ask(&seal(ONE)).error(), 0);
        one.say(&release(ONE, false));
        assert_eq!(one.ask(&delete(&[ONE])).error(), 0);
    }
    drop(one);
    store.is_as_before();
}

fn set_aside_and(number: u64) -> Vec<u8> {
    [set_aside(number), create(&creation(ONE, SIZE))].concat()
}

#[test]
fn random_words_and_messages() {
    let mut store = Watched::start(&[]);
    let mut random = Random(11);
    for _ in 0..scaled(300) {
        let mut one = sharer(&store);
        let state = offered(&mut one);
        for _ in 0..random.below(6) {
            match random.below(4) {
                0 => one.store(OFFER, state ^ (random.next() % 4)),
                1 => one.store(OFFER + random.below(8), random.next()),
                2 => one.whisper(&[set_aside(state >> 1)]),
                _ => one.whisper(&[create(&creation(ONE, SIZE))]),
            }
        }
        one.ring();
        if random.below(4) == 0 {
            store.neighbour.works();
        }
    }
    store.is_as_before();
}
