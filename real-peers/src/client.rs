//! Ray's own client.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ray_common::ObjectId;

use crate::record::hex;
use crate::{Peers, Version};

/// A process in which Ray's `plasma::PlasmaClient` does what it is told.
///
/// What it creates and gets it holds until it is told to release that. Every call waits for its end; a client that
/// is to wait for something needs a thread. A check of the client's that fails ends the process, and is an error here.
#[derive(Debug)]
pub struct RealClient {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: File,
}

/// Why the client did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The client said so: its status, which starts with a name like `ObjectExists`.
    #[error("{0}")]
    Status(String),
    /// The client's process ended, or does not understand.
    #[error("Ray's client: {0}")]
    Process(#[from] io::Error),
}

impl ClientError {
    /// Whether the client said so with this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        matches!(self, ClientError::Status(status) if status.split(':').next() == Some(name))
    }
}

/// How to create an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// Wait for space.
    Queued,
    /// Wait for space, for an object that is written again and again.
    Mutable,
    /// Do not wait.
    Immediate,
}

/// An object that was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// Bytes of data.
    pub size: u64,
    /// [`checksum`] of the data.
    pub checksum: u64,
    /// Its metadata.
    pub metadata: Vec<u8>,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// Create, write, seal and release an object of this size.
    Put(u64),
    /// Get an object that a put left, without waiting, and release it.
    Get,
    /// Ask for an object that is not held.
    Contains,
}

type Result<T> = std::result::Result<T, ClientError>;

impl RealClient {
    /// Starts a client that is not connected.
    ///
    /// # Errors
    /// When Ray's library cannot be fetched, or is not as it is expected.
    pub fn start(version: Version) -> Result<RealClient> {
        let mut command = Command::new(env!("CLIENT_DRIVER"));
        command.arg(Peers::fetch(version)?.ray_api);
        let errors = tempfile::tempfile()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors.try_clone()?);
        let mut child = command.spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut client = RealClient { child, input, output, errors };
        client.answer()?;
        Ok(client)
    }

    /// Starts a client and connects it.
    ///
    /// # Errors
    /// As of [`RealClient::start`] and [`RealClient::connect`].
    pub fn connected(version: Version, socket: &Path) -> Result<RealClient> {
        let mut client = RealClient::start(version)?;
        client.connect(socket)?;
        Ok(client)
    }

    /// Connects; after a disconnect, with a new client in the same process.
    ///
    /// # Errors
    /// Of the client, which tries for some seconds.
    pub fn connect(&mut self, socket: &Path) -> Result<()> {
        self.done(&format!("connect {}", socket.display()))
    }

    /// Disconnects, without any release.
    ///
    /// # Errors
    /// When it is not connected.
    pub fn disconnect(&mut self) -> Result<()> {
        self.done("disconnect")
    }

    /// Creates an object.
    ///
    /// # Errors
    /// Of the client.
    pub fn create(
        &mut self,
        id: &ObjectId,
        size: u64,
        metadata: &[u8],
        how: Creation,
    ) -> Result<()> {
        let metadata = if metadata.is_empty() { "-".into() } else { hex(metadata) };
        let (mutable, immediate) = (how == Creation::Mutable, how == Creation::Immediate);
        let (mutable, immediate) = (u8::from(mutable), u8::from(immediate));
        self.done(&format!("create {id} {size} {metadata} {mutable} {immediate}"))
    }

    /// Writes [`pattern`] into an object that was created.
    ///
    /// # Errors
    /// When it is not held; that ends the client.
    pub fn fill(&mut self, id: &ObjectId, seed: u64) -> Result<()> {
        self.done(&format!("fill {id} {seed}"))
    }

    /// Writes bytes into an object that was created.
    ///
    /// # Errors
    /// When they go beyond its end, or it is not held; the latter ends the client.
    pub fn write(&mut self, id: &ObjectId, offset: u64, bytes: &[u8]) -> Result<()> {
        self.done(&format!("write {id} {offset} {}", hex(bytes)))
    }

    /// Reads bytes of an object that was created or got.
    ///
    /// # Errors
    /// When they go beyond its end, or it is not held; the latter ends the client.
    pub fn read(&mut self, id: &ObjectId, offset: u64, size: u64) -> Result<Vec<u8>> {
        let bytes = self.ask(&format!("read {id} {offset} {size}"))?;
        unhex(&bytes)
    }

    /// Seals an object.
    ///
    /// # Errors
    /// Of the client.
    pub fn seal(&mut self, id: &ObjectId) -> Result<()> {
        self.done(&format!("seal {id}"))
    }

    /// Creates, fills and seals an object, and holds it.
    ///
    /// # Errors
    /// Of the client.
    pub fn put(&mut self, id: &ObjectId, size: u64, seed: u64) -> Result<()> {
        self.create(id, size, &[], Creation::Queued)?;
        self.fill(id, seed)?;
        self.seal(id)
    }

    /// Aborts an object.
    ///
    /// # Errors
    /// Of the client.
    pub fn abort(&mut self, id: &ObjectId) -> Result<()> {
        self.done(&format!("abort {id}"))
    }

    /// Gets objects; -1 waits for ever. What is `None` did not come in time.
    ///
    /// # Errors
    /// Of the client.
    pub fn get(&mut self, ids: &[ObjectId], timeout_ms: i64) -> Result<Vec<Option<Got>>> {
        let answer = self.ask(&format!("get {timeout_ms}{}", list(ids)))?;
        let words = answer.split_whitespace();
        words
            .map(|word| if word == "absent" { Ok(None) } else { parse_got(word).map(Some) })
            .collect()
    }

    /// The same without reading the data: sizes only.
    ///
    /// # Errors
    /// Of the client.
    pub fn look(&mut self, ids: &[ObjectId], timeout_ms: i64) -> Result<Vec<Option<u64>>> {
        let answer = self.ask(&format!("look {timeout_ms}{}", list(ids)))?;
        let words = answer.split_whitespace();
        words.map(|word| if word == "absent" { Ok(None) } else { number(word).map(Some) }).collect()
    }

    /// The size for data and metadata of a mutable object, and its header as it lies in memory.
    ///
    /// # Errors
    /// Of the client.
    pub fn mutable(&mut self, id: &ObjectId) -> Result<(u64, Vec<u8>)> {
        let answer = self.ask(&format!("mutable {id}"))?;
        let (size, header) = answer.split_once(':').ok_or_else(|| misunderstood(&answer))?;
        Ok((number(size)?, unhex(header)?))
    }

    /// Releases what was got, if something was, or else what was created.
    ///
    /// # Errors
    /// When it is not held, or of the client.
    pub fn release(&mut self, id: &ObjectId) -> Result<()> {
        self.done(&format!("release {id}"))
    }

    /// Whether an object is there: it is for the client when it holds it, sealed or not.
    ///
    /// # Errors
    /// Of the client.
    pub fn contains(&mut self, id: &ObjectId) -> Result<bool> {
        Ok(self.ask(&format!("contains {id}"))? == "1")
    }

    /// Deletes objects; what the client holds is deleted when it releases that.
    ///
    /// # Errors
    /// Of the client.
    pub fn delete(&mut self, ids: &[ObjectId]) -> Result<()> {
        self.done(&format!("delete{}", list(ids)))
    }

    /// The store's debug string.
    ///
    /// # Errors
    /// Of the client.
    pub fn usage(&mut self) -> Result<String> {
        let text = unhex(&self.ask("usage")?)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// How long something takes `count` times, measured in the client's process. The objects are numbered from `first`
    /// and are the same for every kind of measurement; puts leave them, unheld.
    ///
    /// # Errors
    /// When one fails; that ends the client.
    pub fn time(&mut self, what: Timed, count: u64, first: u64) -> Result<Duration> {
        let answer = self.ask(&match what {
            Timed::Put(size) => format!("time put {count} {size} {first}"),
            Timed::Get => format!("time get {count} {first}"),
            Timed::Contains => format!("time contains {count} {first}"),
        })?;
        Ok(Duration::from_nanos(number(&answer)?))
    }

    fn done(&mut self, line: &str) -> Result<()> {
        self.ask(line).map(drop)
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        if writeln!(self.input, "{line}").is_err() {
            return Err(self.end());
        }
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(self.end());
        }
        let (head, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        match head {
            "ok" => Ok(rest.into()),
            "error" => Err(ClientError::Status(rest.into())),
            _ => Err(misunderstood(&line)),
        }
    }

    fn end(&mut self) -> ClientError {
        let mut errors = String::new();
        let read = self.errors.rewind().and_then(|()| self.errors.read_to_string(&mut errors));
        let status = read.and_then(|_| self.child.wait());
        match status {
            Ok(status) => io::Error::other(format!("{status}: {errors}")).into(),
            Err(error) => error.into(),
        }
    }
}

impl Drop for RealClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn list(ids: &[ObjectId]) -> String {
    ids.iter().fold(String::new(), |mut text, id| {
        let _ = write!(text, " {id}");
        text
    })
}

fn misunderstood(answer: &str) -> ClientError {
    io::Error::other(format!("it answered {answer:?}")).into()
}

fn number(word: &str) -> Result<u64> {
    word.parse().map_err(|_| misunderstood(word))
}

fn unhex(digits: &str) -> Result<Vec<u8>> {
    crate::record::unhex(digits).ok_or_else(|| misunderstood(digits))
}

fn parse_got(word: &str) -> Result<Got> {
    let mut parts = word.splitn(3, ':');
    let (Some(size), Some(checksum), Some(metadata)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(misunderstood(word));
    };
    let checksum = u64::from_str_radix(checksum, 16).map_err(|_| misunderstood(word))?;
    Ok(Got { size: number(size)?, checksum, metadata: unhex(metadata)? })
}

/// The bytes that [`RealClient::fill`] writes: the high bytes of a linear congruential sequence.
pub fn pattern(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
}

/// 64-bit FNV-1a.
#[must_use]
pub fn checksum(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
