//! Ray's own store and client, as its wheels carry them, for tests and benchmarks that need the real other side.
//!
//! * [`Peers`]: the programs and the library of one [`Version`], fetched by `tools/real-peers.sh` when first asked for;
//! * [`RealStore`]: a running raylet, and in it the store, which listens on a socket of its own.
//!
//! Linux only.

mod peers;
mod server;
mod store;

pub use peers::{Peers, Version};
pub use store::{RealStore, StoreOptions};
