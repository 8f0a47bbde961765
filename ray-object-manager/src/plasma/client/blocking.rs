//! The client for Rust programs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use ray_common::ObjectId;

use super::buffer::{Buffer, MutableBuffer, MutableObject};
use super::error::{Cause, Operation, Result};
use super::options::{ConnectOptions, CreateOptions, Deletion, Timeout};
use super::session::Session;

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    options: ConnectOptions,
    session: RwLock<Arc<Session>>,
}

/// A client of a plasma store. Copies share one connection.
///
/// Every method may be called by several threads at once; a get that waits hinders no other call. When the store has
/// gone, every call returns [`Cause::Disconnected`] at once until [`Self::reconnect`] succeeds.
///
/// Do not use it in a fork of the process that connected: calls return [`Cause::Forked`] there.
#[derive(Debug, Clone)]
pub struct PlasmaClient {
    shared: Arc<Shared>,
}

fn only(ids: &[ObjectId]) -> Option<ObjectId> {
    if let [id] = ids {
        return Some(*id);
    }
    None
}

impl PlasmaClient {
    /// Connects to the store that listens at `path`.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] when nobody listens there after all retries.
    pub fn connect(path: impl AsRef<Path>, options: ConnectOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let session = Session::connect(&path, &options);
        let session = session.map_err(|cause| cause.at(Operation::Connect, None))?;
        let session = RwLock::new(Arc::new(session));
        Ok(Self { shared: Arc::new(Shared { path, options, session }) })
    }

    pub(super) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.shared.session.read())
    }

    /// Creates an object, to be filled in place.
    ///
    /// With [`super::WhenFull::Wait`] the call lasts until there is room.
    ///
    /// # Errors
    /// [`Cause::ObjectExists`], [`Cause::OutOfMemory`], [`Cause::OutOfDisk`], [`Cause::Refused`].
    pub fn create(&self, options: &CreateOptions<'_>) -> Result<MutableBuffer> {
        let session = self.session();
        let object = session.create(options, 1);
        let object = object.map_err(|cause| cause.at(Operation::Create, options.id))?;
        Ok(MutableBuffer::new(session, options.id, object))
    }

    /// Creates an object with this content and seals it.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn put(&self, id: ObjectId, data: &[u8], metadata: &[u8]) -> Result<()> {
        let options = CreateOptions::new(id, data.len() as u64).metadata(metadata);
        let mut buffer = self.create(&options)?;
        let place = buffer.data_mut();
        if place.len() != data.len() {
            let cause = Cause::WrongSize { expected: place.len(), actual: data.len() };
            return Err(cause.at(Operation::Write, id));
        }
        place.copy_from_slice(data);
        buffer.seal().map(drop)
    }

    /// The objects that are sealed at the latest at the timeout, in the order of `ids`. What did not come is `None`. An id
    /// may stand there more than once.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like only.
    pub fn get(&self, ids: &[ObjectId], timeout: Timeout) -> Result<Vec<Option<Buffer>>> {
        let session = self.session();
        let objects = session.get(ids, timeout.milliseconds());
        let objects = objects.map_err(|cause| cause.at(Operation::Get, only(ids)))?;
        let buffer = |(id, object): (&ObjectId, Option<_>)| {
            object.map(|object| Buffer::new(Arc::clone(&session), *id, object))
        };
        Ok(ids.iter().zip(objects).map(buffer).collect())
    }

    /// One object.
    ///
    /// # Errors
    /// [`Cause::Timeout`]; [`Cause::NotFound`] if there was no time to wait.
    pub fn get_one(&self, id: ObjectId, timeout: Timeout) -> Result<Buffer> {
        let missing = match timeout {
            Timeout::Immediate => Cause::NotFound,
            _ => Cause::Timeout,
        };
        let found = self.get(&[id], timeout)?.pop().flatten();
        found.ok_or_else(|| missing.at(Operation::Get, id))
    }

    /// A mutable object that is sealed already, that is, whose creator has handed it over.
    ///
    /// # Errors
    /// [`Cause::NotFound`], [`Cause::NotMutable`].
    pub fn get_mutable(&self, id: ObjectId) -> Result<MutableObject> {
        let session = self.session();
        let object = session.get(&[id], 0).map(|mut objects| objects.pop().flatten());
        let object = object.and_then(|object| object.ok_or(Cause::NotFound));
        let object = object.and_then(|object| MutableObject::new(session, id, object));
        object.map_err(|cause| cause.at(Operation::Get, id))
    }

    /// Whether the object is sealed in the store, or in use by this client.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like only.
    pub fn contains(&self, id: ObjectId) -> Result<bool> {
        self.session().contains(&id).map_err(|cause| cause.at(Operation::Contains, id))
    }

    /// Deletes objects, and says of each what became of it. One that this client uses is deleted when this client has
    /// released it.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like only.
    pub fn delete(&self, ids: &[ObjectId]) -> Result<Vec<Deletion>> {
        self.session().delete(ids).map_err(|cause| cause.at(Operation::Delete, only(ids)))
    }

    /// What the store tells about itself.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like only.
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
        self.session().end("this client has disconnected".to_owned());
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
        let mut current = self.shared.session.write();
        let old = std::mem::replace(&mut *current, Arc::new(session));
        drop(current);
        // Somebody else may have connected again meanwhile; the last one counts.
        old.end("this client has connected again".to_owned());
        Ok(())
    }
}
