//! A client of a plasma store: Ray's, or ours.
//!
//! * [`PlasmaClient`]: objects as buffers, which give themselves back;
//! * [`AsyncPlasmaClient`]: the same with futures, for any executor;
//! * [`RawClient`]: the same by pointers and counts, as Ray's C++ client has it.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc_store/mod.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let _store = start_store(folder.path(), 64 << 20, 0);
//! # let socket = folder.path().join("store");
//! use ray_common::ObjectId;
//! use ray_object_manager::plasma::client::{ConnectOptions, CreateOptions, PlasmaClient, Timeout};
//!
//! let client = PlasmaClient::connect(socket, ConnectOptions::default())?;
//! let id = ObjectId::random();
//! let mut object = client.create(&CreateOptions::new(id, 1 << 20).metadata(b"zeros"))?;
//! object.data_mut().fill(0);
//! object.seal()?;
//!
//! let object = client.get_one(id, Timeout::Never)?;
//! assert_eq!((object.len(), object.metadata()), (1 << 20, &b"zeros"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! A client has one connection for whatever is answered at once, under a lock for the time of an exchange. It keeps all
//! references and mappings. A get first looks at what this client uses already, then asks without waiting, and only
//! if something is still missing waits, on a connection of its own, so that it stands in nobody's way. The asynchronous
//! client does the same exchanges on a thread of its own, and waits without one.

mod asynchronous;
mod blocking;
mod buffer;
mod error;
mod lane;
mod object;
mod options;
mod raw;
mod session;
mod shared;
mod table;
#[cfg(test)]
mod tests;
mod waiters;
mod worker;

pub use asynchronous::AsyncPlasmaClient;
pub use blocking::PlasmaClient;
pub use buffer::{
    AsyncMutableBuffer, Asynchronous, Blocking, Buffer, MutableBuffer, MutableObject,
};
pub use error::{Cause, ClientError, Operation, Result};
pub use object::RawObject;
pub use options::{ConnectOptions, CreateOptions, Deletion, Metadata, Owner, Timeout, WhenFull};
pub use raw::RawClient;
pub use table::InUse;
