//! Sets of resources: what is wanted, and what a node has.

use std::collections::HashMap;
use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use smallvec::SmallVec;

use super::fixed_point::FixedPoint;
use super::quantities::{self, Default as Absent, Operation, Quantity};
use super::resource_id::ResourceId;

/// Entries without an allocation: most requests name no more.
const INLINE: usize = 4;

type Quantities = SmallVec<[Quantity; INLINE]>;

/// Amounts of resources, ordered by resource. What is not in it is 0, and what becomes 0 is not in it any more. Amounts may be
/// negative.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceSet {
    quantities: Quantities,
}

impl ResourceSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much there is of a resource.
    pub fn get(&self, resource: ResourceId) -> FixedPoint {
        quantities::amount(&self.quantities, resource, Absent::Nothing)
    }

    /// Sets how much there is of a resource.
    pub fn set(&mut self, resource: ResourceId, amount: impl Into<FixedPoint>) -> &mut Self {
        set(&mut self.quantities, Quantity { resource, amount: amount.into() }, Absent::Nothing);
        self
    }

    /// Whether there is some of a resource, or less than none.
    pub fn has(&self, resource: ResourceId) -> bool {
        quantities::position(&self.quantities, resource).is_ok()
    }

    /// How many resources it has.
    pub fn len(&self) -> usize {
        self.quantities.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.quantities.is_empty()
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.quantities.clear();
    }

    /// All of it, ordered by resource.
    pub fn quantities(&self) -> &[Quantity] {
        &self.quantities
    }

    /// Whether no amount of this is larger than that of `other`; what one has not counts as 0.
    pub fn is_at_most(&self, other: &Self) -> bool {
        quantities::is_at_most(&self.quantities, &other.quantities)
    }

    /// Names and units, as in Ray's protocol buffers.
    pub fn to_map(&self) -> HashMap<String, f64> {
        to_map(&self.quantities)
    }
}

/// Amounts of a node's resources. As [`ResourceSet`], but what is not in it is 1 for implicit resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeResourceSet {
    quantities: Quantities,
}

impl NodeResourceSet {
    /// What a node has that says nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much there is of a resource.
    pub fn get(&self, resource: ResourceId) -> FixedPoint {
        quantities::amount(&self.quantities, resource, Absent::OnNode)
    }

    /// Sets how much there is of a resource.
    pub fn set(&mut self, resource: ResourceId, amount: impl Into<FixedPoint>) -> &mut Self {
        set(&mut self.quantities, Quantity { resource, amount: amount.into() }, Absent::OnNode);
        self
    }

    /// Whether there is some of a resource, or less than none.
    pub fn has(&self, resource: ResourceId) -> bool {
        self.get(resource) != FixedPoint::ZERO
    }

    /// Whether it has as much of each resource as `wanted` names.
    pub fn covers(&self, wanted: &ResourceSet) -> bool {
        self.covers_without(&ResourceSet::default(), wanted)
    }

    /// The same after `used` was taken away.
    pub fn covers_without(&self, used: &ResourceSet, wanted: &ResourceSet) -> bool {
        quantities::node_covers(&self.quantities, &used.quantities, &wanted.quantities)
    }

    /// Gives resources with a negative amount their default.
    pub fn remove_negative(&mut self) {
        self.quantities.retain(|quantity| quantity.amount >= FixedPoint::ZERO);
    }

    /// The resources in it that are not implicit, in order.
    pub fn explicit_resources(&self) -> impl Iterator<Item = ResourceId> + '_ {
        self.quantities.iter().map(|quantity| quantity.resource).filter(|id| !id.is_implicit())
    }

    /// All that is not its default, ordered by resource.
    pub fn quantities(&self) -> &[Quantity] {
        &self.quantities
    }

    /// Names and units, as in Ray's protocol buffers.
    pub fn to_map(&self) -> HashMap<String, f64> {
        to_map(&self.quantities)
    }
}

fn set(into: &mut Quantities, quantity: Quantity, absent: Absent) {
    match (quantities::position(into, quantity.resource), absent.is(quantity)) {
        (Ok(place), true) => drop(into.remove(place)),
        (Ok(place), false) => into[place] = quantity,
        (Err(place), false) => into.insert(place, quantity),
        (Err(_), true) => {}
    }
}

fn combine(into: &mut Quantities, from: &[Quantity], operation: Operation, absent: Absent) {
    let rest = quantities::combine(into, from, operation, absent);
    if rest != quantities::Rest::default() {
        let length = into.len();
        into.resize(
            length + rest.missing,
            Quantity { resource: ResourceId::NIL, amount: FixedPoint::ZERO },
        );
        let length = quantities::settle(into, length, from, operation, absent);
        into.truncate(length);
    }
}

fn to_map(quantities: &[Quantity]) -> HashMap<String, f64> {
    quantities.iter().map(|quantity| (quantity.resource.name(), quantity.amount.to_f64())).collect()
}

impl AddAssign<&ResourceSet> for ResourceSet {
    fn add_assign(&mut self, other: &ResourceSet) {
        combine(&mut self.quantities, &other.quantities, Operation::Add, Absent::Nothing);
    }
}

impl SubAssign<&ResourceSet> for ResourceSet {
    fn sub_assign(&mut self, other: &ResourceSet) {
        combine(&mut self.quantities, &other.quantities, Operation::Subtract, Absent::Nothing);
    }
}

impl SubAssign<&ResourceSet> for NodeResourceSet {
    fn sub_assign(&mut self, other: &ResourceSet) {
        combine(&mut self.quantities, &other.quantities, Operation::Subtract, Absent::OnNode);
    }
}

impl Add<&ResourceSet> for ResourceSet {
    type Output = Self;
    fn add(mut self, other: &ResourceSet) -> Self {
        self += other;
        self
    }
}

impl Sub<&ResourceSet> for ResourceSet {
    type Output = Self;
    fn sub(mut self, other: &ResourceSet) -> Self {
        self -= other;
        self
    }
}

impl<A: Into<FixedPoint>> FromIterator<(ResourceId, A)> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = (ResourceId, A)>>(amounts: I) -> Self {
        let mut set = Self::default();
        for (resource, amount) in amounts {
            set.set(resource, amount);
        }
        set
    }
}

impl<A: Into<FixedPoint>> FromIterator<(ResourceId, A)> for NodeResourceSet {
    fn from_iter<I: IntoIterator<Item = (ResourceId, A)>>(amounts: I) -> Self {
        let mut set = Self::default();
        for (resource, amount) in amounts {
            set.set(resource, amount);
        }
        set
    }
}

/// From names and units, as in Ray's protocol buffers. Any number may come: see [`FixedPoint::from_f64`].
impl From<&HashMap<String, f64>> for ResourceSet {
    fn from(map: &HashMap<String, f64>) -> Self {
        map.iter().map(|(name, &units)| (ResourceId::new(name), units)).collect()
    }
}

/// From names and units, as in Ray's protocol buffers.
impl From<&HashMap<String, f64>> for NodeResourceSet {
    fn from(map: &HashMap<String, f64>) -> Self {
        map.iter().map(|(name, &units)| (ResourceId::new(name), units)).collect()
    }
}

/// `{CPU: 1, custom: 0.5}`
impl fmt::Display for ResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quantities(f, &self.quantities, |amount| amount.to_f64().to_string())
    }
}

/// `{CPU: 10000}`: ten-thousandths, as Ray prints a node's resources.
impl fmt::Display for NodeResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quantities(f, &self.quantities, |amount| amount.to_string())
    }
}

fn write_quantities(
    f: &mut fmt::Formatter<'_>,
    quantities: &[Quantity],
    amount: impl Fn(FixedPoint) -> String,
) -> fmt::Result {
    f.write_str("{")?;
    for (number, quantity) in quantities.iter().enumerate() {
        let separator = if number > 0 { ", " } else { "" };
        write!(f, "{separator}{}: {}", quantity.resource, amount(quantity.amount))?;
    }
    f.write_str("}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::resource_id::IMPLICIT_PREFIX;

    const CPU: ResourceId = ResourceId::CPU;
    const GPU: ResourceId = ResourceId::GPU;

    fn implicit() -> ResourceId {
        ResourceId::new([IMPLICIT_PREFIX, b"set"].concat())
    }

    #[test]
    fn what_becomes_nothing_is_removed() {
        let mut set = ResourceSet::from_iter([(CPU, 1.0), (GPU, 0.0)]);
        assert_eq!((set.len(), set.has(GPU)), (1, false));
        set.set(CPU, 0).set(GPU, -1);
        assert_eq!(set.quantities().len(), 1);
        assert_eq!(set.get(GPU), (-1).into());
        set.clear();
        assert!(set.is_empty());
    }

    #[test]
    fn a_node_has_one_of_each_implicit_resource() {
        let mut node = NodeResourceSet::new();
        assert_eq!((node.get(implicit()), node.get(CPU)), (FixedPoint::ONE, FixedPoint::ZERO));
        node -= &ResourceSet::from_iter([(implicit(), 0.25), (CPU, 1.0)]);
        assert_eq!((node.get(implicit()), node.get(CPU)), (0.75.into(), (-1).into()));
        node -= &ResourceSet::from_iter([(implicit(), -0.25), (CPU, -1.0)]);
        assert_eq!(node, NodeResourceSet::new());
        node -= &ResourceSet::from_iter([(implicit(), 1)]);
        assert!(!node.has(implicit()) && node.quantities().len() == 1, "none is not its default");
        assert_eq!(node.explicit_resources().count(), 0);
    }

    #[test]
    fn a_node_covers_what_it_has() {
        let node = NodeResourceSet::from_iter([(CPU, 2)]);
        let wanted = ResourceSet::from_iter([(CPU, 1.0), (implicit(), 0.5)]);
        assert!(node.covers(&wanted) && !node.covers(&ResourceSet::from_iter([(GPU, 1)])));
        assert!(!node.covers_without(&ResourceSet::from_iter([(CPU, 1.5)]), &wanted));
    }

    #[test]
    fn negative_amounts_can_be_removed() {
        let mut node = NodeResourceSet::from_iter([(CPU, -1), (GPU, 1)]);
        node.remove_negative();
        assert_eq!(node, NodeResourceSet::from_iter([(GPU, 1)]));
    }

    #[test]
    fn sets_print_as_rays_do() {
        let set = ResourceSet::from_iter([(GPU, 0.5), (CPU, 1.0)]);
        assert_eq!(set.to_string(), "{CPU: 1, GPU: 0.5}");
        assert_eq!(NodeResourceSet::from_iter([(CPU, 1)]).to_string(), "{CPU: 10000}");
        assert_eq!(ResourceSet::new().to_string(), "{}");
    }
}
