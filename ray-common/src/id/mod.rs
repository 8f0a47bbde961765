//! Ray's ids as plain values.
//!
//! Most are 28 bytes without structure. Those of jobs, actors, tasks and objects lie inside each other, each with its
//! parent's at its end:
//!
//! | id | bytes | from the front |
//! |---|---|---|
//! | [`JobId`] | 4 | a number |
//! | [`ActorId`] | 16 | 12 of its own, the job |
//! | [`TaskId`] | 24 | 8 of its own, the actor |
//! | [`ObjectId`] | 28 | the task, 4 of an index among the task's objects |
//! | [`PlacementGroupId`] | 18 | 14 of its own, the job |
//! | [`LeaseId`] | 32 | 4 of a counter, the worker |
//!
//! Numbers are little-endian. An id all of whose bytes are 0xff is nil: it stands for "none". A task of no actor has an
//! actor's place whose first 12 bytes are 0xff and whose last four are the job's.

mod derive;
mod hash;
pub mod hex;
mod random;
mod unique;
mod value;

#[cfg(test)]
mod tests;

pub use hash::murmur_hash_64a;
pub use random::fill_random;
pub use unique::{ActorClassId, ClusterId, ConfigId, FunctionId, NodeId, UniqueId, WorkerId};

use value::define_id;

/// Bytes of an [`ObjectId`], and of every [`UniqueId`].
pub const ID_LENGTH: usize = 28;

/// Why bytes or text are not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The number of bytes is not the one of this kind of id.
    #[error("expected size is {expected}, but got data size is {actual}")]
    WrongLength {
        /// What the kind of id needs.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// The number of hexadecimal digits is not the one of this kind of id.
    #[error("expected {expected} hexadecimal digits, but got {actual} characters")]
    WrongDigits {
        /// What the kind of id needs.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// A character at this position is not a hexadecimal digit.
    #[error("incorrect hex character at position {position}")]
    NotHex {
        /// Zero-based position in the text, in bytes.
        position: usize,
    },
    /// Objects of a task are numbered from 1.
    #[error("objects of a task are numbered from 1, not from 0")]
    IndexZero,
}

define_id!(
    /// Names a job: one driver program and all that it starts.
    JobId,
    4
);
define_id!(
    /// Names an actor, and the job that it belongs to.
    ActorId,
    16
);
define_id!(
    /// Names a task, with the actor that runs it if one does, and the job.
    TaskId,
    24
);
define_id!(
    /// Names one object in the cluster: the task that made it, and its index among that task's objects.
    ObjectId,
    ID_LENGTH
);
define_id!(
    /// Names a group of resources that were reserved together, and the job that did it.
    PlacementGroupId,
    18
);
define_id!(
    /// Names a lease of a worker: the worker that asked for it, and how many it had asked for.
    LeaseId,
    32
);
