//! How a creation that does not fit into our store makes the raylet spill.
//!
//! The shadow asks the raylet to spill, and to collect garbage, when something does not fit into *it*. So what waits in
//! our store is asked for in the shadow as well, by a peer of its own; and as every object of ours has its twin
//! there, it has to wait there, too. The shadow asks the raylet again and again, decides when there is nothing more to
//! be hoped for, and then gives a file of its own or says that the disk is full. That is the answer to our store.
//!
//! Meanwhile twins that nobody uses are held, or the shadow would evict them: ours alone evicts.

use std::time::{Duration, Instant};

use ray_common::ObjectId;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource, PlasmaError};

use crate::peer::{Answer, Creation, Peer, PeerError, Shadow};
use crate::twins::Place;

/// Without a question for so long, what waited in our store has gone.
const FORGOTTEN: Duration = Duration::from_millis(200);

/// How long a twin may take to be created while its object is sealed: some of the shadow's rounds of 10 ms.
const MOMENT: Duration = Duration::from_millis(50);

/// What our store is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again soon.
    Wait,
    /// There is nothing more to be hoped for.
    UseDisk,
    /// Nor is there a disk to use.
    DiskIsFull,
}

/// A creation in the shadow for one of our store, by a peer of its own.
pub(crate) struct Pressure {
    /// What waits in our store.
    waiting: ObjectId,
    peer: Peer,
    /// What is asked for: the same or, when that fits into the shadow and not into our store, something that does not.
    info: ObjectInfo,
    source: ObjectSource,
    state: Creation,
    asked: Instant,
}

impl Pressure {
    /// Asks for what waits.
    pub(crate) fn begin(
        shadow: &Shadow,
        info: &ObjectInfo,
        source: ObjectSource,
    ) -> Result<Self, PeerError> {
        Self::ask(shadow, info.object_id, info.clone(), source)
    }

    /// Asks for something that does not fit.
    pub(crate) fn begin_more(
        shadow: &Shadow,
        waiting: ObjectId,
        limit: i64,
    ) -> Result<Self, PeerError> {
        let info = ObjectInfo::new(ObjectId::random(), limit.saturating_mul(2), 0);
        Self::ask(shadow, waiting, info, ObjectSource::CREATED_BY_WORKER)
    }

    /// Asks at once for something as large.
    pub(crate) fn begin_like(shadow: &Shadow, info: &ObjectInfo) -> Result<Self, PeerError> {
        let id = ObjectId::random();
        let info = ObjectInfo { object_id: id, ..info.clone() };
        Self::ask(shadow, id, info, ObjectSource::CREATED_BY_WORKER)
    }

    fn ask(
        shadow: &Shadow,
        waiting: ObjectId,
        info: ObjectInfo,
        source: ObjectSource,
    ) -> Result<Self, PeerError> {
        let mut peer = shadow.connect()?;
        peer.create(&info, source, false);
        let state = creation(&mut peer)?;
        Ok(Self { waiting, peer, info, source, state, asked: Instant::now() })
    }

    /// Whether it is for this object.
    pub(crate) fn is_for(&self, waiting: &ObjectId) -> bool {
        self.waiting == *waiting
    }

    /// Whether the shadow has it, in a file of its own or not.
    pub(crate) fn is_there(&self, in_own_file: bool) -> bool {
        matches!(self.state, Creation::Done { fallback, .. } if fallback == in_own_file)
    }

    /// Whether it is there, or may soon be: a file of its own takes longer.
    pub(crate) fn may_become(&self, in_own_file: bool) -> bool {
        self.is_there(in_own_file) || (self.is_waiting() && !in_own_file)
    }

    fn is_waiting(&self) -> bool {
        matches!(self.state, Creation::Waits(_))
    }

    /// Whether nobody asks any more.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.asked.elapsed() > FORGOTTEN
    }

    /// What is asked for.
    pub(crate) fn object(&self) -> (&ObjectInfo, ObjectSource) {
        (&self.info, self.source)
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        match self.state {
            Creation::Done { file, fallback, .. } => Place::There { file, fallback },
            Creation::Waits(_) => Place::Asked,
            Creation::Failed(_) => Place::Missing,
        }
    }

    /// How it stands.
    pub(crate) fn verdict(&mut self) -> Result<Verdict, PeerError> {
        self.asked = Instant::now();
        self.retry()?;
        Ok(match self.state {
            Creation::Waits(_) | Creation::Done { fallback: false, .. } => Verdict::Wait,
            Creation::Done { fallback: true, .. } => Verdict::UseDisk,
            Creation::Failed(PlasmaError::OutOfDisk) => Verdict::DiskIsFull,
            Creation::Failed(error) => {
                log::error!("the raylet's own store has {error:?} for {}", self.info.object_id);
                Verdict::UseDisk
            }
        })
    }

    /// Waits for a moment until it is there. Returns whether it is.
    pub(crate) fn wait(&mut self) -> Result<bool, PeerError> {
        let started = Instant::now();
        while self.is_waiting() && started.elapsed() < MOMENT {
            std::thread::sleep(Duration::from_millis(1));
            self.retry()?;
        }
        Ok(matches!(self.state, Creation::Done { .. }))
    }

    /// Asks again, if it has to be.
    pub(crate) fn retry(&mut self) -> Result<(), PeerError> {
        if let Creation::Waits(request) = self.state {
            self.peer.retry(self.info.object_id, request);
            self.state = creation(&mut self.peer)?;
        }
        Ok(())
    }

    /// What was asked for is no longer wanted here: it is given up, or released if it has been sealed.
    pub(crate) fn end(self) -> Result<(), PeerError> {
        self.peer.leave()
    }

    /// This, unless the twin is in a file of its own or does not come.
    pub(crate) fn unless_fallback(self) -> Result<Option<Self>, PeerError> {
        match self.state {
            Creation::Waits(_) | Creation::Done { fallback: false, .. } => Ok(Some(self)),
            _ => self.end().map(|()| None),
        }
    }
}

fn creation(peer: &mut Peer) -> Result<Creation, PeerError> {
    match peer.answer()? {
        Some(Answer::Created(_, creation)) => Ok(creation),
        other => Err(PeerError::Unexpected(format!("{other:?} in answer to a creation"))),
    }
}
