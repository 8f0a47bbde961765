//! Ray's own end of a channel.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::Peers;

/// What a [`RealChannelEnd`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Write values, each for so many readers.
    Write {
        /// How many.
        readers: u32,
        /// How long to sleep before each value.
        pause: Duration,
    },
    /// Read values.
    Read,
}

/// A process that writes or reads a channel with the functions of `ray::PlasmaObjectHeader` in Ray's library. It has the
/// semaphores open. A value has the time of its release in its first eight bytes, by the monotonic clock, and its number,
/// modulo 251, in every other byte.
#[derive(Debug)]
pub struct RealChannelEnd {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// How the values of an end went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of them.
    Done {
        /// Nanoseconds for all.
        total: u64,
        /// Nanoseconds that it ran on a processor meanwhile.
        processor: u64,
        /// Of a reader the nanoseconds of each value from release to acquire; of a writer nothing.
        latencies: Vec<u64>,
    },
    /// An end has closed the channel after so many.
    Closed(u64),
}

impl RealChannelEnd {
    /// Starts a process for `count` values of `size` bytes in the channel whose memory is this file; 96 bytes of header come
    /// first.
    ///
    /// # Errors
    /// When it does not start, or ends before it has the channel open.
    pub fn start(
        peers: &Peers,
        role: Role,
        file: &Path,
        size: usize,
        count: u64,
    ) -> io::Result<Self> {
        let mut command = Command::new(env!("CHANNEL_DRIVER"));
        command.arg(&peers.ray_api);
        command.arg(if role == Role::Read { "read" } else { "write" }).arg(file);
        command.args([size.to_string(), count.to_string()]);
        if let Role::Write { readers, pause } = role {
            command.args([readers.to_string(), pause.as_micros().to_string()]);
        }
        Self::over(command)
    }

    /// A program that says and is told the same.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn over(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut end = Self { child, output: BufReader::new(output) };
        match end.line()?.as_str() {
            "open" => Ok(end),
            other => Err(io::Error::other(format!("the channel is not open: {other}"))),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Lets it begin.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go(&mut self) -> io::Result<()> {
        self.child.stdin.as_mut().ok_or_else(|| io::Error::other("no input"))?.write_all(b"\n")
    }

    /// Waits until it is done.
    ///
    /// # Errors
    /// When it ended in another way.
    pub fn outcome(mut self) -> io::Result<Outcome> {
        let line = self.line()?;
        // It closes its end by itself.
        self.child.wait()?;
        let mut words = line.split(' ');
        let word = words.next().unwrap_or_default().to_owned();
        let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        match (word.as_str(), numbers.as_slice()) {
            ("done", &[total, processor, ref latencies @ ..]) => {
                Ok(Outcome::Done { total, processor, latencies: latencies.to_vec() })
            }
            ("closed", [values]) => Ok(Outcome::Closed(*values)),
            _ => Err(io::Error::other(format!("the end of a channel said {line:?}"))),
        }
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, with whatever it holds.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for RealChannelEnd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
