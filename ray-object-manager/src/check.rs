//! Conditions whose failure is a mistake of the program itself, as `RAY_CHECK` in Ray.

use std::sync::OnceLock;

static FATAL_HANDLER: OnceLock<fn(&str)> = OnceLock::new();

/// Lets a program that has its own log see the message of a failed check before the panic. The handler
/// may end the process. Only the first handler counts.
pub fn set_fatal_handler(handler: fn(&str)) {
    let _ = FATAL_HANDLER.set(handler);
}

/// Ends the operation, and with it a process that does not catch panics, with a message.
///
/// # Panics
/// Always, unless the handler ends the process first.
#[cold]
#[inline(never)]
#[track_caller]
pub fn fatal(message: &str) -> ! {
    if let Some(handler) = FATAL_HANDLER.get() {
        handler(message);
    }
    panic!("{message}")
}

/// Panics through [`fatal`] with `Check failed: <message>` unless the condition holds.
macro_rules! check {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::check::fatal(&format!("Check failed: {}", format_args!($($message)+)));
        }
    };
}
pub(crate) use check;
