//! Space that is set aside: one of the two has it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::{index, pages};
use crate::plasma::shared::layout::page as at;

#[test]
fn space_is_the_clients_from_taking_it_until_giving_it_back() {
    let (index, _) = index();
    let (store, client, _) = pages(&index);
    assert!(!store.wants_offers());
    client.want_offers();
    assert!(store.wants_offers());
    assert_eq!(client.take_offer(100), None);
    store.offer(1, 4096, 100);
    assert!(!store.has_taken(1));
    assert_eq!(client.take_offer(99), None, "another size");
    let offer = client.take_offer(100).unwrap();
    assert_eq!((offer.number, offer.place), (1, 4096));
    assert_eq!(client.take_offer(100), None, "it is taken");
    assert!(store.has_taken(1) && !store.withdraw(1));
    client.give_back(offer);
    assert!(!store.has_taken(1));
    assert!(client.take_offer(100).is_some(), "it is there again");
    client.give_back(offer);
    assert!(store.withdraw(1) && !store.withdraw(1));
    assert_eq!(client.take_offer(100), None);
}

#[test]
fn what_was_said_of_an_offer_that_is_over_says_nothing_of_the_next() {
    let (index, _) = index();
    let (store, client, _) = pages(&index);
    store.offer(1, 4096, 100);
    let first = client.take_offer(100).unwrap();
    store.end_offer();
    assert_eq!(client.take_offer(100), None);
    store.offer(2, 8192, 100);
    client.give_back(first);
    assert!(!store.has_taken(1) && !store.has_taken(2));
    let second = client.take_offer(100).unwrap();
    client.give_back(first);
    assert!(store.has_taken(2), "that is not given back");
    assert_eq!(second.place, 8192);
}

#[test]
fn nonsense_is_no_offer_that_the_store_has_made() {
    let (index, _) = index();
    let (store, _, words) = pages(&index);
    store.offer(5, 4096, 100);
    for state in [0, 1, 9, 12, 13, u64::MAX, u64::MAX - 1] {
        words.word(at::OFFER).store(state, Ordering::SeqCst);
        assert!(!store.has_taken(5) && !store.withdraw(5), "{state}");
    }
    words.word(at::OFFER).store(5 << 1 | 1, Ordering::SeqCst);
    assert!(store.has_taken(5));
}

#[test]
fn both_at_once_never_have_it() {
    /// So often each of the three ways in which an offer can end is seen at least.
    const OFTEN: u64 = 500;
    let (index, _) = index();
    let (store, client, _) = pages(&index);
    // Which of the two writes to a place; nobody may while the other does.
    let places: [AtomicU64; 2] = Default::default();
    let (taken, given) = (AtomicU64::new(0), AtomicU64::new(0));
    let (mut withdrawn, mut number) = (0, 0);
    thread::scope(|scope| {
        let (places, client, taken, given) = (&places, &client, &taken, &given);
        let taker = scope.spawn(move || loop {
            // The last offer has another size.
            if client.take_offer(1).is_some() {
                return;
            }
            let Some(offer) = client.take_offer(64) else {
                thread::yield_now();
                continue;
            };
            let place = &places[usize::try_from(offer.place).unwrap()];
            place.store(offer.number, Ordering::Relaxed);
            thread::yield_now();
            assert_eq!(place.load(Ordering::Relaxed), offer.number);
            if offer.number.is_multiple_of(3) {
                given.fetch_add(1, Ordering::Relaxed);
                client.give_back(offer);
                // Or the store might never see it given back.
                thread::yield_now();
            } else {
                // As if it asked for an object there.
                taken.fetch_add(1, Ordering::Relaxed);
                place.store(u64::MAX, Ordering::Release);
            }
        });
        let seen = |count: &AtomicU64| count.load(Ordering::Relaxed) >= OFTEN;
        let all_seen = |withdrawn| seen(taken) && seen(given) && withdrawn >= OFTEN;
        while !all_seen(withdrawn) && !taker.is_finished() {
            number += 1;
            let place = &places[usize::try_from(number % 2).unwrap()];
            store.offer(number, number % 2, 64);
            // Not always as often: on a single core both would go in step.
            (0..number % 5).for_each(|_| thread::yield_now());
            let mut has_taken = false;
            while !has_taken && !store.withdraw(number) && !taker.is_finished() {
                has_taken = place.load(Ordering::Acquire) == u64::MAX;
                thread::yield_now();
            }
            withdrawn += u64::from(!has_taken);
            store.end_offer();
            // From here on it is the store's.
            place.store(0, Ordering::Relaxed);
            assert_eq!(place.load(Ordering::Relaxed), 0);
        }
        store.offer(number + 1, 0, 1);
        taker.join().unwrap();
    });
    assert_eq!(taken.into_inner() + withdrawn, number);
}
