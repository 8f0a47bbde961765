//! Answers about the store itself, as JSON. What is asked is copied under the store's lock, and written as text without it.

use std::collections::HashMap;

use ray_common::ObjectId;
use serde_json::{json, Value};

use super::client::ClientId;
use super::connection::Peer;
use super::core::{Core, StoreSnapshot};
use crate::plasma::allocator::Allocator;
use crate::plasma::common::ObjectInfo;
use crate::plasma::local_object::LocalObject;
use crate::plasma::stats_collector::Tally;

/// Objects that one answer names at most.
const MOST_OBJECTS: usize = 100_000;

/// What was asked for.
#[derive(Debug)]
pub(super) enum Answer {
    Stat(Box<StoreSnapshot>),
    Objects { objects: Vec<Object>, total: usize },
    Clients(Vec<Client>),
    Unknown(String),
}

/// An object.
#[derive(Debug)]
pub(super) struct Object {
    id: ObjectId,
    data_size: i64,
    metadata_size: i64,
    sealed: bool,
    references: i32,
    fallback: bool,
    mutable: bool,
    source: i32,
    created: i64,
    offset: isize,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    id: u64,
    peer: Peer,
    references: usize,
    unsealed_bytes: u64,
    in_flight: usize,
    descriptors: usize,
}

/// Collects what `stat`, `ls` or `clients` asks for.
pub(super) fn collect<A: Allocator>(core: &mut Core<A>, query: &str) -> Answer {
    match query {
        "stat" => Answer::Stat(Box::new(core.snapshot())),
        "ls" => {
            core.settle_outside(None);
            let mut unseen: HashMap<ObjectId, i32> = HashMap::new();
            for (_, id) in core.unseen_references() {
                *unseen.entry(id).or_default() += 1;
            }
            let table = core.lifecycle.table();
            let object = |object: LocalObject<'_, ObjectInfo>| Object {
                id: *object.id(),
                data_size: object.data_size(),
                metadata_size: object.metadata_size(),
                sealed: object.sealed(),
                references: object.ref_count() + unseen.get(object.id()).unwrap_or(&0),
                fallback: object.is_fallback_allocated(),
                mutable: object.is_mutable(),
                source: object.source().0,
                created: object.create_time(),
                offset: object.allocation().offset,
            };
            let objects = table.iter().take(MOST_OBJECTS).map(object).collect();
            Answer::Objects { objects, total: table.len() }
        }
        "clients" => Answer::Clients({
            core.settle_outside(None);
            let mut unseen: HashMap<ClientId, usize> = HashMap::new();
            for (client, _) in core.unseen_references() {
                *unseen.entry(client).or_default() += 1;
            }
            core.clients
                .iter()
                .map(|(id, client)| Client {
                    id: id.0,
                    peer: client.connection.peer,
                    references: client.held().len() + unseen.get(id).unwrap_or(&0),
                    unsealed_bytes: client.unsealed_bytes,
                    in_flight: client.in_flight,
                    descriptors: client.descriptors(),
                })
                .collect()
        }),
        other => Answer::Unknown(other.to_owned()),
    }
}

impl Answer {
    /// The text. Anything but a known query is told so.
    pub(super) fn into_json(self) -> String {
        match self {
            Self::Stat(now) => stat(&now),
            Self::Objects { objects, total } => {
                json!({ "objects": objects.iter().map(Object::json).collect::<Vec<_>>(), "total": total })
            }
            Self::Clients(mut clients) => {
                clients.sort_unstable_by_key(|client| client.id);
                json!({ "clients": clients.iter().map(Client::json).collect::<Vec<_>>() })
            }
            Self::Unknown(query) => {
                json!({ "error": format!("there is no query {query:?}; there are stat, ls and clients") })
            }
        }
        .to_string()
    }
}

impl Object {
    fn json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "data_size": self.data_size,
            "metadata_size": self.metadata_size,
            "sealed": self.sealed,
            "references": self.references,
            "fallback": self.fallback,
            "mutable": self.mutable,
            "source": self.source,
            "created": self.created,
            "offset": self.offset,
        })
    }
}

impl Client {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "pid": self.peer.pid,
            "uid": self.peer.uid,
            "references": self.references,
            "unsealed_bytes": self.unsealed_bytes,
            "requests_in_flight": self.in_flight,
            "descriptors": self.descriptors,
        })
    }
}

fn tally(tally: Tally) -> Value {
    json!({ "objects": tally.objects, "bytes": tally.bytes })
}

fn stat(now: &StoreSnapshot) -> Value {
    let (stats, counters) = (&now.stats, &now.counters);
    json!({
        "capacity": now.capacity,
        "allocated": now.allocated,
        "fallback_allocated": now.fallback_allocated,
        "objects": now.objects,
        "clients": now.clients,
        "references": now.references,
        "pending_creates": now.pending_creates,
        "pending_create_bytes": now.pending_create_bytes,
        "untaken_creates": now.untaken_creates,
        "pending_gets": now.pending_gets,
        "eager_deletions": now.eager_deletions,
        "eviction_owed": now.eviction_owed,
        "states": {
            "sealed_bytes": stats.bytes_at(false, true) + stats.bytes_at(true, true),
            "unsealed": tally(stats.unsealed),
            "in_use": tally(stats.in_use),
            "evictable": tally(stats.evictable),
            "spillable": tally(stats.spillable),
        },
        "sources": {
            "created_by_worker": tally(stats.created_by_worker),
            "restored": tally(stats.restored),
            "received": tally(stats.received),
            "errored": tally(stats.errored),
        },
        "created_total": tally(stats.created_total),
        "requests": {
            "create": counters.creates,
            "seal": counters.seals,
            "abort": counters.aborts,
            "get": counters.gets,
            "release": counters.releases,
            "delete": counters.deletes,
            "contains": counters.contains,
        },
        "get_hits": counters.get_hits,
        "get_misses": counters.get_misses,
        "objects_gone": counters.objects_gone,
        "clients_total": counters.clients_total,
        "clients_expelled": counters.clients_expelled,
        "created_set_aside": counters.creates_set_aside,
    })
}
