//! One connection: a request goes out, its reply comes in.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ray_common::ObjectId;
use ray_sys::{send_all, Incoming};

use super::error::Cause;
use super::session::is_closed;
use crate::plasma::allocator::MemFd;
use crate::plasma::protocol::{
    capabilities, CreateReply, Encoder, Header, MessageType, PlasmaObject, Reply, HEADER_LENGTH,
    MAX_BODY_LENGTH,
};
use crate::plasma::shared::{ClientPage, RingError, Turns};

/// Room for the reply to a get of a hundred objects.
pub(super) const LARGE_BUFFER: usize = 16 << 10;

/// Room for the reply to a get of an object or two.
pub(super) const SMALL_BUFFER: usize = 512;

/// A connection. An error other than one that the store sent leaves it useless.
#[derive(Debug)]
pub(super) struct Lane {
    stream: Arc<UnixStream>,
    incoming: Incoming,
    encoder: Encoder,
    out: Vec<u8>,
    /// Memory that is shared with the store: messages go through it, descriptors come as ever.
    shared: Option<Arc<ClientPage>>,
    /// A message from there.
    message: Vec<u8>,
    /// Whether others are let run while it waits for one.
    turns: Turns,
    /// Bytes of messages in the socket that come before what is next in shared memory.
    elsewhere: u64,
}

/// Where a message lies.
enum Place {
    /// In what came through the socket.
    Incoming(Range<usize>),
    /// In the copy of what was in shared memory.
    Shared,
}

/// What a get brought.
pub(super) struct Got {
    /// In the order in which they were asked for.
    pub(super) objects: Vec<PlasmaObject>,
    /// Where they lie, and `mmap_size` of it. Those that are new on this connection follow as descriptors, in order.
    pub(super) files: Vec<(MemFd, i64)>,
}

fn unexpected(reply: &Reply<'_>) -> Cause {
    Cause::protocol(format!("this does not answer what was asked: {reply:?}"))
}

fn same(asked: &ObjectId, answered: &ObjectId) -> Result<(), Cause> {
    if asked == answered {
        return Ok(());
    }
    Err(Cause::protocol(format!("asked for {asked}, got an answer for {answered}")))
}

impl Lane {
    /// Over a connected socket that waits.
    pub(super) fn new(stream: Arc<UnixStream>, buffer: usize) -> Self {
        Self {
            stream,
            incoming: Incoming::with_capacity(buffer),
            encoder: Encoder::default(),
            out: Vec::new(),
            shared: None,
            message: Vec::new(),
            turns: Turns::default(),
            elsewhere: 0,
        }
    }

    /// Memory that is shared with the store, if it is.
    pub(super) fn shared(&self) -> Option<&Arc<ClientPage>> {
        self.shared.as_ref()
    }

    /// The socket, so that another thread can shut it down.
    pub(super) fn stream(&self) -> &Arc<UnixStream> {
        &self.stream
    }

    /// Writes one or more requests with one call.
    pub(super) fn send(
        &mut self,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) -> Result<(), Cause> {
        if !self.incoming.is_empty() || self.elsewhere > 0 {
            return Err(Cause::protocol("more came than was asked for"));
        }
        self.out.clear();
        write(&mut self.encoder, &mut self.out);
        if let Some(shared) = &self.shared {
            if ClientPage::could_send(&self.out) {
                return send_shared(shared, &self.stream, &self.out, &mut self.turns);
            }
            let mut elsewhere = Vec::new();
            self.encoder.elsewhere(&mut elsewhere, self.out.len() as u64);
            send_shared(shared, &self.stream, &elsewhere, &mut self.turns)?;
        }
        send_all(&*self.stream, &self.out).map_err(|error| Cause::connection(&error))
    }

    /// Waits until so many bytes are there.
    fn await_bytes(&mut self, count: usize) -> Result<(), Cause> {
        while self.incoming.bytes().len() < count {
            let wanted = count - self.incoming.bytes().len();
            match self.incoming.receive(&*self.stream, wanted) {
                Ok(0) => {
                    let why = "the store closed the connection".to_owned();
                    return Err(Cause::Disconnected { why });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(Cause::protocol(error.to_string()));
                }
                Err(error) => return Err(Cause::connection(&error)),
            }
        }
        Ok(())
    }

    /// Waits for a message. Returns its type and where its body lies.
    fn await_message(&mut self) -> Result<(MessageType, Place), Cause> {
        if let (Some(shared), 0) = (&self.shared, self.elsewhere) {
            await_shared(shared, &self.stream, &mut self.message, &mut self.turns)?;
            let header = decode_header(&self.message)?;
            if header.kind != MessageType::ELSEWHERE {
                return Ok((header.kind, Place::Shared));
            }
            match Reply::decode(header.kind, &self.message[HEADER_LENGTH..])? {
                Reply::Elsewhere { bytes } if bytes > 0 => self.elsewhere = bytes,
                other => return Err(unexpected(&other)),
            }
        }
        self.await_bytes(HEADER_LENGTH)?;
        let header = decode_header(self.incoming.bytes())?;
        let end = HEADER_LENGTH + header.length;
        self.await_bytes(end)?;
        self.elsewhere = self.elsewhere.saturating_sub(end as u64);
        Ok((header.kind, Place::Incoming(HEADER_LENGTH..end)))
    }

    /// Waits for the next reply, and reads of it what is wanted.
    pub(super) fn receive<R>(
        &mut self,
        read: impl FnOnce(Reply<'_>) -> Result<R, Cause>,
    ) -> Result<R, Cause> {
        let (kind, place) = self.await_message()?;
        match place {
            Place::Shared => read(Reply::decode(kind, &self.message[HEADER_LENGTH..])?),
            Place::Incoming(body) => {
                let end = body.end;
                let result = read(Reply::decode(kind, &self.incoming.bytes()[body])?);
                self.incoming.consume(end);
                result
            }
        }
    }

    /// Waits for the byte that brings a descriptor.
    pub(super) fn receive_fd(&mut self) -> Result<OwnedFd, Cause> {
        self.await_bytes(1)?;
        self.incoming.consume(1);
        self.incoming.take_fd().ok_or_else(|| Cause::protocol("a byte came without a descriptor"))
    }

    /// Says hello and asks for capabilities. Returns the size of the store in bytes, and what of these it has.
    pub(super) fn connect(&mut self, wanted: u64) -> Result<(i64, u64), Cause> {
        self.send(|encoder, out| encoder.connect_request(out, wanted))?;
        let (capacity, granted) = self.receive(|reply| match reply {
            Reply::Connect { memory_capacity, capabilities } => Ok((memory_capacity, capabilities)),
            other => Err(unexpected(&other)),
        })?;
        if granted & wanted & capabilities::SHARED != 0 {
            let (index, page) = (self.receive_fd()?, self.receive_fd()?);
            let page = ClientPage::new(index, page, self.receive_fd()?).map_err(Cause::Io)?;
            self.shared = Some(Arc::new(page));
        }
        Ok((capacity, granted))
    }

    /// The answer to a creation, or to asking for it again.
    pub(super) fn receive_create(&mut self, id: &ObjectId) -> Result<CreateReply, Cause> {
        self.receive(|reply| match reply {
            Reply::Create(reply) => same(id, &reply.object_id).map(|()| reply),
            other => Err(unexpected(&other)),
        })
    }

    pub(super) fn receive_seal(&mut self, id: &ObjectId) -> Result<(), Cause> {
        self.receive(|reply| match reply {
            Reply::Seal { object_id, error } => {
                same(id, &object_id)?;
                check(error)
            }
            other => Err(unexpected(&other)),
        })
    }

    pub(super) fn abort(&mut self, id: &ObjectId) -> Result<(), Cause> {
        self.send(|encoder, out| encoder.abort_request(out, id))?;
        self.receive(|reply| match reply {
            Reply::Abort { object_id } => same(id, &object_id),
            other => Err(unexpected(&other)),
        })
    }

    pub(super) fn contains(&mut self, id: &ObjectId) -> Result<bool, Cause> {
        self.send(|encoder, out| encoder.contains_request(out, id))?;
        self.receive(|reply| match reply {
            Reply::Contains { object_id, has_object } => same(id, &object_id).map(|()| has_object),
            other => Err(unexpected(&other)),
        })
    }

    pub(super) fn ask(&mut self, ids: &[ObjectId], timeout_ms: i64) -> Result<(), Cause> {
        self.send(|encoder, out| encoder.get_request(out, ids, timeout_ms))
    }

    /// The answer to [`Self::ask`].
    pub(super) fn receive_get(&mut self, ids: &[ObjectId]) -> Result<Got, Cause> {
        self.receive(|reply| match reply {
            Reply::Get(reply) if reply.object_ids.iter().eq(ids.iter().copied()) => {
                Ok(Got { objects: reply.objects, files: reply.files })
            }
            other => Err(unexpected(&other)),
        })
    }

    /// Whether the file is to be unmapped.
    pub(super) fn receive_release(&mut self, id: &ObjectId) -> Result<bool, Cause> {
        self.receive(|reply| match reply {
            Reply::Release { object_id, should_unmap, error } => {
                same(id, &object_id)?;
                check(error).map(|()| should_unmap)
            }
            other => Err(unexpected(&other)),
        })
    }

    /// How the deletion of each object ended.
    pub(super) fn receive_delete(
        &mut self,
        ids: &[ObjectId],
    ) -> Result<Vec<crate::plasma::common::PlasmaError>, Cause> {
        self.receive(|reply| match reply {
            Reply::Delete { object_ids, errors }
                if errors.len() == ids.len() && object_ids.iter().eq(ids.iter().copied()) =>
            {
                Ok(errors)
            }
            other => Err(unexpected(&other)),
        })
    }

    pub(super) fn debug_string(&mut self) -> Result<String, Cause> {
        self.send(Encoder::get_debug_string_request)?;
        self.receive(|reply| match reply {
            Reply::GetDebugString { debug_string } => {
                Ok(String::from_utf8_lossy(debug_string).into_owned())
            }
            other => Err(unexpected(&other)),
        })
    }
}

fn decode_header(bytes: &[u8]) -> Result<Header, Cause> {
    let header = bytes.first_chunk().ok_or_else(|| Cause::protocol("short"))?;
    Ok(Header::decode(header, MAX_BODY_LENGTH)?)
}

/// So many looks at shared memory come before the thread lets others have the core.
const LOOKS: u32 = 100;

/// So long it does that before it sleeps: longer than a store that sleeps takes to wake up, which in virtual machines is 200
/// microseconds and more. If both slept, each would wait so long for the other at every request.
const PATIENCE: Duration = Duration::from_micros(400);

/// So long while the store changes its core. To where nobody was running for a while it takes a millisecond in virtual machines.
const MOVE: Duration = Duration::from_millis(10);

/// So many times before a pause while the store takes nothing of a full ring.
const YIELDS_FOR_ROOM: u32 = 1000;
const PAUSE: Duration = Duration::from_micros(200);

/// How long to sleep before looking whether the store is still there.
const NAP: Duration = Duration::from_millis(100);

fn gone() -> Cause {
    Cause::Disconnected { why: "the store closed the connection".to_owned() }
}

/// Waits for a message in shared memory.
fn await_shared(
    shared: &ClientPage,
    stream: &UnixStream,
    message: &mut Vec<u8>,
    turns: &mut Turns,
) -> Result<(), Cause> {
    let mut began: Option<Instant> = None;
    for look in 0_u32.. {
        if shared.receive(message).map_err(|error| Cause::protocol(error.to_string()))? {
            return Ok(());
        }
        if look < LOOKS {
            std::hint::spin_loop();
            continue;
        }
        let waited = began.map_or(Duration::ZERO, |began| began.elapsed());
        if began.is_none() {
            began = Some(Instant::now());
            turns.begin();
        }
        if turns.are_given() && (waited < PATIENCE || waited < MOVE && shared.store_moves()) {
            turns.give();
        } else if is_closed(stream) {
            // What it said before it went counts.
            let said = shared.receive(message);
            return if said == Ok(true) { Ok(()) } else { Err(gone()) };
        } else {
            shared.sleep(NAP);
        }
    }
    Err(gone())
}

/// Sends messages through shared memory, when there is room: the store takes what there is.
fn send_shared(
    shared: &ClientPage,
    stream: &UnixStream,
    messages: &[u8],
    turns: &mut Turns,
) -> Result<(), Cause> {
    for look in 0_u32.. {
        match shared.send(messages) {
            Ok(()) => return Ok(()),
            Err(RingError::Full) => {}
            Err(error) => return Err(Cause::protocol(error.to_string())),
        }
        if look % YIELDS_FOR_ROOM == 0 {
            turns.begin();
        }
        if turns.are_given() && look % YIELDS_FOR_ROOM < YIELDS_FOR_ROOM - 1 {
            turns.give();
        } else if is_closed(stream) {
            return Err(gone());
        } else {
            std::thread::sleep(PAUSE);
        }
    }
    Err(gone())
}

fn check(error: crate::plasma::common::PlasmaError) -> Result<(), Cause> {
    match error {
        crate::plasma::common::PlasmaError::Ok => Ok(()),
        error => Err(error.into()),
    }
}
