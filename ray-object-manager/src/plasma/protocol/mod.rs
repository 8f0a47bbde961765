//! The messages between a plasma client and a plasma store, byte for byte those of Ray.
//!
//! A message is a [`Header`] of 24 bytes and a flatbuffer. [`Request::decode`] and [`Reply::decode`] read one with
//! every offset, length and id checked, whatever the bytes are; [`Encoder`] writes one with the layout that
//! Ray's generated code gives it.
//!
//! Beyond Ray's messages there are two of our own, which nobody sees who does not ask for them: a ConnectRequest
//! may name [`capabilities`], which Ray's store overlooks and ours answers, and then [`MessageType::ADMIN_REQUEST`] may follow.

mod encoder;
mod reader;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use encoder::Encoder;
pub use reader::IdList;
pub use reply::{CreateReply, GetReply, Reply};
pub use request::{CreateRequest, Request};

use super::allocator::MemFd;
use super::common::ObjectDescription;
use super::local_object::LocalObject;
use super::object_header::OBJECT_HEADER_SIZE;

/// The first eight bytes of every message.
pub const COOKIE: i64 = 0x5241_5900_0000_0000;

/// Bytes of a [`Header`].
pub const HEADER_LENGTH: usize = 24;

/// Bytes of a body beyond which nobody reads. Room for the answer to a get of half a million objects.
pub const MAX_BODY_LENGTH: usize = 64 << 20;

/// What a store can do beyond Ray's protocol, as bits.
pub mod capabilities {
    /// It answers [`super::MessageType::ADMIN_REQUEST`].
    pub const ADMIN: u64 = 1;
    /// It sends a client that asks for it descriptors that can only be read; such a client cannot create.
    pub const READ_ONLY: u64 = 2;
    /// It shares memory with a client that asks for it: see [`crate::plasma::store`]. Three descriptors follow the reply:
    /// the index of sealed objects, the client's page, and what wakes the store.
    pub const SHARED: u64 = 4;
}

/// What a message is. Open: any number can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct MessageType(pub i64);

#[allow(missing_docs, reason = "the names are Ray's and say what there is to say")]
impl MessageType {
    pub const DISCONNECT_CLIENT: Self = Self(0);
    pub const CREATE_REQUEST: Self = Self(1);
    pub const CREATE_RETRY_REQUEST: Self = Self(2);
    pub const CREATE_REPLY: Self = Self(3);
    pub const ABORT_REQUEST: Self = Self(4);
    pub const ABORT_REPLY: Self = Self(5);
    pub const SEAL_REQUEST: Self = Self(6);
    pub const SEAL_REPLY: Self = Self(7);
    pub const GET_REQUEST: Self = Self(8);
    pub const GET_REPLY: Self = Self(9);
    pub const RELEASE_REQUEST: Self = Self(10);
    pub const RELEASE_REPLY: Self = Self(11);
    pub const DELETE_REQUEST: Self = Self(12);
    pub const DELETE_REPLY: Self = Self(13);
    pub const CONTAINS_REQUEST: Self = Self(14);
    pub const CONTAINS_REPLY: Self = Self(15);
    pub const CONNECT_REQUEST: Self = Self(16);
    pub const CONNECT_REPLY: Self = Self(17);
    pub const GET_DEBUG_STRING_REQUEST: Self = Self(18);
    pub const GET_DEBUG_STRING_REPLY: Self = Self(19);
    /// Ours: asks about the store itself.
    pub const ADMIN_REQUEST: Self = Self(1000);
    /// Ours: JSON.
    pub const ADMIN_REPLY: Self = Self(1001);
    /// Ours, in shared memory only: a seal without an answer.
    pub const SEAL_QUIETLY: Self = Self(1002);
    /// Ours, in shared memory only: so many bytes of messages stand in the socket instead. Both directions.
    pub const ELSEWHERE: Self = Self(1003);
    /// Ours, in shared memory only: the creation that follows is meant to lie in space that was set aside.
    pub const SET_ASIDE: Self = Self(1004);
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The first eight bytes are not [`COOKIE`].
    #[error("the message begins with {0:#x} instead of Ray's cookie")]
    BadCookie(i64),
    /// The length is negative or more than is allowed.
    #[error("a body of {length} bytes; at most {limit} are allowed")]
    BadLength {
        /// What the header says.
        length: i64,
        /// What would be allowed.
        limit: usize,
    },
    /// Nobody knows this type, or it does not travel in this direction.
    #[error("message type {0} is not known here")]
    UnknownType(i64),
    /// The flatbuffer points outside itself.
    #[error("the flatbuffer is malformed: {0}")]
    Malformed(&'static str),
    /// A field that has to be there is not.
    #[error("the field {0} is missing")]
    MissingField(&'static str),
    /// A field has a value that makes no sense.
    #[error("the field {field} is wrong: {why}")]
    BadField {
        /// Its name.
        field: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// What stands before every body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the body is.
    pub kind: MessageType,
    /// Bytes of the body.
    pub length: usize,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`ProtocolError::BadCookie`], [`ProtocolError::BadLength`] above `limit`.
    pub fn decode(bytes: &[u8; HEADER_LENGTH], limit: usize) -> Result<Self, ProtocolError> {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            i64::from_le_bytes(word)
        };
        let (cookie, kind, length) = (word(0), word(8), word(16));
        if cookie != COOKIE {
            return Err(ProtocolError::BadCookie(cookie));
        }
        match usize::try_from(length) {
            Ok(bytes) if bytes <= limit => Ok(Self { kind: MessageType(kind), length: bytes }),
            _ => Err(ProtocolError::BadLength { length, limit }),
        }
    }

    /// The bytes of a header.
    #[must_use]
    pub fn encode(kind: MessageType, length: usize) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[..8].copy_from_slice(&COOKIE.to_le_bytes());
        bytes[8..16].copy_from_slice(&kind.0.to_le_bytes());
        bytes[16..].copy_from_slice(&(length as u64).to_le_bytes());
        bytes
    }
}

/// Where an object lies, as clients are told. Offsets count from the start of the file; sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlasmaObject {
    /// The file as the store has it open, which names it to a client.
    pub store_fd: MemFd,
    /// Header of a mutable object; the data of any other.
    pub header_offset: u64,
    /// First byte of the data.
    pub data_offset: u64,
    /// First byte of the metadata: right behind the data.
    pub metadata_offset: u64,
    /// Bytes of data; [`Self::ABSENT`] in the answer of a get that did not find the object.
    pub data_size: u64,
    /// Bytes of metadata.
    pub metadata_size: u64,
    /// Data and metadata together.
    pub allocated_size: u64,
    /// Always 0: main memory.
    pub device_num: i32,
    /// Size of the file's mapping, plus [`super::allocator::MMAP_REGIONS_GAP`]. Not part of the struct on the wire.
    pub mmap_size: i64,
    /// Whether the object lies in a file of its own.
    pub fallback_allocated: bool,
    /// Whether it is a channel.
    pub is_mutable: bool,
}

impl PlasmaObject {
    /// The `data_size` of an object that is not there.
    pub const ABSENT: u64 = u64::MAX;

    /// All zero: goes with an error.
    pub const ZERO: Self = Self {
        store_fd: MemFd { fd: 0, unique_id: 0 },
        header_offset: 0,
        data_offset: 0,
        metadata_offset: 0,
        data_size: 0,
        metadata_size: 0,
        allocated_size: 0,
        device_num: 0,
        mmap_size: 0,
        fallback_allocated: false,
        is_mutable: false,
    };

    /// An object that is not there.
    pub const MISSING: Self = Self { data_size: Self::ABSENT, ..Self::ZERO };

    /// Describes an object of the store.
    #[must_use]
    pub fn of<I: ObjectDescription>(object: LocalObject<'_, I>) -> Self {
        let allocation = object.allocation();
        let size = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
        let header_offset = allocation.offset.cast_unsigned() as u64;
        let header = if object.is_mutable() { size(OBJECT_HEADER_SIZE) } else { 0 };
        let data_offset = header_offset + header;
        let (data_size, metadata_size) = (size(object.data_size()), size(object.metadata_size()));
        Self {
            store_fd: allocation.fd,
            header_offset,
            data_offset,
            metadata_offset: data_offset + data_size,
            data_size,
            metadata_size,
            allocated_size: data_size + metadata_size,
            device_num: allocation.device_num,
            mmap_size: allocation.mmap_size,
            fallback_allocated: allocation.fallback_allocated,
            is_mutable: object.is_mutable(),
        }
    }

    /// Whether the answer of a get has this object.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.data_size != Self::ABSENT
    }
}
