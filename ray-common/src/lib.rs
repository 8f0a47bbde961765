//! What every layer of the object manager is made of: Ray's ids, the codes that things end with, and the resources and
//! labels that its scheduler counts with.
//!
//! An id is a value: a fixed number of bytes, compared and hashed in place. In C++ Ray keeps a cached
//! hash beside the bytes; that pair is described in the border crates, not here.

pub mod id;
pub mod scheduling;
pub mod status;

pub use id::{
    ActorClassId, ActorId, ClusterId, ConfigId, FunctionId, JobId, LeaseId, NodeId, ObjectId,
    PlacementGroupId, TaskId, UniqueId, WorkerId,
};
pub use status::{Status, StatusCode};
