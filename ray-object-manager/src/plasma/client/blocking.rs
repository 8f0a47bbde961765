//! The client for Rust programs.

use std::path::Path;
use std::sync::Arc;

use ray_common::ObjectId;

use super::buffer::{Buffer, MutableBuffer, MutableObject, Unsealed};
use super::error::{Operation, Result};
use super::options::{ConnectOptions, CreateOptions, Deletion, Timeout};
use super::session::{Found, Session};
use super::shared::{only, Shared};

/// A client of a plasma store. Copies share one connection.
///
/// Every method may be called by several threads at once; a get that waits hinders no other call. When the store has
/// gone, every call returns [`super::Cause::Disconnected`] at once until [`Self::reconnect`] succeeds.
///
/// Do not use it in a fork of the process that connected: calls return [`super::Cause::Forked`] there.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc_store/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let _store = start_store(folder.path(), 64 << 20, 0);
/// # let socket = folder.path().join("store");
/// use ray_common::ObjectId;
/// use ray_object_manager::plasma::client::{
///     Cause, ConnectOptions, Deletion, PlasmaClient, Timeout,
/// };
///
/// let client = PlasmaClient::connect(socket, ConnectOptions::default())?;
/// let (first, second) = (ObjectId::random(), ObjectId::random());
/// client.put(first, b"data", b"")?;
/// let found = client.get(&[first, second], Timeout::Immediate)?;
/// assert_eq!(found[0].as_deref(), Some(&b"data"[..]));
/// assert!(found[1].is_none());
///
/// let error = client.get_one(second, Timeout::Immediate).unwrap_err();
/// assert!(matches!(error.cause, Cause::NotFound));
/// assert_eq!(client.delete(&[first, second])?, [Deletion::WhenReleased, Deletion::NotFound]);
/// drop(found);
/// assert!(!client.contains(first)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PlasmaClient {
    shared: Arc<Shared>,
}

impl PlasmaClient {
    /// Connects to the store that listens at `path`.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] when nobody listens there after all retries.
    pub fn connect(path: impl AsRef<Path>, options: ConnectOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let session = Session::connect(&path, &options);
        let session = session.map_err(|cause| cause.at(Operation::Connect, None))?;
        Ok(Self { shared: Shared::new(path, options, session) })
    }

    pub(super) fn session(&self) -> Arc<Session> {
        self.shared.session()
    }

    /// Creates an object, to be filled in place.
    ///
    /// With [`super::WhenFull::Wait`] the call lasts until there is room.
    ///
    /// # Errors
    /// [`super::Cause::ObjectExists`], [`super::Cause::OutOfMemory`], [`super::Cause::OutOfDisk`], [`super::Cause::Refused`]; [`super::Cause::ReadOnly`]
    /// before anything is sent.
    pub fn create(&self, options: &CreateOptions<'_>) -> Result<MutableBuffer> {
        let session = self.session();
        let object = session.create(options, 1);
        let object = object.map_err(|cause| cause.at(Operation::Create, options.id))?;
        Ok(MutableBuffer::new(Unsealed::new(session, options.id, object)))
    }

    /// Creates an object with this content and seals it.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn put(&self, id: ObjectId, data: &[u8], metadata: &[u8]) -> Result<()> {
        let options = CreateOptions::new(id, data.len() as u64).metadata(metadata);
        let session = self.session();
        let filled = session.create_filled(&options, data);
        let filled = filled.map_err(|cause| cause.at(Operation::Create, id))?;
        if let Some(object) = filled {
            let buffer: MutableBuffer = MutableBuffer::new(Unsealed::new(session, id, object));
            return buffer.seal().map(drop);
        }
        let mut buffer = self.create(&options)?;
        buffer.fill(data)?;
        buffer.seal().map(drop)
    }

    /// The objects that are sealed at the latest at the timeout, in the order of `ids`. What did not come is `None`. An id
    /// may stand there more than once.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub fn get(&self, ids: &[ObjectId], timeout: Timeout) -> Result<Vec<Option<Buffer>>> {
        let found = self.session().get(ids, timeout.milliseconds());
        found.map(Found::into_buffers).map_err(|cause| cause.at(Operation::Get, only(ids)))
    }

    /// One object.
    ///
    /// # Errors
    /// [`super::Cause::Timeout`]; [`super::Cause::NotFound`] if there was no time to wait.
    pub fn get_one(&self, id: ObjectId, timeout: Timeout) -> Result<Buffer> {
        let found = self.get(&[id], timeout)?.pop().flatten();
        found.ok_or_else(|| timeout.expired().at(Operation::Get, id))
    }

    /// A mutable object that is sealed already, that is, whose creator has handed it over.
    ///
    /// # Errors
    /// [`super::Cause::NotFound`], [`super::Cause::NotMutable`], [`super::Cause::ReadOnly`].
    pub fn get_mutable(&self, id: ObjectId) -> Result<MutableObject> {
        let object = self.session().get(&[id], 0).and_then(Found::into_mutable);
        object.map_err(|cause| cause.at(Operation::Get, id))
    }

    /// Whether the object is sealed in the store, or in use by this client.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub fn contains(&self, id: ObjectId) -> Result<bool> {
        self.session().contains(&id).map_err(|cause| cause.at(Operation::Contains, id))
    }

    /// Deletes objects, and says of each what became of it. One that this client uses is deleted when this client has
    /// released it.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub fn delete(&self, ids: &[ObjectId]) -> Result<Vec<Deletion>> {
        self.session().delete(ids).map_err(|cause| cause.at(Operation::Delete, only(ids)))
    }

    /// What the store tells about itself.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub fn debug_string(&self) -> Result<String> {
        self.session().debug_string().map_err(|cause| cause.at(Operation::DebugString, None))
    }

    /// Bytes of memory that the store has.
    #[must_use]
    pub fn memory_capacity(&self) -> i64 {
        self.session().capacity()
    }

    /// Whether nothing has ended the connection yet, as far as has been noticed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.session().is_connected()
    }

    /// Ends the connection, for all copies of this client. The store takes back all references and drops what is not
    /// sealed; who waits gets an error. Buffers stay readable.
    pub fn disconnect(&self) {
        self.shared.disconnect();
    }

    /// Connects again, for all copies of this client. What was held before stays readable, and has nothing to do with
    /// the new connection: objects have to be got again.
    ///
    /// # Errors
    /// As [`Self::connect`]; the old connection has ended then as well.
    pub fn reconnect(&self) -> Result<()> {
        self.disconnect();
        let session = Session::connect(&self.shared.path, &self.shared.options);
        let session = session.map_err(|cause| cause.at(Operation::Connect, None))?;
        self.shared.replace(session);
        Ok(())
    }
}
