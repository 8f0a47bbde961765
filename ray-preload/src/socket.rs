//! The socket of the raylet's store.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

use libc::{c_int, sockaddr, sockaddr_un, socklen_t};
use ray_mirror::{RayletArguments, Running, Shadow};
use rustix::fs::{Mode, OFlags};

/// The store, for as long as the raylet runs.
static RUNNING: OnceLock<Running> = OnceLock::new();

/// It is started once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Our socket, with what tells it from another's that has taken its place.
static SOCKET: OnceLock<(PathBuf, u64, u64)> = OnceLock::new();

/// Binds the raylet's socket and takes its place, if this is the one: then returns what `bind` returns.
///
/// # Safety
/// As of `bind`.
pub(crate) unsafe fn take(
    raylet: &RayletArguments,
    fd: c_int,
    address: *const sockaddr,
    length: socklen_t,
) -> Option<c_int> {
    // SAFETY: the caller vouches for the address.
    let path = unsafe { path_of(address, length) }?;
    if path != raylet.socket || TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    remove_stale(path);
    // SAFETY: what the caller vouches for.
    let result = unsafe { system_bind(fd, address, length) };
    if result != 0 {
        return Some(result);
    }
    match serve(raylet) {
        Ok(()) => Some(0),
        Err(error) => {
            eprintln!("the Rust plasma store cannot start: {error}");
            log::error!("the Rust plasma store cannot start: {error}");
            // SAFETY: this is the thread's own variable.
            unsafe { *libc::__errno_location() = libc::ENOMEM };
            Some(-1)
        }
    }
}

/// Takes the name from the raylet's socket, and starts our store there.
fn serve(raylet: &RayletArguments) -> Result<(), Box<dyn std::error::Error>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::open(&raylet.socket, flags, Mode::empty()).map_err(io::Error::from)?;
    std::fs::remove_file(&raylet.socket)?;
    let running = ray_mirror::start(raylet, Shadow::new(place), crate::memory::is_preallocated())?;
    running.mirror.set_discard(|offset, length| {
        // SAFETY: the mirror calls it for objects of the shadow, whose contents nobody uses.
        let _ = unsafe { crate::memory::discard(offset, length) };
    });
    let now = running.store.snapshot();
    log::info!("the Rust plasma store serves {}: {} bytes", raylet.socket.display(), now.capacity);
    if let Ok(file) = std::fs::symlink_metadata(&raylet.socket) {
        let _ = SOCKET.set((raylet.socket.clone(), file.dev(), file.ino()));
    }
    let _ = RUNNING.set(running);
    // SAFETY: the function may be called at any time.
    if unsafe { libc::atexit(remove_socket) } != 0 {
        log::warn!("{} will stay behind", raylet.socket.display());
    }
    Ok(())
}

/// The raylet ends.
extern "C" fn remove_socket() {
    crate::guarded(|| {
        let (path, device, inode) = SOCKET.get()?;
        let file = std::fs::symlink_metadata(path).ok()?;
        if (file.dev(), file.ino()) == (*device, *inode) {
            std::fs::remove_file(path).ok()?;
        }
        Some(())
    });
}

/// Removes the socket of a raylet that was killed.
fn remove_stale(path: &Path) {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).err().is_some_and(refused) {
        let _ = std::fs::remove_file(path);
    }
}

/// The path that a socket's address names.
///
/// # Safety
/// The address is `length` bytes long, and lives as long as the path is used.
unsafe fn path_of<'a>(address: *const sockaddr, length: socklen_t) -> Option<&'a Path> {
    let length = usize::try_from(length).ok()?;
    if address.is_null() || length < size_of::<libc::sa_family_t>() {
        return None;
    }
    // SAFETY: the family is there.
    let family = unsafe { (*address).sa_family };
    if c_int::from(family) != libc::AF_UNIX {
        return None;
    }
    let start = std::mem::offset_of!(sockaddr_un, sun_path);
    // SAFETY: so many bytes are there.
    let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), length) }.get(start..)?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (end > 0).then(|| Path::new(OsStr::from_bytes(&bytes[..end])))
}

/// What `bind` does.
///
/// # Safety
/// As of that.
pub(crate) unsafe fn system_bind(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the caller vouches for what that call needs.
    let result = unsafe { libc::syscall(libc::SYS_bind, fd, address, length) };
    if result == 0 {
        0
    } else {
        -1
    }
}
