//! The border between C++ and the Rust of ids, status and the scheduler's types: a module with a cxx bridge for each of Ray's headers.
//!
//! It is a crate of its own below `ray-ffi`, because in Ray everything uses ids, and most of it no object manager: what
//! links these headers needs nothing of the others'.

#![allow(unreachable_pub)] // what cxx expands to

mod id;
mod scheduling;
mod status;
