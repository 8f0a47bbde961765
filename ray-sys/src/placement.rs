//! Which of the machine's cores a thread runs on.

use std::io;

use rustix::thread::{sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Has this thread go on on another core than it runs on, of those on which it may run; which these are stays as it was.
/// Returns whether there is another.
///
/// The system leaves two threads that let each other run on one core for long, although another is idle.
///
/// # Errors
/// When the system does not say on which cores the thread may run (it has more than 1,024), or does not let it choose.
pub fn leave_core() -> io::Result<bool> {
    let allowed = sched_getaffinity(None)?;
    let mut others = allowed;
    others.unset(sched_getcpu());
    if others.count() == 0 {
        return Ok(false);
    }
    sched_setaffinity(None, &others)?;
    sched_setaffinity(None, &allowed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_goes_elsewhere_and_may_run_where_it_might() {
        let allowed = sched_getaffinity(None).unwrap();
        for _ in 0..10 {
            assert_eq!(leave_core().unwrap(), allowed.count() > 1);
            assert_eq!(sched_getaffinity(None).unwrap(), allowed);
        }
        let mut here = rustix::thread::CpuSet::new();
        here.set(sched_getcpu());
        sched_setaffinity(None, &here).unwrap();
        assert!(!leave_core().unwrap());
        assert_eq!(sched_getaffinity(None).unwrap(), here);
        sched_setaffinity(None, &allowed).unwrap();
    }
}
