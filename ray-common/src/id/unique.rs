//! Ids of 28 bytes without structure.

use super::random;
use super::value::define_id;
use super::{JobId, ID_LENGTH};

define_id!(
    /// 28 bytes without further structure.
    UniqueId,
    ID_LENGTH
);

impl UniqueId {
    /// Fresh random bytes from the operating system.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn random() -> Self {
        Self(random::bytes())
    }
}

/// Defines an id that is a [`UniqueId`] by another name.
macro_rules! define_unique_id {
    ($(#[$meta:meta])* $name:ident) => {
        define_id!($(#[$meta])* $name, ID_LENGTH);

        impl $name {
            /// Fresh random bytes from the operating system.
            ///
            /// # Panics
            /// When the operating system has no randomness to give.
            pub fn random() -> Self {
                Self(random::bytes())
            }
        }

        impl From<UniqueId> for $name {
            fn from(id: UniqueId) -> Self {
                Self(id.0)
            }
        }

        impl From<$name> for UniqueId {
            fn from(id: $name) -> Self {
                Self(id.0)
            }
        }
    };
}

define_unique_id!(
    /// Names a function that tasks call.
    FunctionId
);
define_unique_id!(
    /// Names the class of an actor.
    ActorClassId
);
define_unique_id!(
    /// Names a worker process.
    WorkerId
);
define_unique_id!(
    /// Names a configuration.
    ConfigId
);
define_unique_id!(
    /// Names a node of the cluster.
    NodeId
);
define_unique_id!(
    /// Names a cluster.
    ClusterId
);

impl NodeId {
    /// The node that the control service counts as: every byte is 0.
    pub const GCS: Self = Self([0; ID_LENGTH]);
}

impl WorkerId {
    /// The worker that is the driver of a job: the job's bytes, then 0xff.
    pub fn of_driver(job: &JobId) -> Self {
        let mut bytes = [0xff; ID_LENGTH];
        bytes[..JobId::LENGTH].copy_from_slice(&job.0);
        Self(bytes)
    }
}
