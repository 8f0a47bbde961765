//! The two semaphores of a channel, and beside them the list of the processes that have it open.
//!
//! Ray's processes know the semaphores only. Ours have room behind the header's semaphore, in the same file, so that no further
//! name has to be looked after: a word to sleep on, and a slot for each open end with the mark of its process. An end that
//! closes empties its slot; a slot whose process has ended says that somebody died.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ray_sys::{Life, NamedSemaphore, ProcessMark, Semaphore};

use super::error::{ChannelError, Result};
use super::spin::Spin;
use crate::plasma::object_header::PlasmaObjectHeader;

/// How an end of a channel behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelOptions {
    /// How often a call that waits looks whether the other ends' processes live. 100 ms by default.
    pub look_every: Duration,
    /// How long the one who makes the semaphores may take. 5 s by default.
    pub set_up_within: Duration,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self { look_every: Duration::from_millis(100), set_up_within: Duration::from_secs(5) }
    }
}

const NOT_CREATED: i32 = 0;
const CREATING: i32 = 1;
const CREATED: i32 = 2;

/// What the words behind the header's semaphore are for.
#[derive(Clone, Copy)]
pub(super) enum Word {
    /// Grows with every announcement; who waits for one sleeps on it.
    Generation,
    /// How many sleep there.
    Sleepers,
    /// How many of ours count among the waiters of the header's semaphore to notice what Ray's writer does.
    Listeners,
    /// Whether one of ours writes, so that versions are announced.
    AnnouncingWriter,
    /// The number of the process that died.
    DeadProcess,
}

/// An open end's semaphores. Dropping it takes the end off the list.
#[derive(Debug)]
pub struct ChannelSemaphores {
    name: String,
    object: NamedSemaphore,
    header: NamedSemaphore,
    slot: Option<usize>,
    pub(super) options: ChannelOptions,
    pub(super) spin: Spin,
    pub(super) foreign: super::foreign::ForeignPeers,
}

pub(super) fn object_name(name: &str) -> String {
    format!("obj{name}")
}

pub(super) fn header_name(name: &str) -> String {
    format!("hdr{name}")
}

impl ChannelSemaphores {
    /// Makes the semaphores that the header names, or opens them if somebody has made them.
    ///
    /// # Errors
    /// [`ChannelError::SetUp`]; also when the header has no name, or when who was about to make them never did.
    pub fn open(header: &PlasmaObjectHeader, options: ChannelOptions) -> Result<Self> {
        let Some(name) = header.name() else {
            let error = io::Error::new(io::ErrorKind::InvalidData, "the header has no name");
            return Err(error.into());
        };
        super::leftovers::sweep_once();
        let created = &header.semaphores_created;
        let order = Ordering::AcqRel;
        let (object, semaphore) =
            match created.compare_exchange(NOT_CREATED, CREATING, order, Ordering::Acquire) {
                Ok(_) => {
                    let made = create(&name);
                    // Who waits for them opens them then, and fails as we did if they are not there.
                    created.store(CREATED, Ordering::Release);
                    made?
                }
                Err(_) => {
                    wait_until_created(header, &name, options)?;
                    let object = NamedSemaphore::open(&object_name(&name))?;
                    (object, NamedSemaphore::open(&header_name(&name))?)
                }
            };
        let slot = enlist(&semaphore.tail().slots);
        if slot.is_none() {
            log::warn!(
                "channel {name} has so many ends that the death of this one will not be noticed"
            );
        }
        let foreign = super::foreign::ForeignPeers::default();
        let spin = Spin::default();
        Ok(Self { name, object, header: semaphore, slot, options, spin, foreign })
    }

    /// The name without `obj` and `hdr`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the file of the header's semaphore.
    pub(super) fn inode(&self) -> u64 {
        self.header.inode()
    }

    /// The right to write.
    #[must_use]
    pub fn object(&self) -> &Semaphore {
        self.object.semaphore()
    }

    /// The right to look at the header.
    #[must_use]
    pub fn header(&self) -> &Semaphore {
        self.header.semaphore()
    }

    /// Takes both names away: who has the semaphores keeps them, and nobody opens them any more.
    pub fn unlink(&self) {
        unlink(&self.name);
    }

    pub(super) fn word(&self, word: Word) -> &AtomicU32 {
        &self.header.tail().words[word as usize]
    }

    fn slots(&self) -> &[AtomicU64] {
        &self.header.tail().slots
    }

    /// The processes that have this channel open and are on the list; this end is not among them.
    pub(super) fn others(&self) -> impl Iterator<Item = ProcessMark> + '_ {
        let other = |(index, slot): (usize, &AtomicU64)| {
            let mark = ProcessMark::from_bits(slot.load(Ordering::Acquire));
            mark.filter(|_| Some(index) != self.slot)
        };
        self.slots().iter().enumerate().filter_map(other)
    }

    /// A process on the list that has ended.
    pub(super) fn dead(&self) -> Option<ProcessMark> {
        let own = ProcessMark::own();
        self.others().find(|mark| *mark != own && mark.life() == Life::Gone)
    }

    /// The error that a closed channel gives.
    pub(super) fn closed(&self) -> ChannelError {
        match self.word(Word::DeadProcess).load(Ordering::Acquire) {
            0 => ChannelError::Closed,
            pid => ChannelError::PeerDied { pid },
        }
    }
}

impl Drop for ChannelSemaphores {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.slots()[slot].store(0, Ordering::Release);
        }
    }
}

/// Takes away the names of a channel's semaphores, as far as there are such.
pub(super) fn unlink(name: &str) {
    for name in [header_name(name), object_name(name)] {
        if let Err(error) = NamedSemaphore::unlink(&name) {
            log::warn!("semaphore {name} stays: {error}");
        }
    }
}

fn create(name: &str) -> io::Result<(NamedSemaphore, NamedSemaphore)> {
    // Left behind by nobody that is alive: the name is in this header, and we are the first.
    unlink(name);
    let object = NamedSemaphore::create(&object_name(name), 1)?;
    Ok((object, NamedSemaphore::create(&header_name(name), 1)?))
}

/// Waits for whoever is about to make the semaphores. It may be one of Ray's, which announces nothing.
fn wait_until_created(
    header: &PlasmaObjectHeader,
    name: &str,
    options: ChannelOptions,
) -> Result<()> {
    let until = Instant::now() + options.set_up_within;
    let mut pause = Duration::from_micros(20);
    while header.semaphores_created.load(Ordering::Acquire) == CREATING {
        if Instant::now() >= until {
            // Nobody can ever use this channel.
            header.has_error.store(1, Ordering::Release);
            unlink(name);
            let error = "whoever was to make the semaphores has not done so";
            return Err(io::Error::new(io::ErrorKind::TimedOut, error).into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    Ok(())
}

fn enlist(slots: &[AtomicU64]) -> Option<usize> {
    let own = ProcessMark::own().bits();
    let is_ours = |slot: &AtomicU64| {
        slot.compare_exchange(0, own, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    slots.iter().position(is_ours)
}
