//! Threads that help to copy, and sleep meanwhile.
//!
//! A copy is cut into pieces. Who asked for it takes them from the front, the threads that help from the end, so that who is late or has no
//! processor holds nobody up for more than a piece. A thread begins with the first large copy and stays: one that sleeps is
//! at work in a fraction of the time that a new one needs, and on the processor where it was.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::fork_generation;

/// Bytes of a piece, but for the last one: whole pages, so that no page is written by two threads at once.
pub(crate) const PIECE: usize = 512 << 10;

/// Looks for the end of a copy before its caller sleeps: less than a piece takes.
const LOOKS: u32 = 2000;

// No code of others runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From where to where. Only followed for a piece that was taken, and whoever asked for the copy waits for those.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) to: *mut u8,
    pub(crate) from: *const u8,
    pub(crate) len: usize,
}

// SAFETY: the caller of `share` vouches that any thread may read the one and write the other.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

#[derive(Debug)]
struct Pieces {
    /// Not taken yet.
    left: Range<usize>,
    /// Taken by others than the caller, and not done.
    at: usize,
}

#[derive(Debug)]
struct Job {
    bytes: Bytes,
    pieces: Mutex<Pieces>,
    done: Condvar,
}

impl Job {
    /// # Safety
    /// The piece was taken by who calls this, and nobody else has it.
    unsafe fn copy(&self, piece: usize) {
        let start = piece * PIECE;
        let len = (self.bytes.len - start).min(PIECE);
        let (to, from) = (self.bytes.to.wrapping_add(start), self.bytes.from.wrapping_add(start));
        // SAFETY: the piece lies in what the caller of `share` vouches for, who waits until it is done; no other overlaps it.
        unsafe { to.copy_from_nonoverlapping(from, len) };
    }

    /// Takes pieces from the end until there are none.
    fn help(&self) {
        loop {
            let piece = {
                let mut pieces = lock(&self.pieces);
                let Some(piece) = pieces.left.next_back() else { return };
                pieces.at += 1;
                piece
            };
            // SAFETY: it was taken.
            unsafe { self.copy(piece) };
            let mut pieces = lock(&self.pieces);
            pieces.at -= 1;
            if pieces.at == 0 && pieces.left.is_empty() {
                self.done.notify_one();
            }
        }
    }

    /// Takes pieces from the front until there are none, and waits for those that others have taken.
    fn run(&self) {
        loop {
            let piece = lock(&self.pieces).left.next();
            let Some(piece) = piece else { break };
            // SAFETY: it was taken.
            unsafe { self.copy(piece) };
        }
        for _ in 0..LOOKS {
            if lock(&self.pieces).at == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        let mut pieces = lock(&self.pieces);
        while pieces.at > 0 {
            pieces = self.done.wait(pieces).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Arc<Job>>,
    /// Threads that there are, or are being started.
    threads: usize,
    sleeping: usize,
}

/// Of one process.
#[derive(Debug, Default)]
struct Copiers {
    /// As [`fork_generation`] has it.
    process: u64,
    queue: Mutex<Queue>,
    asked: Condvar,
}

impl Copiers {
    /// Those of this process: a fork has none of its parent's threads, and perhaps a lock that one of them held. Without a
    /// lock, which a fork could inherit.
    fn here() -> &'static Self {
        static COPIERS: AtomicPtr<Copiers> = AtomicPtr::new(std::ptr::null_mut());
        let process = fork_generation();
        let mut found = COPIERS.load(Ordering::Acquire);
        loop {
            // SAFETY: null, or made below and never freed.
            if let Some(copiers) = unsafe { found.as_ref() }.filter(|it| it.process == process) {
                return copiers;
            }
            let new = Box::leak(Box::new(Self { process, ..Self::default() }));
            match COPIERS.compare_exchange(found, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return new,
                Err(other) => {
                    // SAFETY: made just now, and nobody else has seen it.
                    drop(unsafe { Box::from_raw(new) });
                    found = other;
                }
            }
        }
    }

    /// Asks so many threads to help.
    fn ask(&'static self, job: &Arc<Job>, helpers: usize) {
        let mut queue = lock(&self.queue);
        for _ in 0..helpers {
            queue.jobs.push_back(Arc::clone(job));
        }
        let new = queue
            .jobs
            .len()
            .saturating_sub(queue.sleeping)
            .min(helpers.saturating_sub(queue.threads));
        queue.threads += new;
        drop(queue);
        for _ in 0..helpers {
            self.asked.notify_one();
        }
        for _ in 0..new {
            let thread = std::thread::Builder::new().name("plasma.copy".to_owned());
            if let Err(error) = thread.spawn(|| self.serve()) {
                log::warn!("one thread less helps to copy: {error}");
                lock(&self.queue).threads -= 1;
            }
        }
    }

    fn serve(&self) -> ! {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                job.help();
                drop(job);
                queue = lock(&self.queue);
            } else {
                queue.sleeping += 1;
                queue = self.asked.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.sleeping -= 1;
            }
        }
    }
}

/// Copies with so many threads besides this one. Returns when all is copied.
///
/// # Safety
/// Any thread can read and write these bytes until then, and the two places do not overlap.
pub(crate) unsafe fn share(bytes: Bytes, helpers: usize) {
    let pieces = Pieces { left: 0..bytes.len.div_ceil(PIECE), at: 0 };
    let job = Arc::new(Job { bytes, pieces: Mutex::new(pieces), done: Condvar::new() });
    Copiers::here().ask(&job, helpers);
    job.run();
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    fn copied(len: usize, helpers: usize, seed: usize) {
        let from: Vec<u8> =
            (0..len).map(|at| (at.wrapping_mul(31) ^ seed).to_le_bytes()[0]).collect();
        let mut to = vec![255; len + 2];
        let bytes = Bytes { to: to[1..].as_mut_ptr(), from: from.as_ptr(), len };
        // SAFETY: two vectors of this function's.
        unsafe { share(bytes, helpers) };
        assert!(to[1..=len] == from);
        assert_eq!((to[0], to[len + 1]), (255, 255));
    }

    #[test]
    fn every_byte_arrives_and_none_beyond() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 7 * PIECE + 77] {
            for helpers in 0..4 {
                copied(len, helpers, len + helpers);
            }
        }
    }

    #[test]
    fn many_copies_at_once_are_each_whole() {
        std::thread::scope(|scope| {
            for thread in 0..6 {
                scope.spawn(move || (0..10).for_each(|round| copied(5 * PIECE + round, 3, thread)));
            }
        });
        let copiers = Copiers::here();
        assert!(lock(&copiers.queue).threads <= 3, "threads are used again");
    }

    #[test]
    fn a_fork_has_threads_of_its_own() {
        copied(4 * PIECE, 1, 0);
        let mut command = std::process::Command::new("true");
        let in_fork = || match copied_in_fork() {
            true => Ok(()),
            false => Err(std::io::Error::from_raw_os_error(42)),
        };
        // SAFETY: this test's allocator and locks can be used in a fork of a test: glibc looks after its own, and nobody holds ours.
        let status = unsafe { command.pre_exec(in_fork) }.status().unwrap();
        assert!(status.success());
    }

    fn copied_in_fork() -> bool {
        let before = Copiers::here().process;
        copied(4 * PIECE, 1, 1);
        before == fork_generation()
    }

    #[test]
    fn who_asked_waits_for_nobody_that_has_not_begun() {
        let len = 3 * PIECE;
        let (from, mut to) = (vec![1; len], vec![0; len]);
        let bytes = Bytes { to: to.as_mut_ptr(), from: from.as_ptr(), len };
        let pieces = Mutex::new(Pieces { left: 0..3, at: 0 });
        let job = Job { bytes, pieces, done: Condvar::new() };
        // Nobody helps.
        job.run();
        assert!(to == from);
        // Who comes late finds nothing.
        to.fill(7);
        job.help();
        assert!(to.iter().all(|&byte| byte == 7));
    }
}
