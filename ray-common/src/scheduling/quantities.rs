//! Arithmetic on sets of resources, which are slices ordered by resource.
//!
//! A set has no entry for an amount that is the resource's default: nothing, or what [`enum@Default`] says. Adding one
//! set to another is [`combine`], which changes in place what both have and counts what else there is to do; usually
//! nothing. Otherwise the owner of the buffer makes room and calls [`settle`]. So whoever owns the memory, the work is here.

use super::fixed_point::FixedPoint;
use super::resource_id::ResourceId;

/// An amount of a resource. C++ has the same layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Quantity {
    /// Of what.
    pub resource: ResourceId,
    /// How much.
    pub amount: FixedPoint,
}

/// What a set has of a resource that is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Nothing.
    Nothing,
    /// One of each implicit resource, as a node; nothing of others.
    OnNode,
}

impl Default {
    /// How much.
    pub fn of(self, resource: ResourceId) -> FixedPoint {
        match self {
            Self::OnNode if resource.is_implicit() => FixedPoint::ONE,
            _ => FixedPoint::ZERO,
        }
    }

    /// Whether an amount need not be in a set.
    #[inline]
    pub fn is(self, quantity: Quantity) -> bool {
        match self {
            Self::Nothing => quantity.amount == FixedPoint::ZERO,
            // Names are looked at only for the two amounts that can be a default.
            Self::OnNode => {
                matches!(quantity.amount, FixedPoint::ZERO | FixedPoint::ONE)
                    && quantity.amount == self.of(quantity.resource)
            }
        }
    }
}

/// What to do with the amounts of two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Add the second to the first.
    Add,
    /// Take the second from the first.
    Subtract,
}

impl Operation {
    #[inline]
    fn apply(self, left: FixedPoint, right: FixedPoint) -> FixedPoint {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
        }
    }
}

/// What [`combine`] left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::default::Default)]
pub struct Rest {
    /// Resources of the second set that the first had not.
    pub missing: usize,
    /// Entries of the first set that became defaults.
    pub defaults: usize,
}

/// The place of a resource, or where it would be.
pub fn position(set: &[Quantity], resource: ResourceId) -> Result<usize, usize> {
    // Sets are short: a walk beats halving.
    let place = set.iter().take_while(|quantity| quantity.resource < resource).count();
    match set.get(place) {
        Some(quantity) if quantity.resource == resource => Ok(place),
        _ => Err(place),
    }
}

/// How much a set has of a resource.
pub fn amount(set: &[Quantity], resource: ResourceId, default: Default) -> FixedPoint {
    position(set, resource).map_or_else(|_| default.of(resource), |place| set[place].amount)
}

/// Adds to, or takes from, `into` what both sets have, and counts the rest. If the rest is not empty, [`settle`] is due.
#[inline]
pub fn combine(
    into: &mut [Quantity],
    from: &[Quantity],
    operation: Operation,
    default: Default,
) -> Rest {
    // Mostly a set has what another names, in the same places. For each kind a loop in which nothing is asked.
    let nothing = |left| self::Default::Nothing.is(left);
    let on_node = |left| self::Default::OnNode.is(left);
    let (add, subtract) = (Operation::Add, Operation::Subtract);
    let (same, defaults) = match (operation, default) {
        (Operation::Add, self::Default::Nothing) => {
            combine_same(into, from, |a, b| add.apply(a, b), nothing)
        }
        (Operation::Add, self::Default::OnNode) => {
            combine_same(into, from, |a, b| add.apply(a, b), on_node)
        }
        (Operation::Subtract, self::Default::Nothing) => {
            combine_same(into, from, |a, b| subtract.apply(a, b), nothing)
        }
        (Operation::Subtract, self::Default::OnNode) => {
            combine_same(into, from, |a, b| subtract.apply(a, b), on_node)
        }
    };
    if same == from.len() {
        return Rest { missing: 0, defaults };
    }
    let rest = merge(&mut into[same..], &from[same..], operation, default);
    Rest { defaults: defaults + rest.defaults, ..rest }
}

/// Applies an operation as far as both sets have the same resources. Returns how far that is, and how many entries of `into`
/// became defaults.
#[inline(always)]
fn combine_same(
    into: &mut [Quantity],
    from: &[Quantity],
    apply: impl Fn(FixedPoint, FixedPoint) -> FixedPoint,
    is_default: impl Fn(Quantity) -> bool,
) -> (usize, usize) {
    let mut defaults = 0;
    for (place, (entry, quantity)) in into.iter_mut().zip(from).enumerate() {
        if entry.resource != quantity.resource {
            return (place, defaults);
        }
        entry.amount = apply(entry.amount, quantity.amount);
        defaults += usize::from(is_default(*entry));
    }
    (into.len().min(from.len()), defaults)
}

/// The same for sets whose resources differ.
fn merge(into: &mut [Quantity], from: &[Quantity], operation: Operation, default: Default) -> Rest {
    let mut rest = Rest::default();
    let mut place = 0;
    for quantity in from {
        while into.get(place).is_some_and(|entry| entry.resource < quantity.resource) {
            place += 1;
        }
        match into.get_mut(place) {
            Some(entry) if entry.resource == quantity.resource => {
                entry.amount = operation.apply(entry.amount, quantity.amount);
                rest.defaults += usize::from(default.is(*entry));
                place += 1;
            }
            _ => rest.missing += 1,
        }
    }
    rest
}

/// Finishes [`combine`]: `buffer` is its `into`, the first `length` entries, and room for the `missing` ones. Returns how many
/// entries the set has now; what is behind them means nothing.
///
/// # Panics
///
/// If the buffer has less room.
pub fn settle(
    buffer: &mut [Quantity],
    length: usize,
    from: &[Quantity],
    operation: Operation,
    default: Default,
) -> usize {
    // From the end, so that nothing is overwritten that is still to be moved.
    let (mut own, mut other, mut free) = (length, from.len(), buffer.len());
    while own < free && other > 0 {
        let quantity = from[other - 1];
        let before = own.checked_sub(1).map(|last| buffer[last]);
        free -= 1;
        match before {
            Some(entry) if entry.resource >= quantity.resource => {
                buffer[free] = entry;
                own -= 1;
                other -= usize::from(entry.resource == quantity.resource);
            }
            _ => {
                let start = default.of(quantity.resource);
                buffer[free] =
                    Quantity { amount: operation.apply(start, quantity.amount), ..quantity };
                other -= 1;
            }
        }
    }
    remove_if(buffer, |quantity| default.is(quantity))
}

/// Removes the entries of which `remove` is true, keeps the order, and returns how many are left.
pub fn remove_if(set: &mut [Quantity], remove: impl Fn(Quantity) -> bool) -> usize {
    let mut kept = 0;
    for place in 0..set.len() {
        let quantity = set[place];
        if !remove(quantity) {
            set[kept] = quantity;
            kept += 1;
        }
    }
    kept
}

/// Whether no amount of `left` is larger than that of `right`. A resource that one has not counts as nothing.
#[inline]
pub fn is_at_most(left: &[Quantity], right: &[Quantity]) -> bool {
    let mut right = right.iter().peekable();
    for quantity in left {
        // What only the right has must not be less than nothing.
        while let Some(other) = right.next_if(|other| other.resource < quantity.resource) {
            if other.amount < FixedPoint::ZERO {
                return false;
            }
        }
        let limit = right
            .next_if(|other| other.resource == quantity.resource)
            .map_or(FixedPoint::ZERO, |other| other.amount);
        if quantity.amount > limit {
            return false;
        }
    }
    right.all(|other| other.amount >= FixedPoint::ZERO)
}

/// Whether a node that has `available`, of which `used` is taken away first, has all that is `wanted`.
#[inline]
pub fn node_covers(available: &[Quantity], used: &[Quantity], wanted: &[Quantity]) -> bool {
    let mut available = Walk(available);
    let mut has = move |resource| available.amount(resource).unwrap_or_else(|| on_node(resource));
    if used.is_empty() {
        return wanted.iter().all(|quantity| has(quantity.resource) >= quantity.amount);
    }
    let mut used = Walk(used);
    wanted.iter().all(|quantity| {
        let used = used.amount(quantity.resource).unwrap_or_default();
        has(quantity.resource) - used >= quantity.amount
    })
}

/// Apart, for what a request names is nearly always in a node's set.
#[cold]
fn on_node(resource: ResourceId) -> FixedPoint {
    Default::OnNode.of(resource)
}

/// What of a set is not passed yet.
struct Walk<'a>(&'a [Quantity]);

impl Walk<'_> {
    /// The amount of a resource, if it is there. Resources must be asked for in order.
    #[inline]
    fn amount(&mut self, resource: ResourceId) -> Option<FixedPoint> {
        while let [first, rest @ ..] = self.0 {
            if first.resource >= resource {
                return (first.resource == resource).then_some(first.amount);
            }
            self.0 = rest;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(amounts: &[(i64, i32)]) -> Vec<Quantity> {
        let quantity = |&(resource, units): &(i64, i32)| Quantity {
            resource: ResourceId::from_raw(resource),
            amount: units.into(),
        };
        amounts.iter().map(quantity).collect()
    }

    fn sum(left: &[(i64, i32)], right: &[(i64, i32)], operation: Operation) -> Vec<Quantity> {
        let (mut buffer, right) = (set(left), set(right));
        let length = buffer.len();
        let rest = combine(&mut buffer, &right, operation, Default::Nothing);
        buffer.resize(length + rest.missing, right[0]);
        let length = settle(&mut buffer, length, &right, operation, Default::Nothing);
        buffer.truncate(length);
        buffer
    }

    #[test]
    fn what_both_have_is_changed_in_place() {
        let mut left = set(&[(0, 1), (5, 2)]);
        let rest = combine(&mut left, &set(&[(5, 3)]), Operation::Add, Default::Nothing);
        assert_eq!((left, rest), (set(&[(0, 1), (5, 5)]), Rest::default()));
    }

    #[test]
    fn what_is_missing_comes_in_its_place_and_what_is_nothing_goes() {
        let all =
            sum(&[(0, 1), (5, 2), (9, 1)], &[(-4, 7), (0, -1), (6, 1), (10, 1)], Operation::Add);
        assert_eq!(all, set(&[(-4, 7), (5, 2), (6, 1), (9, 1), (10, 1)]));
        assert_eq!(sum(&[(1, 1)], &[(1, 1)], Operation::Subtract), set(&[]));
        assert_eq!(sum(&[], &[(1, 1), (2, 2)], Operation::Subtract), set(&[(1, -1), (2, -2)]));
    }

    #[test]
    fn at_most_looks_at_both_sides() {
        let at_most =
            |left: &[(i64, i32)], right: &[(i64, i32)]| is_at_most(&set(left), &set(right));
        assert!(
            at_most(&[], &[]) && at_most(&[(0, 1)], &[(0, 1), (1, 2)]) && at_most(&[(1, -2)], &[])
        );
        assert!(
            !at_most(&[], &[(1, -2)])
                && !at_most(&[(0, 1)], &[])
                && !at_most(&[(1, 2)], &[(0, 5), (1, 1)])
        );
        assert!(!at_most(&[(5, 0)], &[(0, -1)]));
    }

    #[test]
    fn positions() {
        let set = set(&[(0, 1), (5, 2)]);
        let find = |resource| position(&set, ResourceId::from_raw(resource));
        assert_eq!(
            [find(-1), find(0), find(3), find(5), find(9)],
            [Err(0), Ok(0), Err(1), Ok(1), Err(2)]
        );
    }
}
