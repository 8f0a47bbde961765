//! Space of a file, promised piece by piece before it is used: by a thread of its own ahead of need, so that nobody waits
//! for new pages, and where it has not come that far by whoever needs the space, both at once.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex, MutexGuard};
use ray_sys::{round_up, FileMapping, Reserver};

/// Reserved at once: a huge page on most machines, and short enough that nobody waits for long.
const PIECE: usize = 2 << 20;

/// At most so much is reserved ahead, and at most this part of everything.
const MOST_AHEAD: usize = 256 << 20;
const PART_AHEAD: usize = 8;

/// Pieces are taken in the order of the file, each by one thread, which reserves it without the lock.
#[derive(Debug, Default)]
struct State {
    /// Before this every piece is reserved, or somebody is at it.
    taken: usize,
    /// Where the pieces start that the two threads are at.
    at: [Option<usize>; 2],
    /// Behind this no piece was ever reserved. In front of it one may be that follows one which could not be had.
    last: usize,
    /// How far to reserve ahead.
    wish: usize,
    /// What could not be had is not tried again until more is wished for.
    given_up: bool,
    over: bool,
}

/// Who takes a piece.
#[derive(Clone, Copy)]
enum Taker {
    User,
    Thread,
}

impl State {
    /// The next piece, cut off at `limit`.
    fn take(&mut self, taker: Taker, limit: usize) -> Range<usize> {
        let start = self.taken;
        let end = (start / PIECE + 1).saturating_mul(PIECE).min(limit);
        self.at[taker as usize] = Some(start);
        self.taken = end;
        start..end
    }

    fn reserved(&self) -> usize {
        self.at.iter().flatten().copied().fold(self.taken, usize::min)
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// As [`State::reserved`], to be read without the lock.
    reserved: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// A piece is done, or could not be had, and is free again.
    fn finish(&self, state: &mut State, taker: Taker, piece: &Range<usize>, done: bool) {
        state.at[taker as usize] = None;
        if done {
            state.last = state.last.max(piece.end);
        } else {
            state.taken = state.taken.min(piece.start);
        }
        self.reserved.store(state.reserved(), Ordering::Release);
        self.changed.notify_all();
    }
}

/// How much of a file is reserved, and more. The thread begins with the first use and ends when this is dropped.
#[derive(Debug)]
pub(super) struct Ahead {
    shared: Arc<Shared>,
    /// What the thread begins with. None where it is not worth having one.
    reserver: Option<Reserver>,
    thread: Option<JoinHandle<()>>,
    usable: usize,
    ahead: usize,
    /// When space beyond this is used, more is wished for.
    next: usize,
}

impl Ahead {
    /// For a file of which nothing is reserved and so many bytes can be used.
    ///
    /// # Errors
    /// When there is no descriptor or no room for another mapping.
    pub(super) fn of(mapping: &FileMapping, usable: usize) -> io::Result<Self> {
        let mut ahead = (usable / PART_AHEAD).min(MOST_AHEAD) / PIECE * PIECE;
        if mapping.is_huge() {
            ahead = 0;
        }
        let reserver = if ahead > 0 { Some(mapping.reserver()?) } else { None };
        let next = if ahead > 0 { 0 } else { usize::MAX };
        Ok(Self { shared: Arc::default(), reserver, thread: None, usable, ahead, next })
    }

    /// How much is reserved, from the start.
    #[inline]
    pub(super) fn reserved(&self) -> usize {
        self.shared.reserved.load(Ordering::Acquire)
    }

    /// Space up to there is about to be used: so more is wished for.
    #[inline]
    pub(super) fn used(&mut self, end: usize) {
        if end > self.next {
            self.wish_beyond(end);
        }
    }

    #[cold]
    fn wish_beyond(&mut self, end: usize) {
        let wanted = end.saturating_add(self.ahead).min(self.usable) / PIECE * PIECE;
        self.next = end.saturating_add(self.ahead / 2);
        let mut state = self.shared.state.lock();
        state.wish = wanted;
        state.given_up = false;
        self.shared.changed.notify_all();
        drop(state);
        if let Some(reserver) = self.reserver.take() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("store.pages".to_owned());
            match thread.spawn(move || run(&shared, &reserver)) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => log::warn!("no space is reserved ahead: {error}"),
            }
        }
    }

    /// Reserves everything up to `end`, together with the thread. `mapping` is the one that this was made for.
    ///
    /// # Errors
    /// When the operating system has no space for it; what was reserved meanwhile stays so.
    #[cold]
    pub(super) fn reserve_to(&self, mapping: &FileMapping, end: usize) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        while state.reserved() < end {
            if state.taken >= end {
                self.shared.changed.wait(&mut state);
                continue;
            }
            let piece = state.take(Taker::User, mapping.len());
            if self.reserve(&mut state, mapping, piece).is_err() {
                return self.reserve_exactly(&mut state, mapping, end);
            }
        }
        Ok(())
    }

    /// Nearly full: no more than what is needed, and nothing behind it.
    fn reserve_exactly(
        &self,
        state: &mut MutexGuard<'_, State>,
        mapping: &FileMapping,
        end: usize,
    ) -> io::Result<()> {
        state.given_up = true;
        while state.at[Taker::Thread as usize].is_some() {
            self.shared.changed.wait(state);
        }
        let end = round_up(end, mapping.page_size()).unwrap_or(usize::MAX).min(mapping.len());
        if state.taken >= end {
            return Ok(());
        }
        // What the thread got there could be all that is missing in front.
        let behind = state.taken..state.last;
        if !behind.is_empty() {
            match mapping.give_back(behind) {
                Ok(()) => state.last = state.taken,
                Err(error) => log::debug!("space that nobody can use yet is kept: {error}"),
            }
        }
        let piece = state.taken..end;
        state.at[Taker::User as usize] = Some(piece.start);
        state.taken = end;
        self.reserve(state, mapping, piece)
    }

    fn reserve(
        &self,
        state: &mut MutexGuard<'_, State>,
        mapping: &FileMapping,
        piece: Range<usize>,
    ) -> io::Result<()> {
        let done = MutexGuard::unlocked(state, || mapping.reserve(piece.clone()));
        self.shared.finish(state, Taker::User, &piece, done.is_ok());
        done
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.state.lock().over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                log::error!("the thread that reserves space has panicked");
            }
        }
    }
}

fn run(shared: &Shared, reserver: &Reserver) {
    let mut state = shared.state.lock();
    while !state.over {
        if state.given_up || state.taken >= state.wish {
            shared.changed.wait(&mut state);
            continue;
        }
        let limit = state.wish;
        let piece = state.take(Taker::Thread, limit);
        let done = MutexGuard::unlocked(&mut state, || reserver.reserve(piece.clone()));
        if let Err(error) = &done {
            log::debug!("no space is reserved ahead: {error}");
            state.given_up = true;
        }
        shared.finish(&mut state, Taker::Thread, &piece, done.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ray_sys::MappingOptions;

    use super::*;

    #[test]
    fn nothing_counts_as_reserved_before_all_in_front_of_it_is() {
        let shared = Shared::default();
        let mut state = shared.state.lock();
        let first = state.take(Taker::User, 5 * PIECE);
        let second = state.take(Taker::Thread, 5 * PIECE);
        assert_eq!((first.clone(), second.clone()), (0..PIECE, PIECE..2 * PIECE));
        shared.finish(&mut state, Taker::Thread, &second, true);
        assert_eq!(shared.reserved.load(Ordering::Acquire), 0);
        shared.finish(&mut state, Taker::User, &first, true);
        assert_eq!(shared.reserved.load(Ordering::Acquire), 2 * PIECE);
    }

    #[test]
    fn a_piece_that_could_not_be_had_is_free_again_and_holds_back_what_follows() {
        let shared = Shared::default();
        let mut state = shared.state.lock();
        let first = state.take(Taker::User, 5 * PIECE);
        let second = state.take(Taker::Thread, 5 * PIECE);
        shared.finish(&mut state, Taker::User, &first, false);
        shared.finish(&mut state, Taker::Thread, &second, true);
        assert_eq!(shared.reserved.load(Ordering::Acquire), 0);
        assert_eq!(state.take(Taker::User, 5 * PIECE), first);
        shared.finish(&mut state, Taker::User, &first, true);
        assert_eq!(shared.reserved.load(Ordering::Acquire), PIECE);
        // The second is had once more.
        assert_eq!(state.take(Taker::Thread, PIECE + 10), PIECE..PIECE + 10);
        shared.finish(&mut state, Taker::Thread, &(PIECE..PIECE + 10), true);
        assert_eq!(state.take(Taker::User, 5 * PIECE), PIECE + 10..2 * PIECE);
    }

    #[test]
    fn space_behind_what_could_not_be_had_makes_room_for_it() {
        let size = 8 * PIECE;
        let mapping = FileMapping::create(Path::new("/dev/shm"), size, MappingOptions::default());
        let mapping = mapping.unwrap();
        let space = || rustix::fs::fstat(&mapping).unwrap().st_blocks.unsigned_abs() * 512;
        let ahead = Ahead::of(&mapping, size).unwrap();
        let mut state = ahead.shared.state.lock();
        state.wish = size;
        let front = state.take(Taker::User, size);
        for _ in 0..2 {
            let piece = state.take(Taker::Thread, size);
            mapping.reserve(piece.clone()).unwrap();
            ahead.shared.finish(&mut state, Taker::Thread, &piece, true);
        }
        ahead.shared.finish(&mut state, Taker::User, &front, false);
        assert_eq!((state.reserved(), space()), (0, 2 * PIECE as u64));
        ahead.reserve_exactly(&mut state, &mapping, 600_000).unwrap();
        let end = round_up(600_000, mapping.page_size()).unwrap();
        assert_eq!((state.reserved(), space()), (end, end as u64));
        assert!(state.given_up, "the thread would take it again");
        ahead.reserve_exactly(&mut state, &mapping, 2 * end).unwrap();
        drop(state);
        assert_eq!((ahead.reserved(), space()), (2 * end, 2 * end as u64));
    }

    #[test]
    fn whoever_needs_space_and_the_thread_reserve_it_once() {
        let size = 40 * PIECE;
        let mapping = FileMapping::create(Path::new("/dev/shm"), size, MappingOptions::default());
        let mapping = mapping.unwrap();
        let space = || rustix::fs::fstat(&mapping).unwrap().st_blocks.unsigned_abs() * 512;
        let mut ahead = Ahead::of(&mapping, size).unwrap();
        assert_eq!((ahead.reserved(), space()), (0, 0));
        for end in [1, PIECE, 3 * PIECE + 1, 17 * PIECE, 17 * PIECE, size - 5, size] {
            ahead.used(end);
            ahead.reserve_to(&mapping, end).unwrap();
            // Asked for before the space is: the thread goes on meanwhile.
            let reserved = ahead.reserved();
            assert!(reserved >= end);
            assert!(space() >= reserved as u64);
        }
        drop(ahead);
        assert_eq!(space(), size as u64);
    }
}
