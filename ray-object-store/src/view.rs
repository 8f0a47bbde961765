//! Slices of plain values, read where they lie.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use bytemuck::{AnyBitPattern, NoUninit};
use bytes::Bytes;
use ray_object_manager::plasma::client::Timeout;

use crate::error::{Result, StoreError};
use crate::metadata::Format;
use crate::reference::ObjectRef;
use crate::store::{expect, open, Store};

/// The values of an object, in its memory. As long as a view is kept, the object is.
///
/// Values that do not lie where their type may (which happens to compressed ones, and to 16-byte aligned types in memory) are copied.
pub struct View<T> {
    values: Values<T>,
}

enum Values<T> {
    InPlace(Bytes, PhantomData<fn() -> T>),
    Copied(Vec<T>),
}

impl<T: AnyBitPattern> View<T> {
    pub(crate) fn new(bytes: Bytes) -> Result<Self> {
        let values = match bytemuck::try_cast_slice::<u8, T>(&bytes) {
            Ok(_) => Values::InPlace(bytes, PhantomData),
            Err(bytemuck::PodCastError::TargetAlignmentGreaterAndInputNotAligned) => {
                if !bytes.len().is_multiple_of(size_of::<T>()) {
                    return Err(StoreError::malformed("a part of a value at the end of a slice"));
                }
                let value = |bytes| bytemuck::pod_read_unaligned(bytes);
                Values::Copied(bytes.chunks_exact(size_of::<T>()).map(value).collect())
            }
            Err(error) => return Err(StoreError::malformed(error)),
        };
        Ok(Self { values })
    }

    /// Whether the values are the object's own, in place.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        matches!(self.values, Values::InPlace(..))
    }
}

impl<T: AnyBitPattern> Deref for View<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.values {
            Values::InPlace(bytes, _) => bytemuck::cast_slice(bytes),
            Values::Copied(values) => values,
        }
    }
}

impl<T: AnyBitPattern + fmt::Debug> fmt::Debug for View<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Store {
    /// Puts a slice of plain values as they are in memory, to be read in place.
    ///
    /// ```
    /// use ray_object_store::{MemoryConfig, MemoryStore, Store};
    ///
    /// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
    /// let numbers = store.put_slice(&[1u32, 2, 3])?;
    /// assert_eq!(numbers.view()?.iter().sum::<u32>(), 6);
    /// # Ok::<(), ray_object_store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_slice<T: NoUninit>(&self, values: &[T]) -> Result<ObjectRef<[T]>> {
        let name = std::any::type_name::<[T]>();
        self.put_plain(Format::SLICE, name, bytemuck::cast_slice(values))
    }
}

impl<T: AnyBitPattern> ObjectRef<[T]> {
    /// The values, as soon as they are there.
    ///
    /// # Errors
    /// As [`ObjectRef::get`].
    pub fn view(&self) -> Result<View<T>> {
        self.view_within(Timeout::Never)
    }

    /// The same, if they are there in time.
    ///
    /// # Errors
    /// Also [`StoreError::TimedOut`] and [`StoreError::NotFound`].
    pub fn view_within(&self, timeout: impl Into<Timeout>) -> Result<View<T>> {
        let object = self.raw(timeout.into())?;
        let (metadata, data) = open(&object, self.id(), Some(std::any::type_name::<[T]>()))?;
        expect(&metadata, Format::SLICE, "a slice")?;
        View::new(data)
    }
}

impl ObjectRef<Bytes> {
    /// The bytes, as soon as they are there: of [`Store::put_bytes`], of Ray's `bytes`, or of a plasma client without metadata.
    ///
    /// # Errors
    /// As [`ObjectRef::get`].
    pub fn bytes(&self) -> Result<Bytes> {
        self.bytes_within(Timeout::Never)
    }

    /// The same, if they are there in time.
    ///
    /// # Errors
    /// Also [`StoreError::TimedOut`] and [`StoreError::NotFound`].
    pub fn bytes_within(&self, timeout: impl Into<Timeout>) -> Result<Bytes> {
        let object = self.raw(timeout.into())?;
        let (metadata, data) = open(&object, self.id(), Some(std::any::type_name::<Bytes>()))?;
        expect(&metadata, Format::RAW, "bytes")?;
        Ok(data)
    }
}
