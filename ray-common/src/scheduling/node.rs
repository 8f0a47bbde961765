//! What a node has, and whether a request fits.

use std::collections::HashMap;

use super::fixed_point::FixedPoint;
use super::request::ResourceRequest;
use super::resource_id::ResourceId;
use super::resource_set::{NodeResourceSet, ResourceSet};

/// What a node has in all, what is free of it, and its labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeResources {
    /// What it has in all.
    pub total: NodeResourceSet,
    /// What is free.
    pub available: NodeResourceSet,
    /// What ordinary tasks use; it still counts as free in `available`.
    pub normal_tasks: ResourceSet,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// Whether objects wait for space to be pulled.
    pub object_pulls_queued: bool,
}

impl NodeResources {
    /// Whether the request fits now. `ignore_pulls` lets it in although objects wait for space. Whole things are counted by their
    /// sum, so the instances may be too broken up all the same.
    pub fn is_available(&self, request: &ResourceRequest, ignore_pulls: bool) -> bool {
        let pulls = self.object_pulls_queued && request.requires_object_store_memory;
        (ignore_pulls || !pulls)
            && request.label_selector.matches(&self.labels)
            && self.available.covers_without(&self.normal_tasks, &request.resources)
    }

    /// Whether the request would fit if nothing else ran.
    pub fn is_feasible(&self, request: &ResourceRequest) -> bool {
        request.label_selector.matches(&self.labels) && self.total.covers(&request.resources)
    }

    /// The used part, from 0 to 1, of processors, memory or the object store, whichever is used most.
    pub fn critical_utilization(&self) -> f32 {
        let critical = [ResourceId::CPU, ResourceId::MEMORY, ResourceId::OBJECT_STORE_MEMORY];
        let used = critical.map(|resource| {
            let used = self.normal_tasks.has(resource).then(|| self.normal_tasks.get(resource));
            utilization(self.total.get(resource), self.available.get(resource), used)
        });
        used.into_iter().fold(0.0, f32::max)
    }
}

/// The part of `total` that is not free; what ordinary tasks use is not free either, if there is such.
#[allow(clippy::cast_possible_truncation)] // a part of one
pub fn utilization(
    total: FixedPoint,
    available: FixedPoint,
    normal_tasks: Option<FixedPoint>,
) -> f32 {
    if total == FixedPoint::ZERO {
        return 0.0;
    }
    let available = match normal_tasks {
        Some(used) => (available - used).max(FixedPoint::ZERO),
        None => available,
    };
    (1.0 - available.to_f64() / total.to_f64()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::LabelConstraint;

    fn node() -> NodeResources {
        let cpus = |units| NodeResourceSet::from_iter([(ResourceId::CPU, units)]);
        let labels = HashMap::from([("region".into(), "us".into())]);
        NodeResources { total: cpus(4), available: cpus(2), labels, ..NodeResources::default() }
    }

    fn request(cpus: f64) -> ResourceRequest {
        ResourceSet::from_iter([(ResourceId::CPU, cpus)]).into()
    }

    #[test]
    fn a_request_fits_or_could() {
        let mut node = node();
        assert!(
            node.is_available(&request(2.0), false) && !node.is_available(&request(2.1), false)
        );
        assert!(node.is_feasible(&request(4.0)) && !node.is_feasible(&request(4.1)));
        node.normal_tasks.set(ResourceId::CPU, 1);
        assert!(
            !node.is_available(&request(2.0), false) && node.is_available(&request(1.0), false)
        );
    }

    #[test]
    fn labels_and_pulls_stand_in_the_way() {
        let mut node = node();
        let mut request = request(1.0);
        request.requires_object_store_memory = true;
        node.object_pulls_queued = true;
        assert!(!node.is_available(&request, false) && node.is_available(&request, true));
        request.label_selector.add(LabelConstraint::parse("region", "eu").expect("well formed"));
        assert!(!node.is_available(&request, true) && !node.is_feasible(&request));
    }

    #[test]
    fn the_most_used_resource_counts() {
        let mut node = node();
        assert!((node.critical_utilization() - 0.5).abs() < 1e-6);
        node.total.set(ResourceId::MEMORY, 100);
        node.available.set(ResourceId::MEMORY, 10);
        assert!((node.critical_utilization() - 0.9).abs() < 1e-6);
        node.normal_tasks.set(ResourceId::CPU, 3);
        assert!((node.critical_utilization() - 1.0).abs() < 1e-6);
    }
}
