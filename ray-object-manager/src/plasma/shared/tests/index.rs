//! The index against what was published and taken away.

use std::collections::HashSet;

use proptest::prelude::*;
use ray_common::ObjectId;

use super::{finds, id, index, object, pages, publish, Index, IndexReader, FILE, MMAP_SIZE};
use crate::plasma::allocator::MemFd;
use crate::plasma::protocol::PlasmaObject;
use crate::plasma::shared::layout::index as at;

#[test]
fn what_is_published_is_found_until_it_is_taken_away() {
    let (mut index, reader) = index();
    assert_eq!(reader.file(), None);
    assert!(!finds(&index, &reader, 1));
    publish(&mut index, 1);
    publish(&mut index, 2);
    assert_eq!(reader.file(), Some((FILE, MMAP_SIZE)));
    assert!(finds(&index, &reader, 1) && finds(&index, &reader, 2));
    let place = reader.find(&id(1)).unwrap().place;
    index.retire([&id(1), &id(3)]);
    assert!(!reader.still_holds(&place));
    assert_eq!(index.number_of(place.slot), None);
    assert!(!finds(&index, &reader, 1) && finds(&index, &reader, 2));
    publish(&mut index, 1);
    assert!(finds(&index, &reader, 1));
    assert!(!reader.still_holds(&place), "it has been away");
    index.close();
    assert!(!finds(&index, &reader, 1) && !finds(&index, &reader, 2));
}

#[test]
fn an_object_is_there_once() {
    let (mut index, reader) = index();
    publish(&mut index, 1);
    let place = reader.find(&id(1)).unwrap().place;
    index.publish(&id(1), &object(7), 7);
    assert!(finds(&index, &reader, 1) && reader.still_holds(&place));
    index.retire([&id(1)]);
    assert!(!finds(&index, &reader, 1), "there is no other");
}

#[test]
fn every_bit_of_an_id_counts() {
    let (mut index, reader) = index();
    publish(&mut index, 1);
    let others: Vec<ObjectId> = (0..ObjectId::LENGTH * 8)
        .map(|bit| {
            let mut bytes = *id(1).as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            ObjectId::from_bytes(bytes)
        })
        .collect();
    assert!(others.iter().all(|other| reader.find(other).is_none()));
    index.retire(&others);
    assert!(finds(&index, &reader, 1));
    for (number, other) in (100..).zip(&others) {
        index.publish(other, &object(number), number);
    }
    for (number, other) in (100..).zip(&others) {
        assert_eq!(reader.find(other).unwrap().data_offset, number * 64);
    }
    assert!(finds(&index, &reader, 1));
}

#[test]
fn what_cannot_be_in_the_index_is_not() {
    let (mut index, reader) = index();
    let plain = object(1);
    let odd = [
        PlasmaObject { is_mutable: true, ..plain },
        PlasmaObject { fallback_allocated: true, ..plain },
        PlasmaObject { device_num: 1, ..plain },
        PlasmaObject { data_offset: 32, ..plain },
        PlasmaObject { data_size: 0, metadata_size: 0, ..plain },
        PlasmaObject { metadata_size: 1 << 32, ..plain },
    ];
    for object in odd {
        index.publish(&id(1), &object, 1);
        assert_eq!(reader.find(&id(1)), None, "{object:?}");
    }
    assert_eq!(reader.file(), None, "none of them says which file it is");
    publish(&mut index, 2);
    for store_fd in [MemFd { fd: 6, ..FILE }, MemFd { unique_id: 10, ..FILE }] {
        assert!(!index.is_of(store_fd));
        index.publish(&id(1), &PlasmaObject { store_fd, ..plain }, 1);
        assert_eq!(reader.find(&id(1)), None);
    }
    assert!(index.is_of(FILE));
    let metadata_only = PlasmaObject { data_size: 0, metadata_size: u32::MAX.into(), ..plain };
    index.publish(&id(1), &metadata_only, 1);
    assert_eq!(reader.find(&id(1)).unwrap().metadata_size, u64::from(u32::MAX));
}

/// As many objects as there are slots: not all find one near enough.
#[test]
fn whoever_finds_no_room_is_not_there_and_can_come_later() {
    let (mut index, reader) = index();
    let all = u32::try_from(at::slots(0)).unwrap();
    (0..all).for_each(|number| publish(&mut index, number));
    let (there, missing): (Vec<u32>, Vec<u32>) =
        (0..all).partition(|number| finds(&index, &reader, *number));
    assert!(there.len() > all as usize / 2 && !missing.is_empty());
    there.iter().for_each(|number| index.retire([&id(*number)]));
    assert!((0..all).all(|number| !finds(&index, &reader, number)));
    missing.iter().for_each(|number| publish(&mut index, *number));
    let found = missing.iter().filter(|number| finds(&index, &reader, **number)).count();
    assert!(found > missing.len() / 2);
}

/// Publishes objects, going on with another table when it is due. Returns how often that was.
fn fill(index: &mut Index, numbers: std::ops::Range<u32>) -> usize {
    let (mut changes, objects) = (0, numbers.end as usize);
    for number in numbers {
        publish(index, number);
        if index.wants_other_table(objects) {
            index.leave_table();
            index.change_table(objects);
            changes += 1;
        }
    }
    changes
}

/// Whether nearly all are found: when a table is half full, one in thousands finds no room near enough.
fn finds_most(index: &Index, reader: &IndexReader, numbers: std::ops::Range<u32>) -> bool {
    let found = numbers.clone().filter(|number| finds(index, reader, *number)).count();
    found * 100 > numbers.len() * 99
}

#[test]
fn the_table_grows_with_the_objects_and_shrinks_with_them() {
    let (mut index, reader) = index();
    let places = |numbers: std::ops::Range<u32>| -> Vec<_> {
        numbers.filter_map(|number| reader.find(&id(number))).map(|found| found.place).collect()
    };
    let half = u32::try_from(at::slots(0)).unwrap() / 2;
    assert_eq!(fill(&mut index, 0..half), 0);
    assert!(finds_most(&index, &reader, 0..half));
    let old = places(0..half);
    assert_eq!(fill(&mut index, half..half + half / 4), 1, "and it stays");
    assert!(places(0..half).is_empty(), "the new one is empty at first");
    assert!(finds_most(&index, &reader, half + half / 8..half + half / 4));
    assert_eq!(fill(&mut index, 0..half), 0, "they come back when they are asked for");
    assert!((0..half).all(|number| finds(&index, &reader, number)), "there is much room");
    let second = places(0..half);
    index.retire((0..2 * half).map(id).collect::<Vec<_>>().iter());
    let few = at::slots(1) / 32;
    assert!(!index.wants_other_table(few), "there are enough objects for it");
    assert!(index.wants_other_table(few - 1));
    index.leave_table();
    index.change_table(few - 1);
    assert!(!index.wants_other_table(0), "there is none smaller");
    assert_eq!(fill(&mut index, 0..half), 0);
    assert!(finds_most(&index, &reader, 0..half));
    assert!(old.iter().chain(&second).all(|place| !reader.still_holds(place)));
    let now: HashSet<usize> = places(0..half).iter().map(|place| place.slot).collect();
    assert!(old.iter().any(|place| now.contains(&place.slot)), "slots are used again");
}

/// Between the two, the store adopts: it knows the objects, and nobody can pin one who has not.
#[test]
fn a_table_is_left_before_another_comes() {
    let (mut index, reader) = index();
    let (store, client, _) = pages(&index);
    publish(&mut index, 1);
    publish(&mut index, 2);
    let late = reader.find(&id(2)).unwrap();
    let (pin, _) = client.pin(&id(1)).unwrap();
    index.leave_table();
    assert!(!client.is_unseen(&pin) && !reader.still_holds(&late.place));
    assert_eq!((client.pin(&id(1)), client.pin(&id(2))), (None, None));
    let named: Vec<_> = store.pins().filter_map(|(_, slot)| index.number_of(slot)).collect();
    assert_eq!(named, [1]);
    index.change_table(0);
    assert_eq!(store.pins().filter_map(|(_, slot)| index.number_of(slot)).count(), 0);
    publish(&mut index, 1);
    assert!(!client.is_unseen(&pin) && client.pin(&id(1)).is_some());
}

/// A step of a store.
#[derive(Debug, Clone)]
enum Step {
    Publish(u32),
    Retire(Vec<u32>),
    Change,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0..40_u32;
    let step = prop_oneof![
        8 => number.clone().prop_map(Step::Publish),
        4 => prop::collection::vec(number, 1..4).prop_map(Step::Retire),
        1 => Just(Step::Change),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn it_has_what_a_set_has(steps in steps()) {
        let (mut index, reader) = index();
        let mut model = HashSet::new();
        let mut gone = Vec::new();
        for step in steps {
            let before: Vec<_> = (0..40).filter_map(|number| reader.find(&id(number))).collect();
            match step {
                Step::Publish(number) => {
                    publish(&mut index, number);
                    model.insert(number);
                }
                Step::Retire(numbers) => {
                    index.retire(numbers.iter().map(|number| id(*number)).collect::<Vec<_>>().iter());
                    numbers.iter().for_each(|number| { model.remove(number); });
                }
                Step::Change => {
                    index.leave_table();
                    index.change_table(0);
                    model.clear();
                }
            }
            let places = before.iter().map(|listed| listed.place);
            gone.extend(places.filter(|place| !reader.still_holds(place)));
            for number in 0..40 {
                prop_assert_eq!(finds(&index, &reader, number), model.contains(&number));
            }
            prop_assert!(gone.iter().all(|place| !reader.still_holds(place)), "never again");
        }
    }
}
