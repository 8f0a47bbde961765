//! The memory of the raylet's own store.
//!
//! That store maps one file for all of its objects, and one for each that does not fit. Nothing is ever written into
//! its objects; only its allocator writes a few bytes before each. So it gets memory of the process instead of the
//! files, which takes a page where something is written and none elsewhere, whatever the raylet wanted: no space in
//! `/dev/shm`, no huge pages, no disk.

use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{c_int, c_void, off_t, size_t};
use ray_mirror::RayletArguments;

/// How that memory is mapped.
pub(crate) const SHADOW_FLAGS: c_int =
    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

static PREALLOCATED: AtomicBool = AtomicBool::new(false);

/// Whether the raylet wanted all pages of its store at once.
pub(crate) fn is_preallocated() -> bool {
    PREALLOCATED.load(Ordering::Relaxed)
}

/// Whether a descriptor is a file of the raylet's own store; `flags` are those with which it is mapped.
pub(crate) fn is_shadow(raylet: &RayletArguments, fd: RawFd, flags: c_int) -> Option<()> {
    let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    is_shadow_file(raylet, &path).then_some(())?;
    if flags & libc::MAP_POPULATE != 0 {
        PREALLOCATED.store(true, Ordering::Relaxed);
    }
    Some(())
}

/// Its files are called `plasma` and six characters, and have been removed. Ours never bear a name.
fn is_shadow_file(raylet: &RayletArguments, path: &Path) -> bool {
    let name = path.file_name().map(OsStrExt::as_bytes);
    let random = name
        .and_then(|name| name.strip_prefix(b"plasma"))
        .and_then(|name| name.strip_suffix(b" (deleted)"));
    let is_its = |directory: &PathBuf| {
        let real = std::fs::canonicalize(directory);
        path.parent().is_some_and(|parent| parent == real.as_deref().unwrap_or(directory))
    };
    random.is_some_and(|random| random.len() == 6 && random.iter().all(u8::is_ascii_alphanumeric))
        && (is_its(&raylet.plasma_directory) || is_its(&raylet.fallback_directory))
}

/// What `mmap` does.
///
/// # Safety
/// As of that.
pub(crate) unsafe fn system_mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: the caller vouches for what that call needs. It sets `errno` and returns -1 for an error, as `mmap` does.
    let result =
        unsafe { libc::syscall(libc::SYS_mmap, address, length, protection, flags, fd, offset) };
    result as *mut c_void
}

/// What `fallocate` does.
///
/// # Safety
/// As of that.
pub(crate) unsafe fn system_fallocate(
    fd: c_int,
    mode: c_int,
    offset: off_t,
    length: off_t,
) -> c_int {
    // SAFETY: the caller vouches for what that call needs.
    let result = unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, length) };
    if result == 0 {
        0
    } else {
        -1
    }
}
