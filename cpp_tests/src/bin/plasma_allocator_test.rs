//! `plasma_allocator_test.cc`, with GMock's `main`.
#![no_main]

use ray_ffi as _;

#[link(name = "plasma_allocator_test", kind = "static", modifiers = "+whole-archive")]
extern "C" {}
