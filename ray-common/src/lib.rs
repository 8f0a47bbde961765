//! What every layer of the object manager is made of: Ray's ids.
//!
//! An id is a value: a fixed number of bytes, compared and hashed in place. In C++ Ray keeps a cached
//! hash beside the bytes; that pair is described in the border crate, not here.

pub mod id;

pub use id::{NodeId, ObjectId, UniqueId, WorkerId};
