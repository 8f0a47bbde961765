//! Two programs: `plasma-store`, a plasma store of its own, and `plasma`, with which people look into one.
//!
//! * [`server`]: what `plasma-store` does;
//! * [`cli`]: what `plasma` does;
//! * [`admin`]: asking a store about itself;
//! * [`values`]: sizes and times as people write them.

pub mod admin;
pub mod cli;
pub mod server;
pub mod values;
