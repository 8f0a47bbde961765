//! Behind `resource_set.h`: arithmetic on the amounts that a `plasma_rs::Quantities` has.

use ray_common::scheduling::quantities::{self, Default, Operation, Quantity};
use ray_common::scheduling::FixedPoint;

use super::{slice, slice_mut};

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    extern "Rust" {
        /// What is missing, in the upper half, and the new defaults (`quantities::Rest`): one number returns in a register. If
        /// nothing is missing, the defaults are removed already, and the set is shorter by so many.
        unsafe fn combine_quantities(
            into: *mut u8,
            length: usize,
            from: *const u8,
            count: usize,
            subtract: bool,
            on_node: bool,
        ) -> u64;
        unsafe fn settle_quantities(
            buffer: *mut u8,
            room: usize,
            length: usize,
            from: *const u8,
            count: usize,
            subtract: bool,
            on_node: bool,
        ) -> usize;
        unsafe fn is_at_most(
            left: *const u8,
            length: usize,
            right: *const u8,
            count: usize,
        ) -> bool;
        unsafe fn node_covers(
            available: *const u8,
            length: usize,
            used: *const u8,
            used_count: usize,
            wanted: *const u8,
            wanted_count: usize,
        ) -> bool;
        unsafe fn remove_negative(set: *mut u8, length: usize) -> usize;
    }
}

// C++ asserts the same in plasma_rs/scheduling/quantities.h.
const _: () = assert!(size_of::<Quantity>() == 16 && std::mem::offset_of!(Quantity, amount) == 8);

fn rules(subtract: bool, on_node: bool) -> (Operation, Default) {
    let operation = if subtract { Operation::Subtract } else { Operation::Add };
    (operation, if on_node { Default::OnNode } else { Default::Nothing })
}

unsafe fn combine_quantities(
    into: *mut u8,
    length: usize,
    from: *const u8,
    count: usize,
    subtract: bool,
    on_node: bool,
) -> u64 {
    // SAFETY: the shell passes the entries of two sets that are not the same.
    let (into, from) = unsafe { (slice_mut(into, length), slice(from, count)) };
    let (operation, default) = rules(subtract, on_node);
    let rest = quantities::combine(into, from, operation, default);
    if rest.missing == 0 && rest.defaults > 0 {
        quantities::remove_if(into, |quantity| default.is(quantity));
    }
    (rest.missing as u64) << 32 | rest.defaults as u64
}

unsafe fn settle_quantities(
    buffer: *mut u8,
    room: usize,
    length: usize,
    from: *const u8,
    count: usize,
    subtract: bool,
    on_node: bool,
) -> usize {
    // SAFETY: the shell passes the entries of two sets that are not the same; it has made room for `room` in the first.
    let (buffer, from) = unsafe { (slice_mut(buffer, room), slice(from, count)) };
    let (operation, default) = rules(subtract, on_node);
    quantities::settle(buffer, length, from, operation, default)
}

unsafe fn is_at_most(left: *const u8, length: usize, right: *const u8, count: usize) -> bool {
    // SAFETY: the shell passes the entries of two sets.
    let (left, right) = unsafe { (slice(left, length), slice(right, count)) };
    quantities::is_at_most(left, right)
}

unsafe fn node_covers(
    available: *const u8,
    length: usize,
    used: *const u8,
    used_count: usize,
    wanted: *const u8,
    wanted_count: usize,
) -> bool {
    // SAFETY: the shell passes the entries of three sets.
    let (available, used, wanted) =
        unsafe { (slice(available, length), slice(used, used_count), slice(wanted, wanted_count)) };
    quantities::node_covers(available, used, wanted)
}

unsafe fn remove_negative(set: *mut u8, length: usize) -> usize {
    // SAFETY: the shell passes the entries of a set.
    let set = unsafe { slice_mut(set, length) };
    quantities::remove_if(set, |quantity: Quantity| quantity.amount < FixedPoint::ZERO)
}
