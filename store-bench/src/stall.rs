//! How long other clients wait while one client's creation evicts.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ray_common::ObjectId;
use ray_object_manager::plasma::client::PlasmaClient;
use serde_json::{json, Value};

use crate::stores::Store;
use crate::{connect, rows, Result};

/// The name of the row.
pub(crate) const NAME: &str = "evict_wait";

/// How the names of the threads begin with which either store serves its clients.
const STORE_THREADS: &str = "store.io";

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

/// How long threads have waited for a core, as the system counts it.
struct RunDelays(Vec<File>);

impl RunDelays {
    /// Of this thread, and of those of a process whose names begin so.
    fn of_this_thread_and(process: u32, name: &str) -> Result<Self> {
        let mut files = vec![File::open("/proc/thread-self/schedstat")?];
        for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?.path();
            if std::fs::read_to_string(thread.join("comm"))?.starts_with(name) {
                files.push(File::open(thread.join("schedstat"))?);
            }
        }
        if files.len() == 1 {
            return Err(format!("process {process} has no thread {name}").into());
        }
        Ok(Self(files))
    }

    fn now(&self) -> Result<Vec<Duration>> {
        let mut text = [0; 96];
        let mut one = |file: &File| {
            let length = file.read_at(&mut text, 0)?;
            let delay = std::str::from_utf8(&text[..length])?.split(' ').nth(1).unwrap_or("");
            Ok(Duration::from_nanos(delay.parse()?))
        };
        self.0.iter().map(&mut one).collect()
    }
}

/// What waits were seen.
#[derive(Default)]
struct Waits {
    longest: Duration,
    /// The longest without the time in which the client or the store waited for a core, whichever of the two is longer.
    longest_on_core: Duration,
    requests: u64,
}

/// Asks for an object that is not there until it is told to stop.
fn watch(
    client: &PlasmaClient,
    unknown: ObjectId,
    delays: &RunDelays,
    stop: &AtomicBool,
) -> Result<Waits> {
    let mut waits = Waits::default();
    while !stop.load(Ordering::Relaxed) {
        let before = delays.now()?;
        let started = Instant::now();
        client.contains(unknown)?;
        let took = started.elapsed();
        let delayed = delays.now()?.iter().zip(&before).map(|(now, then)| *now - *then).max();
        waits.longest = waits.longest.max(took);
        waits.longest_on_core =
            waits.longest_on_core.max(took.saturating_sub(delayed.unwrap_or_default()));
        waits.requests += 1;
    }
    Ok(waits)
}

/// The waits of another client while `work` is done and [`WATCHED`] after it.
fn watched<R>(store: &Store, work: impl FnOnce() -> Result<R>) -> Result<(R, Waits)> {
    let client = connect(store.socket())?;
    let unknown = rows::id(rows::first_id());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The error as a text, which can go from thread to thread.
        let watcher = scope.spawn(|| {
            RunDelays::of_this_thread_and(store.pid(), STORE_THREADS)
                .and_then(|delays| watch(&client, unknown, &delays, &stop))
                .map_err(|error| error.to_string())
        });
        let done = work();
        std::thread::sleep(WATCHED);
        stop.store(true, Ordering::Relaxed);
        Ok((done?, watcher.join().map_err(|_| "the watcher has panicked")??))
    })
}

/// Fills a new store with so many objects, and goes on until one is evicted.
pub(crate) fn measure(store: &Store, objects: u64) -> Result<Value> {
    let client = connect(store.socket())?;
    let first = rows::first_id();
    for number in 0..objects {
        put(&client, first + number)?;
    }
    if !client.contains(rows::id(first))? {
        return Err("the store has evicted too early".into());
    }
    let ((), at_rest) = watched(store, || Ok(()))?;
    let (creation, waits) = watched(store, || {
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
        "row": NAME, "unit": "ns", "value": ns(waits.longest), "on_core": ns(waits.longest_on_core), "creation": ns(creation),
        "at_rest": ns(at_rest.longest), "at_rest_on_core": ns(at_rest.longest_on_core), "requests": waits.requests,
        "evicted": objects - left,
    }))
}
