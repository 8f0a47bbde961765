//! How long other clients wait while one client's creation evicts.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ray_common::ObjectId;
use ray_object_manager::plasma::client::PlasmaClient;
use serde_json::{json, Value};

use crate::{connect, rows, Result};

/// The name of the row.
pub(crate) const NAME: &str = "evict_wait";

/// Bytes of an object's data.
const SIZE: usize = 1000;

/// How long the store is watched after the creation that evicts, and before it.
const WATCHED: Duration = Duration::from_millis(500);

/// Bytes of a store that so many objects fill.
pub(crate) fn store_bytes(objects: u64) -> i64 {
    i64::try_from(objects * 1024 + (1 << 20)).unwrap_or(i64::MAX)
}

fn put(client: &PlasmaClient, number: u64) -> Result<Duration> {
    let started = Instant::now();
    client.put(rows::id(number), &[1; SIZE], b"")?;
    Ok(started.elapsed())
}

/// Asks for an object that is not there until it is told to stop; the longest wait, and how many there were.
fn watch(client: &PlasmaClient, unknown: ObjectId, stop: &AtomicBool) -> Result<(Duration, u64)> {
    let (mut longest, mut asked) = (Duration::ZERO, 0);
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        client.contains(unknown)?;
        longest = longest.max(started.elapsed());
        asked += 1;
    }
    Ok((longest, asked))
}

/// The longest wait of another client while `work` is done and [`WATCHED`] after it.
fn watched<R>(socket: &Path, work: impl FnOnce() -> Result<R>) -> Result<(R, Duration, u64)> {
    let client = connect(socket)?;
    let unknown = rows::id(rows::first_id());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The error as a text, which can go from thread to thread.
        let watcher =
            scope.spawn(|| watch(&client, unknown, &stop).map_err(|error| error.to_string()));
        let done = work();
        std::thread::sleep(WATCHED);
        stop.store(true, Ordering::Relaxed);
        let (longest, asked) = watcher.join().map_err(|_| "the watcher has panicked")??;
        Ok((done?, longest, asked))
    })
}

/// Fills a new store with so many objects, and goes on until one is evicted.
pub(crate) fn measure(socket: &Path, objects: u64) -> Result<Value> {
    let client = connect(socket)?;
    let first = rows::first_id();
    for number in 0..objects {
        put(&client, first + number)?;
    }
    if !client.contains(rows::id(first))? {
        return Err("the store has evicted too early".into());
    }
    let ((), at_rest, _) = watched(socket, || Ok(()))?;
    let (creation, longest, asked) = watched(socket, || {
        let mut slowest = Duration::ZERO;
        for number in objects.. {
            slowest = slowest.max(put(&client, first + number)?);
            if !client.contains(rows::id(first))? {
                break;
            }
        }
        Ok(slowest)
    })?;
    let left = (0..objects).try_fold(0, |left, number| {
        client.contains(rows::id(first + number)).map(|there| left + u64::from(there))
    })?;
    let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Ok(json!({
        "row": NAME, "unit": "ns", "value": ns(longest), "creation": ns(creation), "at_rest": ns(at_rest),
        "requests": asked, "evicted": objects - left,
    }))
}
