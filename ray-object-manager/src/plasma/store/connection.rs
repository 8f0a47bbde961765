//! A client's socket: what comes in, cut into messages, and what goes out, in order.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use super::client::ClientId;
use crate::plasma::protocol::Encoder;
use crate::plasma::shared::{Replies, RingError, StorePage};

/// The byte with which a descriptor travels. Any would do; this is the one that comes from Ray's store.
const FD_BYTE: u8 = 0x14;

/// Room for output that is kept for the next.
const KEPT_OUTPUT: usize = 64 << 10;

/// Who is at the other end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) pid: i32,
    pub(super) uid: u32,
}

/// A client's socket. Any thread may write to it; one reads.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ClientId,
    pub(super) peer: Peer,
    /// Which thread reads it.
    pub(super) thread: usize,
    socket: OwnedFd,
    outbox: Mutex<Outbox>,
}

/// What has not been sent. Bytes first, then the rest in order.
#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    rest: VecDeque<Piece>,
    /// Somebody is writing, and will come back for more.
    writing: bool,
    /// The socket takes no more at present.
    blocked: bool,
    closed: bool,
    /// Where messages go instead, once the client shares memory.
    shared: Option<Replies>,
    /// Whole messages for there.
    messages: Vec<u8>,
}

#[derive(Debug)]
enum Piece {
    /// A descriptor, which travels with one byte.
    Fd(OwnedFd),
    Bytes(Vec<u8>),
}

/// How a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Nothing is left, or somebody else is at it.
    Done,
    /// The socket is full: wait until it can be written.
    Blocked,
    /// The client is gone.
    Broken,
}

impl Connection {
    pub(super) fn new(id: ClientId, peer: Peer, thread: usize, socket: OwnedFd) -> Self {
        Self { id, peer, thread, socket, outbox: Mutex::default() }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Adds to what is to be sent.
    pub(super) fn write(&self, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut outbox = self.outbox.lock();
        if outbox.closed {
            return;
        }
        if outbox.shared.is_some() {
            encode(&mut outbox.messages);
        } else if outbox.rest.is_empty() {
            encode(&mut outbox.bytes);
        } else if let Some(Piece::Bytes(bytes)) = outbox.rest.back_mut() {
            encode(bytes);
        } else {
            let mut bytes = Vec::new();
            encode(&mut bytes);
            outbox.rest.push_back(Piece::Bytes(bytes));
        }
    }

    /// What is written from now on goes through shared memory. Descriptors go on as before.
    pub(super) fn share(&self, page: Arc<StorePage>) {
        self.outbox.lock().shared = Some(Replies::new(page));
    }

    /// Adds a descriptor to what is to be sent.
    pub(super) fn write_fd(&self, fd: OwnedFd) {
        let mut outbox = self.outbox.lock();
        if outbox.closed {
            return;
        }
        // If there is no room in shared memory for what comes before it, that comes before it in the socket.
        if outbox.share_messages().is_err() {
            drop(outbox);
            return self.close();
        }
        outbox.rest.push_back(Piece::Fd(fd));
    }

    /// Whether more than so many bytes are to be sent, not counting what somebody is sending.
    pub(super) fn has_more_than(&self, bytes: usize) -> bool {
        let outbox = self.outbox.lock();
        let rest = outbox.rest.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Fd(_) => 1,
        });
        outbox.bytes.len() + outbox.messages.len() + rest.sum::<usize>() > bytes
    }

    /// Sends what there is, without a lock while it does. `spare` is an empty buffer to write into meanwhile.
    pub(super) fn flush(&self, spare: &mut Vec<u8>) -> Flushed {
        let mut outbox = self.outbox.lock();
        if outbox.closed {
            return Flushed::Done;
        }
        if !outbox.messages.is_empty() && outbox.share_messages().is_err() {
            // It had one question answered after the other and has read nothing.
            return Flushed::Broken;
        }
        if outbox.writing || outbox.blocked {
            return Flushed::Done;
        }
        loop {
            let piece = if outbox.bytes.is_empty() {
                match outbox.rest.pop_front() {
                    None => return Flushed::Done,
                    Some(piece) => piece,
                }
            } else {
                Piece::Bytes(std::mem::replace(&mut outbox.bytes, std::mem::take(spare)))
            };
            outbox.writing = true;
            drop(outbox);
            let (left, error) = self.send(piece, spare);
            outbox = self.outbox.lock();
            outbox.writing = false;
            if let Some(left) = left {
                outbox.put_back(left);
            }
            match error {
                None => {}
                Some(Errno::AGAIN) => {
                    outbox.blocked = true;
                    return Flushed::Blocked;
                }
                Some(_) => {
                    outbox.close();
                    return Flushed::Broken;
                }
            }
        }
    }

    /// Takes what is to be sent: the bytes, and how many descriptors.
    pub(super) fn take(&self) -> (Vec<u8>, usize) {
        let mut outbox = self.outbox.lock();
        let (mut bytes, mut fds) = (std::mem::take(&mut outbox.bytes), 0);
        for piece in std::mem::take(&mut outbox.rest) {
            match piece {
                Piece::Fd(_) => fds += 1,
                Piece::Bytes(more) => bytes.extend(more),
            }
        }
        (bytes, fds)
    }

    /// The socket can be written again.
    pub(super) fn unblock(&self) {
        self.outbox.lock().blocked = false;
    }

    /// Whether the client is slow to read: then nothing more is read from it.
    pub(super) fn is_blocked(&self) -> bool {
        self.outbox.lock().blocked
    }

    /// Whether nothing is sent to the client any more.
    pub(super) fn is_closed(&self) -> bool {
        self.outbox.lock().closed
    }

    /// Shows whether the client is slow to read, which does not change meanwhile.
    pub(super) fn with_blocked(&self, show: impl FnOnce(bool)) {
        show(self.outbox.lock().blocked);
    }

    /// Forgets what is to be sent, and takes nothing more.
    pub(super) fn close(&self) {
        self.outbox.lock().close();
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    /// Sends one piece. Returns what could not be sent, and why. The buffer of what was goes to `spare`.
    fn send(&self, piece: Piece, spare: &mut Vec<u8>) -> (Option<Piece>, Option<Errno>) {
        match piece {
            Piece::Fd(fd) => match self.send_fd(fd.as_fd()) {
                Ok(()) => (None, None),
                Err(error) => (Some(Piece::Fd(fd)), Some(error)),
            },
            Piece::Bytes(mut bytes) => {
                let mut sent = 0;
                let error = loop {
                    if sent == bytes.len() {
                        break None;
                    }
                    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                    match rustix::net::send(&self.socket, &bytes[sent..], flags) {
                        Ok(count) => sent += count,
                        Err(Errno::INTR) => {}
                        Err(error) => break Some(error),
                    }
                };
                if error.is_some() {
                    bytes.drain(..sent);
                    return (Some(Piece::Bytes(bytes)), error);
                }
                bytes.clear();
                bytes.shrink_to(KEPT_OUTPUT);
                *spare = bytes;
                (None, None)
            }
        }
    }

    fn send_fd(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        let fds = [fd];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        loop {
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&fds));
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let byte = [IoSlice::new(&[FD_BYTE])];
            match rustix::net::sendmsg(&self.socket, &byte, &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                // Too many descriptors are in flight: as when the socket is full.
                Err(Errno::TOOMANYREFS) => return Err(Errno::AGAIN),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Outbox {
    /// Puts a piece back in front of everything else.
    fn put_back(&mut self, piece: Piece) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            // What was written meanwhile stood behind the piece, and before nothing: `rest` was added to later.
            match (&piece, self.rest.is_empty()) {
                (Piece::Bytes(_), true) => {}
                _ => {
                    self.rest.push_front(Piece::Bytes(bytes));
                    self.rest.push_front(piece);
                    return;
                }
            }
            if let Piece::Bytes(mut left) = piece {
                left.extend_from_slice(&bytes);
                self.bytes = left;
            }
            return;
        }
        match piece {
            Piece::Bytes(left) => self.bytes = left,
            fd @ Piece::Fd(_) => self.rest.push_front(fd),
        }
    }

    /// Puts messages into shared memory. What is too long for it goes through the socket, which is said there.
    fn share_messages(&mut self) -> Result<(), RingError> {
        let Some(shared) = self.shared.as_mut().filter(|_| !self.messages.is_empty()) else {
            return Ok(());
        };
        match shared.send(&self.messages) {
            Ok(()) => {}
            Err(RingError::Full) => {
                let mut elsewhere = Vec::new();
                Encoder::default().elsewhere(&mut elsewhere, self.messages.len() as u64);
                shared.send(&elsewhere)?;
                let messages = std::mem::take(&mut self.messages);
                if self.rest.is_empty() {
                    self.bytes.extend(messages);
                } else {
                    self.rest.push_back(Piece::Bytes(messages));
                }
            }
            Err(error) => return Err(error),
        }
        self.messages.clear();
        self.messages.shrink_to(KEPT_OUTPUT);
        Ok(())
    }

    fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }
}

/// What has come in and is not a complete message yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    partial: Vec<u8>,
}

/// Room for input that is kept for the next.
const KEPT_INPUT: usize = 64 << 10;

impl Input {
    /// Adds bytes to what has come in, and gives all of it to `take`, which returns how many it could use.
    ///
    /// # Errors
    /// That of `take`.
    pub(super) fn feed<E>(
        &mut self,
        bytes: &[u8],
        take: impl FnOnce(&[u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        if self.partial.is_empty() {
            let used = take(bytes)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        self.partial.extend_from_slice(bytes);
        let used = take(&self.partial)?;
        self.partial.drain(..used);
        if self.partial.is_empty() {
            self.partial.shrink_to(KEPT_INPUT);
        }
        Ok(())
    }

    /// Whether something is left over.
    pub(super) fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }
}

/// Who is at the other end.
pub(super) fn peer_of(socket: &impl AsFd) -> io::Result<Peer> {
    let credentials = rustix::net::sockopt::socket_peercred(socket)?;
    let pid = rustix::process::Pid::as_raw(Some(credentials.pid));
    Ok(Peer { pid, uid: credentials.uid.as_raw() })
}
