//! References that count.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use ray_common::ObjectId;
use ray_object_manager::plasma::client::Timeout;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::context;
use crate::error::Result;
use crate::error_object::ErrorObject;
use crate::object_store::{BoxFuture, ObjectStore};
use crate::store::{self, Store};

/// A reference to an object of type `T`, which is there or will be.
///
/// Each copy is a reference; the object goes with the last one. What counts as a reference, across threads and processes, is said in
/// the crate's documentation, under [ownership](crate#ownership).
///
/// Awaiting a reference sleeps until the object is there:
///
/// ```
/// use ray_object_store::{MemoryConfig, MemoryStore, Store};
///
/// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
/// let (sum, promise) = store.promise::<i32>();
/// std::thread::spawn(move || promise.fulfil(&(1 + 2)));
/// assert_eq!(futures_lite::future::block_on(async { sum.clone().await })?, 3);
/// assert_eq!(sum.get()?, 3);
/// # Ok::<(), ray_object_store::StoreError>(())
/// ```
///
/// The type is checked when the program is compiled, and again against the object when it is read, because ids and
/// references from elsewhere can have any:
///
/// ```compile_fail
/// # use ray_object_store::{MemoryConfig, MemoryStore, ObjectRef, Store};
/// # let store = Store::new(MemoryStore::new(MemoryConfig::default()));
/// let number: ObjectRef<i32> = store.put(&"text").unwrap();
/// ```
pub struct ObjectRef<T: ?Sized> {
    store: Arc<dyn ObjectStore>,
    id: ObjectId,
    value: PhantomData<fn() -> Box<T>>,
}

impl<T: ?Sized> ObjectRef<T> {
    /// Takes over a reference that the store has counted.
    pub(crate) fn counted(store: Arc<dyn ObjectStore>, id: ObjectId) -> Self {
        Self { store, id, value: PhantomData }
    }

    /// The object's id. An id keeps nothing alive.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// The store that the object is in.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// [`StoreError::Plasma`](crate::StoreError::Plasma).
    pub fn is_ready(&self) -> Result<bool> {
        Ok(self.store.wait(&[self.id], 1, Timeout::Immediate)?.contains(&true))
    }

    /// Gives this reference up and leaves the object to the store: it stays, for whoever knows the id, until its memory is needed,
    /// however many other references go.
    pub fn detach(self) -> ObjectId {
        self.store.disown(self.id);
        self.id
    }

    /// Makes the object readable by other processes, which get it by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](crate::StoreError::NotFound) if it is not there, or there is no plasma store.
    pub fn share(&self) -> Result<ObjectId> {
        self.store.share(self.id)?;
        Ok(self.id)
    }

    /// The same reference as another type, which is checked when the object is read.
    #[must_use]
    pub fn cast<U: ?Sized>(self) -> ObjectRef<U> {
        let cast = ObjectRef::counted(Arc::clone(&self.store), self.id);
        self.store.retain_again(self.id);
        cast
    }
}

impl<T: DeserializeOwned> ObjectRef<T> {
    /// The value, as soon as it is there.
    ///
    /// # Errors
    /// [`StoreError::Object`](crate::StoreError::Object) if it is an error, [`StoreError::WrongType`](crate::StoreError::WrongType),
    /// [`StoreError::WrongFormat`](crate::StoreError::WrongFormat), [`StoreError::Malformed`](crate::StoreError::Malformed),
    /// [`StoreError::Plasma`](crate::StoreError::Plasma).
    pub fn get(&self) -> Result<T> {
        self.get_within(Timeout::Never)
    }

    /// The same, if it is there in time.
    ///
    /// # Errors
    /// Also [`StoreError::TimedOut`](crate::StoreError::TimedOut) and [`StoreError::NotFound`](crate::StoreError::NotFound).
    pub fn get_within(&self, timeout: impl Into<Timeout>) -> Result<T> {
        store::read_value(&self.store, self.id, self.raw(timeout.into())?)
    }

    /// As [`Self::get_within`]; what `await` does, with a timeout.
    ///
    /// # Errors
    /// As [`Self::get_within`].
    pub async fn get_async(&self, timeout: impl Into<Timeout>) -> Result<T> {
        let timeout = timeout.into();
        let found = self.store.get_raw_async(&[self.id], timeout).await?;
        store::read_value(&self.store, self.id, store::single(found, self.id, timeout)?)
    }
}

impl<T: ?Sized> ObjectRef<T> {
    pub(crate) fn raw(&self, timeout: Timeout) -> Result<crate::RayObject> {
        store::single(self.store.get_raw(&[self.id], timeout)?, self.id, timeout)
    }
}

impl<T: ?Sized> Clone for ObjectRef<T> {
    fn clone(&self) -> Self {
        self.store.retain_again(self.id);
        Self::counted(Arc::clone(&self.store), self.id)
    }
}

impl<T: ?Sized> Drop for ObjectRef<T> {
    fn drop(&mut self) {
        self.store.release(self.id);
    }
}

impl<T: ?Sized> fmt::Debug for ObjectRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectRef<{}>({})", std::any::type_name::<T>(), self.id)
    }
}

/// Whether they refer to the same object.
impl<T: ?Sized> PartialEq for ObjectRef<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.store.identity() == other.store.identity()
    }
}

impl<T: ?Sized> Eq for ObjectRef<T> {}

impl<T: DeserializeOwned + 'static> IntoFuture for ObjectRef<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'static, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.get_async(Timeout::Never).await })
    }
}

impl<'a, T: DeserializeOwned> IntoFuture for &'a ObjectRef<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'a, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.get_async(Timeout::Never))
    }
}

/// As its id. In a value that is put into the same store, the object lives as long as that value; anywhere else the id keeps nothing alive.
impl<T: ?Sized> Serialize for ObjectRef<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        context::write(self.store.identity(), self.id);
        serializer.serialize_bytes(self.id.as_bytes())
    }
}

/// Only while a store reads a value, for the reference is one of that store.
impl<'de, T: ?Sized> Deserialize<'de> for ObjectRef<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = ObjectId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of an object's id")
            }

            fn visit_bytes<E: serde::de::Error>(
                self,
                bytes: &[u8],
            ) -> std::result::Result<ObjectId, E> {
                ObjectId::from_binary(bytes).map_err(E::custom)
            }
        }

        let id = deserializer.deserialize_bytes(Visitor)?;
        let store = context::read(id)
            .ok_or_else(|| D::Error::custom("references are read by a store, and not elsewhere"))?;
        store.retain_again(id);
        Ok(Self::counted(store, id))
    }
}

/// The right to put the object of a reference. If it is dropped, who waits gets
/// [`ErrorType::OBJECT_LOST`](crate::ErrorType::OBJECT_LOST).
#[derive(Debug)]
pub struct Promise<T> {
    store: Store,
    id: ObjectId,
    value: PhantomData<fn(T)>,
    kept: bool,
}

impl<T: Serialize> Promise<T> {
    pub(crate) fn new(store: Store, id: ObjectId) -> Self {
        store.objects().promise(id);
        Self { store, id, value: PhantomData, kept: false }
    }

    /// The object's id.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Puts the value. It lives as long as there are references, and is gone already if there are none.
    ///
    /// # Errors
    /// As [`Store::put`]; then the promise is broken.
    pub fn fulfil(mut self, value: &T) -> Result<()> {
        drop(self.store.put_at::<crate::Compact, _>(self.id, value)?);
        self.kept = true;
        Ok(())
    }

    /// Puts an error in its place.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn fail(mut self, error: ErrorObject) -> Result<()> {
        drop(self.store.put_error_at::<T>(self.id, error)?);
        self.kept = true;
        Ok(())
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.kept {
            self.store.objects().break_promise(self.id);
        }
        self.store.objects().release(self.id);
    }
}
