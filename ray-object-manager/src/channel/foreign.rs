//! Noticing that one of Ray's processes at a channel has died: it is on no list, but it has the semaphore mapped.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ray_sys::{Life, ProcessMark};

use super::semaphores::{ChannelSemaphores, Word};
use crate::plasma::object_header::PlasmaObjectHeader;

/// How often this process looks at what others have mapped, at most, for all its channels together.
const SCAN_EVERY: Duration = Duration::from_secs(1);

/// The processes that were once seen to have a channel open without being on its list.
///
/// Ray's manager raises the error before it lets a channel go. So one of them that is gone while the error is not raised has
/// died. One that died before it was ever seen is not noticed.
#[derive(Debug, Default)]
pub(super) struct ForeignPeers {
    seen: Mutex<Vec<ProcessMark>>,
}

impl ForeignPeers {
    /// One of them that has ended.
    pub(super) fn dead(
        &self,
        ours: &ChannelSemaphores,
        header: &PlasmaObjectHeader,
    ) -> Option<ProcessMark> {
        let mut seen = self.seen.lock();
        let dead = seen.iter().find(|mark| mark.life() == Life::Gone).copied();
        if dead.is_some() {
            return dead;
        }
        let known: Vec<ProcessMark> = ours.others().collect();
        if is_complete(ours, header, known.len()) {
            return None;
        }
        let own = ProcessMark::own();
        for mark in users_of(ours.inode()) {
            if mark != own && !known.contains(&mark) && !seen.contains(&mark) {
                seen.push(mark);
            }
        }
        None
    }
}

/// Whether the list has as many ends as there can be: then there is none of Ray's.
fn is_complete(ours: &ChannelSemaphores, header: &PlasmaObjectHeader, others: usize) -> bool {
    let readers = usize::try_from(header.num_readers.load(Ordering::Relaxed)).unwrap_or(0);
    ours.word(Word::AnnouncingWriter).load(Ordering::Relaxed) != 0 && others >= readers.max(1)
}

/// By the number of the file, for the C library maps a new semaphore before it has its name.
type Users = HashMap<u64, Vec<ProcessMark>>;

/// The processes that have the semaphore of a header mapped, as of at most [`SCAN_EVERY`] ago.
fn users_of(inode: u64) -> Vec<ProcessMark> {
    static LAST: OnceLock<Mutex<Option<(Instant, Users)>>> = OnceLock::new();
    let mut last = LAST.get_or_init(Mutex::default).lock();
    let is_recent = last.as_ref().is_some_and(|(at, _)| at.elapsed() < SCAN_EVERY);
    if !is_recent {
        *last = Some((Instant::now(), scan()));
    }
    last.as_ref().and_then(|(_, users)| users.get(&inode)).cloned().unwrap_or_default()
}

fn scan() -> Users {
    let mut pids: HashMap<u64, Vec<u32>> = HashMap::new();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Users::new() };
    for process in processes.flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid else { continue };
        // Other users' are hidden from us, and have no channels of ours.
        let Ok(maps) = std::fs::read_to_string(process.path().join("maps")) else { continue };
        for inode in maps.lines().filter_map(file_in) {
            let users = pids.entry(inode).or_default();
            if users.last() != Some(&pid) {
                users.push(pid);
            }
        }
    }
    let marks = |users: Vec<u32>| {
        let own = users.iter().filter(|&&pid| !is_fork(pid, &users, parent_of, program_of));
        own.map(|&pid| ProcessMark::of(pid)).collect()
    };
    pids.into_iter().map(|(inode, users)| (inode, marks(users))).collect()
}

/// Whether a process has the file only because its parent, which runs the same program, has it: a fork is no end, and may go as
/// it likes.
fn is_fork<P: PartialEq>(
    pid: u32,
    users: &[u32],
    parent_of: impl Fn(u32) -> Option<u32>,
    program_of: impl Fn(u32) -> Option<P>,
) -> bool {
    let parent = parent_of(pid).filter(|parent| users.contains(parent));
    parent.is_some_and(|parent| program_of(pid) == program_of(parent))
}

fn parent_of(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn program_of(pid: u32) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// The file of the folder of semaphores that a line of a process's mappings is about.
fn file_in(line: &str) -> Option<u64> {
    let (fields, _) = line.split_once(" /dev/shm/")?;
    fields.split_ascii_whitespace().nth(4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_of_a_semaphore_is_recognised() {
        let line = "7f00-7f01 rw-s 00000000 00:1a 12                  /dev/shm/sem.hdr12-345";
        assert_eq!(file_in(line), Some(12));
        assert_eq!(file_in(&format!("{line} (deleted)")), Some(12));
        assert_eq!(file_in("7f00-7f01 rw-p 00000000 00:1a 12 "), None);
        assert_eq!(file_in("7f00-7f01 rw-p 00000000 00:1a 12   /usr/lib/x.so"), None);
    }

    #[test]
    fn a_fork_is_no_end() {
        // 1 started 2 and 3; 2 forked 4. 3 runs another program.
        let parent_of = |pid| [None, None, Some(1), Some(1), Some(2)][pid as usize];
        let program_of = |pid| Some(if pid == 3 { "other" } else { "one" });
        let forks = |users: &'static [u32]| {
            let fork = |pid: &&u32| is_fork(**pid, users, parent_of, program_of);
            users.iter().filter(fork).copied().collect::<Vec<u32>>()
        };
        assert_eq!(forks(&[1, 2, 3, 4]), [2, 4]);
        assert_eq!(forks(&[2, 3, 4]), [4]);
        assert_eq!(forks(&[1, 3, 4]), [] as [u32; 0]);
        assert_eq!(parent_of_this(), Some(std::os::unix::process::parent_id()));
    }

    fn parent_of_this() -> Option<u32> {
        super::parent_of(std::process::id())
    }
}
