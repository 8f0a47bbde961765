//! How full the disks are on which objects may end up. Stands for Ray's `FileSystemMonitor`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Looks at file systems, at most once in an interval.
#[derive(Debug)]
pub struct DiskMonitor {
    paths: Vec<PathBuf>,
    threshold: f64,
    interval: Duration,
    last: Mutex<Option<Instant>>,
    over: AtomicBool,
}

impl DiskMonitor {
    /// Watches the file systems of some paths. One is over capacity when the part of it that cannot be used any more is
    /// `threshold` or above; a threshold of 1 switches this off, and 0 finds every disk full, as in Ray.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>, threshold: f64, interval: Duration) -> Self {
        let last = Mutex::new(None);
        Self { paths, threshold, interval, last, over: AtomicBool::new(false) }
    }

    /// Whether one of the file systems is over capacity, as of the last look.
    pub fn is_over_capacity(&self) -> bool {
        if self.paths.is_empty() || self.threshold >= 1.0 {
            return false;
        }
        if self.threshold <= 0.0 {
            return true;
        }
        if let Ok(mut last) = self.last.try_lock() {
            let now = Instant::now();
            if last.is_none_or(|last| now.duration_since(last) >= self.interval) {
                *last = Some(now);
                let over = self.paths.iter().any(|path| self.is_over(path));
                self.over.store(over, Ordering::Relaxed);
            }
        }
        self.over.load(Ordering::Relaxed)
    }

    fn is_over(&self, path: &PathBuf) -> bool {
        match rustix::fs::statvfs(path) {
            Err(error) => {
                log::warn!("cannot see how full {} is: {error}", path.display());
                false
            }
            Ok(space) if space.f_blocks == 0 => {
                log::error!("{} has no capacity", path.display());
                true
            }
            Ok(space) => {
                #[allow(clippy::cast_precision_loss, reason = "a part of a disk, not its bytes")]
                let free = space.f_bavail as f64 / space.f_blocks as f64;
                let over = 1.0 - free >= self.threshold;
                if over {
                    log::error!("{} is over {} % full", path.display(), self.threshold * 100.0);
                }
                over
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_at_both_ends_need_no_look() {
        let monitor = |threshold| DiskMonitor::new(vec!["/".into()], threshold, Duration::ZERO);
        assert!(!monitor(1.0).is_over_capacity());
        assert!(monitor(0.0).is_over_capacity());
        assert!(monitor(1e-9).is_over_capacity(), "some of every disk is used");
        assert!(!DiskMonitor::new(vec![], 0.0, Duration::ZERO).is_over_capacity());
        let nowhere = vec!["/nowhere at all".into()];
        assert!(!DiskMonitor::new(nowhere, 0.5, Duration::ZERO).is_over_capacity());
    }
}
