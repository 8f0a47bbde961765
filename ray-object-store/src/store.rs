//! Typed objects over any store.

use std::any::type_name;
use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::Timeout;
use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::compression::{compress, decompress};
use crate::context;
use crate::error::{Result, StoreError};
use crate::error_object::ErrorObject;
use crate::metadata::{Compression, Format, ObjectMetadata, OwnerAddress};
use crate::object_store::{elsewhere, missing, Keep, NewObject, ObjectStore, RayObject};
use crate::ray;
use crate::reference::{ObjectRef, Promise};
use crate::serializer::{Compact, MessagePack, Serializer};
use crate::stats::Stats;

/// How values are put.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    /// How data of at least 512 bytes are compressed, if that makes them smaller. What is compressed is copied when it is read, and Ray
    /// cannot read it.
    pub compression: Compression,
    /// Who owns what is put. Stands in metadata, and in the plasma store.
    pub owner: Option<OwnerAddress>,
}

/// A store as programs see it: values and references to them. Copies share it.
///
/// ```
/// use ray_object_store::{MemoryConfig, MemoryStore, ObjectRef, Store};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Page {
///     title: String,
///     links: Vec<ObjectRef<Page>>, // live as long as the page
/// }
///
/// let store = Store::new(MemoryStore::new(MemoryConfig::new(64 << 20)));
/// let leaf = store.put(&Page { title: "leaf".to_owned(), links: vec![] })?;
/// let root = store.put(&Page { title: "root".to_owned(), links: vec![leaf] })?;
/// assert_eq!(root.get()?.links[0].get()?.title, "leaf");
/// drop(root); // and with it the leaf
/// assert!(store.stats().is_idle());
/// # Ok::<(), ray_object_store::StoreError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    options: Arc<PutOptions>,
}

thread_local! {
    /// Where values are written before their size is known.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a thread keeps for the next value.
const SCRATCH_KEPT: usize = 256 << 10;

impl Store {
    /// Types over a store.
    #[must_use]
    pub fn new(objects: impl ObjectStore + 'static) -> Self {
        Self { objects: Arc::new(objects), options: Arc::default() }
    }

    /// The same store, in which values are put like this.
    ///
    /// ```
    /// # #[cfg(feature = "lz4")] {
    /// use ray_object_store::{Compression, MemoryConfig, MemoryStore, PutOptions, Store};
    ///
    /// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
    /// let small = store.with_options(PutOptions { compression: Compression::Lz4, ..PutOptions::default() });
    /// let zeros = small.put(&vec![0u64; 10_000])?;
    /// assert!(store.get_raw(zeros.id())?.data.len() < 1000);
    /// assert_eq!(zeros.get()?, vec![0; 10_000]);
    /// # }
    /// # Ok::<(), ray_object_store::StoreError>(())
    /// ```
    #[must_use]
    pub fn with_options(&self, options: PutOptions) -> Self {
        Self { objects: Arc::clone(&self.objects), options: Arc::new(options) }
    }

    /// The store below.
    #[must_use]
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Puts a value, in the [`Compact`] format. References in it stay alive as long as it does.
    ///
    /// # Errors
    /// [`StoreError::OutOfMemory`], [`StoreError::Serialize`], [`StoreError::ForeignReference`], [`StoreError::Plasma`].
    pub fn put<T: Serialize>(&self, value: &T) -> Result<ObjectRef<T>> {
        self.put_with::<Compact, T>(value)
    }

    /// The same in a format of choice.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_with<S: Serializer, T: Serialize>(&self, value: &T) -> Result<ObjectRef<T>> {
        self.put_at::<S, T>(ObjectId::random(), value)
    }

    /// The same under an id of choice, for instance one that others wait for.
    ///
    /// # Errors
    /// Also [`StoreError::Exists`].
    pub fn put_at<S: Serializer, T: Serialize>(
        &self,
        id: ObjectId,
        value: &T,
    ) -> Result<ObjectRef<T>> {
        self.write::<S, T, _>(value, |data, metadata, nested| {
            let new = self.new_object(id, data, metadata, nested);
            self.objects.put_raw(&new)
        })??;
        Ok(self.counted(id))
    }

    /// As [`Self::put`], without waiting on this thread. The value is written before the future is.
    ///
    /// ```
    /// use ray_object_store::{MemoryConfig, MemoryStore, Store};
    ///
    /// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
    /// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// let (one, two) = runtime.block_on(async {
    ///     let object = store.put_async(&(1, 2)).await?;
    ///     object.await
    /// })?;
    /// assert_eq!(one + two, 3);
    /// # Ok::<(), ray_object_store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_async<T: Serialize + 'static>(
        &self,
        value: &T,
    ) -> impl Future<Output = Result<ObjectRef<T>>> + Send + 'static + use<T> {
        let id = ObjectId::random();
        // Whoever drops the future drops this.
        self.objects.retain_again(id);
        let reference = self.counted(id);
        let put = self.write::<Compact, T, _>(value, |data, metadata, nested| {
            let new = self.new_object(id, data, metadata, nested);
            self.objects.put_raw_async(&NewObject { keep: Keep::Existing, ..new })
        });
        async move {
            put?.await?;
            Ok(reference)
        }
    }

    fn new_object<'a>(
        &'a self,
        id: ObjectId,
        data: &'a [u8],
        metadata: &'a [u8],
        nested: &'a [ObjectId],
    ) -> NewObject<'a> {
        let owner = self.options.owner.as_ref();
        NewObject { id, data, metadata, nested, keep: Keep::References, owner }
    }

    fn counted<T: ?Sized>(&self, id: ObjectId) -> ObjectRef<T> {
        ObjectRef::counted(Arc::clone(&self.objects), id)
    }

    /// Writes a value, and hands its bytes to `put`.
    fn write<S: Serializer, T: Serialize, R>(
        &self,
        value: &T,
        put: impl FnOnce(&[u8], &[u8], &[ObjectId]) -> R,
    ) -> Result<R> {
        let mut data = SCRATCH.take();
        data.clear();
        let result = self.write_into::<S, T, R>(&mut data, value, put);
        if data.capacity() <= SCRATCH_KEPT {
            SCRATCH.set(data);
        }
        result
    }

    fn write_into<S: Serializer, T: Serialize, R>(
        &self,
        data: &mut Vec<u8>,
        value: &T,
        put: impl FnOnce(&[u8], &[u8], &[ObjectId]) -> R,
    ) -> Result<R> {
        let nested = context::writing(self.objects.identity(), || S::serialize(value, data))?;
        let compression = compress(self.options.compression, data)?;
        let metadata = ObjectMetadata {
            compression,
            nested,
            owner: self.options.owner.clone(),
            ..ObjectMetadata::new(S::FORMAT, type_name::<T>())
        };
        Ok(put(data, &metadata.encode(), &metadata.nested))
    }

    /// Puts bytes as they are. Ray reads them as `bytes`.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_bytes(&self, data: &[u8]) -> Result<ObjectRef<Bytes>> {
        self.put_plain(Format::RAW, type_name::<Bytes>(), data)
    }

    pub(crate) fn put_plain<T: ?Sized>(
        &self,
        format: Format,
        type_name: &str,
        data: &[u8],
    ) -> Result<ObjectRef<T>> {
        let id = ObjectId::random();
        let owner = self.options.owner.clone();
        let mut metadata = ObjectMetadata { owner, ..ObjectMetadata::new(format, type_name) };
        if self.options.compression == Compression::None {
            self.objects.put_raw(&self.new_object(id, data, &metadata.encode(), &[]))?;
        } else {
            let mut data = data.to_vec();
            metadata.compression = compress(self.options.compression, &mut data)?;
            self.objects.put_raw(&self.new_object(id, &data, &metadata.encode(), &[]))?;
        }
        Ok(self.counted(id))
    }

    /// Puts an error in the place of a value. Who gets it, gets the error; so does Ray.
    ///
    /// ```
    /// use ray_object_store::{ErrorObject, ErrorType, MemoryConfig, MemoryStore, Store, StoreError};
    ///
    /// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
    /// let failed = store.put_error::<i32>(ErrorObject::new(ErrorType::TASK_CANCELLED, "no longer wanted"))?;
    /// assert_eq!(failed.get().unwrap_err().object().unwrap().error_type(), ErrorType::TASK_CANCELLED);
    /// # Ok::<(), StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_error<T>(&self, error: ErrorObject) -> Result<ObjectRef<T>> {
        self.put_error_at(ObjectId::random(), error)
    }

    pub(crate) fn put_error_at<T>(&self, id: ObjectId, error: ErrorObject) -> Result<ObjectRef<T>> {
        let data = ray::error::write(&error);
        let metadata =
            ObjectMetadata { owner: self.options.owner.clone(), ..ObjectMetadata::of_error(error) };
        self.objects.put_raw(&self.new_object(id, &data, &metadata.encode(), &[]))?;
        Ok(self.counted(id))
    }

    /// A reference to an object that somebody else puts, or has put. Its type is checked when it is read.
    ///
    /// If the object is in the plasma store it is held from now on. If it is not there (yet), whoever puts it later, here or in
    /// another process, wakes those who wait for it.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub fn reference<T: ?Sized>(&self, id: ObjectId) -> Result<ObjectRef<T>> {
        self.objects.retain(&[id])?;
        Ok(self.counted(id))
    }

    /// A reference to a value that is to come, and the right to put it. Fulfilled it is like any other.
    #[must_use]
    pub fn promise<T: Serialize>(&self) -> (ObjectRef<T>, Promise<T>) {
        let id = ObjectId::random();
        let promise = Promise::new(self.clone(), id);
        self.objects.retain_again(id);
        (self.counted(id), promise)
    }

    /// The values that are there at the latest at the timeout, in the order of the references. What did not come is `None`; what is an
    /// error, or of another type, is an error of its own.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ray_object_store::{MemoryConfig, MemoryStore, Store};
    ///
    /// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
    /// let (late, _promise) = store.promise::<i32>();
    /// let found = store.get_many(&[store.put(&1)?, late], Duration::from_millis(1))?;
    /// assert_eq!(found[0].as_ref().unwrap().as_ref().unwrap(), &1);
    /// assert!(found[1].is_none());
    /// # Ok::<(), ray_object_store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub fn get_many<T: DeserializeOwned>(
        &self,
        references: &[ObjectRef<T>],
        timeout: impl Into<Timeout>,
    ) -> Result<Vec<Option<Result<T>>>> {
        let ids = ids(references);
        let found = self.objects.get_raw(&ids, timeout.into())?;
        Ok(self.read_many(&ids, found))
    }

    /// The same.
    ///
    /// # Errors
    /// As [`Self::get_many`].
    pub async fn get_many_async<T: DeserializeOwned>(
        &self,
        references: &[ObjectRef<T>],
        timeout: impl Into<Timeout>,
    ) -> Result<Vec<Option<Result<T>>>> {
        let ids = ids(references);
        let found = self.objects.get_raw_async(&ids, timeout.into()).await?;
        Ok(self.read_many(&ids, found))
    }

    fn read_many<T: DeserializeOwned>(
        &self,
        ids: &[ObjectId],
        found: Vec<Option<RayObject>>,
    ) -> Vec<Option<Result<T>>> {
        let read = |(id, object): (&ObjectId, Option<RayObject>)| {
            object.map(|object| read_value(&self.objects, *id, object))
        };
        ids.iter().zip(found).map(read).collect()
    }

    /// Waits until so many are there, and says of each whether it is. Errors are there, too.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub fn wait<T: ?Sized>(
        &self,
        references: &[ObjectRef<T>],
        count: usize,
        timeout: impl Into<Timeout>,
    ) -> Result<Vec<bool>> {
        self.objects.wait(&ids(references), count, timeout.into())
    }

    /// The same.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub async fn wait_async<T: ?Sized>(
        &self,
        references: &[ObjectRef<T>],
        count: usize,
        timeout: impl Into<Timeout>,
    ) -> Result<Vec<bool>> {
        self.objects.wait_async(&ids(references), count, timeout.into()).await
    }

    /// The value of a reference, written by this serializer.
    ///
    /// # Errors
    /// As [`ObjectRef::get`].
    pub fn get_with<S: Serializer, T: DeserializeOwned>(
        &self,
        reference: &ObjectRef<T>,
    ) -> Result<T> {
        let object = reference.raw(Timeout::Never)?;
        let (metadata, data) = open(&object, reference.id(), Some(type_name::<T>()))?;
        expect(&metadata, S::FORMAT, S::NAME)?;
        context::reading(&self.objects, || S::deserialize(&data))
    }

    /// The bytes of an object, as they lie there; no copy.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Plasma`].
    pub fn get_raw(&self, id: ObjectId) -> Result<RayObject> {
        single(self.objects.get_raw(&[id], Timeout::Immediate)?, id, Timeout::Immediate)
    }

    /// See [`ObjectStore::exists`].
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub fn exists(&self, id: ObjectId) -> Result<bool> {
        self.objects.exists(id)
    }

    /// See [`ObjectStore::metadata`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Malformed`], [`StoreError::Plasma`].
    pub fn metadata(&self, id: ObjectId) -> Result<ObjectMetadata> {
        self.objects.metadata(id)?.map(|(metadata, _)| metadata).ok_or(StoreError::NotFound(id))
    }

    /// See [`ObjectStore::pin`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Plasma`].
    pub fn pin(&self, id: ObjectId) -> Result<()> {
        self.objects.pin(id)
    }

    /// See [`ObjectStore::unpin`].
    ///
    /// # Errors
    /// [`StoreError::NotPinned`].
    pub fn unpin(&self, id: ObjectId) -> Result<()> {
        self.objects.unpin(id)
    }

    /// See [`ObjectStore::delete`].
    ///
    /// # Errors
    /// [`StoreError::Pinned`], [`StoreError::Plasma`].
    pub fn delete(&self, id: ObjectId) -> Result<bool> {
        self.objects.delete(id)
    }

    /// As [`Self::exists`], not on this thread.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub async fn exists_async(&self, id: ObjectId) -> Result<bool> {
        let objects = Arc::clone(&self.objects);
        elsewhere(move || objects.exists(id)).await
    }

    /// As [`Self::pin`], not on this thread.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Plasma`].
    pub async fn pin_async(&self, id: ObjectId) -> Result<()> {
        let objects = Arc::clone(&self.objects);
        elsewhere(move || objects.pin(id)).await
    }

    /// As [`Self::delete`], not on this thread.
    ///
    /// # Errors
    /// [`StoreError::Pinned`], [`StoreError::Plasma`].
    pub async fn delete_async(&self, id: ObjectId) -> Result<bool> {
        let objects = Arc::clone(&self.objects);
        elsewhere(move || objects.delete(id)).await
    }

    /// As [`Self::metadata`], not on this thread.
    ///
    /// # Errors
    /// As [`Self::metadata`].
    pub async fn metadata_async(&self, id: ObjectId) -> Result<ObjectMetadata> {
        let store = self.clone();
        elsewhere(move || store.metadata(id)).await
    }

    /// As [`Self::reference`], not on this thread.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub async fn reference_async<T: ?Sized + 'static>(&self, id: ObjectId) -> Result<ObjectRef<T>> {
        let store = self.clone();
        elsewhere(move || store.reference(id)).await
    }

    /// See [`ObjectStore::stats`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.objects.stats()
    }
}

fn ids<T: ?Sized>(references: &[ObjectRef<T>]) -> Vec<ObjectId> {
    references.iter().map(ObjectRef::id).collect()
}

/// The one object of a get.
pub(crate) fn single(
    found: Vec<Option<RayObject>>,
    id: ObjectId,
    timeout: Timeout,
) -> Result<RayObject> {
    found.into_iter().next().flatten().ok_or_else(|| missing(id, timeout))
}

/// What an object is, and its data, unless it is an error or of another type.
pub(crate) fn open(
    object: &RayObject,
    id: ObjectId,
    expected: Option<&str>,
) -> Result<(ObjectMetadata, Bytes)> {
    let mut metadata = object.describe()?;
    if let Some(error_type) = metadata.error_type {
        let error = match metadata.error.take() {
            Some(error) => error,
            None => Box::new(ray::error::read(error_type, &object.data)),
        };
        return Err(StoreError::Object(error));
    }
    if let (Some(expected), Some(actual)) = (expected, &metadata.type_name) {
        if expected != actual {
            let (expected, actual) = (expected.to_owned(), actual.clone());
            return Err(StoreError::WrongType { id, expected, actual });
        }
    }
    let data = decompress(metadata.compression, &object.data)?;
    Ok((metadata, data))
}

pub(crate) fn expect(metadata: &ObjectMetadata, format: Format, name: &'static str) -> Result<()> {
    if metadata.format == format {
        return Ok(());
    }
    Err(StoreError::WrongFormat { expected: name, actual: metadata.format })
}

/// The value of an object in one of the formats that are always known.
pub(crate) fn read_value<T: DeserializeOwned>(
    store: &Arc<dyn ObjectStore>,
    id: ObjectId,
    object: RayObject,
) -> Result<T> {
    let (metadata, data) = open(&object, id, Some(type_name::<T>()))?;
    context::reading(store, || match metadata.format {
        Format::COMPACT => Compact::deserialize(&data),
        Format::MESSAGE_PACK => MessagePack::deserialize(&data),
        actual => {
            Err(StoreError::WrongFormat { expected: "a value: compact or MessagePack", actual })
        }
    })
}
