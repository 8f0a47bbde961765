//! What can go wrong with a channel.

use std::io;

use super::protocol::Failure;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// An end has closed, or has said that something went wrong.
    #[error("the channel is closed")]
    Closed,
    /// A process that had the channel open has ended without closing it.
    #[error("the channel is closed: process {pid} has ended without closing its end")]
    PeerDied {
        /// Its number.
        pid: u32,
    },
    /// It would have taken longer than the caller wants to wait.
    #[error("the wait has taken too long")]
    TimedOut,
    /// The version that a reader was to read is there no more, or as many readers have it as it was for.
    #[error("the reader has missed a value: are there as many readers as values are written for?")]
    Missed,
    /// The caller's own check says that it must do something else.
    #[error("the wait was interrupted")]
    Interrupted,
    /// Somebody broke the rules of the channel.
    #[error("the channel is broken: {0}")]
    Broken(&'static str),
    /// Data and metadata do not fit, or a size is none.
    #[error("{data_size} bytes of data and {metadata_size} of metadata do not fit into a channel of {capacity}")]
    TooLarge {
        /// Bytes of data that were asked for.
        data_size: i64,
        /// Bytes of metadata.
        metadata_size: i64,
        /// Bytes that there are.
        capacity: usize,
    },
    /// The number of readers is none: it must be positive, or -1 for any number.
    #[error("a value cannot be written for {0} readers")]
    NoReaders(i64),
    /// There is no such channel here.
    #[error("the channel has not been registered")]
    NotRegistered,
    /// A value is begun twice, or ended without having been begun.
    #[error("out of turn: {0}")]
    OutOfTurn(&'static str),
    /// The semaphores cannot be made or opened.
    #[error("the channel cannot be opened: {0}")]
    SetUp(#[from] io::Error),
}

/// The usual.
pub type Result<T> = std::result::Result<T, ChannelError>;

impl ChannelError {
    /// Whether nothing will ever come over this channel again.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed | Self::PeerDied { .. } | Self::Broken(_))
    }
}

impl From<Failure> for ChannelError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Closed => Self::Closed,
            Failure::TimedOut => Self::TimedOut,
            Failure::Missed => Self::Missed,
            Failure::Interrupted => Self::Interrupted,
            Failure::Broken(what) => Self::Broken(what),
        }
    }
}
