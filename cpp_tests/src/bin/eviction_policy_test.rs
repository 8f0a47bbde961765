//! `eviction_policy_test.cc`, with GMock's `main`.
#![no_main]

use ray_ffi as _;

#[link(name = "eviction_policy_test", kind = "static", modifiers = "+whole-archive")]
extern "C" {}
