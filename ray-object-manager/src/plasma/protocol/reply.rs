//! What a store answers.

use ray_common::ObjectId;

use super::reader::{IdList, Table};
use super::{MessageType, PlasmaObject, ProtocolError};
use crate::plasma::allocator::MemFd;
use crate::plasma::common::PlasmaError;

/// Bytes of a description of an object on the wire.
pub(super) const SPEC_LENGTH: usize = 80;

/// A message from a store.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are those of Ray's fields")]
pub enum Reply<'a> {
    Create(CreateReply),
    Abort {
        object_id: ObjectId,
    },
    Seal {
        object_id: ObjectId,
        error: PlasmaError,
    },
    Get(GetReply<'a>),
    Release {
        object_id: ObjectId,
        should_unmap: bool,
        error: PlasmaError,
    },
    Delete {
        object_ids: IdList<'a>,
        errors: Vec<PlasmaError>,
    },
    Contains {
        object_id: ObjectId,
        has_object: bool,
    },
    /// `capabilities` is ours, and 0 from a store of Ray.
    Connect {
        memory_capacity: i64,
        capabilities: u64,
    },
    GetDebugString {
        debug_string: &'a [u8],
    },
    /// Ours.
    Admin {
        json: &'a [u8],
    },
    /// Ours, in shared memory only: so many bytes of messages stand in the socket.
    Elsewhere {
        bytes: u64,
    },
}

/// The answer to a request to create an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateReply {
    /// The object's id.
    pub object_id: ObjectId,
    /// How it ended, or `None` when it has to be asked for again.
    pub result: Option<Result<PlasmaObject, PlasmaError>>,
    /// What to ask with; 0 when it is over.
    pub retry_with_request_id: u64,
}

/// The answer to a get.
#[derive(Debug, Clone)]
pub struct GetReply<'a> {
    /// The ids as they were asked for.
    pub object_ids: IdList<'a>,
    /// Each of these; [`PlasmaObject::is_present`] tells whether it is there. Their `mmap_size` is filled in from `files`.
    pub objects: Vec<PlasmaObject>,
    /// The files in which they lie, each once, and the `mmap_size` of each.
    pub files: Vec<(MemFd, i64)>,
}

impl<'a> Reply<'a> {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(kind: MessageType, body: &'a [u8]) -> Result<Self, ProtocolError> {
        let table = Table::root(body)?;
        let object_id = || table.id(0, "object_id");
        Ok(match kind {
            MessageType::CREATE_REPLY => Self::Create(create(&table)?),
            MessageType::ABORT_REPLY => Self::Abort { object_id: object_id()? },
            MessageType::SEAL_REPLY => {
                Self::Seal { object_id: object_id()?, error: error(table.i32(1)?)? }
            }
            MessageType::GET_REPLY => Self::Get(get(&table)?),
            MessageType::RELEASE_REPLY => Self::Release {
                object_id: object_id()?,
                should_unmap: table.bool(1)?,
                error: error(table.i32(2)?)?,
            },
            MessageType::DELETE_REPLY => Self::Delete {
                object_ids: table.ids(1, "object_ids")?,
                errors: numbers(&table, 2, "errors")?
                    .map(|bytes| error(i32::from_le_bytes(bytes)))
                    .collect::<Result<_, _>>()?,
            },
            MessageType::CONTAINS_REPLY => {
                Self::Contains { object_id: object_id()?, has_object: table.i32(1)? != 0 }
            }
            MessageType::CONNECT_REPLY => {
                Self::Connect { memory_capacity: table.i64(0)?, capabilities: table.u64(1)? }
            }
            MessageType::GET_DEBUG_STRING_REPLY => Self::GetDebugString {
                debug_string: table.bytes(0)?.ok_or(ProtocolError::MissingField("debug_string"))?,
            },
            MessageType::ELSEWHERE => Self::Elsewhere { bytes: table.u64(0)? },
            MessageType::ADMIN_REPLY => {
                Self::Admin { json: table.bytes(0)?.ok_or(ProtocolError::MissingField("json"))? }
            }
            MessageType(other) => return Err(ProtocolError::UnknownType(other)),
        })
    }
}

fn error(number: i32) -> Result<PlasmaError, ProtocolError> {
    PlasmaError::from_number(number).ok_or_else(|| ProtocolError::BadField {
        field: "error",
        why: format!("there is no error number {number}"),
    })
}

fn numbers<'a, const N: usize>(
    table: &Table<'a>,
    slot: usize,
    field: &'static str,
) -> Result<impl ExactSizeIterator<Item = [u8; N]> + use<'a, N>, ProtocolError> {
    let bytes = table.vector(slot, N)?.ok_or(ProtocolError::MissingField(field))?;
    Ok(bytes.chunks_exact(N).map(|chunk| chunk.first_chunk().copied().unwrap_or([0; N])))
}

fn create(table: &Table<'_>) -> Result<CreateReply, ProtocolError> {
    let object_id = table.id(0, "object_id")?;
    let retry_with_request_id = table.u64(1)?;
    if retry_with_request_id != 0 {
        return Ok(CreateReply { object_id, result: None, retry_with_request_id });
    }
    let result = match error(table.i32(3)?)? {
        PlasmaError::Ok => {
            let spec = table.inline(2)?.ok_or(ProtocolError::MissingField("plasma_object"))?;
            let mut object = object(&spec);
            object.store_fd = MemFd { fd: table.i32(4)?, unique_id: table.i64(5)? };
            object.mmap_size = table.i64(6)?;
            Ok(object)
        }
        error => Err(error),
    };
    Ok(CreateReply { object_id, result: Some(result), retry_with_request_id })
}

fn get<'a>(table: &Table<'a>) -> Result<GetReply<'a>, ProtocolError> {
    let object_ids = table.ids(0, "object_ids")?;
    let specs = numbers::<SPEC_LENGTH>(table, 1, "plasma_objects")?;
    let fds = numbers::<4>(table, 2, "store_fds")?;
    let unique_ids = numbers::<8>(table, 3, "unique_fd_ids")?;
    let sizes = numbers::<8>(table, 4, "mmap_sizes")?;
    if specs.len() != object_ids.len() {
        return Err(ProtocolError::Malformed("ids and objects differ in number"));
    }
    if fds.len() != unique_ids.len() || fds.len() != sizes.len() {
        return Err(ProtocolError::Malformed("files and their sizes differ in number"));
    }
    let files: Vec<(MemFd, i64)> = fds
        .zip(unique_ids)
        .zip(sizes)
        .map(|((fd, unique_id), size)| {
            let unique_id = i64::from_le_bytes(unique_id);
            (MemFd { fd: i32::from_le_bytes(fd), unique_id }, i64::from_le_bytes(size))
        })
        .collect();
    let objects = specs.map(|spec| {
        let mut object = object(&spec);
        let file = files.iter().find(|(fd, _)| *fd == object.store_fd);
        object.mmap_size = file.map_or(0, |(_, size)| *size);
        object
    });
    Ok(GetReply { object_ids, objects: objects.collect(), files })
}

/// Reads a description. What its `mmap_size` is stands elsewhere.
fn object(spec: &[u8; SPEC_LENGTH]) -> PlasmaObject {
    fn at<const N: usize>(spec: &[u8; SPEC_LENGTH], offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&spec[offset..offset + N]);
        bytes
    }
    let u64_at = |offset| u64::from_le_bytes(at(spec, offset));
    PlasmaObject {
        store_fd: MemFd {
            fd: i32::from_le_bytes(at(spec, 0)),
            unique_id: i64::from_le_bytes(at(spec, 8)),
        },
        header_offset: u64_at(16),
        data_offset: u64_at(24),
        data_size: u64_at(32),
        metadata_offset: u64_at(40),
        metadata_size: u64_at(48),
        allocated_size: u64_at(56),
        fallback_allocated: spec[64] != 0,
        device_num: i32::from_le_bytes(at(spec, 68)),
        is_mutable: spec[72] != 0,
        mmap_size: 0,
    }
}
