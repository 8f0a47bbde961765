//! `scheduling_labels_test.cc`, with GMock's `main`.
#![no_main]

use ray_ffi as _;

#[link(name = "scheduling_labels_test", kind = "static", modifiers = "+whole-archive")]
extern "C" {}
