//! What Ray schedules by: amounts of resources, sets of them, single instances, labels.
//!
//! Amounts are whole numbers of ten-thousandths ([`FixedPoint`]); sets are short arrays ordered by resource
//! ([`quantities`]), so that adding and comparing two of them is one walk. The functions on slices are public, for the
//! border runs them over sets that C++ owns: both languages have one behaviour.

pub mod bundle;
pub mod bundle_index;
pub mod fallback_strategy;
pub mod fixed_point;
pub mod instance_set;
pub mod instance_table;
pub mod instances;
pub mod label_selector;
pub mod label_syntax;
pub mod names;
pub mod node;
pub mod proto;
pub mod quantities;
pub mod request;
pub mod resource_id;
pub mod resource_set;

pub use fallback_strategy::FallbackOption;
pub use fixed_point::FixedPoint;
pub use instance_set::{NodeResourceInstanceSet, TaskResourceInstanceSet};
pub use label_selector::{LabelConstraint, LabelOperator, LabelSelector};
pub use node::NodeResources;
pub use request::ResourceRequest;
pub use resource_id::{ResourceId, SchedulingNodeId};
pub use resource_set::{NodeResourceSet, ResourceSet};
