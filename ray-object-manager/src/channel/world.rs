//! The real thing behind the [protocol](super::protocol): a header in shared memory and its semaphores.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ray_sys::{futex_wait, futex_wait_any, futex_wake, Semaphore};

use super::error::ChannelError;
use super::patience::{Patience, Timeout};
use super::protocol::{self, Failure, Field, Gate, World};
use super::semaphores::{ChannelOptions, ChannelSemaphores, Word};
use crate::plasma::object_header::PlasmaObjectHeader;

/// A channel for the time of a call.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    header: &'a PlasmaObjectHeader,
    object_semaphore: &'a Semaphore,
    header_semaphore: &'a Semaphore,
    ours: Option<&'a ChannelSemaphores>,
}

/// How long to pause when nothing tells of a change.
const BLIND_PAUSE: Duration = Duration::from_micros(100);

impl<'a> Shared<'a> {
    /// A channel whose semaphores we opened.
    #[must_use]
    pub fn new(header: &'a PlasmaObjectHeader, semaphores: &'a ChannelSemaphores) -> Self {
        Self {
            header,
            object_semaphore: semaphores.object(),
            header_semaphore: semaphores.header(),
            ours: Some(semaphores),
        }
    }

    /// A channel over semaphores that somebody else has opened: without announcements and without a list of its ends.
    #[must_use]
    pub fn over(
        header: &'a PlasmaObjectHeader,
        object_semaphore: &'a Semaphore,
        header_semaphore: &'a Semaphore,
    ) -> Self {
        Self { header, object_semaphore, header_semaphore, ours: None }
    }

    /// The error that a failure is here.
    #[must_use]
    pub fn error(&self, failure: Failure) -> ChannelError {
        match (failure, self.ours) {
            (Failure::Closed, Some(ours)) => ours.closed(),
            (failure, _) => failure.into(),
        }
    }

    /// A patience for a call on this channel.
    #[must_use]
    pub fn patience(
        &self,
        timeout: Timeout,
        interrupt: Option<super::patience::Interrupt<'a>>,
    ) -> Patience<'a> {
        let options = self.ours.map_or_else(ChannelOptions::default, |ours| ours.options);
        Patience::new(timeout, interrupt, options.look_every)
    }

    /// Says that versions will be announced.
    pub fn announces(&self) {
        let Some(ours) = self.ours else { return };
        let flag = ours.word(Word::AnnouncingWriter);
        if flag.load(Ordering::Relaxed) == 0 {
            flag.store(1, Ordering::SeqCst);
        }
    }

    /// Raises the error because a process has ended; takes the names of the semaphores away, for nobody needs them now.
    pub fn bury(&self, pid: u32) {
        if let Some(ours) = self.ours {
            let dead = ours.word(Word::DeadProcess);
            let _ = dead.compare_exchange(0, pid, Ordering::AcqRel, Ordering::Relaxed);
            ours.unlink();
        }
        protocol::raise_error(self);
    }

    /// Looks whether the processes at the other ends live, and raises the error if not.
    pub fn look_after_peers(&self) {
        let Some(ours) = self.ours else { return };
        if self.has_error() {
            return;
        }
        let dead = ours.dead().or_else(|| ours.foreign.dead(ours, self.header));
        if let Some(dead) = dead {
            log::warn!("process {} has died with channel {} open", dead.pid(), ours.name());
            self.bury(dead.pid());
        }
    }

    fn gate(&self, gate: Gate) -> &'a Semaphore {
        match gate {
            Gate::Header => self.header_semaphore,
            Gate::Object => self.object_semaphore,
        }
    }

    /// How many take turns here, as far as is known yet.
    fn ends(&self) -> usize {
        let readers = self.header.num_readers.load(Ordering::Relaxed);
        usize::try_from(readers).unwrap_or(0).saturating_add(1)
    }

    /// The low half of the version, and the half-word with both flags: what a reader waits for shows there.
    fn watched(&self) -> (&AtomicU32, &AtomicU32) {
        self.header.watched_words()
    }

    /// Sleeps until Ray's writer lets the header go, for that is all it does when it has written.
    fn listen(&self, ours: &ChannelSemaphores, seen: u32, wanted: i64, until: Instant) {
        let listeners = ours.word(Word::Listeners);
        let Some(semaphore) = self.header_semaphore.words() else {
            return blind(until);
        };
        // A post wakes only if somebody is counted, and then one of them.
        semaphore.both.fetch_add(1 << 32, Ordering::SeqCst);
        listeners.fetch_add(1, Ordering::SeqCst);
        let (version, flags) = self.watched();
        let (seen_version, seen_flags) =
            (version.load(Ordering::SeqCst), flags.load(Ordering::SeqCst));
        // What is watched first is watched when the numbers are compared: no change goes by unnoticed.
        let mut woken = Ok(None);
        if !protocol::is_there(self, wanted) && !self.has_error() {
            let words = [
                (semaphore.value, semaphore.value.load(Ordering::SeqCst)),
                (ours.word(Word::Generation), seen),
                (version, seen_version),
                (flags, seen_flags),
            ];
            woken = futex_wait_any(&words, until);
        }
        let others = listeners.fetch_sub(1, Ordering::SeqCst).saturating_sub(1);
        let waiters = semaphore.both.fetch_sub(1 << 32, Ordering::SeqCst) >> 32;
        match woken {
            // We were woken in the place of somebody who waits for the semaphore itself.
            Ok(Some(0)) if waiters.saturating_sub(1) > u64::from(others) => {
                futex_wake(semaphore.value, 1);
            }
            Ok(_) => {}
            Err(_) => blind(until),
        }
    }
}

/// Where nothing can be listened to, look from time to time.
fn blind(until: Instant) {
    std::thread::sleep(BLIND_PAUSE.min(until.saturating_duration_since(Instant::now())));
}

fn whole(value: u64) -> i64 {
    // A size that is none is refused by who looks at it.
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl<'a> World for Shared<'a> {
    type Patience = Patience<'a>;

    fn get(&self, field: Field) -> i64 {
        let (header, order) = (self.header, Ordering::Acquire);
        match field {
            Field::Version => header.version.load(order),
            Field::Sealed => i64::from(header.is_sealed.load(order) != 0),
            Field::Readers => header.num_readers.load(order),
            Field::AcquiresLeft => header.num_read_acquires_remaining.load(order).cast_signed(),
            Field::ReleasesLeft => header.num_read_releases_remaining.load(order).cast_signed(),
            Field::DataSize => whole(header.data_size.load(order)),
            Field::MetadataSize => whole(header.metadata_size.load(order)),
        }
    }

    fn set(&self, field: Field, value: i64) {
        let (header, order) = (self.header, Ordering::Release);
        let number = value.cast_unsigned();
        match field {
            Field::Version => header.version.store(value, order),
            Field::Sealed => header.is_sealed.store(u8::from(value != 0), order),
            Field::Readers => header.num_readers.store(value, order),
            Field::AcquiresLeft => header.num_read_acquires_remaining.store(number, order),
            Field::ReleasesLeft => header.num_read_releases_remaining.store(number, order),
            Field::DataSize => header.data_size.store(number, order),
            Field::MetadataSize => header.metadata_size.store(number, order),
        }
    }

    fn has_error(&self) -> bool {
        self.header.has_error.load(Ordering::Acquire) != 0
    }

    fn raise_error(&self) {
        self.header.has_error.store(1, Ordering::SeqCst);
    }

    fn take(&self, gate: Gate, patience: &mut Self::Patience) -> bool {
        let semaphore = self.gate(gate);
        if semaphore.try_wait() {
            return true;
        }
        let try_wait = || semaphore.try_wait();
        let has_it = self.ours.is_some_and(|ours| match gate {
            Gate::Object => ours.spin.look(self.ends(), try_wait),
            // Held for nanoseconds, or by somebody who has to run first.
            Gate::Header => ours.spin.look_briefly(try_wait),
        });
        has_it || semaphore.wait_until(patience.slice())
    }

    fn give(&self, gate: Gate) {
        self.gate(gate).post();
    }

    fn generation(&self) -> u32 {
        self.ours.map_or(0, |ours| ours.word(Word::Generation).load(Ordering::SeqCst))
    }

    fn announce(&self) {
        let Some(ours) = self.ours else { return };
        let generation = ours.word(Word::Generation);
        generation.fetch_add(1, Ordering::SeqCst);
        if ours.word(Word::Sleepers).load(Ordering::SeqCst) > 0 {
            futex_wake(generation, u32::MAX);
        }
    }

    fn sleep(&self, seen: u32, wanted: i64, patience: &mut Self::Patience) {
        let Some(ours) = self.ours else {
            return blind(patience.slice());
        };
        if ours.word(Word::AnnouncingWriter).load(Ordering::SeqCst) == 0 {
            let has_happened = || protocol::is_there(self, wanted) || self.has_error();
            if !ours.spin.look(self.ends(), has_happened) {
                self.listen(ours, seen, wanted, patience.slice());
            }
            return;
        }
        let (generation, sleepers) = (ours.word(Word::Generation), ours.word(Word::Sleepers));
        if ours.spin.look(self.ends(), || generation.load(Ordering::Acquire) != seen) {
            return;
        }
        sleepers.fetch_add(1, Ordering::SeqCst);
        let left = patience.slice().saturating_duration_since(Instant::now());
        futex_wait(generation, seen, left);
        sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn go_on(&self, patience: &mut Self::Patience) -> Result<(), Failure> {
        if patience.due()? {
            self.look_after_peers();
        }
        Ok(())
    }

    fn short(&self) -> Self::Patience {
        self.patience(Timeout::Never, None)
    }
}
