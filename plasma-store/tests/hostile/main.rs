//! Hostile and unlucky clients: whatever they do, others go on, and afterwards nothing of it is left in the store.
//!
//! * `misdeeds`: what ends Ray's store, and more of the kind;
//! * `bytes`: messages cut short, changed, and made up;
//! * `sessions`: random sessions of several clients against a model;
//! * `limits`: what one client may take, and a process that has no more descriptors;
//! * `crowd`: a thousand clients, clients that never read, or send a byte at a time;
//! * `disk`: a file system that becomes full;
//! * `killed`: processes that end in the middle of something;
//! * `shared`, `pins`, `offers`: memory that is shared with the store, written at will;
//! * `stale`: results that are fetched when what they stand for has gone.

#[path = "../common/mod.rs"]
mod common;

mod bytes;
mod crowd;
mod disk;
mod harness;
mod killed;
mod limits;
mod misdeeds;
mod model;
mod offers;
mod pins;
mod sessions;
mod shared;
mod sharer;
mod stale;
