//! Processes that take the cores from those that are measured.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use crate::Result;

/// A process that wants a core all the time, until this is dropped.
pub(crate) struct Busy(Child);

impl Busy {
    pub(crate) fn start() -> Result<Self> {
        let program = std::env::current_exe()?;
        Ok(Self(Command::new(program).arg("busy").stdin(Stdio::piped()).spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the process does. The end of its input ends it, too, for who started it may be killed.
pub(crate) fn run() -> Result<()> {
    let works = std::thread::spawn(|| loop {
        std::hint::black_box(0);
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(works);
    Ok(())
}
