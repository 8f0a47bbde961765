//! What a client asks of a store.

use ray_common::{NodeId, ObjectId, WorkerId};

use super::reader::{bad_id, IdList, Table};
use super::{MessageType, ProtocolError};
use crate::plasma::common::{ObjectInfo, ObjectSource};

/// A message from a client.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are those of Ray's fields")]
pub enum Request<'a> {
    /// Goodbye; has no answer.
    Disconnect,
    Create(CreateRequest<'a>),
    CreateRetry {
        object_id: ObjectId,
        request_id: u64,
    },
    Abort {
        object_id: ObjectId,
    },
    Seal {
        object_id: ObjectId,
    },
    Get {
        object_ids: IdList<'a>,
        timeout_ms: i64,
    },
    Release {
        object_id: ObjectId,
        may_unmap: bool,
    },
    Delete {
        object_ids: IdList<'a>,
    },
    Contains {
        object_id: ObjectId,
    },
    /// `capabilities` is ours, and 0 from a client of Ray.
    Connect {
        capabilities: u64,
    },
    GetDebugString,
    /// Ours, in shared memory only: a seal without an answer.
    SealQuietly {
        object_id: ObjectId,
    },
    /// Ours, in shared memory only: so many bytes of messages stand in the socket.
    Elsewhere {
        bytes: u64,
    },
    /// Ours, in shared memory only: the creation that follows is for the space of this offer.
    SetAside {
        offer: u64,
    },
    /// Ours: a question about the store.
    Admin {
        query: &'a str,
    },
}

/// A request to create an object.
#[derive(Debug, Clone)]
pub struct CreateRequest<'a> {
    /// The object's id.
    pub object_id: ObjectId,
    /// Node of the worker that owns the object.
    pub owner_node_id: NodeId,
    /// Address of that worker.
    pub owner_ip_address: &'a [u8],
    /// Its port.
    pub owner_port: i32,
    /// That worker.
    pub owner_worker_id: WorkerId,
    /// Whether the object is a channel.
    pub is_mutable: bool,
    /// Bytes of data.
    pub data_size: u64,
    /// Bytes of metadata.
    pub metadata_size: u64,
    /// Where the object comes from.
    pub source: ObjectSource,
    /// 0: main memory. There is nothing else.
    pub device_num: i32,
    /// Whether the client cannot wait.
    pub try_immediately: bool,
}

impl CreateRequest<'_> {
    /// The description of the object. Sizes that no object can have become negative, which the lifecycle refuses.
    #[must_use]
    pub fn info(&self) -> ObjectInfo {
        ObjectInfo {
            object_id: self.object_id,
            is_mutable: self.is_mutable,
            data_size: i64::try_from(self.data_size).unwrap_or(-1),
            metadata_size: i64::try_from(self.metadata_size).unwrap_or(-1),
            owner_node_id: self.owner_node_id,
            owner_ip_address: String::from_utf8_lossy(self.owner_ip_address).into_owned(),
            owner_port: self.owner_port,
            owner_worker_id: self.owner_worker_id,
        }
    }
}

impl<'a> Request<'a> {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(kind: MessageType, body: &'a [u8]) -> Result<Self, ProtocolError> {
        if kind == MessageType::DISCONNECT_CLIENT {
            return Ok(Self::Disconnect);
        }
        let table = || Table::root(body);
        let object_id = |table: &Table<'a>| table.id(0, "object_id");
        Ok(match kind {
            MessageType::CONTAINS_REQUEST => Self::Contains { object_id: object_id(&table()?)? },
            MessageType::GET_REQUEST => {
                let table = table()?;
                Self::Get { object_ids: table.ids(0, "object_ids")?, timeout_ms: table.i64(1)? }
            }
            MessageType::RELEASE_REQUEST => {
                let table = table()?;
                Self::Release { object_id: object_id(&table)?, may_unmap: table.bool(1)? }
            }
            MessageType::CREATE_REQUEST => Self::Create(create(&table()?)?),
            MessageType::SEAL_REQUEST => Self::Seal { object_id: object_id(&table()?)? },
            MessageType::SEAL_QUIETLY => Self::SealQuietly { object_id: object_id(&table()?)? },
            MessageType::ELSEWHERE => Self::Elsewhere { bytes: table()?.u64(0)? },
            MessageType::SET_ASIDE => Self::SetAside { offer: table()?.u64(0)? },
            MessageType::CREATE_RETRY_REQUEST => {
                let table = table()?;
                Self::CreateRetry { object_id: object_id(&table)?, request_id: table.u64(1)? }
            }
            MessageType::ABORT_REQUEST => Self::Abort { object_id: object_id(&table()?)? },
            MessageType::DELETE_REQUEST => delete(&table()?)?,
            MessageType::CONNECT_REQUEST => Self::Connect { capabilities: table()?.u64(0)? },
            MessageType::GET_DEBUG_STRING_REQUEST => table().map(|_| Self::GetDebugString)?,
            MessageType::ADMIN_REQUEST => {
                let query = table()?.bytes(0)?.ok_or(ProtocolError::MissingField("query"))?;
                let query = std::str::from_utf8(query).map_err(|error| {
                    ProtocolError::BadField { field: "query", why: error.to_string() }
                })?;
                Self::Admin { query }
            }
            MessageType(other) => return Err(ProtocolError::UnknownType(other)),
        })
    }
}

fn create<'a>(table: &Table<'a>) -> Result<CreateRequest<'a>, ProtocolError> {
    let required = |slot, field| table.bytes(slot)?.ok_or(ProtocolError::MissingField(field));
    Ok(CreateRequest {
        object_id: table.id(0, "object_id")?,
        owner_node_id: NodeId::from_binary(required(1, "owner_node_id")?)
            .map_err(|error| bad_id("owner_node_id", &error))?,
        owner_ip_address: required(2, "owner_ip_address")?,
        owner_port: table.i32(3)?,
        owner_worker_id: WorkerId::from_binary(required(4, "owner_worker_id")?)
            .map_err(|error| bad_id("owner_worker_id", &error))?,
        is_mutable: table.bool(5)?,
        data_size: table.u64(6)?,
        metadata_size: table.u64(7)?,
        source: ObjectSource(table.i32(8)?),
        device_num: table.i32(9)?,
        try_immediately: table.bool(10)?,
    })
}

fn delete<'a>(table: &Table<'a>) -> Result<Request<'a>, ProtocolError> {
    let object_ids = table.ids(1, "object_ids")?;
    let count = table.i32(0)?;
    match usize::try_from(count) {
        Ok(count) if count <= object_ids.len() => {
            Ok(Request::Delete { object_ids: object_ids.first(count) })
        }
        _ => Err(ProtocolError::BadField {
            field: "count",
            why: format!("{count} ids are announced, {} are there", object_ids.len()),
        }),
    }
}
