//! Descriptors over a Unix socket.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};

use crate::context;

/// Sends `payload`, at least a byte, and with its first byte a copy of the descriptor. Waits for room also when the
/// socket itself does not block.
///
/// # Errors
/// When the other side is gone, or the payload is empty.
pub fn send_fd(stream: &UnixStream, fd: BorrowedFd<'_>, payload: &[u8]) -> io::Result<()> {
    if payload.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a descriptor needs at least a byte to travel with",
        ));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let fds = [fd];
    let sent = loop {
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let bytes = [IoSlice::new(payload)];
        match sendmsg(stream.as_fd(), &bytes, &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(stream, PollFlags::OUT)?,
            other => {
                break other.map_err(|error| context(&error.into(), "sending a descriptor"))?
            }
        }
    };
    let mut rest = &payload[sent..];
    let mut stream = stream;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(stream, PollFlags::OUT)?
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Until a socket that does not block can go on.
fn wait(stream: &UnixStream, flags: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(stream, flags)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Receives a descriptor, which closes on exec, and the bytes that came with it. Returns how many
/// bytes of `payload` were filled; the rest of a longer message stays in the socket. Waits also when the socket itself
/// does not block.
///
/// # Errors
/// When the other side has closed the connection, sent no descriptor or more than one, or when
/// `payload` is empty.
pub fn recv_fd(stream: &UnixStream, payload: &mut [u8]) -> io::Result<(OwnedFd, usize)> {
    let wrong = |kind, what| Err(io::Error::new(kind, what));
    if payload.is_empty() {
        return wrong(io::ErrorKind::InvalidInput, "no room for the byte that brings a descriptor");
    }
    // Room for one more than is wanted, so that a second is seen (and closed) instead of cut off.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let (received, fds) = loop {
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [IoSliceMut::new(payload)];
        let received =
            match recvmsg(stream.as_fd(), &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    wait(stream, PollFlags::IN)?;
                    continue;
                }
                other => other.map_err(|error| context(&error.into(), "receiving a descriptor"))?,
            };
        let mut fds: Vec<OwnedFd> = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        break (received, fds);
    };
    if received.bytes == 0 {
        return wrong(io::ErrorKind::UnexpectedEof, "closed before a descriptor came");
    }
    let mut fds = fds.into_iter();
    match (fds.next(), fds.next(), received.flags.contains(ReturnFlags::CTRUNC)) {
        (Some(fd), None, false) => Ok((fd, received.bytes)),
        (None, ..) => wrong(io::ErrorKind::InvalidData, "bytes came without a descriptor"),
        _ => wrong(io::ErrorKind::InvalidData, "more than one descriptor came"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_descriptor_and_its_bytes_arrive() {
        let (here, there) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"inside", 0).unwrap();
        send_fd(&here, file.as_fd(), b"message").unwrap();
        let mut payload = [0; 4];
        let (fd, len) = recv_fd(&there, &mut payload).unwrap();
        assert_eq!((len, &payload), (4, b"mess"));
        let mut rest = [0; 3];
        (&there).read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"age");
        assert_ne!(fd.as_raw_fd(), file.as_raw_fd());
        let flags = rustix::io::fcntl_getfd(&fd).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let mut inside = [0; 6];
        File::from(fd).read_exact_at(&mut inside, 0).unwrap();
        assert_eq!(&inside, b"inside");
    }

    #[test]
    fn a_long_payload_arrives_whole() {
        let (here, there) = UnixStream::pair().unwrap();
        let long: Vec<u8> = (0..2_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        let sent = long.clone();
        let sender = std::thread::spawn(move || {
            send_fd(&here, File::open("/dev/null").unwrap().as_fd(), &sent).unwrap();
        });
        let mut received = vec![0; long.len()];
        let (_fd, len) = recv_fd(&there, &mut received).unwrap();
        (&there).read_exact(&mut received[len..]).unwrap();
        sender.join().unwrap();
        assert!(received == long);
    }

    #[test]
    fn a_socket_that_does_not_block_is_waited_for() {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        there.set_nonblocking(true).unwrap();
        let receiver = std::thread::spawn(move || {
            let mut received = vec![0; 2_000_000];
            let (_fd, len) = recv_fd(&there, &mut received).unwrap();
            there.set_nonblocking(false).unwrap();
            (&there).read_exact(&mut received[len..]).unwrap();
            received
        });
        let sent: Vec<u8> = (0..2_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
        std::thread::sleep(std::time::Duration::from_millis(20));
        send_fd(&here, File::open("/dev/null").unwrap().as_fd(), &sent).unwrap();
        assert!(receiver.join().unwrap() == sent);
    }

    #[test]
    fn what_does_not_bring_one_descriptor_is_an_error() {
        let (here, there) = UnixStream::pair().unwrap();
        let null = File::open("/dev/null").unwrap();
        let mut payload = [0; 8];
        let kind = |result: io::Result<(OwnedFd, usize)>| result.unwrap_err().kind();
        (&here).write_all(b"no fd").unwrap();
        assert_eq!(kind(recv_fd(&there, &mut payload)), io::ErrorKind::InvalidData);
        for count in [2, 5] {
            let fds = vec![null.as_fd(); count];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
            sendmsg(&here, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
            assert_eq!(kind(recv_fd(&there, &mut payload)), io::ErrorKind::InvalidData);
        }
        assert_eq!(kind(recv_fd(&there, &mut [])), io::ErrorKind::InvalidInput);
        assert!(send_fd(&here, null.as_fd(), b"").is_err());
        drop(here);
        assert_eq!(kind(recv_fd(&there, &mut payload)), io::ErrorKind::UnexpectedEof);
        assert!(send_fd(&there, null.as_fd(), b"gone").is_err(), "an error, no signal");
    }
}
