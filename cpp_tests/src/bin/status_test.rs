//! `status_test.cc`, with GMock's `main`.
#![no_main]

use ray_ffi as _;

#[link(name = "status_test", kind = "static", modifiers = "+whole-archive")]
extern "C" {}
