//! Bars for what takes long. They go to standard error, and only to a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Bytes that are moved in no time.
const SHORT: u64 = 64 << 20;

fn bar(length: u64, what: &str, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what.to_owned());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("█▒·")),
        Err(_) => bar,
    }
}

/// For so many bytes.
pub(super) fn bytes(length: u64, what: &str) -> ProgressBar {
    if length < SHORT {
        return ProgressBar::hidden();
    }
    bar(
        length,
        what,
        "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}",
    )
}

/// For so many steps.
pub(super) fn steps(length: u64, what: &str) -> ProgressBar {
    bar(length, what, "{msg:32} {wide_bar} {pos}/{len}")
}
