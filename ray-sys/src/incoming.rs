//! What a stream socket brings: bytes, and between them descriptors.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    recvmsg, send, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags,
};

/// Descriptors that may come with one byte; more are an error.
const MOST_AT_ONCE: usize = 4;

/// Memory beyond this is given back as soon as it is empty.
const KEPT: usize = 1 << 20;

/// Bytes and descriptors received and not yet used, both in the order in which they were sent.
///
/// Linux ends a read behind the bytes of the `sendmsg` that carried a descriptor, but puts what was sent before in
/// front of them. So a descriptor that was sent with a byte of its own has arrived when that byte has, and reading
/// as much as there is never mixes up which is which.
#[derive(Debug)]
pub struct Incoming {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    fds: VecDeque<OwnedFd>,
    smallest: usize,
}

impl Incoming {
    /// Nothing yet, and room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let smallest = capacity.max(1);
        Self { buffer: vec![0; smallest], start: 0, end: 0, fds: VecDeque::new(), smallest }
    }

    /// The bytes that are there.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether there is neither a byte nor a descriptor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end && self.fds.is_empty()
    }

    /// Drops the first `count` bytes; all, if there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > KEPT {
                self.buffer = vec![0; self.smallest];
            }
        }
    }

    /// The first descriptor. It closes on exec.
    pub fn take_fd(&mut self) -> Option<OwnedFd> {
        self.fds.pop_front()
    }

    /// Receives once, as much as there is room for, and at least `wanted` bytes of room. Returns how many bytes came:
    /// 0 when the other side has closed the connection. Waits unless the socket is non-blocking.
    ///
    /// # Errors
    /// What the operating system says, [`io::ErrorKind::WouldBlock`] among it, and
    /// [`io::ErrorKind::InvalidData`] when too many descriptors came at once.
    pub fn receive(&mut self, socket: impl AsFd, wanted: usize) -> io::Result<usize> {
        self.make_room(wanted.max(1));
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut bytes = [IoSliceMut::new(&mut self.buffer[self.end..])];
            match recvmsg(&socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                self.fds.extend(rights);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too many descriptors at once"));
        }
        self.end += received.bytes;
        Ok(received.bytes)
    }

    fn make_room(&mut self, wanted: usize) {
        if self.buffer.len() - self.end >= wanted {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() - self.end < wanted {
            self.buffer.resize(self.end + wanted, 0);
        }
    }
}

/// Sends all bytes. When the other side is gone that is an error, never a signal.
///
/// # Errors
/// What the operating system says; some bytes may have been sent then.
pub fn send_all(socket: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(&socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::send_fd;

    fn file(content: &str) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content.as_bytes(), 0).unwrap();
        file
    }

    fn inode(file: &File) -> u64 {
        file.metadata().unwrap().ino()
    }

    #[test]
    fn a_read_ends_behind_a_descriptor_and_takes_what_came_before() {
        let (here, there) = UnixStream::pair().unwrap();
        let (first, second) = (file("1"), file("2"));
        (&here).write_all(b"header").unwrap();
        (&here).write_all(b"body").unwrap();
        send_fd(&here, first.as_fd(), b"a").unwrap();
        send_fd(&here, second.as_fd(), b"b").unwrap();
        (&here).write_all(b"next").unwrap();
        let mut incoming = Incoming::with_capacity(64);
        assert_eq!(incoming.receive(&there, 1).unwrap(), 11);
        assert_eq!(incoming.bytes(), b"headerbodya");
        assert_eq!(inode(&incoming.take_fd().unwrap().into()), inode(&first));
        assert!(incoming.take_fd().is_none());
        assert_eq!(incoming.receive(&there, 1).unwrap(), 1);
        assert_eq!(incoming.receive(&there, 1).unwrap(), 4);
        assert_eq!(incoming.bytes(), b"headerbodyabnext");
        incoming.consume(16);
        assert!(!incoming.is_empty());
        assert_eq!(inode(&incoming.take_fd().unwrap().into()), inode(&second));
        assert!(incoming.is_empty());
    }

    #[test]
    fn a_read_that_stops_short_of_the_byte_leaves_the_descriptor() {
        let (here, there) = UnixStream::pair().unwrap();
        (&here).write_all(b"body").unwrap();
        send_fd(&here, file("1").as_fd(), b"a").unwrap();
        let mut incoming = Incoming::with_capacity(4);
        assert_eq!(incoming.receive(&there, 4).unwrap(), 4);
        assert!(incoming.take_fd().is_none());
        assert_eq!(incoming.receive(&there, 1).unwrap(), 1);
        assert_eq!(incoming.bytes(), b"bodya");
        let fd = incoming.take_fd().unwrap();
        let flags = rustix::io::fcntl_getfd(&fd).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn room_grows_moves_and_shrinks() {
        let (here, there) = UnixStream::pair().unwrap();
        let long: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        let sent = long.clone();
        let sender = std::thread::spawn(move || send_all(&here, &sent).unwrap());
        let mut incoming = Incoming::with_capacity(16);
        incoming.receive(&there, 1).unwrap();
        incoming.consume(5);
        while incoming.bytes().len() < long.len() - 5 {
            let wanted = long.len() - 5 - incoming.bytes().len();
            incoming.receive(&there, wanted).unwrap();
        }
        sender.join().unwrap();
        assert!(incoming.bytes() == &long[5..]);
        assert!(incoming.buffer.len() > KEPT);
        incoming.consume(usize::MAX);
        assert_eq!(incoming.buffer.len(), 16);
        assert_eq!(incoming.receive(&there, 1).unwrap(), 0, "closed");
    }

    #[test]
    fn a_heap_of_descriptors_is_an_error_and_leaks_none() {
        use rustix::net::{sendmsg, SendAncillaryBuffer, SendAncillaryMessage};
        let (here, there) = UnixStream::pair().unwrap();
        let null = File::open("/dev/null").unwrap();
        let fds = vec![null.as_fd(); MOST_AT_ONCE + 3];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&here, &[io::IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        let mut incoming = Incoming::with_capacity(16);
        let error = incoming.receive(&there, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn sending_to_nobody_is_an_error() {
        let (here, there) = UnixStream::pair().unwrap();
        drop(there);
        assert!(send_all(&here, b"gone").is_err());
    }
}
