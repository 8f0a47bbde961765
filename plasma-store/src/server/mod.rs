//! What `plasma-store` does, in the order in which it happens:
//!
//! * [`options`]: the command line;
//! * [`checks`]: what the file system has to say to it;
//! * [`run`](mod@run): starting, serving, stopping;
//! * [`metrics`]: the page that Prometheus reads.

pub mod checks;
pub mod metrics;
pub mod options;
pub mod run;

pub use options::Options;
pub use run::run;
