//! The operating-system calls of the object manager, and the only crate of it that makes them unsafely.
//!
//! * [`FileMapping`]: a file without a name, mapped and shared, whose space can be reserved ahead of use;
//! * [`ZeroedArray`]: memory of this process whose pages can be given back;
//! * [`prefetch`] and [`with_upper_half`]: instructions of the processor for large tables;
//! * [`send_fd`] and [`recv_fd`]: a descriptor handed to another process;
//! * [`Incoming`] and [`send_all`]: messages with descriptors between them;
//! * [`ReceivedFile`]: a file that another process sent, mapped;
//! * [`copy()`]: a copy with several threads, where it is large;
//! * [`SharedWords`] and [`ReadWords`]: memory of several processes, touched atomically;
//! * [`ForkMark`] and [`fork_generation`]: notice that this process is a fork;
//! * [`NamedSemaphore`] and [`futex_wait`]: waiting for other processes;
//! * [`leave_core`]: a thread goes to another core;
//! * [`ProcessMark`]: whether another process still lives.
//!
//! Linux only, like Ray's shared-memory store on anything but a test bench.

mod anonymous;
mod copiers;
mod copy;
mod fd_passing;
mod fork_generation;
mod fork_mark;
mod futex;
mod huge;
mod huge_pace;
mod incoming;
mod mapping;
mod pages;
mod placement;
mod process;
mod processor;
mod received;
mod semaphore;
mod space;
mod words;

pub use anonymous::{Zeroable, ZeroedArray};
pub use copy::copy;
pub use fd_passing::{recv_fd, send_fd};
pub use fork_generation::fork_generation;
pub use fork_mark::ForkMark;
pub use futex::{futex_wait, futex_wait_any, futex_wake};
pub use incoming::{send_all, Incoming};
pub use mapping::{FileMapping, MappingOptions};
pub use pages::{page_size, round_up};
pub use placement::leave_core;
pub use process::{Life, ProcessMark};
pub use processor::{prefetch, with_upper_half};
pub use received::{ReceivedFile, ReceivedFileOptions};
pub use semaphore::{
    NamedSemaphore, Semaphore, SemaphoreTail, SemaphoreWords, SEMAPHORE_FILE_SIZE,
};
pub use space::Reserver;
pub use words::{ReadWords, SharedWords};

use std::fmt::Display;
use std::io;

/// The same kind of error with a description of what was being done in front of it.
///
/// The operating system's number is kept in the text only; [`io::Error::kind`] stays.
fn context(error: &io::Error, what: impl Display) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
