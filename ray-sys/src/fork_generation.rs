//! Counts forks, so that what must not be the same in two processes can be made anew.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::LazyLock;

static FORKS: AtomicU64 = AtomicU64::new(0);
static REGISTERED: LazyLock<()> = LazyLock::new(|| {
    // SAFETY: the handler only adds to an atomic number, which a child may do whatever its other threads were at.
    let error = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    let error = (error != 0).then(|| io::Error::from_raw_os_error(error));
    assert!(error.is_none(), "forks cannot be noticed: {error:?}");
});

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A number that is another one in a fork of this process than it was before the fork. Costs two loads.
///
/// Forks are those of the C library's `fork`, from the first call on. Whoever makes the system call without the library is not
/// noticed; a page that forks do not have is ([`ForkMark`](crate::ForkMark)).
///
/// # Panics
/// When there is no memory to notice forks with.
#[must_use]
pub fn fork_generation() -> u64 {
    LazyLock::force(&REGISTERED);
    FORKS.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_fork_has_another_number() {
        let before = fork_generation();
        assert_eq!(fork_generation(), before);
        let mut command = Command::new("true");
        let seen = move || match fork_generation() == before {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(42)),
        };
        // SAFETY: between fork and exec it only reads memory.
        let error = unsafe { command.pre_exec(seen) }.spawn().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(42));
        assert_eq!(fork_generation(), before, "the parent is no fork");
    }
}
