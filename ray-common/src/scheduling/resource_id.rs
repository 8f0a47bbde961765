//! Resources and nodes as the scheduler knows them: by number.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::LazyLock;

use hashbrown::HashMap;
use parking_lot::RwLock;
use thiserror::Error;

use super::bundle;
use super::names::{NameTable, NIL};

/// Names that begin so are of resources of which every node has one, without saying so.
pub const IMPLICIT_PREFIX: &[u8] = b"node:__internal_implicit_resource_";

/// The resources that have a number before anybody asks: number and name are Ray's.
pub const PREDEFINED: [(ResourceId, &str); 4] = [
    (ResourceId::CPU, "CPU"),
    (ResourceId::MEMORY, "memory"),
    (ResourceId::GPU, "GPU"),
    (ResourceId::OBJECT_STORE_MEMORY, "object_store_memory"),
];

/// Ray's defaults for `predefined_unit_instance_resources` and `custom_unit_instance_resources`.
const UNIT_INSTANCES: [&str; 6] = ["GPU", "neuron_cores", "TPU", "NPU", "HPU", "RBLN"];

static RESOURCES: LazyLock<NameTable> = LazyLock::new(|| {
    let table = NameTable::new();
    for (id, name) in PREDEFINED {
        table.insert_as(name.as_bytes(), id.0).expect("the table is empty, the names differ");
    }
    table
});
static NODES: LazyLock<NameTable> = LazyLock::new(NameTable::new);
static FACTS: LazyLock<RwLock<HashMap<i64, &'static Facts, foldhash::fast::RandomState>>> =
    LazyLock::new(RwLock::default);
static UNITS: LazyLock<RwLock<Vec<ResourceId>>> =
    LazyLock::new(|| RwLock::new(UNIT_INSTANCES.map(ResourceId::new).to_vec()));
/// A bit for each predefined resource in `UNITS`, by its number, for they are asked about most. Changed with `UNITS` locked.
static PREDEFINED_UNITS: AtomicU8 = AtomicU8::new(1 << ResourceId::GPU.0);

/// A kind of resource.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ResourceId(i64);

/// A node, as the scheduler numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SchedulingNodeId(i64);

/// What the name of a resource says of it. Read once for each name.
#[derive(Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether every node has one of it unless it says otherwise.
    pub implicit: bool,
    /// What it is a placement group's part of.
    pub bundle: Option<BundleFacts>,
}

/// A resource of a placement group.
#[derive(Debug, PartialEq, Eq)]
pub struct BundleFacts {
    /// The resource that the group took.
    pub original: ResourceId,
    /// Which bundle; none for the whole group.
    pub index: Option<i32>,
    /// The group, as its hex digits.
    pub group: Box<[u8]>,
}

static NO_FACTS: Facts = Facts { implicit: false, bundle: None };

/// A resource that was said to be predefined and is not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is not a valid predefined resource")]
pub struct NotPredefined(pub String);

impl ResourceId {
    /// No resource.
    pub const NIL: Self = Self(NIL);
    /// Processors.
    pub const CPU: Self = Self(0);
    /// Memory, in bytes.
    pub const MEMORY: Self = Self(1);
    /// Graphics processors.
    pub const GPU: Self = Self(2);
    /// Memory of the object store, in bytes.
    pub const OBJECT_STORE_MEMORY: Self = Self(3);

    /// The resource of a name.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        Self(RESOURCES.insert(name.as_ref()))
    }

    /// The resource of a number that [`raw`](Self::raw) gave.
    pub const fn from_raw(id: i64) -> Self {
        Self(id)
    }

    /// Its number in this process.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// All names of resources.
    pub fn table() -> &'static NameTable {
        &RESOURCES
    }

    /// Its name; `-1` if it has none, as in Ray.
    pub fn name(self) -> String {
        RESOURCES.name(self.0).unwrap_or_else(|| "-1".to_owned())
    }

    /// Whether its number is fixed.
    pub const fn is_predefined(self) -> bool {
        Self::CPU.0 <= self.0 && self.0 <= Self::OBJECT_STORE_MEMORY.0
    }

    /// Whether every node has one of it unless it says otherwise.
    pub fn is_implicit(self) -> bool {
        self.facts().implicit
    }

    /// Whether it is processors, or processors of a placement group.
    pub fn is_cpu(self) -> bool {
        self == Self::CPU
            || self.facts().bundle.as_ref().is_some_and(|bundle| bundle.original == Self::CPU)
    }

    /// What its name says of it.
    pub fn facts(self) -> &'static Facts {
        if self.is_predefined() {
            return &NO_FACTS;
        }
        if let Some(&facts) = FACTS.read().get(&self.0) {
            return facts;
        }
        let Some(name) = RESOURCES.with_name(self.0, |name| name.map(<[u8]>::to_vec)) else {
            return &NO_FACTS; // and none to keep: a name may get this number later
        };
        let facts = Facts::of(&name);
        // Leaked on purpose, as often as there are names: names are never removed either.
        FACTS.write().entry(self.0).or_insert_with(|| Box::leak(Box::new(facts)))
    }

    /// Whether an instance of it is one whole thing, as a graphics processor is, and not a share of a pool.
    #[inline]
    pub fn is_unit_instance(self) -> bool {
        if self.is_predefined() {
            return PREDEFINED_UNITS.load(Ordering::Relaxed) & (1 << self.0) != 0;
        }
        self.is_custom_unit_instance()
    }

    fn is_custom_unit_instance(self) -> bool {
        UNITS.read().contains(&self)
    }

    /// Says which resources come in whole things: Ray's settings, names with commas between them. Before this is called it
    /// is Ray's defaults.
    ///
    /// # Errors
    ///
    /// If a name in `predefined` is not that of a predefined resource. Nothing changes then.
    pub fn configure_unit_instances(predefined: &[u8], custom: &[u8]) -> Result<(), NotPredefined> {
        let mut units = Vec::new();
        for name in names(predefined) {
            let known = RESOURCES.id(name).map(Self).filter(|id| id.is_predefined());
            units.push(known.ok_or_else(|| NotPredefined(super::label_syntax::shown(name)))?);
        }
        units.extend(names(custom).map(Self::new));
        Self::set_unit_instances(units);
        Ok(())
    }

    /// The resources that come in whole things.
    pub fn unit_instances() -> Vec<Self> {
        UNITS.read().clone()
    }

    /// Replaces them.
    pub fn set_unit_instances(units: Vec<Self>) {
        let mut current = UNITS.write();
        let bits =
            units.iter().filter(|id| id.is_predefined()).fold(0, |bits, id| bits | 1 << id.0);
        PREDEFINED_UNITS.store(bits, Ordering::Relaxed);
        *current = units;
    }
}

fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').filter(|name| !name.is_empty())
}

impl Facts {
    fn of(name: &[u8]) -> Self {
        let bundle = bundle::parse(name).map(|found| BundleFacts {
            original: ResourceId::new(found.original),
            index: found.index,
            group: found.group.into(),
        });
        Self { implicit: name.starts_with(IMPLICIT_PREFIX), bundle }
    }
}

/// The name.
impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl SchedulingNodeId {
    /// No node.
    pub const NIL: Self = Self(NIL);

    /// The node of a name.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        Self(NODES.insert(name.as_ref()))
    }

    /// The node of a number that [`raw`](Self::raw) gave.
    pub const fn from_raw(id: i64) -> Self {
        Self(id)
    }

    /// Its number in this process.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// All names of nodes.
    pub fn table() -> &'static NameTable {
        &NODES
    }

    /// Its name; `-1` if it has none, as in Ray.
    pub fn name(self) -> String {
        NODES.name(self.0).unwrap_or_else(|| "-1".to_owned())
    }
}

/// The number.
impl fmt::Display for SchedulingNodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SchedulingNodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predefined_resources_have_their_numbers() {
        for (id, name) in PREDEFINED {
            assert_eq!(ResourceId::new(name), id);
            assert_eq!(id.name(), name);
            assert!(id.is_predefined());
        }
        assert!(!ResourceId::new("custom").is_predefined());
        assert_eq!(ResourceId::NIL.name(), "-1");
        assert_ne!(SchedulingNodeId::from_raw(0).name(), "CPU");
    }

    #[test]
    fn nodes_are_numbered_apart() {
        let node = SchedulingNodeId::new("a node");
        assert_eq!(node.name(), "a node");
        assert_eq!(SchedulingNodeId::from_raw(node.raw()), node);
        assert_eq!(ResourceId::table().id(b"a node"), None);
    }

    #[test]
    fn names_tell_facts() {
        let implicit = ResourceId::new([IMPLICIT_PREFIX, b"a"].concat());
        assert!(implicit.is_implicit() && !ResourceId::new("a").is_implicit());
        let bundle = ResourceId::new("CPU_group_2_ab");
        assert!(bundle.is_cpu() && !ResourceId::new("GPU_group_2_ab").is_cpu());
        let facts = bundle.facts().bundle.as_ref().expect("of a group");
        assert_eq!(
            (facts.original, facts.index, &*facts.group),
            (ResourceId::CPU, Some(2), &b"ab"[..])
        );
    }

    #[test]
    fn a_number_may_get_its_name_late() {
        let id = ResourceId::from_raw(-77);
        assert!(!id.is_implicit());
        ResourceId::table().insert_as(&[IMPLICIT_PREFIX, b"late"].concat(), -77).expect("free");
        assert!(id.is_implicit());
    }
}
