//! Operations on the instances of a node's resources, over any table that holds them.

use smallvec::SmallVec;
use thiserror::Error;

use super::bundle_index::BundleIndex;
use super::fixed_point::FixedPoint;
use super::instances::{self, Amounts, MAX_INSTANCES};
use super::quantities::Quantity;
use super::resource_id::{BundleFacts, ResourceId};

/// Where the instances of resources are. The border has one over a table of C++'s.
pub trait InstanceTable {
    /// The instances of a resource.
    fn get(&self, resource: ResourceId) -> Option<&[FixedPoint]>;
    /// The same, to change them.
    fn get_mut(&mut self, resource: ResourceId) -> Option<&mut [FixedPoint]>;
    /// Gives a resource other instances, at least one.
    fn set(&mut self, resource: ResourceId, amounts: &[FixedPoint]);
    /// Removes a resource.
    fn remove(&mut self, resource: ResourceId);
}

/// What cannot be done with the instances of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InstanceError {
    /// Less is available than was asked for.
    #[error("not enough of {resource}")]
    NotEnough {
        /// Of what.
        resource: ResourceId,
    },
    /// The number of instances is another.
    #[error("{resource} has {present} instances, not {given}")]
    Count {
        /// Of what.
        resource: ResourceId,
        /// How many there are.
        present: usize,
        /// How many were given.
        given: usize,
    },
    /// A resource without instances cannot be set.
    #[error("{resource} would have no instance")]
    Empty {
        /// Which.
        resource: ResourceId,
    },
    /// More whole things than anybody has.
    #[error("{resource} would have {wanted} instances, more than {MAX_INSTANCES}")]
    TooMany {
        /// Of what.
        resource: ResourceId,
        /// How many were asked for.
        wanted: u64,
    },
    /// Implicit resources are there without being added.
    #[error("{resource} is implicit and cannot be added")]
    Implicit {
        /// Which.
        resource: ResourceId,
    },
}

/// What an allocation took, resource by resource.
pub type Allocation = SmallVec<[(ResourceId, Amounts); 4]>;

/// The operations on a table of instances and the index of its bundles.
#[derive(Debug)]
pub struct Instances<'a, T> {
    /// The instances.
    pub table: &'a mut T,
    /// Which of them are bundles.
    pub bundles: &'a mut BundleIndex,
}

impl<T: InstanceTable> Instances<'_, T> {
    /// The instances of a resource; one of an implicit resource that is not in the table; else none.
    pub fn get(&self, resource: ResourceId) -> &[FixedPoint] {
        match self.table.get(resource) {
            Some(amounts) => amounts,
            None if resource.is_implicit() => &[FixedPoint::ONE],
            None => &[],
        }
    }

    /// Gives a resource instances.
    ///
    /// # Errors
    ///
    /// If there are none.
    pub fn set(
        &mut self,
        resource: ResourceId,
        amounts: &[FixedPoint],
    ) -> Result<(), InstanceError> {
        let first = amounts.first().ok_or(InstanceError::Empty { resource })?;
        if *first == FixedPoint::ONE && resource.is_implicit() {
            self.table.remove(resource);
        } else {
            self.table.set(resource, amounts);
            self.bundles.add(resource);
        }
        Ok(())
    }

    /// Removes a resource.
    pub fn remove(&mut self, resource: ResourceId) {
        self.table.remove(resource);
        self.bundles.remove(resource);
    }

    /// Gives back what an allocation took of a resource.
    ///
    /// # Errors
    ///
    /// If it has another number of instances now. Nothing is changed then.
    pub fn free(
        &mut self,
        resource: ResourceId,
        amounts: &[FixedPoint],
    ) -> Result<(), InstanceError> {
        self.change(resource, amounts, |available| instances::add(available, amounts))
    }

    /// Adds to the instances of a resource, and new instances if there are more amounts than instances.
    ///
    /// # Errors
    ///
    /// If the resource is implicit, or there are neither instances nor amounts.
    pub fn add(
        &mut self,
        resource: ResourceId,
        amounts: &[FixedPoint],
    ) -> Result<(), InstanceError> {
        if resource.is_implicit() {
            return Err(InstanceError::Implicit { resource });
        }
        let present = self.table.get(resource).map_or(0, <[FixedPoint]>::len);
        if present >= amounts.len() && present > 0 {
            instances::add(self.table.get_mut(resource).unwrap_or_default(), amounts);
            return Ok(());
        }
        let mut sum = Amounts::from_slice(amounts);
        instances::add(&mut sum, self.table.get(resource).unwrap_or_default());
        self.set(resource, &sum)
    }

    /// Takes from each instance of a resource, and returns what was not there; with `below_zero`, everything is.
    ///
    /// # Errors
    ///
    /// If it has another number of instances. Nothing is changed then.
    pub fn subtract(
        &mut self,
        resource: ResourceId,
        amounts: &[FixedPoint],
        below_zero: bool,
    ) -> Result<Amounts, InstanceError> {
        self.change(resource, amounts, |available| {
            if below_zero {
                instances::subtract(available, amounts);
                Amounts::from_elem(FixedPoint::ZERO, amounts.len())
            } else {
                instances::subtract_to_zero(available, amounts)
            }
        })
    }

    /// Takes everything that is demanded, or nothing.
    ///
    /// For a placement group's resource the same instances are taken of the whole group and of a bundle: of the bundle that the
    /// demand names as well, or else of the lowest one that has enough.
    ///
    /// # Errors
    ///
    /// The first reason found why it cannot be.
    pub fn try_allocate(&mut self, demands: &[Quantity]) -> Result<Allocation, InstanceError> {
        let mut taken = Allocation::new();
        let result = self.allocate_all(demands, &mut taken);
        if let Err(error) = result {
            for (resource, amounts) in taken {
                // It was taken from these instances just now.
                let freed = self.free(resource, &amounts);
                debug_assert_eq!(freed, Ok(()));
            }
            return Err(error);
        }
        Ok(taken)
    }

    fn allocate_all(
        &mut self,
        demands: &[Quantity],
        taken: &mut Allocation,
    ) -> Result<(), InstanceError> {
        let mut of_groups: SmallVec<[(&'static BundleFacts, Quantity); 4]> = SmallVec::new();
        for &demand in demands {
            match &demand.resource.facts().bundle {
                Some(bundle) => of_groups.push((bundle, demand)),
                None => self.allocate_one(demand, taken)?,
            }
        }
        // The parts of one resource of one group together, its bundles in order, the whole last.
        of_groups.sort_by_key(|&(bundle, _)| {
            (bundle.original, &bundle.group, bundle.index.is_none(), bundle.index)
        });
        let same = |left: &(&BundleFacts, Quantity), right: &(&BundleFacts, Quantity)| {
            (left.0.original, &left.0.group) == (right.0.original, &right.0.group)
        };
        for parts in of_groups.chunk_by(same) {
            self.allocate_group(parts, taken)?;
        }
        Ok(())
    }

    fn allocate_group(
        &mut self,
        parts: &[(&'static BundleFacts, Quantity)],
        taken: &mut Allocation,
    ) -> Result<(), InstanceError> {
        let first_taken = taken.len();
        let (bundles, whole) = match parts.split_last() {
            Some(((facts, whole), bundles)) if facts.index.is_none() => {
                (bundles, Some((facts, *whole)))
            }
            _ => (parts, None),
        };
        for &(_, demand) in bundles {
            self.allocate_one(demand, taken)?;
        }
        let Some((facts, whole)) = whole else { return Ok(()) };
        if bundles.is_empty() {
            let candidates = self.bundles.of(facts);
            let fits = |resource| self.allocate_one(Quantity { resource, ..whole }, taken).is_ok();
            if !candidates.into_iter().any(fits) {
                return Err(InstanceError::NotEnough { resource: whole.resource });
            }
        }
        let reference = taken[first_taken..].iter().skip(1).try_fold(
            taken[first_taken].1.clone(),
            |mut sum, (resource, amounts)| {
                check_count(*resource, sum.len(), amounts.len())?;
                instances::add(&mut sum, amounts);
                Ok(sum)
            },
        )?;
        self.allocate_like(whole.resource, &reference)?;
        taken.push((whole.resource, reference));
        Ok(())
    }

    fn allocate_one(
        &mut self,
        demand: Quantity,
        taken: &mut Allocation,
    ) -> Result<(), InstanceError> {
        let resource = demand.resource;
        let amounts = instances::choose(self.get(resource), demand.amount)
            .ok_or(InstanceError::NotEnough { resource })?;
        self.change(resource, &amounts, |available| instances::subtract(available, &amounts))?;
        taken.push((resource, amounts));
        Ok(())
    }

    /// Takes these amounts. Only processors may go below zero, for a task that waits lends its own.
    fn allocate_like(
        &mut self,
        resource: ResourceId,
        amounts: &[FixedPoint],
    ) -> Result<(), InstanceError> {
        let available = self.get(resource);
        check_count(resource, available.len(), amounts.len())?;
        let enough = available.iter().zip(amounts).all(|(available, amount)| available >= amount);
        if !enough && !resource.is_cpu() {
            return Err(InstanceError::NotEnough { resource });
        }
        self.change(resource, amounts, |available| instances::subtract(available, amounts))
    }

    /// Changes the instances of a resource, as many as there are amounts.
    fn change<R>(
        &mut self,
        resource: ResourceId,
        amounts: &[FixedPoint],
        change: impl FnOnce(&mut [FixedPoint]) -> R,
    ) -> Result<R, InstanceError> {
        check_count(resource, self.get(resource).len(), amounts.len())?;
        if amounts.is_empty() {
            return Err(InstanceError::Empty { resource });
        }
        let Some(stored) = self.table.get_mut(resource) else {
            let mut implicit = [FixedPoint::ONE];
            let result = change(&mut implicit);
            self.set(resource, &implicit)?;
            return Ok(result);
        };
        let result = change(stored);
        if stored[0] == FixedPoint::ONE && resource.is_implicit() {
            self.table.remove(resource);
        }
        Ok(result)
    }
}

fn check_count(resource: ResourceId, present: usize, given: usize) -> Result<(), InstanceError> {
    if present == given {
        Ok(())
    } else {
        Err(InstanceError::Count { resource, present, given })
    }
}

/// The instances that an amount of a resource makes: whole things are an instance each, anything else is one.
///
/// # Errors
///
/// If there are too many whole things.
pub fn split(resource: ResourceId, amount: FixedPoint) -> Result<Amounts, InstanceError> {
    if !resource.is_unit_instance() {
        return Ok(Amounts::from_slice(&[amount]));
    }
    match usize::try_from(amount.whole_units()) {
        Ok(count) if count as u64 <= MAX_INSTANCES => {
            Ok(Amounts::from_elem(FixedPoint::ONE, count))
        }
        _ => Err(InstanceError::TooMany { resource, wanted: amount.whole_units() }),
    }
}
