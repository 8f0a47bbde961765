//! Ray's object manager in Rust, without any foreign type: what Ray's C++ reaches through `ray-ffi`,
//! a Rust program can use directly.
//!
//! [`plasma`] is the shared-memory store of one node, from the allocator at the bottom to the
//! lifecycle of its objects at the top.

pub mod check;
pub mod plasma;

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
