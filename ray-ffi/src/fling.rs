//! Behind `fling.h` and `shared_memory.h`: descriptors over a socket, and the files that come with them.

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use ray_sys::{recv_fd, send_fd, ReceivedFile, ReceivedFileOptions};

use crate::logging;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    extern "Rust" {
        /// Sends a descriptor and a byte that says nothing. Returns 1, 0 when the other side is gone, -1 otherwise.
        fn fling_send(socket: i32, fd: i32) -> i32;
        /// Receives a byte and the one descriptor that comes with it. Returns -1 when there is none.
        fn fling_receive(socket: i32) -> i32;

        type MappedFileHandle;

        /// Takes the descriptor.
        fn map_received(fd: i32, size: usize, dump: bool) -> Result<Box<MappedFileHandle>>;
        fn base(self: &MappedFileHandle) -> usize;
    }
}

/// The socket of somebody else, for a call.
fn with_socket<R>(socket: i32, work: impl FnOnce(&UnixStream) -> R) -> R {
    // SAFETY: the caller keeps the socket open during the call; it is not closed here.
    let stream = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(socket) });
    work(&stream)
}

fn fling_send(socket: i32, fd: i32) -> i32 {
    logging::connect();
    if socket < 0 || fd < 0 {
        log::info!("descriptor {fd} cannot be sent over descriptor {socket}");
        return -1;
    }
    // SAFETY: the caller keeps it open during the call.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    match with_socket(socket, |stream| send_fd(stream, fd, &[0])) {
        Ok(()) => 1,
        Err(error) => {
            log::info!("descriptor {} was not sent: {error}", fd.as_raw_fd());
            -1
        }
    }
}

fn fling_receive(socket: i32) -> i32 {
    logging::connect();
    if socket < 0 {
        return -1;
    }
    match with_socket(socket, |stream| recv_fd(stream, &mut [0])) {
        Ok((fd, _)) => fd.into_raw_fd(),
        Err(error) => {
            log::info!("no descriptor was received: {error}");
            -1
        }
    }
}

/// A file of a store, mapped. Its descriptor is closed.
pub struct MappedFileHandle(ReceivedFile);

fn map_received(fd: i32, size: usize, dump: bool) -> Result<Box<MappedFileHandle>, String> {
    logging::connect();
    if fd < 0 {
        return Err("there is no descriptor to map".into());
    }
    // SAFETY: the caller gives the descriptor away.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let options = ReceivedFileOptions { read_only: false, exclude_from_core_dump: !dump };
    let file = ReceivedFile::map(fd, size, options).map_err(|error| error.to_string())?;
    Ok(Box::new(MappedFileHandle(file)))
}

impl MappedFileHandle {
    fn base(&self) -> usize {
        self.0.pointer(0, self.0.size()).map_or(0, |base| base.as_ptr() as usize)
    }
}
