//! Messages of the plasma protocol as bytes: requests made by hand, replies taken as they come.
//!
//! Nothing here is shared with the code under test, so that both cannot be wrong in the same way.

use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use flatbuffers::{FlatBufferBuilder, VOffsetT, WIPOffset};
use ray_common::ObjectId;
use rustix::net::{recvmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

/// What a message starts with.
pub const COOKIE: i64 = 0x5241_5900_0000_0000;

/// Types of messages.
#[allow(missing_docs)] // Their names are all there is to say.
pub mod kind {
    pub const DISCONNECT: i64 = 0;
    pub const CREATE: i64 = 1;
    pub const CREATE_RETRY: i64 = 2;
    pub const CREATE_REPLY: i64 = 3;
    pub const ABORT: i64 = 4;
    pub const ABORT_REPLY: i64 = 5;
    pub const SEAL: i64 = 6;
    pub const SEAL_REPLY: i64 = 7;
    pub const GET: i64 = 8;
    pub const GET_REPLY: i64 = 9;
    pub const RELEASE: i64 = 10;
    pub const RELEASE_REPLY: i64 = 11;
    pub const DELETE: i64 = 12;
    pub const DELETE_REPLY: i64 = 13;
    pub const CONTAINS: i64 = 14;
    pub const CONTAINS_REPLY: i64 = 15;
    pub const CONNECT: i64 = 16;
    pub const CONNECT_REPLY: i64 = 17;
    pub const DEBUG_STRING: i64 = 18;
    pub const DEBUG_STRING_REPLY: i64 = 19;
}

/// A type and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One of [`kind`].
    pub kind: i64,
    /// A flatbuffer.
    pub body: Vec<u8>,
}

impl Message {
    fn of(
        kind: i64,
        fill: impl for<'a> FnOnce(&mut FlatBufferBuilder<'a>) -> WIPOffset<Table>,
    ) -> Message {
        let mut builder = FlatBufferBuilder::new();
        let table = fill(&mut builder);
        builder.finish_minimal(table);
        Message { kind, body: builder.finished_data().to_vec() }
    }

    /// A body that is a table with one string: seal, abort, contains.
    #[must_use]
    pub fn about(kind: i64, id: &ObjectId) -> Message {
        Message::of(kind, |builder| {
            let id = builder.create_byte_string(id.as_bytes());
            let table = builder.start_table();
            builder.push_slot_always(slot(0), id);
            end(builder, table)
        })
    }

    /// A body that is an empty table: connect, debug string, disconnect.
    #[must_use]
    pub fn empty(kind: i64) -> Message {
        Message::of(kind, |builder| {
            let table = builder.start_table();
            end(builder, table)
        })
    }

    /// A request for the outcome of an earlier create.
    #[must_use]
    pub fn create_retry(id: &ObjectId, request: u64) -> Message {
        Message::of(kind::CREATE_RETRY, |builder| {
            let id = builder.create_byte_string(id.as_bytes());
            let table = builder.start_table();
            builder.push_slot(slot(1), request, 0);
            builder.push_slot_always(slot(0), id);
            end(builder, table)
        })
    }

    /// A get; -1 waits for ever.
    #[must_use]
    pub fn get(ids: &[ObjectId], timeout_ms: i64) -> Message {
        Message::of(kind::GET, |builder| {
            let ids = strings(builder, ids);
            let table = builder.start_table();
            builder.push_slot(slot(1), timeout_ms, 0);
            builder.push_slot_always(slot(0), ids);
            end(builder, table)
        })
    }

    /// A release.
    #[must_use]
    pub fn release(id: &ObjectId, may_unmap: bool) -> Message {
        Message::of(kind::RELEASE, |builder| {
            let id = builder.create_byte_string(id.as_bytes());
            let table = builder.start_table();
            builder.push_slot_always(slot(0), id);
            builder.push_slot(slot(1), may_unmap, false);
            end(builder, table)
        })
    }

    /// A delete.
    ///
    /// # Panics
    /// With more ids than an `i32` counts.
    #[must_use]
    pub fn delete(ids: &[ObjectId]) -> Message {
        Message::of(kind::DELETE, |builder| {
            let count = i32::try_from(ids.len()).expect("few ids");
            let ids = strings(builder, ids);
            let table = builder.start_table();
            builder.push_slot_always(slot(1), ids);
            builder.push_slot(slot(0), count, 0);
            end(builder, table)
        })
    }
}

/// A request to create an object.
#[derive(Clone, Copy, Debug)]
pub struct Create<'a> {
    /// Its id.
    pub id: ObjectId,
    /// Bytes of data.
    pub data_size: u64,
    /// Bytes of metadata.
    pub metadata_size: u64,
    /// Whether it is to be written again and again.
    pub mutable: bool,
    /// Who made it, 0 to 3.
    pub source: i32,
    /// 0 is the host.
    pub device_num: i32,
    /// Whether to answer now rather than wait for space.
    pub immediately: bool,
    /// Node, address, port and worker; ids may be empty.
    pub owner: (&'a [u8], &'a str, i32, &'a [u8]),
}

impl<'a> Create<'a> {
    /// A queued one, on the host, by a worker that says nothing of itself.
    #[must_use]
    pub fn queued(id: &ObjectId, data_size: u64, metadata_size: u64) -> Self {
        Create {
            id: *id,
            data_size,
            metadata_size,
            mutable: false,
            source: 0,
            device_num: 0,
            immediately: false,
            owner: (&[], "", 0, &[]),
        }
    }

    /// One that does not wait.
    #[must_use]
    pub fn immediate(id: &ObjectId, data_size: u64, metadata_size: u64) -> Self {
        Create { immediately: true, ..Create::queued(id, data_size, metadata_size) }
    }

    /// The request.
    #[must_use]
    pub fn message(&self) -> Message {
        Message::of(kind::CREATE, |builder| {
            let (node, address, port, worker) = self.owner;
            let worker = builder.create_byte_string(worker);
            let address = builder.create_string(address);
            let node = builder.create_byte_string(node);
            let id = builder.create_byte_string(self.id.as_bytes());
            let table = builder.start_table();
            builder.push_slot(slot(7), self.metadata_size, 0);
            builder.push_slot(slot(6), self.data_size, 0);
            builder.push_slot(slot(9), self.device_num, 0);
            builder.push_slot(slot(8), self.source, 0);
            builder.push_slot_always(slot(4), worker);
            builder.push_slot(slot(3), port, 0);
            builder.push_slot_always(slot(2), address);
            builder.push_slot_always(slot(1), node);
            builder.push_slot_always(slot(0), id);
            builder.push_slot(slot(10), self.immediately, false);
            builder.push_slot(slot(5), self.mutable, false);
            end(builder, table)
        })
    }
}

struct Table;

fn slot(index: VOffsetT) -> VOffsetT {
    4 + 2 * index
}

fn end(
    builder: &mut FlatBufferBuilder<'_>,
    table: WIPOffset<flatbuffers::TableUnfinishedWIPOffset>,
) -> WIPOffset<Table> {
    WIPOffset::new(builder.end_table(table).value())
}

fn strings<'a>(
    builder: &mut FlatBufferBuilder<'a>,
    ids: &[ObjectId],
) -> WIPOffset<flatbuffers::Vector<'a, flatbuffers::ForwardsUOffset<&'a [u8]>>> {
    let ids: Vec<_> = ids.iter().map(|id| builder.create_byte_string(id.as_bytes())).collect();
    WIPOffset::new(builder.create_vector(&ids).value())
}

/// What a server sends.
#[derive(Debug)]
pub enum Event {
    /// A message.
    Message(Message),
    /// A byte that brought a descriptor.
    Fd(u8, OwnedFd),
    /// The end of the connection.
    Closed,
}

/// A connection to a store on which bytes go as they are given.
#[derive(Debug)]
pub struct RawClient {
    stream: UnixStream,
}

impl RawClient {
    /// Connects, and sends nothing. A read that takes longer than half a minute is an error.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(socket: &Path) -> io::Result<RawClient> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(RawClient { stream })
    }

    /// The connection, for sending what is no message.
    #[must_use]
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn send(&mut self, message: &Message) -> io::Result<()> {
        let length = i64::try_from(message.body.len()).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(24 + message.body.len());
        for word in [COOKIE, message.kind, length] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&message.body);
        self.stream.write_all(&bytes)
    }

    /// Waits for whatever comes next.
    ///
    /// # Errors
    /// When nothing comes, or it is no message.
    pub fn next_event(&mut self) -> io::Result<Event> {
        // A descriptor comes with the byte that it was sent with, so one byte tells what this is.
        let mut first = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            self.stream.as_fd(),
            &mut [IoSliceMut::new(&mut first)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        match (received.bytes, fds.pop()) {
            (0, _) => return Ok(Event::Closed),
            (_, Some(fd)) if fds.is_empty() => return Ok(Event::Fd(first[0], fd)),
            (_, Some(_)) => return Err(io::Error::other("more than one descriptor in a message")),
            (_, None) => {}
        }
        let mut header = [0; 24];
        header[0] = first[0];
        self.stream.read_exact(&mut header[1..])?;
        let word = |at: usize| {
            i64::from_le_bytes(header[at..at + 8].try_into().expect("a word has eight bytes"))
        };
        if word(0) != COOKIE {
            return Err(io::Error::other(format!("a message starts with {:016x}", word(0))));
        }
        let length = usize::try_from(word(16)).map_err(io::Error::other)?;
        if length > 1 << 24 {
            return Err(io::Error::other(format!("a message of {length} bytes")));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Event::Message(Message { kind: word(8), body }))
    }
}

/// Where things are in a flatbuffer. All positions count from the start of the body; `None` when one lies outside.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a>(pub &'a [u8]);

impl Layout<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    /// The `u32` at a position.
    #[must_use]
    pub fn u32_at(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// The `i32` at a position.
    #[must_use]
    pub fn i32_at(&self, at: usize) -> Option<i32> {
        self.array(at).map(i32::from_le_bytes)
    }

    /// The `u64` at a position.
    #[must_use]
    pub fn u64_at(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// The position that the offset at a position points to.
    #[must_use]
    pub fn follow(&self, at: usize) -> Option<usize> {
        at.checked_add(usize::try_from(self.u32_at(at)?).ok()?)
    }

    /// The position of a field of the root table; `None` also when it is absent.
    #[must_use]
    pub fn field(&self, index: u16) -> Option<usize> {
        let table = self.follow(0)?;
        let back = i64::from(self.i32_at(table)?);
        let vtable = usize::try_from(i64::try_from(table).ok()? - back).ok()?;
        let u16_at = |at| self.array(at).map(u16::from_le_bytes);
        if slot(index) >= u16_at(vtable)? {
            return None;
        }
        match u16_at(vtable + usize::from(slot(index)))? {
            0 => None,
            offset => Some(table + usize::from(offset)),
        }
    }

    /// The positions of the elements of a vector of the root table, each of `size` bytes; none when it is absent.
    #[must_use]
    pub fn elements(&self, index: u16, size: usize) -> Vec<usize> {
        let found = || {
            let vector = self.follow(self.field(index)?)?;
            let length = usize::try_from(self.u32_at(vector)?).ok()?;
            let positions: Vec<_> =
                (0..length.min(self.0.len())).map(|i| vector + 4 + i * size).collect();
            Some(positions)
        };
        found().unwrap_or_default()
    }
}
