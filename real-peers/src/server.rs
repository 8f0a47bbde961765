//! A server process, which must not outlive the test that started it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{getppid, kill_process_group, set_parent_process_death_signal, Pid, Signal};

const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// A process and the process group it leads, killed when this is dropped and when this process dies.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a command with no input, whose output goes to the file `log`.
    pub(crate) fn spawn(mut command: Command, log: PathBuf) -> io::Result<Server> {
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        command.process_group(0);
        let this = std::process::id();
        // SAFETY: between fork and exec the closure makes two system calls and nothing else.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                // If the parent died before, no signal comes any more.
                match getppid() {
                    Some(parent) if parent.as_raw_nonzero().get().cast_unsigned() == this => Ok(()),
                    _ => Err(io::ErrorKind::NotFound.into()),
                }
            });
        }
        Ok(Server { child: spawn_from_lasting_thread(command)?, log })
    }

    /// Asks again and again until the answer comes.
    pub(crate) fn wait_for<T>(&mut self, mut answer: impl FnMut() -> Option<T>) -> io::Result<T> {
        let started = Instant::now();
        let trouble = loop {
            if let Some(answer) = answer() {
                return Ok(answer);
            }
            if let Some(status) = self.ended()? {
                break format!("ended with {status}");
            }
            if started.elapsed() > START_LIMIT {
                break format!("is not ready after {START_LIMIT:?}");
            }
            thread::sleep(POLL);
        };
        let log = self.output();
        let last = log.char_indices().rev().nth(2000).map_or(0, |(at, _)| at);
        Err(io::Error::other(format!(
            "{} {trouble}: {}",
            self.log.file_stem().unwrap_or_default().display(),
            &log[last..]
        )))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // The group may have members although its leader has ended; not reaped, its number is still its own.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// The signal that a child asks for comes when the *thread* that started it ends, and a test is a thread.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Request = (Command, Sender<io::Result<Child>>);
    static THREAD: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let requests = THREAD.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (mut command, reply) in requests {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (sender, reply) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    requests.lock().map_err(|_| gone(()))?.send((command, sender)).map_err(|_| gone(()))?;
    reply.recv().map_err(|_| gone(()))?
}
