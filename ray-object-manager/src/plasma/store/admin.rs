//! Answers about the store itself, as JSON.

use serde_json::{json, Value};

use super::core::{Core, StoreSnapshot};
use crate::plasma::allocator::Allocator;
use crate::plasma::stats_collector::Tally;

/// Objects that one answer names at most.
const MOST_OBJECTS: usize = 100_000;

/// Answers `stat`, `ls` or `clients`; anything else is told so.
pub(super) fn answer<A: Allocator>(core: &Core<A>, query: &str) -> String {
    let answer = match query {
        "stat" => stat(&core.snapshot()),
        "ls" => objects(core),
        "clients" => clients(core),
        other => {
            json!({ "error": format!("there is no query {other:?}; there are stat, ls and clients") })
        }
    };
    answer.to_string()
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
        "pending_gets": now.pending_gets,
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
    })
}

fn objects<A: Allocator>(core: &Core<A>) -> Value {
    let table = core.lifecycle.table();
    let objects: Vec<Value> = table
        .iter()
        .take(MOST_OBJECTS)
        .map(|object| {
            let info = object.info();
            json!({
                "id": info.object_id.to_string(),
                "data_size": info.data_size,
                "metadata_size": info.metadata_size,
                "sealed": object.sealed(),
                "references": object.ref_count(),
                "fallback": object.allocation().fallback_allocated,
                "mutable": info.is_mutable,
                "source": object.source().0,
                "created": object.create_time(),
                "offset": object.allocation().offset,
            })
        })
        .collect();
    json!({ "objects": objects, "total": table.len() })
}

fn clients<A: Allocator>(core: &Core<A>) -> Value {
    let mut clients: Vec<_> = core.clients.iter().collect();
    clients.sort_unstable_by_key(|(id, _)| **id);
    let clients: Vec<Value> = clients
        .iter()
        .map(|(id, client)| {
            json!({
                "id": id.0,
                "pid": client.connection.peer.pid,
                "uid": client.connection.peer.uid,
                "references": client.held().len(),
                "unsealed_bytes": client.unsealed_bytes,
                "requests_in_flight": client.in_flight,
                "descriptors": client.descriptors(),
            })
        })
        .collect();
    json!({ "clients": clients })
}
