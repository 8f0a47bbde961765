//! `object_store_test.cc`, with GMock's `main`.
#![no_main]

use ray_ffi as _;

#[link(name = "object_store_test", kind = "static", modifiers = "+whole-archive")]
extern "C" {}
