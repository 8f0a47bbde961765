//! What a caller can choose.

use std::time::Duration;

use ray_common::{NodeId, ObjectId, WorkerId};

use super::error::Cause;
use crate::plasma::allocator::MemFd;
use crate::plasma::common::ObjectSource;
use crate::plasma::protocol::{CreateRequest, PlasmaObject};

/// How a client connects, and what it does afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// How often to try again when the store does not listen (yet).
    pub retries: u32,
    /// How long to wait before that.
    pub retry_interval: Duration,
    /// How long to wait before asking again for a creation for which there was no room; Ray's
    /// `object_store_full_delay_ms`.
    pub store_full_delay: Duration,
    /// Only read: memory is mapped for reading, so that nothing in this process can change an object that others
    /// read. The store is asked for descriptors that cannot be written through; Ray's does not know of these. To create is
    /// an error, and so is to get a mutable object.
    pub read_only: bool,
    /// Leave objects out of the core dumps of this process; Ray's `worker_core_dump_exclude_plasma_store`.
    pub exclude_from_core_dump: bool,
    /// Connections to keep open for gets that have to wait. More are made when needed, and closed afterwards.
    pub idle_connections: usize,
    /// Share memory with the store, if it can: then most operations need no system call. Ray's store cannot. Unless the
    /// environment has `PLASMA_RS_SHARED_MEMORY=0`.
    pub shared_memory: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            retries: 100,
            retry_interval: Duration::from_millis(100),
            store_full_delay: Duration::from_millis(10),
            read_only: false,
            exclude_from_core_dump: true,
            idle_connections: 4,
            shared_memory: std::env::var_os("PLASMA_RS_SHARED_MEMORY").is_none_or(|set| set != "0"),
        }
    }
}

/// How long a get waits for objects that are not sealed yet.
///
/// ```
/// use std::time::Duration;
///
/// use ray_object_manager::plasma::client::Timeout;
///
/// assert_eq!(Timeout::from(Duration::from_millis(5)), Timeout::After(Duration::from_millis(5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Not at all.
    Immediate,
    /// This long; milliseconds count, and a part of one is a whole one.
    After(Duration),
    /// Until all are there.
    Never,
}

impl Timeout {
    /// What travels: milliseconds, or -1.
    pub(super) fn milliseconds(self) -> i64 {
        /// More than this is for ever; larger numbers overflow the clocks of some stores.
        const LONGEST: u128 = 10 * 365 * 86_400_000;
        match self {
            Self::Immediate => 0,
            Self::Never => -1,
            Self::After(duration) => {
                let milliseconds = duration.as_nanos().div_ceil(1_000_000);
                let short = (milliseconds < LONGEST).then(|| i64::try_from(milliseconds).ok());
                short.flatten().unwrap_or(-1)
            }
        }
    }
}

impl Timeout {
    /// Why there is no object when there was so much time.
    pub(super) fn expired(self) -> Cause {
        match self {
            Self::Immediate => Cause::NotFound,
            Self::After(_) | Self::Never => Cause::Timeout,
        }
    }
}

impl From<Duration> for Timeout {
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}

/// Who owns an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Node of the worker that owns it.
    pub node_id: NodeId,
    /// That worker.
    pub worker_id: WorkerId,
    /// Its address.
    pub ip_address: &'a [u8],
    /// Its port.
    pub port: i32,
}

/// The metadata of a new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// So many bytes, which will be written before the object is sealed.
    Later(u64),
}

impl Metadata<'_> {
    /// How many bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Later(size) => *size,
        }
    }
}

/// What a creation does when there is no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Waits until others have been evicted or spilled; fails when that does not help.
    #[default]
    Wait,
    /// Evicts what it can, else takes a file on disk, else fails.
    Fail,
}

/// An object to be created.
///
/// ```
/// use ray_common::ObjectId;
/// use ray_object_manager::plasma::client::{CreateOptions, WhenFull};
///
/// let options = CreateOptions::new(ObjectId::random(), 1000).metadata(b"text").immediately();
/// assert_eq!((options.metadata.size(), options.when_full), (4, WhenFull::Fail));
/// ```
#[derive(Debug, Clone)]
pub struct CreateOptions<'a> {
    /// Its id.
    pub id: ObjectId,
    /// Bytes of data.
    pub data_size: u64,
    /// Its metadata.
    pub metadata: Metadata<'a>,
    /// Whether it is a channel, written again and again.
    pub is_mutable: bool,
    /// Who owns it.
    pub owner: Owner<'a>,
    /// Where it comes from.
    pub source: ObjectSource,
    /// What to do when there is no room.
    pub when_full: WhenFull,
    /// 0: main memory. Stores refuse anything else.
    pub device_num: i32,
}

impl<'a> CreateOptions<'a> {
    /// An object of a worker, without metadata or owner, for which the call waits if there is no room.
    #[must_use]
    pub fn new(id: ObjectId, data_size: u64) -> Self {
        Self {
            id,
            data_size,
            metadata: Metadata::Bytes(&[]),
            is_mutable: false,
            owner: Owner::default(),
            source: ObjectSource::CREATED_BY_WORKER,
            when_full: WhenFull::Wait,
            device_num: 0,
        }
    }

    /// The same with metadata.
    #[must_use]
    pub fn metadata(self, metadata: &'a [u8]) -> Self {
        Self { metadata: Metadata::Bytes(metadata), ..self }
    }

    /// The same, failing instead of waiting when there is no room.
    #[must_use]
    pub fn immediately(self) -> Self {
        Self { when_full: WhenFull::Fail, ..self }
    }

    /// The same as a channel.
    #[must_use]
    pub fn mutable(self) -> Self {
        Self { is_mutable: true, ..self }
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            id: self.id,
            data_size: self.data_size,
            metadata_size: self.metadata.size(),
            is_mutable: self.is_mutable,
        }
    }

    pub(super) fn request(&self) -> CreateRequest<'a> {
        CreateRequest {
            object_id: self.id,
            owner_node_id: self.owner.node_id,
            owner_ip_address: self.owner.ip_address,
            owner_port: self.owner.port,
            owner_worker_id: self.owner.worker_id,
            is_mutable: self.is_mutable,
            data_size: self.data_size,
            metadata_size: self.metadata.size(),
            source: self.source,
            device_num: self.device_num,
            try_immediately: self.when_full == WhenFull::Fail,
        }
    }
}

/// What an object has to be like that the store has created.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) id: ObjectId,
    data_size: u64,
    metadata_size: u64,
    is_mutable: bool,
}

impl Wanted {
    /// An object of data and metadata that lies there in a file; `None` when it cannot.
    pub(super) fn at(
        &self,
        (store_fd, mmap_size): (MemFd, i64),
        place: u64,
    ) -> Option<PlasmaObject> {
        let size = self.data_size.checked_add(self.metadata_size)?;
        Some(PlasmaObject {
            store_fd,
            header_offset: place,
            data_offset: place,
            metadata_offset: place.checked_add(self.data_size)?,
            data_size: self.data_size,
            metadata_size: self.metadata_size,
            allocated_size: size,
            mmap_size,
            ..PlasmaObject::ZERO
        })
    }

    pub(super) fn check(&self, spec: &PlasmaObject) -> Result<(), Cause> {
        let asked = (self.data_size, self.metadata_size, self.is_mutable);
        if (spec.data_size, spec.metadata_size, spec.is_mutable) == asked {
            return Ok(());
        }
        Err(Cause::protocol(format!("asked for {asked:?}, got {spec:?}")))
    }
}

/// What became of an object that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// It was not there.
    NotFound,
    /// It is not sealed; the store deletes it when it is, and nobody uses it.
    NotSealed,
    /// Others use it; the store deletes it when they have all released it.
    InUse,
    /// This client uses it; it is deleted when this client has released it.
    WhenReleased,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_whole_milliseconds_and_never_overflow() {
        let after = |duration| Timeout::After(duration).milliseconds();
        assert_eq!(after(Duration::ZERO), 0);
        assert_eq!(after(Duration::from_nanos(1)), 1);
        assert_eq!(after(Duration::from_micros(2001)), 3);
        assert_eq!(after(Duration::from_secs(3600)), 3_600_000);
        assert_eq!(after(Duration::MAX), -1);
        assert_eq!(Timeout::Immediate.milliseconds(), 0);
        assert_eq!(Timeout::Never.milliseconds(), -1);
    }
}
