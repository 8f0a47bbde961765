//! The shared-memory object store of one node, bottom up:
//!
//! * [`allocator`] and [`plasma_allocator`]: memory that other processes can map;
//! * [`object_store`] and [`local_object`]: the table of the objects that lie in it;
//! * [`eviction_policy`]: which unused object goes first;
//! * [`stats_collector`]: how many objects and bytes are in which state;
//! * [`obj_lifecycle_mgr`]: create, seal, abort, delete and reference counts over all of them;
//! * [`create_request_queue`] and [`get_request_queue`]: creations and gets that wait;
//! * [`protocol`]: the messages between a client and a store;
//! * [`store`]: serves clients over a socket;
//! * [`client`]: is one.
//!
//! Nothing here is thread-safe unless it says so: as in Ray, one thread (or one lock) owns a store.

pub mod allocator;
pub mod client;
pub mod common;
pub mod create_request_queue;
pub mod eviction_policy;
mod free_space;
pub mod get_request_queue;
mod id_hash;
mod id_index;
mod interned;
pub mod local_object;
mod lru_list;
pub mod mappings;
pub mod obj_lifecycle_mgr;
pub mod object_header;
pub mod object_store;
pub mod plasma_allocator;
pub mod protocol;
mod shared;
mod slab;
pub mod stats_collector;
pub mod store;
