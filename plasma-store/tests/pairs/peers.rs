//! The clients and stores that are paired.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ray_common::ObjectId;
use ray_object_manager::plasma::client::{
    Buffer, Cause, ClientError, ConnectOptions, CreateOptions, MutableBuffer, PlasmaClient, Timeout,
};
use real_peers::client::{checksum, pattern, ClientError as RealError, Creation, Got};
use real_peers::{RealClient, RealStore, StoreOptions, Version};

use crate::common;

/// A client of either kind. What it creates and gets it holds until it is told to release that. An error is its name in
/// Ray.
pub trait Client: Send {
    fn create(&mut self, id: ObjectId, size: u64, metadata: &[u8], how: Creation) -> Outcome<()>;
    fn fill(&mut self, id: ObjectId, seed: u64) -> Outcome<()>;
    fn seal(&mut self, id: ObjectId) -> Outcome<()>;
    fn abort(&mut self, id: ObjectId) -> Outcome<()>;
    fn get(&mut self, ids: &[ObjectId], timeout_ms: i64) -> Outcome<Vec<Option<Got>>>;
    fn release(&mut self, id: ObjectId) -> Outcome<()>;
    fn contains(&mut self, id: ObjectId) -> Outcome<bool>;
    fn delete(&mut self, ids: &[ObjectId]) -> Outcome<()>;
    fn usage(&mut self) -> Outcome<String>;
    fn disconnect(&mut self);
}

pub type Outcome<T> = Result<T, String>;

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    Ours,
    /// Ours, which asks for no shared memory.
    Unshared,
    Real(Version),
}

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    Ours,
    Real(Version),
}

/// Every store with every client; ours that asks for no shared memory with ours, as Ray's has none.
pub fn pairs() -> Vec<(StoreKind, ClientKind)> {
    use StoreKind as S;
    let clients = [
        ClientKind::Ours,
        ClientKind::Unshared,
        ClientKind::Real(Version::V2_60_0),
        ClientKind::Real(Version::V2_55_1),
    ];
    let stores = [S::Ours, S::Real(Version::V2_60_0), S::Real(Version::V2_55_1)];
    let all = stores.into_iter().flat_map(|store| clients.map(|client| (store, client)));
    all.filter(|pair| pair.0 == S::Ours || pair.1 != ClientKind::Unshared).collect()
}

/// A store of 10 MB.
pub enum Store {
    Ours(common::Store),
    Real(RealStore),
}

impl Store {
    pub fn start(kind: StoreKind, grace_period_s: u32) -> Self {
        match kind {
            StoreKind::Ours => {
                let grace = grace_period_s.to_string();
                Self::Ours(common::Store::start(&[
                    "--grace-period",
                    &grace,
                    "--disk-threshold",
                    "1",
                ]))
            }
            StoreKind::Real(version) => {
                let options = StoreOptions { memory: 10_000_000, ..StoreOptions::of(version) }
                    .setting("oom_grace_period_s", grace_period_s)
                    .setting("local_fs_capacity_threshold", 1);
                Self::Real(RealStore::start(&options).unwrap())
            }
        }
    }

    pub fn socket(&self) -> PathBuf {
        match self {
            Self::Ours(store) => store.socket.clone(),
            Self::Real(store) => store.socket().to_path_buf(),
        }
    }

    pub fn is_alive(&mut self) -> bool {
        match self {
            Self::Ours(store) => std::os::unix::net::UnixStream::connect(&store.socket).is_ok(),
            Self::Real(store) => store.is_alive(),
        }
    }
}

pub fn connect(kind: ClientKind, socket: &Path) -> Box<dyn Client> {
    match kind {
        ClientKind::Ours => Box::new(Ours::connect(socket, true)),
        ClientKind::Unshared => Box::new(Ours::connect(socket, false)),
        ClientKind::Real(version) => Box::new(RealClient::connected(version, socket).unwrap()),
    }
}

struct Ours {
    client: PlasmaClient,
    created: HashMap<ObjectId, MutableBuffer>,
    got: HashMap<ObjectId, Vec<Buffer>>,
}

impl Ours {
    fn connect(socket: &Path, shared_memory: bool) -> Self {
        let options = ConnectOptions { shared_memory, ..ConnectOptions::default() };
        let client = PlasmaClient::connect(socket, options).unwrap();
        Self { client, created: HashMap::new(), got: HashMap::new() }
    }
}

fn name(error: &ClientError) -> String {
    match &error.cause {
        Cause::ObjectExists => "ObjectExists",
        Cause::OutOfMemory => "ObjectStoreFull",
        Cause::OutOfDisk => "OutOfDisk",
        Cause::NotFound => "ObjectNotFound",
        other => return other.to_string(),
    }
    .to_owned()
}

impl Client for Ours {
    fn create(&mut self, id: ObjectId, size: u64, metadata: &[u8], how: Creation) -> Outcome<()> {
        let options = CreateOptions::new(id, size).metadata(metadata);
        let options = match how {
            Creation::Queued => options,
            Creation::Mutable => options.mutable(),
            Creation::Immediate => options.immediately(),
        };
        let buffer = self.client.create(&options).map_err(|error| name(&error))?;
        self.created.insert(id, buffer);
        Ok(())
    }

    fn fill(&mut self, id: ObjectId, seed: u64) -> Outcome<()> {
        let buffer = self.created.get_mut(&id).ok_or("not created")?;
        buffer.data_mut().iter_mut().zip(pattern(seed)).for_each(|(place, byte)| *place = byte);
        Ok(())
    }

    fn seal(&mut self, id: ObjectId) -> Outcome<()> {
        let buffer = self.created.remove(&id).ok_or("not created")?;
        let buffer = buffer.seal_and_keep().map_err(|error| name(&error))?;
        self.got.entry(id).or_default().push(buffer);
        Ok(())
    }

    fn abort(&mut self, id: ObjectId) -> Outcome<()> {
        let buffer = self.created.remove(&id).ok_or("not created")?;
        buffer.abort().map_err(|error| name(&error))
    }

    fn get(&mut self, ids: &[ObjectId], timeout_ms: i64) -> Outcome<Vec<Option<Got>>> {
        let timeout = match u64::try_from(timeout_ms) {
            Ok(0) => Timeout::Immediate,
            Ok(some) => Timeout::After(std::time::Duration::from_millis(some)),
            Err(_) => Timeout::Never,
        };
        let buffers = self.client.get(ids, timeout).map_err(|error| name(&error))?;
        let mut all = Vec::new();
        for buffer in buffers {
            all.push(buffer.as_ref().map(|buffer| Got {
                size: buffer.data().len() as u64,
                checksum: checksum(buffer.data().iter().copied()),
                metadata: buffer.metadata().to_vec(),
            }));
            if let Some(buffer) = buffer {
                self.got.entry(buffer.id()).or_default().push(buffer);
            }
        }
        Ok(all)
    }

    fn release(&mut self, id: ObjectId) -> Outcome<()> {
        self.got.get_mut(&id).and_then(Vec::pop).map(drop).ok_or_else(|| "not held".to_owned())
    }

    fn contains(&mut self, id: ObjectId) -> Outcome<bool> {
        self.client.contains(id).map_err(|error| name(&error))
    }

    fn delete(&mut self, ids: &[ObjectId]) -> Outcome<()> {
        self.client.delete(ids).map(drop).map_err(|error| name(&error))
    }

    fn usage(&mut self) -> Outcome<String> {
        self.client.debug_string().map_err(|error| name(&error))
    }

    fn disconnect(&mut self) {
        self.client.disconnect();
    }
}

fn plain(error: &RealError) -> String {
    let text = error.to_string();
    text.split(':').next().unwrap_or("").trim().replace(' ', "")
}

impl Client for RealClient {
    fn create(&mut self, id: ObjectId, size: u64, metadata: &[u8], how: Creation) -> Outcome<()> {
        Self::create(self, &id, size, metadata, how).map_err(|error| plain(&error))
    }

    fn fill(&mut self, id: ObjectId, seed: u64) -> Outcome<()> {
        Self::fill(self, &id, seed).map_err(|error| plain(&error))
    }

    fn seal(&mut self, id: ObjectId) -> Outcome<()> {
        Self::seal(self, &id).map_err(|error| plain(&error))
    }

    fn abort(&mut self, id: ObjectId) -> Outcome<()> {
        Self::abort(self, &id).map_err(|error| plain(&error))
    }

    fn get(&mut self, ids: &[ObjectId], timeout_ms: i64) -> Outcome<Vec<Option<Got>>> {
        Self::get(self, ids, timeout_ms).map_err(|error| plain(&error))
    }

    fn release(&mut self, id: ObjectId) -> Outcome<()> {
        Self::release(self, &id).map_err(|error| plain(&error))
    }

    fn contains(&mut self, id: ObjectId) -> Outcome<bool> {
        Self::contains(self, &id).map_err(|error| plain(&error))
    }

    fn delete(&mut self, ids: &[ObjectId]) -> Outcome<()> {
        Self::delete(self, ids).map_err(|error| plain(&error))
    }

    fn usage(&mut self) -> Outcome<String> {
        Self::usage(self).map_err(|error| plain(&error))
    }

    fn disconnect(&mut self) {
        let _ = Self::disconnect(self);
    }
}
