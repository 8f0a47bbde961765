//! What is measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ray_common::ObjectId;
use ray_object_manager::plasma::client::{PlasmaClient, Timeout};

use crate::Result;

/// An operation. A request that has no answer counts until the store has dealt with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    /// Whether a sealed object is there; it is not in use by the client.
    Contains,
    /// A get of a sealed object, and giving it back.
    GetRelease,
    /// A get of a sealed object alone. Giving it back is not counted.
    Get,
    /// Giving an object back, and a question after it, so that it has been dealt with.
    Release,
    /// Making an object of 1 KB without writing it, sealing it and giving it back.
    CreateSealRelease,
    /// Deleting one object.
    Delete,
    /// A get of a hundred sealed objects at once. Giving them back is not counted.
    Get100,
    /// Making, filling, sealing and giving back an object of so many bytes, in memory that was used before.
    PutWarm(usize),
    /// As [`Self::PutWarm`], in memory that was never used.
    PutCold(usize),
    /// As [`Self::PutCold`], some time after the store's first object, as in a store that is not asked for all its memory at once.
    PutSettled(usize),
    /// Copying so many bytes to memory of this process that was used before, with one thread and no store at all: what a
    /// put can be compared with, and, as both sides are the same, how much chance there is in a ratio.
    Copy(usize),
    /// As [`Self::Copy`], and then a put of 1 KB: what a put of so many bytes takes if all but the copy costs what it costs in a small one,
    /// after a copy has had the caches.
    CopyAndPut(usize),
}

/// An operation, and how many clients do it at once.
pub(crate) struct Row {
    operation: Operation,
    pub(crate) clients: usize,
}

const KB: usize = 1000;
const MB: usize = 1_000_000;

const OPERATIONS: [(Operation, &str, usize); 17] = [
    (Operation::Contains, "contains", 5000),
    (Operation::Get, "get", 5000),
    (Operation::Release, "release", 5000),
    (Operation::GetRelease, "get_release", 5000),
    (Operation::CreateSealRelease, "create_seal_release", 2500),
    (Operation::Delete, "delete", 2500),
    (Operation::Get100, "get_100", 500),
    (Operation::PutWarm(KB), "put_1KB", 2500),
    (Operation::PutWarm(MB), "put_1MB_warm", 200),
    (Operation::PutCold(MB), "put_1MB_cold", 60),
    (Operation::PutSettled(MB), "put_1MB_cold_settled", 60),
    (Operation::PutWarm(100 * MB), "put_100MB_warm", 50),
    (Operation::PutCold(100 * MB), "put_100MB_cold", 3),
    (Operation::PutSettled(100 * MB), "put_100MB_cold_settled", 3),
    (Operation::Copy(MB), "copy_1MB", 200),
    (Operation::CopyAndPut(MB), "copy_1MB_put_1KB", 200),
    (Operation::Copy(100 * MB), "copy_100MB", 20),
];

impl Row {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let row = |clients| {
            move |(operation, ..): &(Operation, &str, usize)| Self {
                operation: *operation,
                clients,
            }
        };
        let with_four = OPERATIONS
            .iter()
            .filter(|row| !matches!(row.0, Operation::Copy(_) | Operation::CopyAndPut(_)));
        OPERATIONS.iter().map(row(1)).chain(with_four.map(row(4)))
    }

    fn entry(&self) -> (&'static str, usize) {
        let entry = OPERATIONS.iter().find(|(operation, ..)| *operation == self.operation);
        entry.map_or(("", 0), |(_, name, count)| (name, *count))
    }

    pub(crate) fn name(&self) -> String {
        match self.clients {
            1 => self.entry().0.to_owned(),
            clients => format!("{}_x{clients}", self.entry().0),
        }
    }

    /// How many operations a client does.
    pub(crate) fn count(&self, scale: f64) -> usize {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let count = (self.entry().1 as f64 * scale) as usize;
        count.max(3)
    }

    /// Whether it needs a store of its own.
    pub(crate) fn is_cold(&self) -> bool {
        matches!(self.operation, Operation::PutCold(_) | Operation::PutSettled(_))
    }
}

/// The first of a billion numbers for ids that no other measurement has.
pub(crate) fn first_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed) << 32
}

pub(crate) fn id(number: u64) -> ObjectId {
    let mut bytes = [7; ObjectId::LENGTH];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    ObjectId::from_bytes(bytes)
}

/// How long each of `count` operations takes, in nanoseconds.
pub(crate) fn times(
    row: &Row,
    client: &PlasmaClient,
    count: usize,
    first: u64,
) -> Result<Vec<u64>> {
    let data = prepare(row, client, count, first)?;
    let mut times = Vec::with_capacity(count);
    work(row, client, &data, count, first, |time: Duration| {
        times.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    })?;
    Ok(times)
}

/// Ours sets up its first pages in a thread when the first object comes, for longer than most measurements last, on one of two processors. What
/// is not about that begins afterwards.
const SETTLED: Duration = Duration::from_millis(400);

/// Makes the objects that an operation finds, touches what is to be warm, and gives the bytes to put.
pub(crate) fn prepare(
    row: &Row,
    client: &PlasmaClient,
    count: usize,
    first: u64,
) -> Result<Vec<u8>> {
    let objects = match row.operation {
        Operation::Delete => count,
        Operation::Get100 => 100,
        _ => 1,
    };
    for number in 0..objects as u64 {
        client.put(id(first + number), &[1; KB], b"")?;
    }
    if !matches!(row.operation, Operation::PutCold(_)) {
        std::thread::sleep(SETTLED);
    }
    let data = match row.operation {
        Operation::PutWarm(bytes)
        | Operation::PutCold(bytes)
        | Operation::PutSettled(bytes)
        | Operation::Copy(bytes)
        | Operation::CopyAndPut(bytes) => vec![3; bytes],
        _ => Vec::new(),
    };
    if let Operation::PutWarm(_) = row.operation {
        for number in 0..2 {
            let id = id(first + (1 << 31) + number);
            client.put(id, &data, b"")?;
            client.delete(&[id])?;
        }
    }
    Ok(data)
}

/// Does an operation again and again, and tells how long each took.
pub(crate) fn work(
    row: &Row,
    client: &PlasmaClient,
    data: &[u8],
    count: usize,
    first: u64,
    mut tell: impl FnMut(Duration),
) -> Result<()> {
    let known = id(first);
    let hundred: Vec<ObjectId> = (0..100).map(|number| id(first + number)).collect();
    let mut target = match row.operation {
        Operation::Copy(bytes) | Operation::CopyAndPut(bytes) => vec![1; bytes],
        _ => Vec::new(),
    };
    for number in 0..count as u64 {
        let fresh = id(first + (1 << 30) + number);
        let started = Instant::now();
        match row.operation {
            Operation::Contains => {
                client.contains(known)?;
                tell(started.elapsed());
            }
            Operation::GetRelease => {
                drop(client.get_one(known, Timeout::Immediate)?);
                tell(started.elapsed());
            }
            Operation::Get => {
                let buffer = client.get_one(known, Timeout::Immediate)?;
                tell(started.elapsed());
                drop(buffer);
            }
            Operation::Release => {
                let buffer = client.get_one(known, Timeout::Immediate)?;
                let started = Instant::now();
                drop(buffer);
                client.contains(known)?;
                tell(started.elapsed());
            }
            Operation::CreateSealRelease => {
                let options =
                    ray_object_manager::plasma::client::CreateOptions::new(fresh, KB as u64);
                client.create(&options)?.seal()?;
                tell(started.elapsed());
                // Not so many that what is measured becomes eviction.
                client.delete(&[fresh])?;
            }
            Operation::Delete => {
                client.delete(&[id(first + number)])?;
                tell(started.elapsed());
            }
            Operation::Get100 => {
                let buffers = client.get(&hundred, Timeout::Immediate)?;
                tell(started.elapsed());
                drop(buffers);
                client.contains(fresh)?;
            }
            Operation::PutWarm(_) => {
                client.put(fresh, data, b"")?;
                tell(started.elapsed());
                client.delete(&[fresh])?;
            }
            Operation::PutCold(_) | Operation::PutSettled(_) => {
                client.put(fresh, data, b"")?;
                tell(started.elapsed());
            }
            Operation::Copy(_) => {
                target.copy_from_slice(std::hint::black_box(data));
                std::hint::black_box(&mut target);
                tell(started.elapsed());
            }
            Operation::CopyAndPut(_) => {
                target.copy_from_slice(std::hint::black_box(data));
                std::hint::black_box(&mut target);
                client.put(fresh, &data[..KB], b"")?;
                tell(started.elapsed());
                client.delete(&[fresh])?;
            }
        }
    }
    Ok(())
}
