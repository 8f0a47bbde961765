//! The trait of all stores.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::Timeout;

use crate::error::{Result, StoreError};
use crate::metadata::{ObjectMetadata, OwnerAddress};
use crate::stats::Stats;

/// A future of a store. It needs no particular runtime, and can be dropped at any point.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An object: its data, and metadata that say what they are.
#[derive(Debug, Clone)]
pub struct RayObject {
    /// The data, where they lie. As long as any part of them is kept, the object's memory is.
    pub data: Bytes,
    /// The metadata.
    pub metadata: Bytes,
}

impl RayObject {
    /// What the metadata say.
    ///
    /// # Errors
    /// [`StoreError::Malformed`].
    pub fn describe(&self) -> Result<ObjectMetadata> {
        ObjectMetadata::decode(&self.metadata)
    }
}

/// Who keeps a new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// References. There is one from the moment at which it is there, which is the caller's to [`ObjectStore::release`]; the
    /// object goes with the last.
    References,
    /// References that there are already. Without any it goes at once.
    Existing,
    /// The store, until it needs the memory. References only keep it from going.
    Store,
}

/// An object to be put.
#[derive(Debug, Clone)]
pub struct NewObject<'a> {
    /// Its id.
    pub id: ObjectId,
    /// Its data.
    pub data: &'a [u8],
    /// Its metadata, encoded.
    pub metadata: &'a [u8],
    /// Objects that it refers to. They stay as long as it does.
    pub nested: &'a [ObjectId],
    /// Who keeps it.
    pub keep: Keep,
    /// Who owns it, as far as the plasma store is to know.
    pub owner: Option<&'a OwnerAddress>,
}

impl<'a> NewObject<'a> {
    /// Kept by references, without owner.
    #[must_use]
    pub fn new(id: ObjectId, data: &'a [u8], metadata: &'a [u8]) -> Self {
        Self { id, data, metadata, nested: &[], keep: Keep::References, owner: None }
    }
}

/// Objects by id: what every store can do. Programs mostly use [`Store`](crate::Store), which adds types to one of these.
///
/// Ids are Ray's, of 28 bytes. An id can be used again when its object has gone and nobody refers to it.
///
/// Every method may be called by several threads at once. Those without `_async` may wait: gets as long as they
/// are told, the others for one exchange of messages with the plasma store, if there is one, and puts until it has room.
pub trait ObjectStore: fmt::Debug + Send + Sync {
    /// Puts an object.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::OutOfMemory`], [`StoreError::Plasma`].
    fn put_raw(&self, object: &NewObject<'_>) -> Result<()>;

    /// The same. What is to lie in memory is there before this returns; else it is put on a thread for such work, even if the
    /// future is dropped. With [`Keep::Existing`] it does not stay then.
    fn put_raw_async(&self, object: &NewObject<'_>) -> BoxFuture<'static, Result<()>>;

    /// Those of the objects that are there at the latest at the timeout, in the order of the ids. An object that was deleted, or whose
    /// producer has gone, while somebody refers to it, is there: as an error.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    fn get_raw(&self, ids: &[ObjectId], timeout: Timeout) -> Result<Vec<Option<RayObject>>>;

    /// The same.
    fn get_raw_async<'a>(
        &'a self,
        ids: &'a [ObjectId],
        timeout: Timeout,
    ) -> BoxFuture<'a, Result<Vec<Option<RayObject>>>>;

    /// Waits until so many of the objects are there, without reading them. Says of each whether it is.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    fn wait(&self, ids: &[ObjectId], count: usize, timeout: Timeout) -> Result<Vec<bool>>;

    /// The same.
    fn wait_async<'a>(
        &'a self,
        ids: &'a [ObjectId],
        count: usize,
        timeout: Timeout,
    ) -> BoxFuture<'a, Result<Vec<bool>>>;

    /// Whether the object is there. Does not count as use.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    fn exists(&self, id: ObjectId) -> Result<bool>;

    /// What is known of the object, and how many bytes of data it has; `None` if it is not there. Does not count as use.
    ///
    /// # Errors
    /// [`StoreError::Plasma`], [`StoreError::Malformed`].
    fn metadata(&self, id: ObjectId) -> Result<Option<(ObjectMetadata, usize)>>;

    /// Keeps the object until as many [`Self::unpin`]s; nothing evicts or frees it, or deletes it here. It counts against the limit.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Plasma`].
    fn pin(&self, id: ObjectId) -> Result<()>;

    /// Takes back a pin of this store's. What has lost its references goes now.
    ///
    /// # Errors
    /// [`StoreError::NotPinned`].
    fn unpin(&self, id: ObjectId) -> Result<()>;

    /// Takes the object away from all who refer to it: they get [`ErrorType::OBJECT_FREED`](crate::ErrorType::OBJECT_FREED). Who reads
    /// it keeps what he reads. Returns whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Pinned`], [`StoreError::Plasma`].
    fn delete(&self, id: ObjectId) -> Result<bool>;

    /// The numbers of this moment.
    fn stats(&self) -> Stats;

    /// One reference more, whether the object is there or not. It is looked for, and held if it is there.
    ///
    /// # Errors
    /// [`StoreError::Plasma`]; there is no reference then.
    fn retain(&self, ids: &[ObjectId]) -> Result<()>;

    /// One reference more to something that the caller has a reference to. Never waits.
    fn retain_again(&self, id: ObjectId);

    /// Gives a reference back.
    fn release(&self, id: ObjectId);

    /// The object is no longer kept by references, but by the store.
    fn disown(&self, id: ObjectId);

    /// A reference to an object that the caller is going to put.
    fn promise(&self, id: ObjectId);

    /// Who had promised the object will not put it: who waits gets
    /// [`ErrorType::OBJECT_LOST`](crate::ErrorType::OBJECT_LOST).
    fn break_promise(&self, id: ObjectId);

    /// Makes an object readable by other processes, and with it what it refers to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also if there is no plasma store.
    fn share(&self, id: ObjectId) -> Result<()>;

    /// A number that no other store of this process has at the same time.
    fn identity(&self) -> usize;
}

/// Does something that may take a while on a thread for such work.
pub(crate) async fn elsewhere<R: Send + 'static>(
    work: impl FnOnce() -> Result<R> + Send + 'static,
) -> Result<R> {
    blocking::unblock(work).await
}

/// The error of a single get that brought nothing.
pub(crate) fn missing(id: ObjectId, timeout: Timeout) -> StoreError {
    match timeout {
        Timeout::Immediate => StoreError::NotFound(id),
        Timeout::After(_) | Timeout::Never => StoreError::TimedOut(id),
    }
}
