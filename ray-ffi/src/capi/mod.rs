//! Behind `plasma_rs.h`: allocator, store and lifecycle for C, over the Rust core without any C++.
//!
//! The documentation of what is exported here becomes that of the header (`cbindgen.toml`, which also has
//! the rules for pointers, threads and ownership that hold for all of it).

#![allow(clippy::missing_safety_doc)] // the header's preamble has what every function asks of its pointers

mod allocator;
mod guard;
mod store;
mod types;

pub(crate) use guard::catches_panics;

pub use allocator::*;
pub use guard::{plasma_rs_error_name, plasma_rs_last_error_message, PlasmaRsError};
pub use store::*;
pub use types::*;
