//! The client for programs of futures.

use std::path::Path;
use std::sync::Arc;

use ray_common::ObjectId;

use super::buffer::{AsyncMutableBuffer, Buffer, MutableObject};
use super::error::{Operation, Result};
use super::options::{ConnectOptions, CreateOptions, Deletion, Timeout};
use super::session::{Found, Session};
use super::shared::{only, Shared};

/// A client of a plasma store whose operations are futures, for any executor. Copies share one connection.
///
/// No call and no drop ever waits for the store: messages are exchanged on a thread that the client has for that, and
/// gets and creations that wait hold no thread at all. Only [`Self::put`] takes the time to copy the data.
///
/// Every future can be dropped at any point. What it had got or created by then is given back; what it had begun to change
/// in the store (to seal, to delete) is done nevertheless.
///
/// When the store has gone, every call returns [`super::Cause::Disconnected`] until [`Self::reconnect`] succeeds.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc_store/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let _store = start_store(folder.path(), 64 << 20, 0);
/// # let socket = folder.path().join("store");
/// use std::time::Duration;
///
/// use futures_lite::future::{block_on, zip};
/// use ray_common::ObjectId;
/// use ray_object_manager::plasma::client::{AsyncPlasmaClient, ConnectOptions, Timeout};
///
/// block_on(async {
///     let client = AsyncPlasmaClient::connect(socket, ConnectOptions::default()).await?;
///     let id = ObjectId::random();
///     let get = client.get_one(id, Timeout::After(Duration::from_secs(60)));
///     let (object, put) = zip(get, client.put(id, b"data", b"metadata")).await;
///     put?;
///     let object = object?;
///     assert_eq!((object.data(), object.metadata()), (&b"data"[..], &b"metadata"[..]));
///     # Ok(())
/// })
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AsyncPlasmaClient {
    shared: Arc<Shared>,
}

impl AsyncPlasmaClient {
    /// Connects to the store that listens at `path`.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] when nobody listens there after all retries.
    pub async fn connect(path: impl AsRef<Path>, options: ConnectOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let session = Session::connect_async(path.clone(), options.clone()).await;
        let session = session.map_err(|cause| cause.at(Operation::Connect, None))?;
        Ok(Self { shared: Shared::new(path, options, session) })
    }

    /// Creates an object, to be filled in place. With [`super::WhenFull::Wait`] it completes when there is room.
    ///
    /// # Errors
    /// As [`super::PlasmaClient::create`].
    pub async fn create(&self, options: &CreateOptions<'_>) -> Result<AsyncMutableBuffer> {
        let unsealed = self.shared.session().create_async(options).await;
        let unsealed = unsealed.map_err(|cause| cause.at(Operation::Create, options.id))?;
        Ok(AsyncMutableBuffer::new(unsealed))
    }

    /// Creates an object with this content and seals it.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn put(&self, id: ObjectId, data: &[u8], metadata: &[u8]) -> Result<()> {
        let options = CreateOptions::new(id, data.len() as u64).metadata(metadata);
        let mut buffer = self.create(&options).await?;
        buffer.fill(data)?;
        buffer.seal().await.map(drop)
    }

    /// The objects that are sealed at the latest at the timeout, in the order of `ids`. What did not come is `None`. An id
    /// may stand there more than once.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like; [`super::Cause::Exhausted`] when there is no descriptor left
    /// to wait on.
    pub async fn get(&self, ids: &[ObjectId], timeout: Timeout) -> Result<Vec<Option<Buffer>>> {
        let found = self.shared.session().get_async(ids, timeout.milliseconds()).await;
        found.map(Found::into_buffers).map_err(|cause| cause.at(Operation::Get, only(ids)))
    }

    /// One object.
    ///
    /// # Errors
    /// [`super::Cause::Timeout`]; [`super::Cause::NotFound`] if there was no time to wait.
    pub async fn get_one(&self, id: ObjectId, timeout: Timeout) -> Result<Buffer> {
        let found = self.get(&[id], timeout).await?.pop().flatten();
        found.ok_or_else(|| timeout.expired().at(Operation::Get, id))
    }

    /// A mutable object that is sealed already, that is, whose creator has handed it over.
    ///
    /// # Errors
    /// As [`super::PlasmaClient::get_mutable`].
    pub async fn get_mutable(&self, id: ObjectId) -> Result<MutableObject> {
        let found = self.shared.session().get_async(&[id], 0).await;
        found.and_then(Found::into_mutable).map_err(|cause| cause.at(Operation::Get, id))
    }

    /// Does an exchange of messages.
    async fn ask<R: Send + 'static>(
        &self,
        (operation, id): (Operation, Option<ObjectId>),
        exchange: impl FnOnce(&Arc<Session>) -> std::result::Result<R, super::Cause> + Send + 'static,
    ) -> Result<R> {
        let result = self.shared.session().submit(exchange).await;
        result.map_err(|cause| cause.at(operation, id))
    }

    /// Whether the object is sealed in the store, or in use by this client.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub async fn contains(&self, id: ObjectId) -> Result<bool> {
        self.ask((Operation::Contains, Some(id)), move |session| session.contains(&id)).await
    }

    /// Deletes objects, and says of each what became of it. One that this client uses is deleted when this client has
    /// released it.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub async fn delete(&self, ids: &[ObjectId]) -> Result<Vec<Deletion>> {
        let owned = ids.to_vec();
        self.ask((Operation::Delete, only(ids)), move |session| session.delete(&owned)).await
    }

    /// What the store tells about itself.
    ///
    /// # Errors
    /// [`super::Cause::Disconnected`] and the like only.
    pub async fn debug_string(&self) -> Result<String> {
        self.ask((Operation::DebugString, None), |session| session.debug_string()).await
    }

    /// Bytes of memory that the store has.
    #[must_use]
    pub fn memory_capacity(&self) -> i64 {
        self.shared.session().capacity()
    }

    /// Whether nothing has ended the connection yet, as far as has been noticed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.session().is_connected()
    }

    /// Ends the connection, for all copies of this client, at once. The store takes back all references and drops what is
    /// not sealed; who waits gets an error. Buffers stay readable.
    pub fn disconnect(&self) {
        self.shared.disconnect();
    }

    /// Connects again, for all copies of this client. What was held before stays readable, and has nothing to do with
    /// the new connection: objects have to be got again.
    ///
    /// # Errors
    /// As [`Self::connect`]; the old connection has ended then as well.
    pub async fn reconnect(&self) -> Result<()> {
        self.disconnect();
        let (path, options) = (self.shared.path.clone(), self.shared.options.clone());
        let session = Session::connect_async(path, options).await;
        let session = session.map_err(|cause| cause.at(Operation::Connect, None))?;
        self.shared.replace(session);
        Ok(())
    }
}
