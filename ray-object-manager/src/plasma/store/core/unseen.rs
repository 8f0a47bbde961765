//! What clients of ours do in shared memory, without the store, and how the store hears of it when it matters.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use ray_common::ObjectId;

use super::{Core, Mistake, StoreCounters};
use crate::plasma::allocator::Allocator;
use crate::plasma::common::ObjectFacts;
use crate::plasma::protocol::{PlasmaObject, Request};
use crate::plasma::shared::{Requests, StorePage};
use crate::plasma::stats_collector::ObjectStatsCollector;
use crate::plasma::store::client::ClientId;
use crate::plasma::store::server::message;
use crate::plasma::store::sharing::{Adoption, Sharing};
use crate::plasma::store::timers::Due;

impl<A: Allocator> Core<A> {
    /// Makes a page for a client that has none. `None` when that is not to be, or cannot be had.
    pub(in crate::plasma::store) fn share_with(
        &mut self,
        id: ClientId,
    ) -> Option<(Arc<StorePage>, [OwnedFd; 3])> {
        let client = self.clients.get_mut(&id)?;
        if !self.may_share || client.requests.is_some() {
            return None;
        }
        let mut share = || {
            if self.sharing.is_none() {
                self.sharing = Some(Sharing::new()?);
            }
            self.sharing.as_mut().map(|sharing| sharing.admit(id)).transpose()
        };
        match share() {
            Ok(shared) => {
                let (page, _) = shared.as_ref()?;
                client.requests = Some(Requests::new(Arc::clone(page)));
                shared
            }
            Err(error) => {
                log::warn!("a client gets no shared memory: {error}");
                None
            }
        }
    }

    /// A client goes: hears what it has asked for, and forgets its pins.
    pub(in crate::plasma::store) fn stop_sharing_with(&mut self, id: ClientId) {
        self.settle_client(id);
        if let Some(sharing) = &mut self.sharing {
            let unseen = sharing.dismiss(id, self.lifecycle.table_mut());
            add(&mut self.counters, unseen);
        }
    }

    /// Nothing that is shared holds any more.
    pub(in crate::plasma::store) fn close_shared(&self) {
        if let Some(sharing) = &self.sharing {
            sharing.close();
        }
    }

    /// Copies a client's next message from shared memory.
    pub(in crate::plasma::store) fn take_message(
        &mut self,
        id: ClientId,
        message: &mut Vec<u8>,
    ) -> Result<bool, Mistake> {
        let requests = self.clients.get_mut(&id).and_then(|client| client.requests.as_mut());
        match requests {
            Some(requests) => Ok(requests.take(message)?),
            None => Ok(false),
        }
    }

    /// Lets clients find an object, if it is sealed and is to stay.
    pub(in crate::plasma::store) fn publish(&mut self, id: &ObjectId) {
        let Some(sharing) = &mut self.sharing else { return };
        let lifecycle = &self.lifecycle;
        let Some(at) = lifecycle.get_object(id) else { return };
        let object = lifecycle.table().object(at);
        if object.sealed() && !lifecycle.eager_deletions().contains(id) {
            sharing.publish(id, &PlasmaObject::of(object), at);
        }
        let objects = lifecycle.table().len();
        if sharing.wants_other_table(objects) {
            sharing.leave_table();
            self.adopt_all();
            if let Some(sharing) = &mut self.sharing {
                sharing.change_table(objects);
            }
        }
    }

    /// Nobody finds the object by himself any more, and who has it pinned has a reference.
    pub(in crate::plasma::store) fn adopt(&mut self, id: &ObjectId) {
        let Some(sharing) = &mut self.sharing else { return };
        let Some(at) = self.lifecycle.get_object(id) else { return };
        let object = PlasmaObject::of(self.lifecycle.table().object(at));
        let adopted: Vec<Adoption> =
            sharing.retire(id, &object).into_iter().map(|client| (client, *id)).collect();
        self.reference_adopted(&adopted);
    }

    /// Who has anything pinned has a reference.
    fn adopt_all(&mut self) {
        let Some(sharing) = &self.sharing else { return };
        let table = self.lifecycle.table();
        let id_of = |at| *table.object(at).id();
        let adopted: Vec<Adoption> =
            sharing.pins(table).map(|(client, at)| (client, id_of(at))).collect();
        self.reference_adopted(&adopted);
    }

    /// Gives references to those who have pinned sealed objects, and have none.
    fn reference_adopted(&mut self, adopted: &[Adoption]) {
        for (client, id) in adopted {
            let Some(client) = self.clients.get_mut(client) else { continue };
            let Some(at) = self.lifecycle.get_object(id) else { continue };
            let object = self.lifecycle.table().object(at);
            if object.sealed() && client.hold(*id, &object.allocation()) {
                self.lifecycle.add_reference_to(id, at);
            }
        }
    }

    /// Notes for the clients the references that the lifecycle has given them.
    pub(in crate::plasma::store) fn note_adoptions(&mut self, adopted: &[Adoption]) {
        for (client, id) in adopted {
            let (client, object) = (self.clients.get_mut(client), self.lifecycle.get(id));
            if let (Some(client), Some(object)) = (client, object) {
                client.hold(*id, &object.allocation());
            }
        }
    }

    /// Does what clients that have the object have asked for, which needs no answer.
    pub(in crate::plasma::store) fn settle(&mut self, id: &ObjectId) {
        let Some(sharing) = &self.sharing else { return };
        if self.lifecycle.get_object(id).is_none() {
            return;
        }
        let has =
            |client: &ClientId| self.clients.get(client).is_some_and(|client| client.holds(id));
        let holders: Vec<ClientId> = sharing.clients().filter(has).collect();
        for client in holders {
            self.settle_client(client);
        }
    }

    /// As [`Self::settle`], if the object is there and not sealed: its creator may have asked for that.
    pub(in crate::plasma::store) fn settle_unsealed(&mut self, id: &ObjectId) {
        if self.sharing.is_some() && self.lifecycle.get(id).is_some_and(|object| !object.sealed()) {
            self.settle(id);
        }
    }

    /// Does what all clients have asked for that needs no answer, and frees what is set aside for them.
    pub(in crate::plasma::store) fn settle_all(&mut self) {
        let Some(sharing) = &self.sharing else { return };
        let clients: Vec<ClientId> = sharing.clients().collect();
        for client in clients {
            self.settle_client(client);
        }
        if let Some(sharing) = &mut self.sharing {
            sharing.withdraw_offers(self.lifecycle.table_mut());
        }
    }

    /// As [`Self::settle`] (without an id: for all), where nobody tells the world and sends what there is to be sent
    /// afterwards: a thread of the store does so soon.
    pub(in crate::plasma::store) fn settle_outside(&mut self, id: Option<&ObjectId>) {
        let before = (self.events.len(), self.to_flush.len());
        match id {
            Some(id) => self.settle(id),
            None => self.settle_all(),
        }
        if before != (self.events.len(), self.to_flush.len()) {
            self.timers.add(Instant::now(), Due::Settled);
        }
    }

    fn settle_client(&mut self, id: ClientId) {
        let mut bytes = std::mem::take(&mut self.message);
        for _ in 0..Requests::MOST {
            let Some(client) = self.clients.get_mut(&id) else { break };
            let connection = Arc::clone(&client.connection);
            if connection.is_closed() {
                break;
            }
            let done = match client.take_quiet(&mut bytes) {
                Ok(false) => break,
                Ok(true) => self.quietly(id, &bytes),
                Err(error) => Err(error.into()),
            };
            if let Err(mistake) = done {
                log::warn!("the connection of process {} ends: {mistake}", connection.peer.pid);
                self.counters.clients_expelled += 1;
                connection.close();
                break;
            }
        }
        self.message = bytes;
    }

    fn quietly(&mut self, id: ClientId, bytes: &[u8]) -> Result<(), Mistake> {
        let Some((request, _)) = message(bytes, bytes.len())? else { return Ok(()) };
        match request {
            Request::SealQuietly { object_id } => {
                self.counters.seals += 1;
                self.seal_unsettled(id, object_id);
                Ok(())
            }
            Request::Release { object_id, may_unmap } => self.release(id, object_id, may_unmap),
            _ => Ok(()),
        }
    }

    /// Whether a client that lets an object go which is to be deleted has pinned it again. It did so before the deletion and
    /// before the store heard of this, and lets go once more when it is done.
    pub(in crate::plasma::store) fn is_used_again(&self, id: ClientId, object: &ObjectId) -> bool {
        let Some(sharing) = &self.sharing else { return false };
        if !self.lifecycle.eager_deletions().contains(object) {
            return false;
        }
        let described = self.lifecycle.get(object).map(PlasmaObject::of);
        described.is_some_and(|object| sharing.users(&object).any(|user| user == id))
    }

    /// How many clients have an object pinned and have no reference to it.
    pub(in crate::plasma::store) fn unseen_users(&self, id: &ObjectId) -> i64 {
        let (Some(sharing), Some(object)) = (&self.sharing, self.lifecycle.get(id)) else {
            return 0;
        };
        let holds = |user: &ClientId| self.clients.get(user).is_some_and(|user| user.holds(id));
        let users = sharing.users(&PlasmaObject::of(object)).filter(|user| !holds(user));
        i64::try_from(users.count()).unwrap_or(i64::MAX)
    }

    /// Pins of clients that have no reference to the object: whose, and which.
    pub(in crate::plasma::store) fn unseen_references(&self) -> Vec<Adoption> {
        let Some(sharing) = &self.sharing else { return Vec::new() };
        let table = self.lifecycle.table();
        let pins = sharing.pins(table).map(|(client, at)| (client, table.object(at)));
        pins.filter(|(client, object)| {
            let holds = self.clients.get(client).map(|client| client.holds(object.id()));
            object.sealed() && holds == Some(false)
        })
        .map(|(client, object)| (client, *object.id()))
        .collect()
    }

    /// Adds what clients did and have unseen to figures. Returns how many references they have.
    pub(in crate::plasma::store) fn count_unseen(
        &self,
        stats: &mut ObjectStatsCollector,
        counters: &mut StoreCounters,
    ) -> usize {
        let Some(sharing) = &self.sharing else { return 0 };
        add(counters, sharing.unseen());
        let references = self.unseen_references();
        let mut added: HashMap<ObjectId, i32> = HashMap::new();
        for (_, id) in &references {
            let Some(object) = self.lifecycle.get(id) else { continue };
            let more = added.entry(*id).or_default();
            *more += 1;
            let facts = object.facts();
            stats.reference_added(ObjectFacts { ref_count: facts.ref_count + *more, ..facts });
        }
        references.len()
    }
}

fn add(counters: &mut StoreCounters, unseen: crate::plasma::shared::Unseen) {
    counters.gets = counters.gets.saturating_add(unseen.gets);
    counters.get_hits = counters.get_hits.saturating_add(unseen.gets);
    counters.contains = counters.contains.saturating_add(unseen.contains);
    counters.releases = counters.releases.saturating_add(unseen.releases);
}
