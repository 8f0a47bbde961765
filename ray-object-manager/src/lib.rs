//! Ray's object manager in Rust, without any foreign type: what Ray's C++ reaches through `ray-ffi`,
//! a Rust program can use directly.
//!
//! [`plasma`] is the shared-memory store of one node, from the allocator at the bottom to the
//! lifecycle of its objects at the top. [`channel`] moves values between processes through objects of such a store that are
//! written again and again.

pub mod channel;
pub mod check;
pub mod plasma;

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
