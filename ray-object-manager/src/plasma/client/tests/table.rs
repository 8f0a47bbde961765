//! Who uses which object.

use std::sync::Arc;

use ray_sys::{ReceivedFile, ReceivedFileOptions};

use super::{file, id, object};
use crate::plasma::client::object::RawObject;
use crate::plasma::client::table::{Table, Taken};
use crate::plasma::protocol::PlasmaObject;

fn raw(fallback_allocated: bool) -> RawObject {
    let file = ReceivedFile::map(file().into(), 4096, ReceivedFileOptions::default()).unwrap();
    RawObject::new(Arc::new(file), PlasmaObject { fallback_allocated, ..object() }).unwrap()
}

fn count(table: &Table, number: u8) -> Option<usize> {
    table.state(&id(number)).map(|in_use| in_use.count)
}

#[test]
fn references_are_counted_down_to_the_last_which_stays() {
    let mut table = Table::default();
    assert!(table.insert_created(id(1), raw(true), 2));
    assert!(!table.insert_created(id(1), raw(false), 7));
    assert!(table.add(&id(1)) && !table.add(&id(2)));
    assert_eq!(table.take(&id(1)), Taken::OthersLeft);
    assert_eq!(table.take(&id(1)), Taken::OthersLeft);
    for _ in 0..3 {
        let Taken::Last(in_use) = table.take(&id(1)) else { panic!("others are left") };
        assert!(in_use.count == 1 && !in_use.sealed && in_use.fallback_allocated);
    }
    assert_eq!(table.take(&id(2)), Taken::Unknown);
    assert!(table.remove(&id(1)).0.is_some() && table.remove(&id(1)).0.is_none());
    assert_eq!(count(&table, 1), None);
}

#[test]
fn only_sealed_objects_are_found_each_place_with_a_reference() {
    let mut table = Table::default();
    table.insert_created(id(1), raw(false), 1);
    table.insert_sealed(id(2), raw(false));
    let ids = [id(2), id(1), id(2), id(3)];
    let mut found = vec![None; 4];
    assert!(!table.find(&ids, &mut found));
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!((count(&table, 1), count(&table, 2)), (Some(1), Some(2)));
    table.seal(&id(1));
    table.seal(&id(4));
    assert!(!table.find(&ids, &mut found), "one is still missing");
    assert_eq!((count(&table, 1), count(&table, 2)), (Some(2), Some(2)), "found once only");
    table.insert_sealed(id(3), raw(false));
    assert!(table.find(&ids, &mut found) && table.find(&[], &mut []));
    assert_eq!(count(&table, 3), Some(1));
}

#[test]
fn an_object_that_comes_again_keeps_its_count_and_is_sealed() {
    let mut table = Table::default();
    table.insert_created(id(1), raw(false), 3);
    table.insert_sealed(id(1), raw(false));
    let state = table.state(&id(1)).unwrap();
    assert!(state.count == 3 && state.sealed);
}

#[test]
fn what_is_to_be_deleted_is_forgotten_with_the_object() {
    let mut table = Table::default();
    assert!(!table.delete_later(&id(1)));
    table.insert_created(id(1), raw(false), 1);
    assert!(table.delete_later(&id(1)) && table.delete_later(&id(1)));
    assert!(table.remove(&id(1)).1);
    table.insert_created(id(1), raw(false), 1);
    assert!(!table.remove(&id(1)).1);
}
