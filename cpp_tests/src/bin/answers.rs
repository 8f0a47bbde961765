//! `answers.cc`, which has a `main`.
#![no_main]

use ray_ffi as _;

#[link(name = "answers", kind = "static", modifiers = "+whole-archive")]
extern "C" {}
