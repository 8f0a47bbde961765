//! The instances of a node's resources: which graphics processor has how much left.

use std::collections::BTreeMap;
use std::fmt;

use super::bundle_index::BundleIndex;
use super::fixed_point::{self, FixedPoint};
use super::instance_table::{split, Allocation, InstanceError, InstanceTable, Instances};
use super::instances::Amounts;
use super::resource_id::ResourceId;
use super::resource_set::{NodeResourceSet, ResourceSet};

/// A table of Rust's, ordered by resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnTable(BTreeMap<ResourceId, Amounts>);

impl InstanceTable for OwnTable {
    fn get(&self, resource: ResourceId) -> Option<&[FixedPoint]> {
        self.0.get(&resource).map(AsRef::as_ref)
    }

    fn get_mut(&mut self, resource: ResourceId) -> Option<&mut [FixedPoint]> {
        self.0.get_mut(&resource).map(AsMut::as_mut)
    }

    fn set(&mut self, resource: ResourceId, amounts: &[FixedPoint]) {
        self.0.insert(resource, Amounts::from_slice(amounts));
    }

    fn remove(&mut self, resource: ResourceId) {
        self.0.remove(&resource);
    }
}

/// What a node has of each resource, instance by instance.
#[derive(Debug, Clone, Default)]
pub struct NodeResourceInstanceSet {
    table: OwnTable,
    bundles: BundleIndex,
}

impl NodeResourceInstanceSet {
    /// What a node has that says nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The instances that a node's resources make. A resource of less than one whole thing has none and is left out.
    ///
    /// # Errors
    ///
    /// If there are too many whole things of one resource.
    pub fn from_total(total: &NodeResourceSet) -> Result<Self, InstanceError> {
        let mut set = Self::default();
        for resource in total.explicit_resources() {
            let amounts = split(resource, total.get(resource))?;
            if !amounts.is_empty() {
                set.edit().set(resource, &amounts)?;
            }
        }
        Ok(set)
    }

    /// What changes the set.
    pub fn edit(&mut self) -> Instances<'_, OwnTable> {
        Instances { table: &mut self.table, bundles: &mut self.bundles }
    }

    /// The instances of a resource; one of an implicit resource that nobody changed; else none.
    pub fn get(&self, resource: ResourceId) -> &[FixedPoint] {
        match self.table.get(resource) {
            Some(amounts) => amounts,
            None if resource.is_implicit() => &[FixedPoint::ONE],
            None => &[],
        }
    }

    /// Whether there are instances of a resource.
    pub fn has(&self, resource: ResourceId) -> bool {
        !self.get(resource).is_empty()
    }

    /// The sum over the instances of a resource.
    pub fn sum(&self, resource: ResourceId) -> FixedPoint {
        self.get(resource).iter().sum()
    }

    /// The sums of all resources.
    pub fn to_node_resource_set(&self) -> NodeResourceSet {
        self.table
            .0
            .iter()
            .map(|(&resource, amounts)| (resource, amounts.iter().sum::<FixedPoint>()))
            .collect()
    }
}

impl PartialEq for NodeResourceInstanceSet {
    fn eq(&self, other: &Self) -> bool {
        self.table == other.table
    }
}

impl Eq for NodeResourceInstanceSet {}

/// `{CPU: [20000], GPU: [10000, 0]}`
impl fmt::Display for NodeResourceInstanceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_table(f, &self.table.0)
    }
}

/// What a task got of each resource, instance by instance. Amounts of 0 stay, for they tell how many instances there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskResourceInstanceSet(BTreeMap<ResourceId, Amounts>);

impl TaskResourceInstanceSet {
    /// The instances that a set of resources makes.
    ///
    /// # Errors
    ///
    /// If there are too many whole things of one resource.
    pub fn from_resources(resources: &ResourceSet) -> Result<Self, InstanceError> {
        let mut set = Self::default();
        for quantity in resources.quantities() {
            set.set(quantity.resource, &split(quantity.resource, quantity.amount)?);
        }
        Ok(set)
    }

    /// The instances of a resource.
    pub fn get(&self, resource: ResourceId) -> Option<&[FixedPoint]> {
        self.0.get(&resource).map(AsRef::as_ref)
    }

    /// Gives a resource instances; none removes it.
    pub fn set(&mut self, resource: ResourceId, amounts: &[FixedPoint]) {
        if amounts.is_empty() {
            self.0.remove(&resource);
        } else {
            self.0.insert(resource, Amounts::from_slice(amounts));
        }
    }

    /// The resources, in order.
    pub fn resources(&self) -> impl Iterator<Item = ResourceId> + '_ {
        self.0.keys().copied()
    }

    /// The sums over the instances.
    pub fn to_resource_set(&self) -> ResourceSet {
        self.0
            .iter()
            .map(|(&resource, amounts)| (resource, amounts.iter().sum::<FixedPoint>()))
            .collect()
    }
}

impl From<Allocation> for TaskResourceInstanceSet {
    fn from(allocation: Allocation) -> Self {
        Self(allocation.into_iter().collect())
    }
}

impl fmt::Display for TaskResourceInstanceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_table(f, &self.0)
    }
}

fn write_table(f: &mut fmt::Formatter<'_>, table: &BTreeMap<ResourceId, Amounts>) -> fmt::Result {
    f.write_str("{")?;
    for (number, (resource, amounts)) in table.iter().enumerate() {
        let separator = if number > 0 { ", " } else { "" };
        write!(f, "{separator}{resource}: {}", fixed_point::list(amounts))?;
    }
    f.write_str("}")
}
