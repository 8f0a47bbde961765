//! Behind `resource_instance_set.h`: allocation over a table of instances that C++ has.

use std::pin::Pin;

use cxx::CxxString;
use ray_common::scheduling::bundle_index::BundleIndex;
use ray_common::scheduling::instance_table::{split, InstanceError, InstanceTable, Instances};
use ray_common::scheduling::node;
use ray_common::scheduling::quantities::Quantity;
use ray_common::scheduling::{FixedPoint, ResourceId};

use super::{slice, slice_mut};

#[allow(clippy::too_many_arguments)] // two slices are four
#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    unsafe extern "C++" {
        include!("plasma_rs/scheduling/hooks.h");

        unsafe fn instances_of(table: *mut u8, resource: i64, count: &mut usize) -> *mut i64;
        unsafe fn set_instances(table: *mut u8, resource: i64, amounts: *const i64, count: usize);
        unsafe fn remove_instances(table: *mut u8, resource: i64);
    }

    extern "Rust" {
        type BundleIndexHandle;

        fn bundle_index_new() -> Box<BundleIndexHandle>;
        fn copy(self: &BundleIndexHandle) -> Box<BundleIndexHandle>;

        // Each changes the `InstanceMap` at `table`; if it is false, `fault` says why it was not changed.
        unsafe fn set(
            self: &mut BundleIndexHandle,
            table: *mut u8,
            resource: i64,
            amounts: *const i64,
            count: usize,
            fault: Pin<&mut CxxString>,
        ) -> bool;
        unsafe fn remove(self: &mut BundleIndexHandle, table: *mut u8, resource: i64);
        unsafe fn free_instances(
            self: &mut BundleIndexHandle,
            table: *mut u8,
            resource: i64,
            amounts: *const i64,
            count: usize,
            fault: Pin<&mut CxxString>,
        ) -> bool;
        unsafe fn add(
            self: &mut BundleIndexHandle,
            table: *mut u8,
            resource: i64,
            amounts: *const i64,
            count: usize,
            fault: Pin<&mut CxxString>,
        ) -> bool;
        /// `missing` has room for `count` amounts.
        unsafe fn subtract(
            self: &mut BundleIndexHandle,
            table: *mut u8,
            resource: i64,
            amounts: *const i64,
            count: usize,
            below_zero: bool,
            missing: *mut i64,
            fault: Pin<&mut CxxString>,
        ) -> bool;
        /// What was taken goes to the `InstanceMap` at `taken`. `fault` stays empty if there was not enough.
        unsafe fn try_allocate(
            self: &mut BundleIndexHandle,
            table: *mut u8,
            demands: *const u8,
            count: usize,
            taken: *mut u8,
            fault: Pin<&mut CxxString>,
        ) -> bool;

        fn unit_instances_in(
            resource: i64,
            amount: i64,
            count: &mut usize,
            fault: Pin<&mut CxxString>,
        ) -> bool;
        fn resource_utilization(total: i64, available: i64, used: i64, is_used: bool) -> f32;
    }
}

/// The index of a `ray::NodeResourceInstanceSet`.
pub struct BundleIndexHandle(BundleIndex);

fn bundle_index_new() -> Box<BundleIndexHandle> {
    Box::new(BundleIndexHandle(BundleIndex::default()))
}

/// The address of a `plasma_rs::InstanceMap`.
struct CxxTable(*mut u8);

impl InstanceTable for CxxTable {
    fn get(&self, resource: ResourceId) -> Option<&[FixedPoint]> {
        let mut count = 0;
        // SAFETY: the map is alive as long as the call of the shell's that made this table.
        let amounts = unsafe { ffi::instances_of(self.0, resource.raw(), &mut count) };
        // SAFETY: the vector of this resource, which is changed through this table only.
        (!amounts.is_null()).then(|| unsafe { slice(amounts, count) })
    }

    fn get_mut(&mut self, resource: ResourceId) -> Option<&mut [FixedPoint]> {
        let mut count = 0;
        // SAFETY: as above.
        let amounts = unsafe { ffi::instances_of(self.0, resource.raw(), &mut count) };
        // SAFETY: as above.
        (!amounts.is_null()).then(|| unsafe { slice_mut(amounts, count) })
    }

    fn set(&mut self, resource: ResourceId, amounts: &[FixedPoint]) {
        // SAFETY: as above; the amounts are copied, and do not lie in the map, for it is borrowed.
        unsafe {
            ffi::set_instances(self.0, resource.raw(), amounts.as_ptr().cast(), amounts.len());
        }
    }

    fn remove(&mut self, resource: ResourceId) {
        // SAFETY: as above.
        unsafe { ffi::remove_instances(self.0, resource.raw()) }
    }
}

impl BundleIndexHandle {
    fn copy(&self) -> Box<Self> {
        Box::new(Self(self.0.clone()))
    }

    /// Runs `change` on the table and this index.
    ///
    /// # Safety
    ///
    /// At `table` is a `plasma_rs::InstanceMap` that nobody else uses.
    unsafe fn edit<R>(
        &mut self,
        table: *mut u8,
        change: impl FnOnce(&mut Instances<'_, CxxTable>) -> R,
    ) -> R {
        change(&mut Instances { table: &mut CxxTable(table), bundles: &mut self.0 })
    }

    unsafe fn set(
        &mut self,
        table: *mut u8,
        resource: i64,
        amounts: *const i64,
        count: usize,
        fault: Pin<&mut CxxString>,
    ) -> bool {
        // SAFETY: the shell passes its map, and a vector that is not in it.
        let result = unsafe {
            let amounts = slice(amounts, count);
            self.edit(table, |table| table.set(ResourceId::from_raw(resource), amounts))
        };
        told(result, fault).is_some()
    }

    unsafe fn remove(&mut self, table: *mut u8, resource: i64) {
        // SAFETY: the shell passes its map.
        unsafe { self.edit(table, |table| table.remove(ResourceId::from_raw(resource))) }
    }

    unsafe fn free_instances(
        &mut self,
        table: *mut u8,
        resource: i64,
        amounts: *const i64,
        count: usize,
        fault: Pin<&mut CxxString>,
    ) -> bool {
        // SAFETY: the shell passes its map, and a vector that is not in it.
        let result = unsafe {
            let amounts = slice(amounts, count);
            self.edit(table, |table| table.free(ResourceId::from_raw(resource), amounts))
        };
        told(result, fault).is_some()
    }

    unsafe fn add(
        &mut self,
        table: *mut u8,
        resource: i64,
        amounts: *const i64,
        count: usize,
        fault: Pin<&mut CxxString>,
    ) -> bool {
        // SAFETY: the shell passes its map, and a vector that is not in it.
        let result = unsafe {
            let amounts = slice(amounts, count);
            self.edit(table, |table| table.add(ResourceId::from_raw(resource), amounts))
        };
        told(result, fault).is_some()
    }

    #[allow(clippy::too_many_arguments)] // two slices are four
    unsafe fn subtract(
        &mut self,
        table: *mut u8,
        resource: i64,
        amounts: *const i64,
        count: usize,
        below_zero: bool,
        missing: *mut i64,
        fault: Pin<&mut CxxString>,
    ) -> bool {
        let resource = ResourceId::from_raw(resource);
        // SAFETY: the shell passes its map, and two vectors that are not in it.
        let (result, missing) = unsafe {
            let amounts = slice(amounts, count);
            let result = self.edit(table, |table| table.subtract(resource, amounts, below_zero));
            (result, slice_mut::<FixedPoint, _>(missing, count))
        };
        told(result, fault).map(|found| missing.copy_from_slice(&found)).is_some()
    }

    unsafe fn try_allocate(
        &mut self,
        table: *mut u8,
        demands: *const u8,
        count: usize,
        taken: *mut u8,
        fault: Pin<&mut CxxString>,
    ) -> bool {
        // SAFETY: the shell passes its map, the entries of a set, and another map.
        let result = unsafe {
            let demands = slice::<Quantity, _>(demands, count);
            self.edit(table, |table| table.try_allocate(demands))
        };
        match result {
            Ok(allocation) => {
                let mut taken = CxxTable(taken);
                for (resource, amounts) in &allocation {
                    taken.set(*resource, amounts);
                }
                true
            }
            Err(InstanceError::NotEnough { .. }) => false,
            Err(error) => told::<()>(Err(error), fault).is_some(),
        }
    }
}

/// The value; the error, if it is one, goes to `fault`.
fn told<T>(result: Result<T, InstanceError>, fault: Pin<&mut CxxString>) -> Option<T> {
    result.map_err(|error| fault.push_str(&error.to_string())).ok()
}

fn unit_instances_in(
    resource: i64,
    amount: i64,
    count: &mut usize,
    fault: Pin<&mut CxxString>,
) -> bool {
    let amounts = split(ResourceId::from_raw(resource), FixedPoint::from_raw(amount));
    told(amounts, fault).map(|amounts| *count = amounts.len()).is_some()
}

fn resource_utilization(total: i64, available: i64, used: i64, is_used: bool) -> f32 {
    let used = is_used.then_some(FixedPoint::from_raw(used));
    node::utilization(FixedPoint::from_raw(total), FixedPoint::from_raw(available), used)
}
