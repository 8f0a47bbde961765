//! The only border between the Rust object manager and C++: one module for each of Ray's headers, each
//! with a cxx bridge, and [`capi`] behind the C header.
//!
//! C++ keeps the shapes, Rust keeps the state and the behaviour. Functions that take or return an object
//! use its address; what lies there is described in [`layout`] and asserted on both sides. A panic ends
//! the process with its message, as a failed `RAY_CHECK` does.

#![allow(clippy::missing_safety_doc)] // `unsafe` functions of the bridges state their contract in words

pub mod allocator;
pub mod capi;
pub mod eviction_policy;
pub mod layout;
pub mod lifecycle;
pub mod logging;
pub mod object_store;
pub mod stats_collector;
