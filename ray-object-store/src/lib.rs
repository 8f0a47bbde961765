//! Typed objects with counted references, in the memory of a process and in a plasma store, for Rust programs.
//!
//! ```
//! use ray_object_store::{MemoryConfig, MemoryStore, ObjectRef, Store};
//!
//! let store = Store::new(MemoryStore::new(MemoryConfig::new(64 << 20)));
//! let words: ObjectRef<Vec<String>> = store.put(&vec!["one".to_owned(), "two".to_owned()])?;
//! assert_eq!(words.get()?.len(), 2);
//! # Ok::<(), ray_object_store::StoreError>(())
//! ```
//!
//! [`Store`] adds types to an [`ObjectStore`]: [`MemoryStore`], [`PlasmaStore`], or [`TieredStore`], which is both together and the one
//! that most programs want. `docs/object-store-api.md` says how they are built.
//!
//! # Ownership
//!
//! **Who puts an object owns it**: the store through which it was put counts its references. These are
//! * each [`ObjectRef`] and each copy of it, on any thread;
//! * each object in the same store that it is nested in, because an `ObjectRef` of it was in the value;
//! * each reader: `Bytes`, a [`View`], arrays, as long as they are kept;
//! * a [`Promise`] that has not been kept yet.
//!
//! The object goes with the last reference, out of memory and out of the plasma store. [`ObjectRef::detach`] leaves it to the store instead, to stay
//! until its memory is needed. A pin keeps an object without references.
//!
//! **Other processes borrow.** A reference that [`Store::reference`] makes from an id, or that comes in a value, is held by that process's own
//! connection to the plasma store. When the owner's last reference goes, the plasma store takes the object away from everybody who comes later, and
//! frees it when the last borrower has let go. A borrower's last reference frees nothing that is still owned.
//!
//! **What was sent elsewhere.** The bytes of an id or a serialized reference keep nothing alive: the sender has to keep its reference until the receiver has
//! made his own. A reference *inside an object* needs no such care: what is nested in an object of the plasma store stays until that
//! object is really gone there, which includes everybody in any process who still reads it. So whoever gets an object finds what it refers
//! to.
//!
//! **When the owner's process ends**, its references go with its connection. What it had put stays in the plasma store like anything that nobody
//! uses: until the memory is needed. What others hold stays as long as they hold it, but what is nested in it has no one to keep it, unless they have references to that, too.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

#[cfg(feature = "arrow")]
mod arrow;
mod compression;
mod config;
mod context;
mod core;
mod engine;
mod error;
mod error_object;
mod metadata;
mod object_store;
mod plasma_link;
mod ray;
mod reference;
mod serializer;
mod stats;
mod store;
mod stores;
mod table;
mod view;

#[cfg(test)]
mod model;

#[cfg(feature = "arrow")]
pub use self::arrow::Batches;
pub use self::config::{EvictionPolicy, MemoryConfig, DEFAULT_THRESHOLD, OBJECT_OVERHEAD};
pub use self::error::{Result, StoreError};
pub use self::error_object::{ErrorObject, ErrorType};
pub use self::metadata::{Compression, Format, ObjectMetadata, OwnerAddress};
pub use self::object_store::{BoxFuture, Keep, NewObject, ObjectStore, RayObject};
pub use self::ray::{ArrayOrder, ByteOrder, NumpyArray, NumpyType};
pub use self::reference::{ObjectRef, Promise};
pub use self::serializer::{Compact, MessagePack, Serializer};
pub use self::stats::{Amount, Counters, Stats};
pub use self::store::{PutOptions, Store};
pub use self::stores::{MemoryStore, PlasmaStore, TieredStore};
pub use self::view::View;
pub use ray_object_manager::plasma::client::Timeout;
