//! Objects are looked up, or waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ray_common::ObjectId;

use super::{note_references, send_fd, Core, Mistake, MOST_WAITING_IDS};
use crate::plasma::allocator::{Allocator, MemFd};
use crate::plasma::get_request_queue::{Found, GetId};
use crate::plasma::obj_lifecycle_mgr::PlasmaLifecycle;
use crate::plasma::protocol::{IdList, PlasmaObject};
use crate::plasma::store::client::{Client, ClientId};
use crate::plasma::store::timers::Due;

/// A get that waits.
#[derive(Debug)]
pub(super) struct Get {
    object_ids: Vec<ObjectId>,
    pub(super) deadline: Option<Instant>,
}

/// Finds a sealed object for a client, which has a reference to it from then on. It may use so many files of their own.
fn find<A: Allocator>(
    lifecycle: &mut PlasmaLifecycle<A>,
    client: &mut Client,
    id: &ObjectId,
    descriptors: usize,
) -> Result<Option<PlasmaObject>, Mistake> {
    let Some(found) = lifecycle.get_object(id) else {
        return Ok(None);
    };
    let object = lifecycle.table().object(found);
    if !object.sealed() {
        return Ok(None);
    }
    let in_file = object.is_fallback_allocated();
    if in_file && client.descriptors() >= descriptors && !client.holds(id) {
        return Err(Mistake::TooManyDescriptors(descriptors));
    }
    let described = PlasmaObject::of(object);
    if client.hold(*id, &object.allocation()) {
        lifecycle.add_reference_to(id, found);
    }
    Ok(Some(described))
}

impl<A: Allocator> Core<A> {
    pub(in crate::plasma::store) fn get(
        &mut self,
        id: ClientId,
        ids: IdList<'_>,
        timeout_ms: i64,
    ) -> Result<(), Mistake> {
        self.counters.gets += 1;
        let mut missing = Vec::new();
        let mut objects = std::mem::take(&mut self.scratch);
        objects.clear();
        for object_id in ids.iter() {
            self.settle_unsealed(&object_id);
            let Some(client) = self.clients.get_mut(&id) else {
                return Ok(());
            };
            let found = find(&mut self.lifecycle, client, &object_id, self.limits.descriptors)?;
            if found.is_some() && client.requests.is_some() {
                self.publish(&object_id);
            }
            if found.is_none() {
                missing.push(object_id);
            } else if self.whole_lives {
                note_references(&mut self.events, &self.lifecycle, &object_id);
            }
            objects.push((object_id, found.unwrap_or(PlasmaObject::MISSING)));
        }
        self.counters.get_hits += (objects.len() - missing.len()) as u64;
        self.counters.get_misses += missing.len() as u64;
        if missing.is_empty() || timeout_ms == 0 {
            self.write_get(id, &objects);
        }
        self.scratch = objects;
        if missing.is_empty() || timeout_ms == 0 {
            return Ok(());
        }
        self.wait(id)?;
        if let Some(client) = self.clients.get_mut(&id) {
            client.waiting_ids += ids.len();
            if client.waiting_ids > MOST_WAITING_IDS {
                return Err(Mistake::TooManyWaitingIds(MOST_WAITING_IDS));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        // A negative timeout never ends; so does one that is further away than clocks go.
        let deadline = u64::try_from(timeout_ms)
            .ok()
            .and_then(|timeout| Instant::now().checked_add(Duration::from_millis(timeout)));
        let get = Get { object_ids: ids.iter().collect(), deadline };
        let get_id = self.gets.add(id, missing, get);
        if let Some(deadline) = deadline {
            self.timers.add(deadline, Due::Get(get_id));
        }
        Ok(())
    }

    /// Answers a get that has left the queue with what the client has got by now.
    fn finish_get(&mut self, id: ClientId, get_id: GetId, get: &Get) {
        if let Some(deadline) = get.deadline {
            self.timers.cancel(deadline, Due::Get(get_id));
        }
        self.waited(id);
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.waiting_ids = client.waiting_ids.saturating_sub(get.object_ids.len());
        let client = &*client;
        let lifecycle = &self.lifecycle;
        let held = |id: &ObjectId| client.holds(id).then(|| lifecycle.get(id)).flatten();
        let objects: Vec<_> = get
            .object_ids
            .iter()
            .map(|id| {
                let object = held(id).filter(|object| object.sealed());
                (*id, object.map_or(PlasmaObject::MISSING, PlasmaObject::of))
            })
            .collect();
        let connection = Arc::clone(&client.connection);
        self.write_get(id, &objects);
        self.to_flush.push(connection);
    }

    /// The time of a get is over.
    pub(in crate::plasma::store) fn get_timed_out(&mut self, get_id: GetId) {
        if let Some((client, get)) = self.gets.remove(get_id) {
            self.finish_get(client, get_id, &get);
        }
    }

    fn write_get(&mut self, id: ClientId, objects: &[(ObjectId, PlasmaObject)]) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let mut files: Vec<(MemFd, i64)> = Vec::new();
        for (_, object) in objects {
            let new =
                object.is_present() && !files.iter().rev().any(|(fd, _)| *fd == object.store_fd);
            if new {
                files.push((object.store_fd, object.mmap_size));
            }
        }
        let encoder = &mut self.encoder;
        client.connection.write(|out| encoder.get_reply(out, objects, &files));
        for (fd, _) in files {
            send_fd(client, fd);
        }
    }

    /// Gives an object that is there now to the gets that wait for it.
    pub(in crate::plasma::store) fn object_sealed(&mut self, object_id: ObjectId) {
        if self.gets.num_waiting_for(&object_id) == 0 {
            return;
        }
        let mut done = Vec::new();
        let mut holders = Vec::new();
        self.gets.object_sealed(&object_id, |client, found| {
            holders.push(*client);
            if let Found::Last(id, get) = found {
                done.push((*client, id, get));
            }
        });
        for client in holders {
            self.reference(client, &object_id);
        }
        for (client, id, get) in done {
            self.finish_get(client, id, &get);
        }
    }

    /// Gives a client a reference to a sealed object, unless it has one.
    fn reference(&mut self, id: ClientId, object_id: &ObjectId) {
        if let Some(client) = self.clients.get_mut(&id) {
            // To a client that has too many descriptors it is not there.
            let _ = find(&mut self.lifecycle, client, object_id, self.limits.descriptors);
            if self.whole_lives {
                note_references(&mut self.events, &self.lifecycle, object_id);
            }
        }
    }
}
