//! Space that is reserved before it is asked for, by a thread of its own, so that nobody waits for new pages.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use ray_sys::Reserver;

/// Reserved at once: short enough that who needs space meanwhile does not wait for long.
const PIECE: usize = 2 << 20;

/// At most so much is reserved ahead, and at most this part of everything.
const MOST_AHEAD: usize = 256 << 20;
const PART_AHEAD: usize = 8;

#[derive(Debug, Default)]
struct Wish {
    /// How far to reserve.
    end: usize,
    over: bool,
}

#[derive(Debug)]
struct Shared {
    /// How much is reserved, from the start.
    reserved: AtomicUsize,
    wish: Mutex<Wish>,
    wished: Condvar,
}

/// Reserves space of a file on a thread, from the first use on. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Ahead {
    shared: Arc<Shared>,
    /// What the thread begins with.
    reserver: Option<Reserver>,
    thread: Option<JoinHandle<()>>,
    usable: usize,
    ahead: usize,
    /// When space beyond this is used, more is wished for.
    next: usize,
}

impl Ahead {
    /// For a file of so many bytes. `None` when it is too small to be worth a thread.
    pub(super) fn of(reserver: Reserver, usable: usize) -> Option<Self> {
        let ahead = (usable / PART_AHEAD).min(MOST_AHEAD) / PIECE * PIECE;
        let shared = Arc::new(Shared {
            reserved: AtomicUsize::new(0),
            wish: Mutex::default(),
            wished: Condvar::new(),
        });
        let new = Self { shared, reserver: Some(reserver), thread: None, usable, ahead, next: 0 };
        (ahead > 0).then_some(new)
    }

    /// How much is reserved, from the start.
    #[inline]
    pub(super) fn reserved(&self) -> usize {
        self.shared.reserved.load(Ordering::Acquire)
    }

    /// Somebody else has reserved up to there.
    pub(super) fn has_reserved(&self, end: usize) {
        self.shared.reserved.fetch_max(end, Ordering::AcqRel);
    }

    /// Space up to there is used now: so more is wished for.
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
        self.shared.wish.lock().end = wanted;
        self.shared.wished.notify_one();
        if let Some(reserver) = self.reserver.take() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("store.pages".to_owned());
            match thread.spawn(move || run(&shared, &reserver)) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => log::warn!("no space is reserved ahead: {error}"),
            }
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.wish.lock().over = true;
        self.shared.wished.notify_one();
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                log::error!("the thread that reserves space has panicked");
            }
        }
    }
}

fn run(shared: &Shared, reserver: &Reserver) {
    // What could not be had is not tried again until more is wished for.
    let mut given_up = 0;
    loop {
        let mut wish = shared.wish.lock();
        let start = loop {
            if wish.over {
                return;
            }
            let start = shared.reserved.load(Ordering::Acquire);
            if start < wish.end && given_up < wish.end {
                break start;
            }
            shared.wished.wait(&mut wish);
        };
        let end = wish.end.min(start.saturating_add(PIECE));
        given_up = 0;
        let wished = wish.end;
        drop(wish);
        match reserver.reserve(start..end) {
            Ok(()) => {
                shared.reserved.fetch_max(end, Ordering::AcqRel);
            }
            Err(error) => {
                log::debug!("no space is reserved ahead: {error}");
                given_up = wished;
            }
        }
    }
}
