//! The plasma store: serves clients over a Unix socket, on Ray's wire.
//!
//! * [`config`]: what a store is made from, and what one client may take of it;
//! * [`hooks`]: what a store tells the world, and asks it;
//! * [`core`](mod@self): the state, under one lock that is never held while something is written or called;
//! * `connection`: a client's socket;
//! * `sharing`: what is shared with clients of ours beside it;
//! * `server`: the handle to a store; `worker`: its threads.
//!
//! A client's mistake ends its connection, never the store.

mod admin;
mod client;
pub mod config;
mod connection;
mod core;
pub mod disk;
pub mod hooks;
#[doc(hidden)]
pub mod machine;
mod metrics;
mod offers;
mod server;
mod sharing;
mod socket;
mod timers;
mod worker;

pub use client::ClientId;
pub use config::{ClientLimits, StoreConfig};
pub use core::{StoreCounters, StoreSnapshot};
pub use hooks::{NoHooks, StoreHooks};
pub use metrics::render as render_metrics;
pub use server::{PlasmaStore, StartError};
