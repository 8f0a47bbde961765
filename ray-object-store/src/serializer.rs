//! How values become bytes.

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::error::{Result, StoreError};
use crate::metadata::Format;
use crate::ray::frame;

/// A way to write values. [`Store::put`](crate::Store::put) uses [`Compact`].
///
/// A program's own format has a number from 1000 on, and is named at both ends:
///
/// ```
/// use ray_object_store::{Format, MemoryConfig, MemoryStore, Result, Serializer, Store, StoreError};
/// use serde::{de::DeserializeOwned, Serialize};
///
/// struct Json;
///
/// impl Serializer for Json {
///     const FORMAT: Format = Format { id: 1000, version: 1 };
///     const NAME: &'static str = "JSON";
///
///     fn serialize<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
///         serde_json::to_writer(out, value).map_err(|error| StoreError::Serialize(error.to_string()))
///     }
///
///     fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
///         serde_json::from_slice(bytes).map_err(|error| StoreError::Malformed(error.to_string()))
///     }
/// }
///
/// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
/// let object = store.put_with::<Json, _>(&vec![1, 2])?;
/// assert_eq!(store.get_with::<Json, _>(&object)?, [1, 2]);
/// assert!(matches!(object.get(), Err(StoreError::WrongFormat { .. })));
/// # Ok::<(), StoreError>(())
/// ```
pub trait Serializer {
    /// The format's number and version, which stand in the object's metadata.
    const FORMAT: Format;
    /// Its name, for errors.
    const NAME: &'static str;

    /// Appends a value.
    ///
    /// # Errors
    /// [`StoreError::Serialize`].
    fn serialize<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()>;

    /// Reads a value.
    ///
    /// # Errors
    /// [`StoreError::Malformed`].
    fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T>;
}

/// Small and fast: the format of the crate `postcard`, which is specified and does not change.
#[derive(Debug, Clone, Copy)]
pub struct Compact;

impl Serializer for Compact {
    const FORMAT: Format = Format::COMPACT;
    const NAME: &'static str = "the compact format";

    fn serialize<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
        let written = postcard::to_extend(value, std::mem::take(out));
        *out = written.map_err(|error| StoreError::Serialize(error.to_string()))?;
        Ok(())
    }

    fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        let (value, rest) = postcard::take_from_bytes(bytes).map_err(StoreError::malformed)?;
        if rest.is_empty() {
            return Ok(value);
        }
        Err(StoreError::malformed(format!("{} bytes behind the value", rest.len())))
    }
}

/// MessagePack as Ray writes it for other languages: numbers, text, bytes, lists and maps are read by Python and Java,
/// and theirs by Rust. Fields of structures stand with their names.
///
/// ```
/// use ray_object_store::{MemoryConfig, MemoryStore, MessagePack, ObjectRef, Store};
///
/// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
/// let object = store.put_with::<MessagePack, _>(&("a", 1))?;
/// let raw = store.get_raw(object.id())?;
/// assert!(raw.metadata.starts_with(b"XLANG,"));
/// assert_eq!(&raw.data[9..], b"\x92\xa1a\x01"); // behind the length, which takes nine bytes
/// # Ok::<(), ray_object_store::StoreError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MessagePack;

impl Serializer for MessagePack {
    const FORMAT: Format = Format::MESSAGE_PACK;
    const NAME: &'static str = "MessagePack";

    fn serialize<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
        let start = frame::begin(out);
        rmp_serde::encode::write_named(out, value)
            .map_err(|error| StoreError::Serialize(error.to_string()))?;
        frame::end(out, start);
        Ok(())
    }

    fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        let (message, _) = frame::split(bytes)?;
        rmp_serde::from_slice(message).map_err(StoreError::malformed)
    }
}
