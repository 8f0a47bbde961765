//! `scheduling_border_test.cc`, with GMock's `main`, and the Rust types that it compares the C++ classes with. Only numbers
//! cross, so nothing here is unsafe.
#![no_main]

use std::sync::Mutex;

use ray_common::scheduling::{FixedPoint, NodeResourceInstanceSet, ResourceId, ResourceSet};
use ray_ffi as _;

#[link(name = "scheduling_border_test", kind = "static", modifiers = "+whole-archive")]
extern "C" {}

static SETS: Mutex<[Option<ResourceSet>; 2]> = Mutex::new([None, None]);
static NODE: Mutex<Option<NodeResourceInstanceSet>> = Mutex::new(None);

fn with_sets<R>(run: impl FnOnce(&mut ResourceSet, &mut ResourceSet) -> R) -> R {
    let mut sets = SETS.lock().expect("no panic");
    let [left, right] = &mut *sets;
    run(left.get_or_insert_default(), right.get_or_insert_default())
}

fn with_node<R>(run: impl FnOnce(&mut NodeResourceInstanceSet) -> R) -> R {
    run(NODE.lock().expect("no panic").get_or_insert_default())
}

#[no_mangle]
extern "C" fn rust_amount(units: f64) -> i64 {
    FixedPoint::from_f64(units).raw()
}

#[no_mangle]
extern "C" fn rust_amount_of_units(units: i64) -> i64 {
    FixedPoint::from_units(units).raw()
}

#[no_mangle]
extern "C" fn rust_units(parts: i64) -> f64 {
    FixedPoint::from_raw(parts).to_f64()
}

#[no_mangle]
extern "C" fn rust_plus(left: i64, right: i64) -> i64 {
    (FixedPoint::from_raw(left) + FixedPoint::from_raw(right)).raw()
}

#[no_mangle]
extern "C" fn rust_minus(left: i64, right: i64) -> i64 {
    (FixedPoint::from_raw(left) - FixedPoint::from_raw(right)).raw()
}

#[no_mangle]
extern "C" fn rust_clear() {
    *SETS.lock().expect("no panic") = [None, None];
}

#[no_mangle]
extern "C" fn rust_set(set: usize, resource: i64, parts: i64) {
    with_sets(|left, right| {
        let set = if set == 0 { left } else { right };
        set.set(ResourceId::from_raw(resource), FixedPoint::from_raw(parts));
    });
}

#[no_mangle]
extern "C" fn rust_add() {
    with_sets(|left, right| *left += right);
}

#[no_mangle]
extern "C" fn rust_subtract() {
    with_sets(|left, right| *left -= right);
}

#[no_mangle]
extern "C" fn rust_get(set: usize, resource: i64) -> i64 {
    with_sets(|left, right| {
        (if set == 0 { left } else { right }).get(ResourceId::from_raw(resource)).raw()
    })
}

#[no_mangle]
extern "C" fn rust_size(set: usize) -> usize {
    with_sets(|left, right| (if set == 0 { left } else { right }).len())
}

#[no_mangle]
extern "C" fn rust_is_at_most() -> bool {
    with_sets(|left, right| left.is_at_most(right))
}

#[no_mangle]
extern "C" fn rust_node_clear() {
    *NODE.lock().expect("no panic") = None;
}

#[no_mangle]
extern "C" fn rust_node_push(resource: i64, instance: usize, parts: i64) {
    with_node(|node| {
        let resource = ResourceId::from_raw(resource);
        let mut amounts = node.get(resource).to_vec();
        amounts.truncate(instance);
        amounts.push(FixedPoint::from_raw(parts));
        node.edit().set(resource, &amounts).expect("there is one");
    });
}

#[no_mangle]
extern "C" fn rust_node_allocate() -> bool {
    with_sets(|_, wanted| with_node(|node| node.edit().try_allocate(wanted.quantities()).is_ok()))
}

#[no_mangle]
extern "C" fn rust_node_get(resource: i64, instance: usize) -> i64 {
    with_node(|node| {
        node.get(ResourceId::from_raw(resource))
            .get(instance)
            .map_or(i64::MIN, |amount| amount.raw())
    })
}
