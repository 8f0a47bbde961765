//! What is measured.

use std::time::Instant;

use indicatif::ProgressBar;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::{CreateOptions, PlasmaClient, Timeout};

use super::sample::Sample;
use super::{Error, Run};

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;

/// Objects in a batch.
const BATCH: usize = 100;

/// An operation that is measured.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Bytes that an operation moves; 0 where it moves none.
    size: u64,
    /// The objects of one client stay until the end, each in memory of its own.
    keeps: bool,
    /// So many of the small operations are one of these.
    weight: u32,
    pub(super) run: Run,
}

pub(super) const CASES: &[Case] = &[
    Case { name: "contains", size: 0, keeps: false, weight: 1, run: contains },
    Case { name: "get+release", size: 0, keeps: false, weight: 1, run: get },
    Case { name: "create+seal+release 1 KB", size: 0, keeps: false, weight: 1, run: create },
    Case { name: "delete", size: 0, keeps: false, weight: 1, run: delete },
    Case { name: "get of 100", size: 0, keeps: false, weight: 20, run: batch },
    Case { name: "put 1 KB warm", size: KB, keeps: false, weight: 1, run: warm },
    Case { name: "put 1 KB cold", size: KB, keeps: true, weight: 1, run: cold },
    Case { name: "put 1 MB warm", size: MB, keeps: false, weight: 20, run: warm },
    Case { name: "put 1 MB cold", size: MB, keeps: true, weight: 50, run: cold },
    Case { name: "put 100 MB warm", size: 100 * MB, keeps: false, weight: 500, run: warm },
    Case { name: "put 100 MB cold", size: 100 * MB, keeps: true, weight: 1000, run: cold },
];

impl Case {
    /// How often to do it, where so many small operations are wanted and a client has so much room. `None` when
    /// there is no room.
    pub(super) fn count(&self, operations: u32, room: u64) -> Option<u32> {
        let count = operations.div_ceil(self.weight);
        let size = self.size.max(KB * BATCH as u64);
        let most = match self.keeps {
            // Small ones take a place of 64 bytes more.
            true => room / (self.size + 64),
            false if size <= room => u64::MAX,
            false => 0,
        };
        let count = u64::from(count).min(most);
        u32::try_from(count).ok().filter(|count| *count > 0)
    }

    pub(super) fn bytes_per_second(&self, sample: &Sample) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let size = self.size as f64;
        (self.size > 0).then_some(sample.per_second * size)
    }

    fn content(&self) -> Vec<u8> {
        vec![0x5a; usize::try_from(self.size).unwrap_or(0)]
    }
}

fn timed<T>(operation: impl FnOnce() -> Result<T, Error>) -> Result<u64, Error> {
    let started = Instant::now();
    let done = operation()?;
    // With it goes what it holds: that is part of the operation.
    drop(done);
    Ok(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Objects of this benchmark, deleted when they are not needed any more, however it ends.
struct Objects<'a> {
    client: &'a PlasmaClient,
    ids: Vec<ObjectId>,
}

impl<'a> Objects<'a> {
    fn new(client: &'a PlasmaClient) -> Self {
        Self { client, ids: Vec::new() }
    }

    fn id(&mut self) -> ObjectId {
        let id = ObjectId::random();
        self.ids.push(id);
        id
    }

    fn put(&mut self, size: usize) -> Result<ObjectId, Error> {
        let id = self.id();
        self.client.put(id, &vec![0x5a; size], &[])?;
        Ok(id)
    }

    fn clear(&mut self) {
        for some in self.ids.chunks(BATCH) {
            // What cannot be deleted is gone, or the store is.
            let _ = self.client.delete(some);
        }
        self.ids.clear();
    }
}

impl Drop for Objects<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The times of so many calls.
fn times(
    count: u32,
    bar: &ProgressBar,
    mut operation: impl FnMut() -> Result<u64, Error>,
) -> Result<Vec<u64>, Error> {
    // The first ones set things up.
    for _ in 0..count.min(10) / 5 {
        operation()?;
    }
    (0..count)
        .map(|_| {
            bar.inc(1);
            operation()
        })
        .collect()
}

fn contains(
    client: &PlasmaClient,
    _: &Case,
    count: u32,
    bar: &ProgressBar,
) -> Result<Vec<u64>, Error> {
    let mut objects = Objects::new(client);
    let id = objects.put(1024)?;
    times(count, bar, || timed(|| Ok(client.contains(id)?)))
}

fn get(client: &PlasmaClient, _: &Case, count: u32, bar: &ProgressBar) -> Result<Vec<u64>, Error> {
    let mut objects = Objects::new(client);
    let id = objects.put(1024)?;
    times(count, bar, || timed(|| Ok(client.get_one(id, Timeout::Immediate)?)))
}

fn create(
    client: &PlasmaClient,
    _: &Case,
    count: u32,
    bar: &ProgressBar,
) -> Result<Vec<u64>, Error> {
    let mut objects = Objects::new(client);
    times(count, bar, || {
        if objects.ids.len() >= BATCH {
            objects.clear();
        }
        let options = CreateOptions::new(objects.id(), 1024);
        timed(|| Ok(client.create(&options)?.seal()?))
    })
}

fn delete(
    client: &PlasmaClient,
    _: &Case,
    count: u32,
    bar: &ProgressBar,
) -> Result<Vec<u64>, Error> {
    let mut objects = Objects::new(client);
    times(count, bar, || {
        let id = objects.put(1024)?;
        let time = timed(|| Ok(client.delete(&[id])?))?;
        objects.ids.clear();
        Ok(time)
    })
}

fn batch(
    client: &PlasmaClient,
    _: &Case,
    count: u32,
    bar: &ProgressBar,
) -> Result<Vec<u64>, Error> {
    let mut objects = Objects::new(client);
    let ids = (0..BATCH).map(|_| objects.put(1024)).collect::<Result<Vec<_>, _>>()?;
    times(count, bar, || timed(|| Ok(client.get(&ids, Timeout::Immediate)?)))
}

/// Into memory that was used just before.
fn warm(
    client: &PlasmaClient,
    case: &Case,
    count: u32,
    bar: &ProgressBar,
) -> Result<Vec<u64>, Error> {
    let content = case.content();
    let mut objects = Objects::new(client);
    client.put(objects.id(), &content, &[])?;
    times(count, bar, || {
        objects.clear();
        let id = objects.id();
        timed(|| Ok(client.put(id, &content, &[])?))
    })
}

/// Each into memory that this client has not touched yet, nor anybody else if the store is new.
fn cold(
    client: &PlasmaClient,
    case: &Case,
    count: u32,
    bar: &ProgressBar,
) -> Result<Vec<u64>, Error> {
    let content = case.content();
    let mut objects = Objects::new(client);
    (0..count)
        .map(|_| {
            bar.inc(1);
            let id = objects.id();
            timed(|| Ok(client.put(id, &content, &[])?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_more_than_there_is_room_for() {
        let find = |name| CASES.iter().find(|case| case.name == name).unwrap();
        assert_eq!(find("contains").count(10_000, MB), Some(10_000));
        assert_eq!(find("contains").count(10_000, KB), None);
        assert_eq!(find("get of 100").count(10, MB), Some(1));
        assert_eq!(find("put 100 MB warm").count(10_000, 99 * MB), None);
        assert_eq!(find("put 100 MB warm").count(10_000, 100 * MB), Some(20));
        assert_eq!(find("put 1 MB cold").count(10_000, 10 * MB + 640), Some(10));
    }
}
