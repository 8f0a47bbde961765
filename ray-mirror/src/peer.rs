//! A connection to the shadow.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ray_common::ObjectId;
use ray_object_manager::plasma::allocator::MemFd;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource, PlasmaError};
use ray_object_manager::plasma::protocol::{
    CreateRequest, Encoder, Header, ProtocolError, Reply, HEADER_LENGTH, MAX_BODY_LENGTH,
};

/// The shadow answers at once, or never more.
const PATIENCE: Duration = Duration::from_secs(120);

/// Answers that may wait to be read. The shadow stands still, and the raylet with it, when its socket is full, and that takes
/// about 70.
const MOST_UNREAD: usize = 32;

/// The shadow cannot be reached, or says what makes no sense. The raylet is about to end, then.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The socket does not work.
    #[error("the raylet's own store does not answer: {0}")]
    Io(#[from] io::Error),
    /// It sent something else than was expected.
    #[error("the raylet's own store sent {0}")]
    Unexpected(String),
}

impl From<ProtocolError> for PeerError {
    fn from(error: ProtocolError) -> Self {
        Self::Unexpected(error.to_string())
    }
}

/// The shadow's socket, which has no name: who holds this finds it.
#[derive(Debug)]
pub struct Shadow(OwnedFd);

impl Shadow {
    /// The socket that a descriptor opened with `O_PATH` stands for.
    #[must_use]
    pub fn new(place: OwnedFd) -> Self {
        Self(place)
    }

    /// Connects to it.
    ///
    /// # Errors
    /// When nobody listens yet, or any more.
    pub(crate) fn connect(&self) -> Result<Peer, PeerError> {
        Peer::new(UnixStream::connect(format!("/proc/self/fd/{}", self.0.as_raw_fd()))?)
    }
}

/// What an answer will be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    Created(ObjectId),
    Aborted,
    Sealed(ObjectId),
    Got,
    Released(MemFd),
    Deleted(ObjectId),
    Contains(ObjectId),
    Capacity,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Created(ObjectId, Creation),
    Sealed(ObjectId, PlasmaError),
    Got(Vec<(ObjectId, bool)>),
    Deleted(ObjectId, PlasmaError),
    Contains(ObjectId, bool),
    Capacity(i64),
    /// Of no interest.
    Done,
}

/// How a creation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    /// There is the object, in this file, at this place; in a file of its own if the last says so.
    Done {
        file: MemFd,
        offset: u64,
        fallback: bool,
    },
    Failed(PlasmaError),
    /// It has to be asked for with this number.
    Waits(u64),
}

/// A client of the shadow. Requests are sent at once or with [`Self::flush`]; answers come in their order.
pub(crate) struct Peer {
    socket: UnixStream,
    encoder: Encoder,
    output: Vec<u8>,
    input: Vec<u8>,
    used: usize,
    expected: VecDeque<Expected>,
    /// The files whose descriptors have been sent. A byte goes with each, in the place of the descriptor.
    sent: HashSet<MemFd>,
}

impl Peer {
    fn new(socket: UnixStream) -> Result<Self, PeerError> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            encoder: Encoder::default(),
            output: Vec::new(),
            input: Vec::new(),
            used: 0,
            expected: VecDeque::new(),
            sent: HashSet::new(),
        })
    }

    pub(crate) fn create(&mut self, info: &ObjectInfo, source: ObjectSource, immediately: bool) {
        let request = CreateRequest {
            object_id: info.object_id,
            owner_node_id: info.owner_node_id,
            owner_ip_address: info.owner_ip_address.as_bytes(),
            owner_port: info.owner_port,
            owner_worker_id: info.owner_worker_id,
            is_mutable: info.is_mutable,
            data_size: u64::try_from(info.data_size).unwrap_or(0),
            metadata_size: u64::try_from(info.metadata_size).unwrap_or(0),
            source,
            device_num: 0,
            try_immediately: immediately,
        };
        self.encoder.create_request(&mut self.output, &request);
        self.expected.push_back(Expected::Created(info.object_id));
    }

    pub(crate) fn retry(&mut self, id: ObjectId, request: u64) {
        self.encoder.create_retry_request(&mut self.output, &id, request);
        self.expected.push_back(Expected::Created(id));
    }

    /// The object must be there, not sealed, and created here: anything else ends the raylet.
    pub(crate) fn abort(&mut self, id: ObjectId) {
        self.encoder.abort_request(&mut self.output, &id);
        self.expected.push_back(Expected::Aborted);
    }

    /// The object must be there and not sealed: anything else ends the raylet.
    pub(crate) fn seal(&mut self, id: ObjectId) {
        self.encoder.seal_request(&mut self.output, &id);
        self.expected.push_back(Expected::Sealed(id));
    }

    pub(crate) fn get(&mut self, ids: &[ObjectId]) {
        self.encoder.get_request(&mut self.output, ids, 0);
        self.expected.push_back(Expected::Got);
    }

    /// The object must be sealed. `own_file` is that in which it lies alone, if so.
    pub(crate) fn release(&mut self, id: ObjectId, own_file: Option<MemFd>) {
        self.encoder.release_request(&mut self.output, &id, own_file.is_some());
        if let Some(file) = own_file {
            self.expected.push_back(Expected::Released(file));
        }
    }

    pub(crate) fn delete(&mut self, id: ObjectId) {
        self.encoder.delete_request(&mut self.output, &[id]);
        self.expected.push_back(Expected::Deleted(id));
    }

    pub(crate) fn contains(&mut self, id: ObjectId) {
        self.encoder.contains_request(&mut self.output, &id);
        self.expected.push_back(Expected::Contains(id));
    }

    /// Asks how large the shadow is. When the answer has come, all that was asked before has been done.
    pub(crate) fn capacity(&mut self) {
        self.encoder.connect_request(&mut self.output, 0);
        self.expected.push_back(Expected::Capacity);
    }

    /// Sends what was asked for.
    pub(crate) fn flush(&mut self) -> Result<(), PeerError> {
        self.socket.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Whether answers should be read now.
    pub(crate) fn is_behind(&self) -> bool {
        self.expected.len() >= MOST_UNREAD
    }

    /// The next answer; `None` when none is expected.
    pub(crate) fn answer(&mut self) -> Result<Option<Answer>, PeerError> {
        if !self.output.is_empty() {
            self.flush()?;
        }
        let Some(expected) = self.expected.pop_front() else {
            return Ok(None);
        };
        self.fill(HEADER_LENGTH)?;
        let bytes = &self.input[self.used..];
        let header = bytes.first_chunk::<HEADER_LENGTH>().copied().unwrap_or([0; HEADER_LENGTH]);
        let header = Header::decode(&header, MAX_BODY_LENGTH)?;
        self.fill(HEADER_LENGTH + header.length)?;
        let start = self.used + HEADER_LENGTH;
        let end = start + header.length;
        self.used = end;
        let reply = Reply::decode(header.kind, &self.input[start..end])?;
        let mut files = Vec::new();
        let answer = understand(expected, &reply, &mut files, &mut self.sent)?;
        for file in files {
            if self.sent.insert(file) {
                self.fill(1)?;
                self.used += 1;
            }
        }
        Ok(Some(answer))
    }

    /// Says goodbye and waits until the shadow has done all that goes with it: what this held is released, what it
    /// created and did not seal is gone.
    pub(crate) fn leave(mut self) -> Result<(), PeerError> {
        self.encoder.disconnect(&mut self.output);
        self.flush()?;
        let mut rest = [0; 4096];
        while self.socket.read(&mut rest)? > 0 {}
        Ok(())
    }

    /// Reads until there are so many bytes.
    fn fill(&mut self, length: usize) -> Result<(), PeerError> {
        if self.used == self.input.len() {
            self.input.clear();
            self.used = 0;
        }
        while self.input.len() - self.used < length {
            let mut buffer = [0; 16 << 10];
            // Descriptors that come along are closed by the operating system, as nobody takes them.
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(read) => self.input.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// What a reply says, and the files whose descriptors follow unless they have been sent.
fn understand(
    expected: Expected,
    reply: &Reply<'_>,
    files: &mut Vec<MemFd>,
    sent: &mut HashSet<MemFd>,
) -> Result<Answer, PeerError> {
    Ok(match (expected, reply) {
        (Expected::Created(id), Reply::Create(reply)) if reply.object_id == id => {
            let creation = match reply.result {
                None => Creation::Waits(reply.retry_with_request_id),
                Some(Err(error)) => Creation::Failed(error),
                Some(Ok(object)) => {
                    files.push(object.store_fd);
                    Creation::Done {
                        file: object.store_fd,
                        offset: object.header_offset,
                        fallback: object.fallback_allocated,
                    }
                }
            };
            Answer::Created(id, creation)
        }
        (Expected::Aborted, Reply::Abort { .. }) => Answer::Done,
        (Expected::Sealed(id), Reply::Seal { object_id, error }) if *object_id == id => {
            Answer::Sealed(id, *error)
        }
        (Expected::Got, Reply::Get(reply)) => {
            files.extend(reply.files.iter().map(|(file, _)| *file));
            let present = reply.objects.iter().map(|object| object.is_present());
            Answer::Got(reply.object_ids.iter().zip(present).collect())
        }
        (Expected::Released(file), Reply::Release { should_unmap, .. }) => {
            if *should_unmap {
                sent.remove(&file);
            }
            Answer::Done
        }
        (Expected::Deleted(id), Reply::Delete { errors, .. }) => {
            Answer::Deleted(id, errors.first().copied().unwrap_or(PlasmaError::UnexpectedError))
        }
        (Expected::Contains(id), Reply::Contains { has_object, .. }) => {
            Answer::Contains(id, *has_object)
        }
        (Expected::Capacity, Reply::Connect { memory_capacity, .. }) => {
            Answer::Capacity(*memory_capacity)
        }
        (expected, reply) => {
            return Err(PeerError::Unexpected(format!("{reply:?} in answer to {expected:?}")))
        }
    })
}
