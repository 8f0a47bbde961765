//! Why an operation of a client failed.

use std::fmt;
use std::io;

use ray_common::ObjectId;

use crate::plasma::common::PlasmaError;
use crate::plasma::protocol::ProtocolError;

/// What a client was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the method of its name")]
pub enum Operation {
    Connect,
    Create,
    Write,
    Seal,
    Abort,
    Get,
    Release,
    Delete,
    Contains,
    DebugString,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Create => "create",
            Self::Write => "write",
            Self::Seal => "seal",
            Self::Abort => "abort",
            Self::Get => "get",
            Self::Release => "release",
            Self::Delete => "delete",
            Self::Contains => "contains",
            Self::DebugString => "debug string",
        })
    }
}

/// An operation that failed, the object it was about, and why.
#[derive(Debug, thiserror::Error)]
#[error("{operation}{}: {cause}", .id.map(|id| format!(" {id}")).unwrap_or_default())]
pub struct ClientError {
    /// What was being done.
    pub operation: Operation,
    /// The object, when it was about a single one.
    pub id: Option<ObjectId>,
    /// Why it failed.
    #[source]
    pub cause: Cause,
}

/// What a client's methods return.
pub type Result<T> = std::result::Result<T, ClientError>;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// There is an object of this id.
    #[error("an object of this id exists")]
    ObjectExists,
    /// There is no such object, or this client has no reference to it.
    #[error("there is no such object here")]
    NotFound,
    /// The store has no memory for it.
    #[error("the store has no memory for it")]
    OutOfMemory,
    /// Neither has its disk room for it.
    #[error("the store has neither memory nor disk space for it")]
    OutOfDisk,
    /// The object is not sealed.
    #[error("the object is not sealed")]
    NotSealed,
    /// The object is sealed.
    #[error("the object is sealed")]
    AlreadySealed,
    /// Somebody uses the object.
    #[error("the object is in use")]
    InUse,
    /// The object is not a mutable one.
    #[error("the object is not a mutable one")]
    NotMutable,
    /// The client was connected with [`super::ConnectOptions::read_only`].
    #[error("the client is connected for reading only")]
    ReadOnly,
    /// The object did not come in time.
    #[error("it did not come in time")]
    Timeout,
    /// The data do not have the size that was announced.
    #[error("{actual} bytes for a place of {expected}")]
    WrongSize {
        /// Bytes that there is room for.
        expected: usize,
        /// Bytes that were given.
        actual: usize,
    },
    /// The store refused, and has no number for the reason.
    #[error("the store refused the request at this moment")]
    Refused,
    /// There is no connection to the store any more. It does not come back by itself.
    #[error("not connected to the store: {why}")]
    Disconnected {
        /// What ended it.
        why: String,
    },
    /// The store sent something that makes no sense. The connection is closed.
    #[error("the store broke the protocol: {0}")]
    Protocol(String),
    /// This process was forked from the one that connected. Connect again.
    #[error("the client was connected by process {connected_by}, of which this is a fork")]
    Forked {
        /// That process.
        connected_by: u32,
    },
    /// The operating system has no descriptor or memory left for another connection.
    #[error("no connection to wait on: {0}")]
    Exhausted(io::Error),
    /// The operating system refused something.
    #[error("{0}")]
    Io(io::Error),
}

impl Cause {
    pub(super) fn at(self, operation: Operation, id: impl Into<Option<ObjectId>>) -> ClientError {
        ClientError { operation, id: id.into(), cause: self }
    }

    /// Whether the stream is of no use after this.
    pub(super) fn ends_session(&self) -> bool {
        matches!(self, Self::Disconnected { .. } | Self::Protocol(_) | Self::Io(_))
    }

    pub(super) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol(what.into())
    }

    /// A connection that failed.
    pub(super) fn connection(error: &io::Error) -> Self {
        Self::Disconnected { why: error.to_string() }
    }
}

impl From<ProtocolError> for Cause {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<PlasmaError> for Cause {
    fn from(error: PlasmaError) -> Self {
        match error {
            PlasmaError::ObjectExists => Self::ObjectExists,
            PlasmaError::ObjectNonexistent => Self::NotFound,
            PlasmaError::OutOfMemory => Self::OutOfMemory,
            PlasmaError::ObjectNotSealed => Self::NotSealed,
            PlasmaError::ObjectInUse => Self::InUse,
            PlasmaError::ObjectSealed => Self::AlreadySealed,
            PlasmaError::OutOfDisk => Self::OutOfDisk,
            PlasmaError::Ok | PlasmaError::UnexpectedError => Self::Refused,
        }
    }
}
