//! Looks into a plasma store.

fn main() {}
