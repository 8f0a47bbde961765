//! Connections on which gets wait, one get each.
//!
//! Ray's store ends when a connection with two waiting gets closes, and while a get waits its reply stands in the way of
//! others. So each waits on a connection of its own, which only tells that the objects are there: who waited gets
//! them again on the client's first connection, which keeps the references, and gives these back. Therefore such a
//! connection can be closed at any time, and nothing else is lost.

use std::collections::HashSet;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use ray_common::ObjectId;

use super::error::Cause;
use super::lane::Lane;
use crate::plasma::allocator::MemFd;

/// A connection and the files whose descriptors have come over it.
#[derive(Debug)]
struct WaitingLane {
    lane: Lane,
    known: HashSet<MemFd>,
    greeted: bool,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<WaitingLane>,
    busy: Vec<Arc<UnixStream>>,
    closed: bool,
}

/// All of these connections of a client.
#[derive(Debug)]
pub(super) struct Waiters {
    pool: Mutex<Pool>,
    most_idle: usize,
}

impl Waiters {
    pub(super) fn new(most_idle: usize) -> Self {
        Self { pool: Mutex::default(), most_idle }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock()
    }

    /// A connection for one get. `None` when they have been closed.
    pub(super) fn take(
        self: &Arc<Self>,
        open: impl FnOnce() -> Result<Lane, Cause>,
    ) -> Result<Option<Waiter>, Cause> {
        let idle = self.pool().idle.pop();
        let lane = match idle {
            Some(lane) => lane,
            None => WaitingLane { lane: open()?, known: HashSet::new(), greeted: false },
        };
        let mut pool = self.pool();
        if pool.closed {
            return Ok(None);
        }
        pool.busy.push(Arc::clone(lane.lane.stream()));
        let (asked, held) = (Vec::new(), Vec::new());
        let waiters = Arc::clone(self);
        Ok(Some(Waiter { waiters, lane: Some(lane), clean: false, asked, held }))
    }

    /// Wakes all who wait, with an error, and lets nobody wait again.
    pub(super) fn close(&self) {
        let mut pool = self.pool();
        pool.closed = true;
        pool.idle.clear();
        for stream in &pool.busy {
            // Fails when it is shut down already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A connection on which one get waits. Closes it when dropped, unless all it held was released.
#[derive(Debug)]
pub(super) struct Waiter {
    waiters: Arc<Waiters>,
    lane: Option<WaitingLane>,
    clean: bool,
    asked: Vec<ObjectId>,
    /// What the store keeps for this connection; with whether that lies in a file of its own, so that a release is answered.
    held: Vec<(ObjectId, MemFd, bool)>,
}

impl Waiter {
    /// Asks for these capabilities, once on each connection.
    pub(super) fn greet(&mut self, capabilities: u64) -> Result<(), Cause> {
        match &mut self.lane {
            Some(WaitingLane { lane, greeted, .. }) if capabilities != 0 && !*greeted => {
                lane.connect(capabilities)?;
                *greeted = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Asks for objects, which must differ.
    pub(super) fn ask(&mut self, ids: Vec<ObjectId>, timeout_ms: i64) -> Result<(), Cause> {
        let Some(WaitingLane { lane, .. }) = &mut self.lane else { return Ok(()) };
        lane.ask(&ids, timeout_ms)?;
        self.asked = ids;
        Ok(())
    }

    /// The socket on which the answer comes.
    pub(super) fn stream(&self) -> Option<Arc<UnixStream>> {
        self.lane.as_ref().map(|lane| Arc::clone(lane.lane.stream()))
    }

    /// Waits for the answer. Afterwards the store keeps the objects that are there.
    pub(super) fn wait(&mut self) -> Result<(), Cause> {
        let Some(WaitingLane { lane, known, .. }) = &mut self.lane else { return Ok(()) };
        let got = lane.receive_get(&self.asked)?;
        for (fd, _) in got.files {
            if known.insert(fd) {
                drop(lane.receive_fd()?);
            }
        }
        let present = self.asked.iter().zip(got.objects).filter(|(_, object)| object.is_present());
        self.held
            .extend(present.map(|(id, object)| (*id, object.store_fd, object.fallback_allocated)));
        Ok(())
    }

    /// Gives everything back, so that the connection can be used again. With `confirmed`, the store has heard of it then:
    /// what is asked for in shared memory can overtake what is in a socket.
    pub(super) fn release(mut self, confirmed: bool) -> Result<(), Cause> {
        let Some(WaitingLane { lane, known, .. }) = &mut self.lane else { return Ok(()) };
        let mut held = std::mem::take(&mut self.held);
        if let (true, Some((.., answered))) = (confirmed, held.last_mut()) {
            *answered = true;
        }
        lane.send(|encoder, out| {
            for (id, _, answered) in &held {
                encoder.release_request(out, id, *answered);
            }
        })?;
        for (id, fd, _) in held.iter().filter(|(.., answered)| *answered) {
            if lane.receive_release(id)? {
                known.remove(fd);
            }
        }
        self.clean = true;
        Ok(())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        let mut pool = self.waiters.pool();
        pool.busy.retain(|stream| !Arc::ptr_eq(stream, lane.lane.stream()));
        if self.clean && !pool.closed && pool.idle.len() < self.waiters.most_idle {
            pool.idle.push(lane);
        }
    }
}
