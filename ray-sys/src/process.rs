//! Which process somebody is, in one word that can lie in shared memory, and whether it still lives.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{test_kill_process, Pid};

/// A process: its number, when it began, and a part of the name of its number space. Two that live at the same time never have
/// the same; that a number is used again is noticed by the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessMark(NonZeroU64);

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs, or may.
    Alive,
    /// It has ended, whether or not its parent has asked for its status.
    Gone,
    /// Its number is one of another container: nothing can be known.
    Unknown,
}

const PID_BITS: u32 = 22; // what Linux allows at most
const START_BITS: u32 = 32;
const SPACE_BITS: u32 = 9;

impl ProcessMark {
    /// This process.
    #[must_use]
    pub fn own() -> Self {
        static KNOWN: AtomicU64 = AtomicU64::new(0);
        let known = Self::from_bits(KNOWN.load(Ordering::Relaxed));
        match known {
            // A fork is another process.
            Some(mark) if mark.pid() == std::process::id() => mark,
            _ => {
                let own = Self::of(std::process::id());
                KNOWN.store(own.bits(), Ordering::Relaxed);
                own
            }
        }
    }

    /// The process that has this number here and now.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let start = stat(pid).map_or(0, |stat| stat.start);
        let bits = u64::from(pid) & mask(PID_BITS)
            | (start & mask(START_BITS)) << PID_BITS
            | (own_space() & mask(SPACE_BITS)) << (PID_BITS + START_BITS)
            | 1 << 63;
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// The process behind a word; `None` for 0.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    /// The word.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0.get()
    }

    /// Its number.
    #[must_use]
    pub fn pid(self) -> u32 {
        u32::try_from(self.bits() & mask(PID_BITS)).unwrap_or(0)
    }

    /// Whether it lives.
    #[must_use]
    pub fn life(self) -> Life {
        if self.bits() >> (PID_BITS + START_BITS) & mask(SPACE_BITS)
            != own_space() & mask(SPACE_BITS)
        {
            return Life::Unknown;
        }
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return Life::Gone };
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return Life::Gone;
        }
        // Where the file is hidden from us, the number is all that we know.
        let Some(stat) = stat(self.pid()) else { return Life::Alive };
        let start = self.bits() >> PID_BITS & mask(START_BITS);
        let is_other = start != 0 && stat.start & mask(START_BITS) != start;
        // The first thread of a process may have ended while others run.
        if is_other || (matches!(stat.state, b'Z' | b'X') && stat.threads <= 1) {
            return Life::Gone;
        }
        Life::Alive
    }
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// A part of the name of the number space that this process is in; 0 when it is not told.
fn own_space() -> u64 {
    use std::os::unix::fs::MetadataExt;
    static SPACE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SPACE.get_or_init(|| {
        let inode = std::fs::metadata("/proc/self/ns/pid").map_or(0, |data| data.ino());
        inode % 509 // a prime just below what fits
    })
}

struct Stat {
    state: u8,
    threads: u64,
    /// Ticks after the start of the system.
    start: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in parentheses, and may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        threads: fields.get(17)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn this_process_lives_and_has_one_mark() {
        let own = ProcessMark::own();
        assert_eq!(own, ProcessMark::of(std::process::id()));
        assert_eq!((own.pid(), own.life()), (std::process::id(), Life::Alive));
        assert_eq!(ProcessMark::from_bits(own.bits()), Some(own));
        assert_eq!(ProcessMark::from_bits(0), None);
    }

    #[test]
    fn a_killed_process_is_gone_before_and_after_it_is_waited_for() {
        let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let mark = ProcessMark::of(child.id());
        assert_eq!(mark.life(), Life::Alive);
        child.kill().unwrap();
        while mark.life() != Life::Gone {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(mark.life(), Life::Gone);
    }

    #[test]
    fn a_number_that_was_given_again_is_somebody_else() {
        let own = ProcessMark::own().bits();
        let earlier = ProcessMark::from_bits(own ^ 1 << PID_BITS).unwrap();
        assert_eq!((earlier.pid(), earlier.life()), (std::process::id(), Life::Gone));
        let elsewhere = ProcessMark::from_bits(own ^ 1 << (PID_BITS + START_BITS)).unwrap();
        assert_eq!(elsewhere.life(), Life::Unknown);
    }
}
