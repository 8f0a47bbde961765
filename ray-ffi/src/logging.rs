//! What Rust logs goes where C++ logs: to `RAY_LOG`.

use std::sync::Once;

use crate::capi::catches_panics;
use log::{Level, LevelFilter, Log, Metadata, Record};

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");

        /// Writes a line: level -1 for debug, 0 information, 1 warning, 2 error; 3 ends the process.
        fn write_log(level: i32, message: &str);

        /// Whether debug lines are written.
        fn is_debug_logged() -> bool;
    }
}

struct CxxLog;

fn level_number(level: Level) -> i32 {
    match level {
        Level::Error => 2,
        Level::Warn => 1,
        Level::Info => 0,
        Level::Debug | Level::Trace => -1,
    }
}

impl Log for CxxLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            ffi::write_log(level_number(record.level()), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Connects the logs, once in a process; later calls only look at the level again.
pub(crate) fn connect() {
    static CONNECTED: Once = Once::new();
    CONNECTED.call_once(|| {
        // A Rust program that has a logger of its own keeps it.
        let _ = log::set_logger(&CxxLog);
        ray_object_manager::check::set_fatal_handler(|message| {
            // A C call returns an error instead.
            ffi::write_log(if catches_panics() { 2 } else { 3 }, message);
        });
    });
    log::set_max_level(if ffi::is_debug_logged() { LevelFilter::Debug } else { LevelFilter::Info });
}
