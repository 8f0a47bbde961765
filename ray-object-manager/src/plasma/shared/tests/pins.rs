//! What a client has pinned, as the store sees it.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::{id, index, object, pages, publish};
use crate::plasma::shared::layout::{self, page as at};
use crate::plasma::shared::Unseen;

#[test]
fn a_pin_is_seen_while_it_is_there() {
    let (mut index, _) = index();
    let (store, client, _) = pages(&index);
    assert_eq!(client.pin(&id(1)), None);
    publish(&mut index, 1);
    publish(&mut index, 2);
    let (pin, listed) = client.pin(&id(1)).unwrap();
    assert_eq!(listed.data_offset, 64);
    assert!(store.has_pinned(64) && !store.has_pinned(128));
    let pins: Vec<_> = store.pins().collect();
    assert_eq!(pins.iter().map(|pin| pin.0).collect::<Vec<_>>(), [1]);
    assert_eq!(index.number_of(pins[0].1), Some(1));
    assert!(client.is_unseen(&pin) && client.unpin(&pin));
    assert!(!store.has_pinned(64));
    assert_eq!(store.pins().count(), 0);
    assert!(client.contains(&id(1)) && !client.contains(&id(3)));
    assert_eq!(store.unseen(), Unseen { gets: 1, contains: 1, releases: 1 });
}

#[test]
fn who_unpins_hears_that_the_store_has_looked() {
    let (mut index, _) = index();
    let (store, client, _) = pages(&index);
    publish(&mut index, 1);
    let (pin, _) = client.pin(&id(1)).unwrap();
    index.retire([&id(1)]);
    assert!(store.has_pinned(64));
    assert_eq!(client.pin(&id(1)), None, "not any more");
    assert!(!client.is_unseen(&pin));
    publish(&mut index, 1);
    assert!(!client.is_unseen(&pin), "that is another entry");
    let (second, _) = client.pin(&id(1)).unwrap();
    assert!(!client.unpin(&pin));
    assert!(store.has_pinned(64), "the other is there");
    assert!(client.unpin(&second));
    assert!(!store.has_pinned(64));
}

#[test]
fn a_pin_that_comes_too_late_is_none() {
    let (mut index, reader) = index();
    let (store, client, _) = pages(&index);
    publish(&mut index, 1);
    let found = reader.find(&id(1)).unwrap();
    index.retire([&id(1)]);
    assert!(!reader.still_holds(&found.place));
    assert_eq!(client.pin(&id(1)), None);
    assert!(!store.has_pinned(64));
    assert_eq!(store.unseen().gets, 0);
}

#[test]
fn a_line_can_be_full() {
    let (mut index, _) = index();
    let (store, client, _) = pages(&index);
    let line = layout::line(1);
    let same: Vec<u32> = (1..).filter(|n| layout::line((*n).into()) == line).take(9).collect();
    same.iter().for_each(|number| publish(&mut index, *number));
    let pins: Vec<_> = same[..8].iter().map(|number| client.pin(&id(*number)).unwrap()).collect();
    assert_eq!(client.pin(&id(same[8])), None);
    assert!(!store.has_pinned(u64::from(same[8]) * 64));
    assert!(same[..8].iter().all(|number| store.has_pinned(u64::from(*number) * 64)));
    assert!(client.unpin(&pins[3].0));
    assert!(client.pin(&id(same[8])).is_some());
    let other = (1..).find(|number| layout::line((*number).into()) != line).unwrap();
    publish(&mut index, other);
    assert!(client.pin(&id(other)).is_some(), "other lines have room");
}

#[test]
fn what_is_too_far_away_cannot_be_pinned() {
    let (mut index, _) = index();
    let (store, client, _) = pages(&index);
    let mut far = object(1);
    far.data_offset = 64 << 40;
    index.publish(&id(1), &far, 1);
    assert_eq!(client.pin(&id(1)), None);
    far.data_offset -= 64;
    index.publish(&id(2), &far, 2);
    assert!(client.pin(&id(2)).is_some() && store.has_pinned(far.data_offset));
}

#[test]
fn the_store_hears_of_the_last_releases_in_order() {
    let (mut index, _) = index();
    let (store, client, words) = pages(&index);
    (1..=1000).for_each(|number| publish(&mut index, number));
    let use_one = |number: u32| assert!(client.unpin(&client.pin(&id(number)).unwrap().0));
    let keys = |seen: u64| {
        let (pins, now) = store.let_go(seen);
        (pins.iter().map(|pin| pin.0).collect::<Vec<u64>>(), now)
    };
    assert_eq!(keys(0), (vec![], 0));
    [3, 1, 2].into_iter().for_each(use_one);
    assert_eq!(keys(0), (vec![3, 1, 2], 3));
    use_one(3);
    assert_eq!(keys(3), (vec![3], 4));
    assert_eq!(keys(4), (vec![], 4));
    (1..=1000).for_each(use_one);
    let last: Vec<u64> = (1001 - at::LET_GO_LENGTH as u64..=1000).collect();
    assert_eq!(keys(4), (last.clone(), 1004));
    assert_eq!(keys(1004 - 5), (last[last.len() - 5..].to_vec(), 1004));
    // Whatever the client says, it is not more than there can be.
    for count in [0, 3, 1003, u64::MAX, 1 << 63] {
        words.word(at::LET_GO_COUNT).store(count, Ordering::Relaxed);
        let (pins, now) = store.let_go(1004);
        assert!(pins.len() <= at::LET_GO_LENGTH && now == count);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in a page, the store can read.
    #[test]
    fn nonsense_is_harmless(seed in any::<u64>(), seen in any::<u64>()) {
        let (mut index, _) = index();
        let (store, _, words) = pages(&index);
        publish(&mut index, 1);
        let mut state = seed | 1;
        for number in 0..at::WORDS {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            words.word(number).store(state, Ordering::Relaxed);
        }
        prop_assert!(store.pins().count() <= at::LINES * at::LINE);
        let slots = store.pins().map(|pin| pin.1).chain([usize::MAX]);
        prop_assert!(slots.filter_map(|slot| index.number_of(slot)).all(|number| number == 1));
        prop_assert!(store.let_go(seen).0.len() <= at::LET_GO_LENGTH);
        store.has_pinned(u64::MAX);
        store.wake_client();
        store.unseen();
    }
}
