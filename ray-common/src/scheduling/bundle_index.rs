//! Which resources of a node are bundles of which placement group.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::resource_id::{BundleFacts, ResourceId};

/// What a group took, and the group.
type Group = (ResourceId, &'static [u8]);

/// In the order of their numbers.
type Bundles = BTreeSet<(i32, ResourceId)>;

/// The bundles of placement groups among the resources of a table, found by what they are made of and by group. Lower
/// bundles come first.
#[derive(Debug, Clone, Default)]
pub struct BundleIndex(HashMap<Group, Bundles, foldhash::fast::RandomState>);

impl BundleIndex {
    fn entry(resource: ResourceId) -> Option<(ResourceId, &'static [u8], i32)> {
        let bundle = resource.facts().bundle.as_ref()?;
        Some((bundle.original, &bundle.group, bundle.index?))
    }

    pub(super) fn add(&mut self, resource: ResourceId) {
        if let Some((original, group, index)) = Self::entry(resource) {
            self.0.entry((original, group)).or_default().insert((index, resource));
        }
    }

    pub(super) fn remove(&mut self, resource: ResourceId) {
        if let Some((original, group, index)) = Self::entry(resource) {
            if let Some(bundles) = self.0.get_mut(&(original, group)) {
                bundles.remove(&(index, resource));
                if bundles.is_empty() {
                    self.0.remove(&(original, group));
                }
            }
        }
    }

    pub(super) fn of(&self, bundle: &'static BundleFacts) -> SmallVec<[ResourceId; 8]> {
        let found = self.0.get(&(bundle.original, &*bundle.group)).into_iter().flatten();
        found.map(|&(_, resource)| resource).collect()
    }
}
