//! The client as Ray's C++ has it: objects by id, references counted by hand.

use std::path::Path;
use std::sync::Arc;

use ray_common::ObjectId;

use super::error::{Operation, Result};
use super::object::RawObject;
use super::options::{ConnectOptions, CreateOptions, Deletion};
use super::session::{Found, Session};
use super::shared::only;
use super::table::InUse;

/// A connected client that counts references as Ray's `plasma::PlasmaClient` does.
///
/// The pointers of a [`RawObject`] may be used while the object has a reference of this client. All methods may be
/// called by several threads at once; one that waits hinders no other.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc_store/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let _store = start_store(folder.path(), 64 << 20, 0);
/// # let socket = folder.path().join("store");
/// use ray_common::ObjectId;
/// use ray_object_manager::plasma::client::{ConnectOptions, CreateOptions, RawClient};
///
/// let client = RawClient::connect(&socket, &ConnectOptions::default())?;
/// let id = ObjectId::random();
/// let object = client.create(&CreateOptions::new(id, 4))?;
/// // SAFETY: until it is sealed the object is ours alone, and it has four bytes.
/// unsafe { object.writable_data_ptr()?.as_ptr().copy_from(b"data".as_ptr(), 4) };
/// client.seal(&id)?;
/// assert_eq!(client.in_use(&id).map(|in_use| in_use.count), Some(1));
/// client.release(&id)?;
/// assert!(client.contains(&id)? && client.in_use(&id).is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RawClient {
    session: Arc<Session>,
}

impl RawClient {
    /// Connects to the store that listens at `path`.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] when nobody listens there after all retries.
    pub fn connect(path: &Path, options: &ConnectOptions) -> Result<Self> {
        let session = Session::connect(path, options);
        let session = session.map_err(|cause| cause.at(Operation::Connect, None))?;
        Ok(Self { session })
    }

    /// Creates an object with two references: the caller's, and one that [`Self::seal`] takes away. A mutable
    /// object has a third, which pins it.
    ///
    /// # Errors
    /// [`super::Cause::ObjectExists`], [`super::Cause::OutOfMemory`], [`super::Cause::OutOfDisk`],
    /// [`super::Cause::Refused`]; [`super::Cause::Disconnected`] as from every method.
    pub fn create(&self, options: &CreateOptions<'_>) -> Result<RawObject> {
        let count = if options.is_mutable { 3 } else { 2 };
        let object = self.session.create(options, count);
        let object = object.map_err(|cause| cause.at(Operation::Create, options.id))?;
        object.prepare();
        Ok(object)
    }

    /// Seals an object and takes one reference away.
    ///
    /// # Errors
    /// [`super::Cause::NotFound`] without a reference to it; [`super::Cause::AlreadySealed`].
    pub fn seal(&self, id: &ObjectId) -> Result<()> {
        self.session.seal_and_release(id).map_err(|cause| cause.at(Operation::Seal, *id))
    }

    /// Gives up an unsealed object, whose caller's reference has been released before.
    ///
    /// # Errors
    /// [`super::Cause::NotFound`], [`super::Cause::AlreadySealed`], and [`super::Cause::InUse`] when there is another
    /// reference.
    pub fn abort(&self, id: &ObjectId) -> Result<()> {
        self.session.abort(id).map_err(|cause| cause.at(Operation::Abort, *id))
    }

    /// The objects that are sealed at the latest after so many milliseconds (-1 waits for ever, 0 not at all), with
    /// one more reference for each place in which they are returned.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only. What is not there is `None`.
    pub fn get(&self, ids: &[ObjectId], timeout_ms: i64) -> Result<Vec<Option<RawObject>>> {
        let found = self.session.get(ids, timeout_ms);
        found.map(Found::into_objects).map_err(|cause| cause.at(Operation::Get, only(ids)))
    }

    /// Another reference to an object in use. `false` when it is not in use.
    #[must_use]
    pub fn retain(&self, id: &ObjectId) -> bool {
        self.session.retain(id)
    }

    /// Takes a reference away. After a disconnect that only counts.
    ///
    /// # Errors
    /// [`super::Cause::NotFound`] without one; [`super::Cause::NotSealed`] for the last of an unsealed object, which
    /// only [`Self::abort`] can take.
    pub fn release(&self, id: &ObjectId) -> Result<()> {
        self.session.release(id).map_err(|cause| cause.at(Operation::Release, *id))
    }

    /// Whether the object is in use by this client, or sealed in the store.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub fn contains(&self, id: &ObjectId) -> Result<bool> {
        self.session.contains(id).map_err(|cause| cause.at(Operation::Contains, *id))
    }

    /// Deletes objects; those that this client uses when it has released them.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub fn delete(&self, ids: &[ObjectId]) -> Result<Vec<Deletion>> {
        self.session.delete(ids).map_err(|cause| cause.at(Operation::Delete, only(ids)))
    }

    /// How this client uses an object; `None` when it does not.
    #[must_use]
    pub fn in_use(&self, id: &ObjectId) -> Option<InUse> {
        self.session.state(id)
    }

    /// What the store tells about itself.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub fn debug_string(&self) -> Result<String> {
        self.session.debug_string().map_err(|cause| cause.at(Operation::DebugString, None))
    }

    /// Bytes of memory that the store has.
    #[must_use]
    pub fn memory_capacity(&self) -> i64 {
        self.session.capacity()
    }

    /// Whether nothing has ended the connection yet, as far as has been noticed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    /// Ends the connection. The store takes back all references and drops what is not sealed; who waits gets an error.
    /// Memory stays mapped as long as a [`RawObject`] shows it.
    pub fn disconnect(&self) {
        self.session.end("this client has disconnected".to_owned());
    }
}
