//! Two programs: `plasma-store`, a plasma store of its own, and `plasma`, with which people look into one.
//!
//! * [`server`]: what `plasma-store` does;
//! * [`values`]: sizes and times as people write them.

pub mod server;
pub mod values;
