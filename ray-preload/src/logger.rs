//! Log lines go to the raylet's standard error, which Ray keeps in `raylet.err` of the session.

use log::{LevelFilter, Log, Metadata, Record};

struct Lines;

static LINES: Lines = Lines;

impl Log for Lines {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("[rust plasma store] {}: {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

/// As much is logged as Ray's own variable says.
pub(crate) fn install() {
    let level = match std::env::var("RAY_BACKEND_LOG_LEVEL").as_deref() {
        Ok("trace") => LevelFilter::Trace,
        Ok("debug") => LevelFilter::Debug,
        Ok("warning") => LevelFilter::Warn,
        Ok("error" | "fatal") => LevelFilter::Error,
        _ => LevelFilter::Info,
    };
    if log::set_logger(&LINES).is_ok() {
        log::set_max_level(level);
    }
}
