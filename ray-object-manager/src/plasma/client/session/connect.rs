//! Connecting never waits in the operating system: a store that does not accept can be given up.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::io::{ioctl_fionbio, Errno};
use rustix::net::{
    connect, recv, socket_with, AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use crate::plasma::client::error::Cause;
use crate::plasma::client::options::ConnectOptions;

/// Connects, or fails with [`io::ErrorKind::WouldBlock`] when the store has not accepted all who came before.
pub(super) fn try_connect(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &address)?;
    ioctl_fionbio(&socket, false)?;
    Ok(socket.into())
}

/// Whether this process, or the system, has no room for another connection: no fault of the store.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    short.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Whether a read would not wait: there are bytes, or the other side has closed the connection.
pub(super) fn can_be_read(stream: &UnixStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    !matches!(recv(stream, &mut [0_u8; 1], flags), Err(Errno::AGAIN | Errno::INTR))
}

/// Whether the other side has closed a connection.
pub(in crate::plasma::client) fn is_closed(stream: &UnixStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match recv(stream, &mut [0_u8; 1], flags) {
        Ok((0, _)) => true,
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}

/// The attempts to connect to a store that may not be there yet.
pub(super) struct Attempts<'a> {
    path: &'a Path,
    left: u32,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(path: &'a Path, options: &ConnectOptions) -> Self {
        Self { path, left: options.retries }
    }

    /// Tries once. `None`: try again after a while.
    pub(super) fn next(&mut self) -> Result<Option<UnixStream>, Cause> {
        match try_connect(self.path) {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if self.left == 0 => {
                let why = format!("{}: {error}", self.path.display());
                Err(Cause::Disconnected { why })
            }
            Err(_) => {
                self.left -= 1;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_can_be_read_when_something_came_or_nobody_is_there() {
        let (here, there) = UnixStream::pair().unwrap();
        assert!(!can_be_read(&here) && !is_closed(&here));
        (&there).write_all(b"x").unwrap();
        assert!(can_be_read(&here) && !is_closed(&here));
        let (here, _) = UnixStream::pair().unwrap();
        assert!(can_be_read(&here) && is_closed(&here));
    }

    #[test]
    fn a_store_that_does_not_accept_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        assert!(try_connect(&path).is_err());
        let _listener = UnixListener::bind(&path).unwrap();
        let mut connected = Vec::new();
        let error = loop {
            match try_connect(&path) {
                Ok(stream) => connected.push(stream),
                Err(error) => break error,
            }
        };
        assert!(error.kind() == io::ErrorKind::WouldBlock || is_exhausted(&error), "{error}");
    }
}
