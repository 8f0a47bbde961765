//! Channels: mutable objects that a writer fills again and again, and that its readers read in place.
//!
//! [`ChannelWriter`] and [`ChannelReader`] are the two ends, over the memory of a mutable object of a store or of a
//! [`ChannelFile`]. Their values are views of shared memory; a reader's goes back when it is dropped, and the writer can write
//! the next one when every reader has given the last one back. Layout and semaphores are those of Ray's processes, which can
//! be at the other end.
//!
//! Who waits sleeps. An end that is closed closes the channel for all; so does the death of a process that has it open, which
//! the others notice within [`ChannelOptions::look_every`]. `docs/channels.md` has the whole story.

mod end;
mod error;
mod foreign;
pub mod growing;
mod incoming;
mod leftovers;
pub mod manager;
mod memory;
mod patience;
pub mod protocol;
mod semaphores;
mod spin;
mod typed;
mod world;

pub use end::EndState;
pub use error::{ChannelError, Result};
pub use incoming::{Incoming, Piece};
pub use leftovers::sweep_leftovers;
pub use memory::{ChannelFile, ChannelMemory};
pub use patience::{Interrupt, Patience, Timeout};
pub use semaphores::{ChannelOptions, ChannelSemaphores};
pub use typed::{ChannelReader, ChannelWriter, ReadBuffer, WriteBuffer};
pub use world::Shared;
