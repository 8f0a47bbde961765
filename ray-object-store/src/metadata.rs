//! What an object's metadata say.
//!
//! Ray's readers take a metadata's first field, up to a comma, and ignore the rest. So the first field is theirs (`RAW`, `XLANG`,
//! `PYTHON`, or the number of an error; `RUST` for what Ray cannot read), and behind the comma stands what this
//! crate adds. Objects of Ray's have the first field only.

use std::borrow::Cow;

use ray_common::{NodeId, ObjectId, WorkerId};
use serde::{Deserialize, Serialize};

use crate::error::{Result, StoreError};
use crate::error_object::{ErrorObject, ErrorType};

/// How data are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Format {
    /// Which format. From 1000 on they are a program's own.
    pub id: u16,
    /// Its version. A reader refuses versions that it does not know.
    pub version: u16,
}

impl Format {
    /// Bytes as they are; Ray's `bytes`.
    pub const RAW: Self = Self { id: 1, version: 1 };
    /// [`Compact`](crate::Compact).
    pub const COMPACT: Self = Self { id: 2, version: 1 };
    /// [`MessagePack`](crate::MessagePack), framed as Ray does it.
    pub const MESSAGE_PACK: Self = Self { id: 3, version: 1 };
    /// Python's pickle, framed as Ray does it. Arrays of NumPy are read.
    pub const PYTHON: Self = Self { id: 4, version: 1 };
    /// A slice of plain values, as this machine has them in memory.
    pub const SLICE: Self = Self { id: 5, version: 1 };
    /// A stream of Arrow IPC.
    pub const ARROW: Self = Self { id: 6, version: 1 };
    /// An error.
    pub const ERROR: Self = Self { id: 7, version: 1 };
}

/// How data are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4 (feature `lz4`).
    Lz4,
    /// Zstandard (feature `zstd`).
    Zstd,
}

/// The worker that answers for an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OwnerAddress {
    /// Its node.
    pub node_id: NodeId,
    /// Its id.
    pub worker_id: WorkerId,
    /// Where it listens.
    pub ip_address: String,
    /// On which port.
    pub port: i32,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMetadata {
    /// How its data are written.
    pub format: Format,
    /// The name of its type; `None` for what Ray wrote.
    pub type_name: Option<String>,
    /// The error, if it is one.
    pub error_type: Option<ErrorType>,
    /// The objects that it refers to.
    pub nested: Vec<ObjectId>,
    /// How its data are compressed.
    pub compression: Compression,
    /// Who owns it, if the one who put it said so.
    pub owner: Option<OwnerAddress>,
    pub(crate) error: Option<Box<ErrorObject>>,
}

/// What stands behind the first comma.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    format: Format,
    #[serde(borrow)]
    type_name: Option<Cow<'a, str>>,
    nested: Vec<Vec<u8>>,
    compression: Compression,
    owner: Option<(Vec<u8>, Vec<u8>, String, i32)>,
    error: Option<Box<ErrorObject>>,
}

/// Stands between the comma and the body; the digit is the body's version.
const MAGIC: &[u8] = b"rs1";

impl ObjectMetadata {
    /// Of an object in this format and of this type.
    #[must_use]
    pub fn new(format: Format, type_name: impl Into<String>) -> Self {
        Self { type_name: Some(type_name.into()), ..Self::of_ray(format) }
    }

    /// Of an error.
    #[must_use]
    pub fn of_error(error: ErrorObject) -> Self {
        let error_type = Some(error.error_type());
        Self { error_type, error: Some(Box::new(error)), ..Self::of_ray(Format::ERROR) }
    }

    fn of_ray(format: Format) -> Self {
        Self {
            format,
            type_name: None,
            error_type: None,
            nested: Vec::new(),
            compression: Compression::None,
            owner: None,
            error: None,
        }
    }

    /// What Ray makes of it.
    fn first_field(&self) -> Cow<'static, [u8]> {
        match (self.error_type, self.format) {
            (Some(error_type), _) => error_type.0.to_string().into_bytes().into(),
            _ if self.compression != Compression::None => b"RUST".as_slice().into(),
            (None, Format::RAW) => b"RAW".as_slice().into(),
            (None, Format::MESSAGE_PACK) => b"XLANG".as_slice().into(),
            (None, Format::PYTHON) => b"PYTHON".as_slice().into(),
            _ => b"RUST".as_slice().into(),
        }
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.first_field().into_owned();
        bytes.push(b',');
        bytes.extend_from_slice(MAGIC);
        let owner = self.owner.as_ref().map(|owner| {
            let ids = (owner.node_id.as_ref().to_vec(), owner.worker_id.as_ref().to_vec());
            (ids.0, ids.1, owner.ip_address.clone(), owner.port)
        });
        let body = Body {
            format: self.format,
            type_name: self.type_name.as_deref().map(Cow::Borrowed),
            nested: self.nested.iter().map(|id| id.as_ref().to_vec()).collect(),
            compression: self.compression,
            owner,
            error: self.error.clone(),
        };
        postcard::to_extend(&body, bytes).expect("a vector takes everything")
    }

    /// From bytes, of this crate's or of Ray's.
    ///
    /// # Errors
    /// [`StoreError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let comma = bytes.iter().position(|byte| *byte == b',');
        let (first, rest) = match comma {
            Some(comma) => (&bytes[..comma], &bytes[comma + 1..]),
            None => (bytes, &[][..]),
        };
        let Some(body) = rest.strip_prefix(MAGIC) else { return Self::decode_rays(first) };
        let body: Body<'_> = postcard::from_bytes(body).map_err(StoreError::malformed)?;
        let id = |bytes: &Vec<u8>| ObjectId::from_binary(bytes).map_err(StoreError::malformed);
        let owner = body.owner.map(|(node, worker, ip_address, port)| {
            let node_id = NodeId::from_binary(&node).map_err(StoreError::malformed)?;
            let worker_id = WorkerId::from_binary(&worker).map_err(StoreError::malformed)?;
            Ok::<_, StoreError>(OwnerAddress { node_id, worker_id, ip_address, port })
        });
        Ok(Self {
            format: body.format,
            type_name: body.type_name.map(Cow::into_owned),
            error_type: body.error.as_ref().map(|error| error.error_type()),
            nested: body.nested.iter().map(id).collect::<Result<_>>()?,
            compression: body.compression,
            owner: owner.transpose()?,
            error: body.error,
        })
    }

    fn decode_rays(first: &[u8]) -> Result<Self> {
        let format = match first {
            b"RAW" => Format::RAW,
            b"XLANG" => Format::MESSAGE_PACK,
            b"PYTHON" => Format::PYTHON,
            // What a plasma client put without metadata.
            b"" => Format::RAW,
            number => {
                let text = std::str::from_utf8(number).ok();
                let number = text.and_then(|text| text.parse().ok());
                let number = number.ok_or_else(|| {
                    StoreError::malformed(format!("metadata {}", first.escape_ascii()))
                })?;
                let of_error = Self::of_ray(Format::ERROR);
                return Ok(Self { error_type: Some(ErrorType(number)), ..of_error });
            }
        };
        Ok(Self::of_ray(format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_come_back() {
        let mut metadata = ObjectMetadata::new(Format::COMPACT, "alloc::string::String");
        assert_eq!(ObjectMetadata::decode(&metadata.encode()).unwrap(), metadata);
        metadata.nested = vec![ObjectId::random(), ObjectId::random()];
        metadata.compression = Compression::Zstd;
        metadata.owner = Some(OwnerAddress {
            node_id: NodeId::random(),
            worker_id: WorkerId::random(),
            ip_address: "::1".to_owned(),
            port: 7,
        });
        assert_eq!(ObjectMetadata::decode(&metadata.encode()).unwrap(), metadata);
        let error = ErrorObject::new(ErrorType::NODE_DIED, "off");
        let metadata = ObjectMetadata::of_error(error);
        assert!(metadata.encode().starts_with(b"23,"));
        assert_eq!(ObjectMetadata::decode(&metadata.encode()).unwrap(), metadata);
    }

    #[test]
    fn what_ray_writes_is_known() {
        let format = |bytes: &[u8]| ObjectMetadata::decode(bytes).unwrap().format;
        assert_eq!(format(b"RAW"), Format::RAW);
        assert_eq!(format(b"XLANG"), Format::MESSAGE_PACK);
        assert_eq!(format(b"PYTHON"), Format::PYTHON);
        let error = ObjectMetadata::decode(b"3").unwrap();
        assert_eq!(error.error_type, Some(ErrorType::TASK_EXECUTION_EXCEPTION));
        for bad in [&b"ACTOR_HANDLE"[..], b"RUST", b"RUST,rs1", b"RUST,rs1\xff\xff\xff\xff\xff"] {
            assert!(ObjectMetadata::decode(bad).is_err(), "{bad:?}");
        }
    }
}
