//! Why an operation failed.

use ray_common::ObjectId;
use ray_object_manager::plasma::client::ClientError;

use crate::error_object::ErrorObject;
use crate::metadata::Format;

/// What operations return.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such object, and there was no time to wait for it.
    #[error("there is no object {0}")]
    NotFound(ObjectId),
    /// The object did not come in time.
    #[error("object {0} did not come in time")]
    TimedOut(ObjectId),
    /// There is an object of this id, or one is being put.
    #[error("there is an object {0} already")]
    Exists(ObjectId),
    /// The object does not fit beside what is referred to, read or pinned. Nothing was evicted for it.
    #[error("{bytes} bytes do not fit into {limit}, of which {held} cannot go")]
    OutOfMemory {
        /// Bytes that it needs.
        bytes: usize,
        /// Bytes that the store may use.
        limit: usize,
        /// Bytes that are in use by what cannot go.
        held: usize,
    },
    /// The object is pinned.
    #[error("object {0} is pinned")]
    Pinned(ObjectId),
    /// The object has no pin that could be taken back.
    #[error("object {0} is not pinned")]
    NotPinned(ObjectId),
    /// The object is an error that took the place of a value.
    #[error(transparent)]
    Object(#[from] Box<ErrorObject>),
    /// The object has another type than the reference.
    #[error("object {id} is a {actual}, not a {expected}")]
    WrongType {
        /// The object.
        id: ObjectId,
        /// The reference's type.
        expected: String,
        /// The object's.
        actual: String,
    },
    /// The object was not written in the format in which it was to be read.
    #[error("an object in the format {actual:?} cannot be read as {expected}")]
    WrongFormat {
        /// What would have been understood.
        expected: &'static str,
        /// What it is.
        actual: Format,
    },
    /// The object is compressed with a codec that this program was built without.
    #[error("this program was built without {0}")]
    NoCodec(&'static str),
    /// The bytes are not what their metadata say.
    #[error("the object is malformed: {0}")]
    Malformed(String),
    /// The value could not be written.
    #[error("the value cannot be serialized: {0}")]
    Serialize(String),
    /// The reference belongs to another store.
    #[error("a reference to an object of another store")]
    ForeignReference,
    /// The plasma store or the connection to it failed.
    #[error(transparent)]
    Plasma(#[from] ClientError),
}

impl StoreError {
    pub(crate) fn malformed(what: impl std::fmt::Display) -> Self {
        Self::Malformed(what.to_string())
    }

    /// The error object, if that is what was got.
    #[must_use]
    pub fn object(&self) -> Option<&ErrorObject> {
        match self {
            Self::Object(error) => Some(error),
            _ => None,
        }
    }
}
