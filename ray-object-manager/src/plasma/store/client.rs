//! What the store knows of a client.

use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ray_common::ObjectId;

use super::connection::Connection;
use crate::plasma::allocator::{Allocation, MemFd};
use crate::plasma::protocol::Request;
use crate::plasma::shared::{Requests, RingError};

/// Names a connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// A client: what it uses, and what it has been sent.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) connection: Arc<Connection>,
    /// The objects to which it has a reference, and for one in a file of its own, that file's unique id.
    held: HashMap<ObjectId, Option<i64>, RandomState>,
    /// The files whose descriptors it has.
    sent: Vec<MemFd>,
    /// How many objects it uses in each file but the main one, by unique id.
    fallback: HashMap<i64, usize, RandomState>,
    /// Bytes of objects that it created and that are not sealed.
    pub(super) unsealed_bytes: u64,
    /// Bytes of its creations that wait.
    pub(super) queued_bytes: u64,
    /// Ids in its gets that wait.
    pub(super) waiting_ids: usize,
    /// Gets and creations that wait.
    pub(super) in_flight: usize,
    /// Its requests in shared memory, if it has any.
    pub(super) requests: Option<Requests>,
    /// The offer in whose space the next object that it creates is to lie.
    pub(super) next_in: Option<u64>,
    /// Whether it may only read: it gets descriptors that cannot be written through.
    pub(super) read_only: bool,
}

impl Client {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            held: HashMap::default(),
            sent: Vec::new(),
            fallback: HashMap::default(),
            unsealed_bytes: 0,
            queued_bytes: 0,
            waiting_ids: 0,
            in_flight: 0,
            requests: None,
            next_in: None,
            read_only: false,
        }
    }

    /// Copies its next request in shared memory, if that needs no answer. False when there is none.
    pub(super) fn take_quiet(&mut self, message: &mut Vec<u8>) -> Result<bool, RingError> {
        let Some(requests) = &mut self.requests else { return Ok(false) };
        requests.take_if(message, |bytes| {
            let request = super::server::message(bytes, bytes.len());
            let quiet = |request: &Request<'_>| {
                matches!(
                    request,
                    Request::SealQuietly { .. } | Request::Release { may_unmap: false, .. }
                )
            };
            request.is_ok_and(|request| request.is_some_and(|(request, _)| quiet(&request)))
        })
    }

    /// Whether it has a reference to an object.
    pub(super) fn holds(&self, id: &ObjectId) -> bool {
        self.held.contains_key(id)
    }

    /// Notes that it has a reference to an object from now on; false when it has one already.
    pub(super) fn hold(&mut self, id: ObjectId, allocation: &Allocation) -> bool {
        let Entry::Vacant(entry) = self.held.entry(id) else {
            return false;
        };
        let file = allocation.fallback_allocated.then_some(allocation.fd.unique_id);
        entry.insert(file);
        if let Some(file) = file {
            *self.fallback.entry(file).or_default() += 1;
        }
        true
    }

    /// Notes that it has no reference any more. `None` when it had none; else whether it uses nothing in that
    /// file any more, and so should unmap it.
    pub(super) fn let_go(&mut self, id: &ObjectId) -> Option<bool> {
        let Some(file) = self.held.remove(id)? else {
            return Some(false);
        };
        let Some(count) = self.fallback.get_mut(&file) else {
            return Some(false);
        };
        *count -= 1;
        if *count > 0 {
            return Some(false);
        }
        self.fallback.remove(&file);
        self.sent.retain(|sent| sent.unique_id != file);
        Some(true)
    }

    /// Whether a file's descriptor has to be sent now: it is, then.
    pub(super) fn must_be_sent(&mut self, fd: MemFd) -> bool {
        let new = !self.sent.contains(&fd);
        if new {
            self.sent.push(fd);
        }
        new
    }

    /// How many files of their own it uses objects in.
    pub(super) fn descriptors(&self) -> usize {
        self.fallback.len()
    }

    /// The objects to which it has a reference.
    pub(super) fn held(&self) -> impl ExactSizeIterator<Item = &ObjectId> {
        self.held.keys()
    }
}
