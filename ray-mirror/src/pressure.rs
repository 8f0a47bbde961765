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

/// Without a question for so long, what waited in our store has gone.
const FORGOTTEN: Duration = Duration::from_millis(200);

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

/// A creation in the shadow for one that waits in our store.
pub(crate) struct Pressure {
    /// What waits in our store.
    waiting: ObjectId,
    peer: Box<Peer>,
    /// What is asked for: the same or, when that fits into the shadow and not into our store, something that does not.
    id: ObjectId,
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
        Self::ask(shadow, info.object_id, info, source)
    }

    /// Asks for something that does not fit.
    pub(crate) fn begin_more(
        shadow: &Shadow,
        waiting: ObjectId,
        limit: i64,
    ) -> Result<Self, PeerError> {
        let info = ObjectInfo::new(ObjectId::random(), limit.saturating_mul(2), 0);
        Self::ask(shadow, waiting, &info, ObjectSource::CREATED_BY_WORKER)
    }

    fn ask(
        shadow: &Shadow,
        waiting: ObjectId,
        info: &ObjectInfo,
        source: ObjectSource,
    ) -> Result<Self, PeerError> {
        let mut peer = Box::new(shadow.connect()?);
        peer.create(info, source, false);
        let state = creation(&mut peer)?;
        Ok(Self { waiting, peer, id: info.object_id, state, asked: Instant::now() })
    }

    /// Whether it is for this object.
    pub(crate) fn is_for(&self, waiting: &ObjectId) -> bool {
        self.waiting == *waiting
    }

    /// Whether the shadow has room for it where our store has none.
    pub(crate) fn is_in_vain(&self) -> bool {
        matches!(self.state, Creation::Done { fallback: false, .. })
    }

    /// Whether nobody asks any more.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.asked.elapsed() > FORGOTTEN
    }

    /// How it stands.
    pub(crate) fn verdict(&mut self) -> Result<Verdict, PeerError> {
        self.asked = Instant::now();
        if let Creation::Waits(request) = self.state {
            self.peer.retry(self.id, request);
            self.state = creation(&mut self.peer)?;
        }
        Ok(match self.state {
            Creation::Waits(_) | Creation::Done { fallback: false, .. } => Verdict::Wait,
            Creation::Done { fallback: true, .. } => Verdict::UseDisk,
            Creation::Failed(PlasmaError::OutOfDisk) => Verdict::DiskIsFull,
            Creation::Failed(error) => {
                log::error!("the raylet's own store has {error:?} for {}", self.id);
                Verdict::UseDisk
            }
        })
    }

    /// What was asked for is no longer wanted.
    pub(crate) fn end(self) -> Result<(), PeerError> {
        (*self.peer).leave()
    }

    /// The object waits no more, since our store has it: the twin and who created it, if it is there and like ours.
    pub(crate) fn finish(self, fallback: bool) -> Result<Option<(Box<Peer>, Creation)>, PeerError> {
        match self.state {
            Creation::Done { fallback: same, .. }
                if same == fallback && self.id == self.waiting =>
            {
                Ok(Some((self.peer, self.state)))
            }
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
