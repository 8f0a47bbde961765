//! Names of semaphores that nobody was left to take away.

use std::sync::atomic::Ordering;
use std::sync::Once;
use std::time::Duration;

use ray_sys::{Life, NamedSemaphore, ProcessMark, SEMAPHORE_FILE_SIZE};

use super::semaphores::unlink;
use crate::plasma::object_header::PlasmaObjectHeader;

/// Younger ones may be about to be used by somebody who is not on the list yet.
const OLD: Duration = Duration::from_secs(10);

/// [`sweep_leftovers`], once in the life of a process.
pub(super) fn sweep_once() {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        sweep_leftovers(OLD);
    });
}

/// Takes away the names of channels' semaphores whose users, and the process that made the header, are all gone: they were
/// killed together. Looks only at names that are older than that. Returns how many channels that were. Leaves alone what only
/// Ray's processes have used.
///
/// Every process does this when it opens its first channel, for names older than ten seconds.
pub fn sweep_leftovers(older_than: Duration) -> usize {
    let mut swept: Vec<String> = NamedSemaphore::names()
        .unwrap_or_default()
        .iter()
        .filter_map(|name| name.strip_prefix("hdr").or_else(|| name.strip_prefix("obj")))
        .filter(|name| is_left_over(name, older_than))
        .map(str::to_owned)
        .collect();
    swept.sort();
    swept.dedup();
    for name in &swept {
        log::info!("channel {name} was left behind");
        unlink(name);
    }
    swept.len()
}

fn is_left_over(name: &str, old: Duration) -> bool {
    let Some(creator) = PlasmaObjectHeader::creator(name) else { return false };
    if ProcessMark::of(creator).life() != Life::Gone {
        return false;
    }
    let header = format!("hdr{name}");
    let is_ours_and_old = |name: &str| {
        let file = NamedSemaphore::size_and_age(name);
        file.is_ok_and(|(size, age)| size == SEMAPHORE_FILE_SIZE as u64 && age >= old)
    };
    if !NamedSemaphore::exists(&header) {
        // Who made the first of the two died before the second.
        return is_ours_and_old(&format!("obj{name}"));
    }
    if !is_ours_and_old(&header) {
        return false;
    }
    let Ok(semaphore) = NamedSemaphore::open(&header) else { return false };
    let mut marks = semaphore
        .tail()
        .slots
        .iter()
        .filter_map(|slot| ProcessMark::from_bits(slot.load(Ordering::Acquire)));
    marks.all(|mark| mark.life() == Life::Gone)
}
