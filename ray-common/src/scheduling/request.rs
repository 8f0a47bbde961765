//! What a task asks for.

use std::ops::{AddAssign, SubAssign};

use super::label_selector::LabelSelector;
use super::resource_set::ResourceSet;

/// Resources, and where. Sums and comparisons are of the resources only, as Ray's are.
#[derive(Debug, Clone, Default)]
pub struct ResourceRequest {
    /// How much of what.
    pub resources: ResourceSet,
    /// Whether arguments have to be brought into the object store first.
    pub requires_object_store_memory: bool,
    /// On which nodes.
    pub label_selector: LabelSelector,
}

impl From<ResourceSet> for ResourceRequest {
    fn from(resources: ResourceSet) -> Self {
        Self { resources, ..Self::default() }
    }
}

impl PartialEq for ResourceRequest {
    fn eq(&self, other: &Self) -> bool {
        self.resources == other.resources
    }
}

impl Eq for ResourceRequest {}

impl AddAssign<&ResourceRequest> for ResourceRequest {
    fn add_assign(&mut self, other: &Self) {
        self.resources += &other.resources;
    }
}

impl SubAssign<&ResourceRequest> for ResourceRequest {
    fn sub_assign(&mut self, other: &Self) {
        self.resources -= &other.resources;
    }
}
