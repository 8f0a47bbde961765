//! The Rust plasma store for a raylet that was built with its own. To be loaded with `LD_PRELOAD`; `plasma-ray` does it.
//!
//! In any process but a raylet this does nothing. In a raylet, it
//!
//! * takes itself out of `LD_PRELOAD`, so that workers do not load it;
//! * waits until the raylet binds its store's socket. That socket loses its name at once, and our store listens at its
//!   place: see `ray_mirror`;
//! * gives the raylet's own store memory that is no file, whose pages nobody touches, and no disk: `memory`.
//!
//! The store lives and dies with the raylet. When that exits, the socket goes; when it is killed, the socket stays as
//! any raylet's does, and the next store replaces it.

mod logger;
mod memory;
mod raylet;
mod socket;

use std::panic::{catch_unwind, AssertUnwindSafe};

use libc::{c_int, c_void, off_t, size_t, sockaddr, socklen_t};

/// What `act` returns; nothing when it panics, which must not go on into the raylet.
fn guarded<T>(act: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(act)).ok().flatten()
}

extern "C" fn loaded() {
    guarded(|| {
        raylet::look();
        Some(())
    });
}

/// The loader calls this before the program begins.
#[used]
#[link_section = ".init_array"]
static LOADED: extern "C" fn() = loaded;

/// In the place of `bind` of the C library.
///
/// # Safety
/// As of that.
#[no_mangle]
pub unsafe extern "C" fn bind(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    if let Some(raylet) = raylet::this() {
        // SAFETY: the caller vouches for the address.
        let ours = guarded(|| unsafe { socket::take(raylet, fd, address, length) });
        if let Some(result) = ours {
            return result;
        }
    }
    // SAFETY: what the caller vouches for.
    unsafe { socket::system_bind(fd, address, length) }
}

/// In the place of `mmap` of the C library.
///
/// # Safety
/// As of that.
#[no_mangle]
pub unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    let shared = flags & libc::MAP_TYPE == libc::MAP_SHARED && fd >= 0;
    let shadow = shared
        && raylet::this()
            .is_some_and(|raylet| guarded(|| memory::is_shadow(raylet, fd, flags)).is_some());
    let (flags, fd) = if shadow { (memory::SHADOW_FLAGS, -1) } else { (flags, fd) };
    // SAFETY: what the caller vouches for; of the shadow's memory nobody but the shadow sees anything.
    unsafe { memory::system_mmap(address, length, protection, flags, fd, offset) }
}

/// In the place of `fallocate` of the C library.
///
/// # Safety
/// As of that.
#[no_mangle]
pub unsafe extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    let shadow = mode == 0
        && raylet::this()
            .is_some_and(|raylet| guarded(|| memory::is_shadow(raylet, fd, 0)).is_some());
    if shadow {
        return 0;
    }
    // SAFETY: what the caller vouches for.
    unsafe { memory::system_fallocate(fd, mode, offset, length) }
}
