//! Ray's own store and client, as its wheels carry them, for tests and benchmarks that need the real other side.
//!
//! * [`Peers`]: the programs and the library of one [`Version`], fetched by `tools/real-peers.sh` when first asked for;
//! * [`RealStore`]: a running raylet, and in it the store, which listens on a socket of its own;
//! * [`RealClient`]: Ray's client, in a process of its own that does what it is told;
//! * [`RealChannelEnd`]: a writer or reader of a mutable object, with Ray's code;
//! * [`wire`]: the protocol as bytes, without any of the code under test;
//! * [`record`]: conversations with a store, to compare byte by byte with those of another;
//! * [`hazards`]: what ends Ray's store and must not end another;
//! * [`observations`]: what was seen.
//!
//! Linux only.

pub mod channel;
pub mod client;
pub mod hazards;
mod peers;
pub mod record;
#[doc = include_str!("../OBSERVATIONS.md")]
pub mod observations {}
mod server;
mod store;
pub mod wire;

pub use channel::RealChannelEnd;
pub use client::RealClient;
pub use peers::{Peers, Version};
pub use store::{RealStore, StoreOptions};
