//! What new pages cost without any store: the limit of puts into memory that was never used.

use std::time::{Duration, Instant};

use ray_sys::ZeroedArray;
use serde_json::{json, Value};

use crate::Result;

const BYTES: usize = 400 << 20;

/// Small pages; there is none smaller.
const PAGE: usize = 4096;

/// By then a virtual machine with free page reporting has given back to its host what it does not need.
const LATER: Duration = Duration::from_secs(4);

/// Free memory that the kernel has given back to the host of this virtual machine, in KiB, if it does so and says it.
fn reported() -> Option<u64> {
    let text =
        std::fs::read_to_string("/sys/module/page_reporting/parameters/reported_kib").ok()?;
    text.trim().parse().ok()
}

/// Touches so many new pages once and gives them back. The time of touching them.
fn touch(huge: bool) -> Result<Duration> {
    let mut memory = ZeroedArray::<u64>::zeroed(BYTES / size_of::<u64>())?;
    if huge {
        memory.use_huge_pages();
    }
    let started = Instant::now();
    for word in memory.iter_mut().step_by(PAGE / size_of::<u64>()) {
        *word = 1;
    }
    std::hint::black_box(&memory);
    Ok(started.elapsed())
}

/// By pages of either size: pages that were given back a moment ago, and some seconds ago.
pub(crate) fn measure() -> Result<Vec<Value>> {
    let mut results = Vec::new();
    for (name, huge) in [("pages_small", false), ("pages_huge", true)] {
        touch(huge)?;
        let at_once = touch(huge)?;
        let before = reported();
        std::thread::sleep(LATER);
        let given = reported().zip(before).map(|(now, before)| (now - before) / 1024);
        let later = touch(huge)?;
        results.push(json!({
            "row": name, "unit": "ns", "value": at_once.as_nanos() as f64, "later": later.as_nanos() as f64,
            "bytes": BYTES, "reported_mib": given,
        }));
    }
    Ok(results)
}
