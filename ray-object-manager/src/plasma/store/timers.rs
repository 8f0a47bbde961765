//! What is to be done at a later time. One timer of the operating system serves all of it.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::time::{
    timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags,
    Timespec,
};

use crate::plasma::get_request_queue::GetId;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Clients are taken in again.
    Accept,
    /// The creation queue is tried again.
    Create,
    /// More is evicted of what creations have left.
    Evict,
    /// The world is told, and clients are sent, what somebody outside the threads has brought about.
    Settled,
    /// A get is answered with what there is.
    Get(GetId),
}

/// Things to do, by time. The descriptor is readable when the first is due.
pub(super) struct Timers {
    due: BTreeSet<(Instant, Due)>,
    armed: Option<Instant>,
    timer: OwnedFd,
}

impl Timers {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { due: BTreeSet::new(), armed: None, timer })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    pub(super) fn add(&mut self, at: Instant, what: Due) {
        self.due.insert((at, what));
        self.arm();
    }

    pub(super) fn cancel(&mut self, at: Instant, what: Due) {
        self.due.remove(&(at, what));
    }

    /// What is due by now, the earliest first.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let first = self.due.first().filter(|(at, _)| *at <= now).copied();
        if let Some(first) = first {
            self.due.remove(&first);
        }
        first.map(|(_, what)| what)
    }

    /// After the descriptor was readable: makes it so again for what is left.
    pub(super) fn rearm(&mut self) {
        let mut expirations = [0; 8];
        let _ = rustix::io::read(&self.timer, &mut expirations);
        self.armed = None;
        self.arm();
    }

    /// Sets the timer to the first thing to do, unless it goes off earlier anyway.
    fn arm(&mut self) {
        let Some((first, _)) = self.due.first() else {
            return;
        };
        if self.armed.is_some_and(|armed| armed <= *first) {
            return;
        }
        let wait = first.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = Itimerspec { it_interval: interval, it_value: value };
        match timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting) {
            Ok(_) => self.armed = Some(*first),
            Err(error) => log::error!("cannot set the store's timer: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_what_is_cancelled_does_not() {
        let mut timers = Timers::new().unwrap();
        let now = Instant::now();
        let (soon, later) = (now + Duration::from_millis(1), now + Duration::from_secs(3600));
        timers.add(later, Due::Create);
        timers.add(soon, Due::Get(GetId(2)));
        timers.add(soon, Due::Get(GetId(1)));
        timers.add(soon, Due::Get(GetId(3)));
        timers.cancel(soon, Due::Get(GetId(2)));
        assert_eq!(timers.take_due(now), None);
        let mut events = [rustix::event::PollFd::new(&timers.timer, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut events, None).unwrap();
        let now = Instant::now();
        assert_eq!(timers.take_due(now), Some(Due::Get(GetId(1))));
        assert_eq!(timers.take_due(now), Some(Due::Get(GetId(3))));
        assert_eq!(timers.take_due(now), None);
        timers.rearm();
        assert_eq!(timers.take_due(later), Some(Due::Create));
    }
}
