//! Behind `scheduling_ids.h` and `placement_group_util.h`: names of resources and nodes.

use std::ops::Deref;
use std::pin::Pin;

use cxx::CxxString;
use ray_common::scheduling::bundle;
use ray_common::scheduling::names::{NameTable, NIL};
use ray_common::scheduling::{ResourceId, SchedulingNodeId};

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    extern "Rust" {
        type NameTableHandle;

        fn name_table_new() -> Box<NameTableHandle>;
        fn name_table_of_resources() -> Box<NameTableHandle>;
        fn name_table_of_nodes() -> Box<NameTableHandle>;
        fn find(self: &NameTableHandle, name: &[u8]) -> i64;
        /// Null if there is none. Names stay where they are as long as the table lives.
        fn name(self: &NameTableHandle, id: i64, length: &mut usize) -> *const u8;
        fn insert(self: &NameTableHandle, name: &CxxString, hash: i64) -> i64;
        fn insert_bounded(
            self: &NameTableHandle,
            name: &CxxString,
            hash: i64,
            count: u8,
            fault: Pin<&mut CxxString>,
        ) -> i64;
        fn insert_as(
            self: &NameTableHandle,
            name: &CxxString,
            id: i64,
            fault: Pin<&mut CxxString>,
        ) -> bool;
        fn len(self: &NameTableHandle) -> usize;

        fn is_implicit_resource(resource: i64) -> bool;
        fn is_cpu_resource(resource: i64) -> bool;

        fn is_unit_instance(resource: i64) -> bool;
        fn add_unit_instance(resource: i64);
        fn clear_unit_instances();
        fn unit_instance_count() -> usize;
        fn configure_unit_instances(
            predefined: &CxxString,
            custom: &CxxString,
            fault: Pin<&mut CxxString>,
        ) -> bool;

        fn parse_bundle_name(
            name: &CxxString,
            groups: bool,
            bundles: bool,
            original: Pin<&mut CxxString>,
            index: &mut i64,
            group: Pin<&mut CxxString>,
        ) -> bool;
    }
}

/// A `ray::StringIdMap`: a table of its own, or one of the process's.
pub enum NameTableHandle {
    Own(NameTable),
    Shared(&'static NameTable),
}

impl Deref for NameTableHandle {
    type Target = NameTable;

    fn deref(&self) -> &NameTable {
        match self {
            Self::Own(table) => table,
            Self::Shared(table) => table,
        }
    }
}

fn name_table_new() -> Box<NameTableHandle> {
    Box::new(NameTableHandle::Own(NameTable::new()))
}

fn name_table_of_resources() -> Box<NameTableHandle> {
    Box::new(NameTableHandle::Shared(ResourceId::table()))
}

fn name_table_of_nodes() -> Box<NameTableHandle> {
    Box::new(NameTableHandle::Shared(SchedulingNodeId::table()))
}

impl NameTableHandle {
    fn find(&self, name: &[u8]) -> i64 {
        self.id(name).unwrap_or(NIL)
    }

    fn name(&self, id: i64, length: &mut usize) -> *const u8 {
        self.with_name(id, |name| {
            *length = name.map_or(0, <[u8]>::len);
            name.map_or(std::ptr::null(), <[u8]>::as_ptr)
        })
    }

    fn insert(&self, name: &CxxString, hash: i64) -> i64 {
        self.insert_hashed(name.as_bytes(), || hash)
    }

    fn insert_bounded(
        &self,
        name: &CxxString,
        hash: i64,
        count: u8,
        fault: Pin<&mut CxxString>,
    ) -> i64 {
        let inserted = NameTable::insert_bounded(self, name.as_bytes(), hash, count);
        inserted.unwrap_or_else(|error| {
            fault.push_str(&error.to_string());
            NIL
        })
    }

    fn insert_as(&self, name: &CxxString, id: i64, fault: Pin<&mut CxxString>) -> bool {
        told(NameTable::insert_as(self, name.as_bytes(), id), fault)
    }

    fn len(&self) -> usize {
        NameTable::len(self)
    }
}

/// Whether it went well; the error, if not, goes to `fault`.
fn told<E: std::fmt::Display>(result: Result<(), E>, fault: Pin<&mut CxxString>) -> bool {
    result.map_err(|error| fault.push_str(&error.to_string())).is_ok()
}

fn is_implicit_resource(resource: i64) -> bool {
    ResourceId::from_raw(resource).is_implicit()
}

fn is_cpu_resource(resource: i64) -> bool {
    ResourceId::from_raw(resource).is_cpu()
}

fn is_unit_instance(resource: i64) -> bool {
    ResourceId::from_raw(resource).is_unit_instance()
}

fn add_unit_instance(resource: i64) {
    let mut units = ResourceId::unit_instances();
    let resource = ResourceId::from_raw(resource);
    if !units.contains(&resource) {
        units.push(resource);
        ResourceId::set_unit_instances(units);
    }
}

fn clear_unit_instances() {
    ResourceId::set_unit_instances(Vec::new());
}

fn unit_instance_count() -> usize {
    ResourceId::unit_instances().len()
}

fn configure_unit_instances(
    predefined: &CxxString,
    custom: &CxxString,
    fault: Pin<&mut CxxString>,
) -> bool {
    told(ResourceId::configure_unit_instances(predefined.as_bytes(), custom.as_bytes()), fault)
}

fn parse_bundle_name(
    name: &CxxString,
    groups: bool,
    bundles: bool,
    original: Pin<&mut CxxString>,
    index: &mut i64,
    group: Pin<&mut CxxString>,
) -> bool {
    let name = name.as_bytes();
    let of_group = groups.then(|| bundle::parse_group(name)).flatten();
    let parsed = of_group.or_else(|| bundles.then(|| bundle::parse_bundle(name)).flatten());
    let Some(parsed) = parsed else { return false };
    original.push_bytes(parsed.original);
    *index = parsed.index.map_or(-1, i64::from);
    group.push_bytes(parsed.group);
    true
}
