//! The only border between the Rust object manager and C++: one module for each of Ray's headers, each
//! with a cxx bridge, and [`capi`] behind the C header.
//!
//! C++ keeps the shapes, Rust keeps the state and the behaviour. Functions that take or return an object
//! use its address; what lies there is described in `layout` and asserted on both sides. A panic ends
//! the process with its message, as a failed `RAY_CHECK` does.

#![allow(unreachable_pub)] // what cxx expands to

// The libraries have it too: what C++ calls of ids and statuses.
use ray_common_ffi as _;

mod allocator;
pub mod capi;
mod channel;
mod client;
mod create_request_queue;
mod eviction_policy;
mod fling;
mod get_request_queue;
mod layout;
mod lifecycle;
mod logging;
mod object_store;
mod protocol;
mod stats_collector;
mod store;
mod views;
