//! One connected client: what it shares with the store from connecting until the connection ends.
//!
//! Two locks. `primary` holds the first connection for one exchange of messages. `table` counts who uses which object
//! and is never held while anything is sent or copied. Counting to or from 0 tells the store, so it happens with
//! `primary` held, `table` inside it.

mod create;
mod get;
mod release;

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use ray_common::ObjectId;
use ray_sys::{ForkMark, ReceivedFileOptions};
use rustix::io::Errno;
use rustix::net::{recv, RecvFlags};

use super::error::Cause;
use super::lane::Lane;
use super::object::Files;
use super::options::ConnectOptions;
use super::table::{InUse, Table};
use super::waiters::Waiters;

/// The first connection, and what came over it.
#[derive(Debug)]
struct Primary {
    lane: Lane,
    files: Files,
}

#[derive(Debug)]
pub(super) struct Session {
    path: PathBuf,
    options: ConnectOptions,
    mark: ForkMark,
    /// The process that connected.
    process: u32,
    capacity: i64,
    stream: Arc<UnixStream>,
    primary: Mutex<Primary>,
    table: Mutex<Table>,
    waiters: Waiters,
    ended: OnceLock<String>,
}

/// Whether the other side has closed a connection.
fn is_closed(stream: &UnixStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match recv(stream, &mut [0_u8; 1], flags) {
        Ok((0, _)) => true,
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}

fn connect_with_retries(path: &Path, options: &ConnectOptions) -> Result<UnixStream, Cause> {
    let mut left = options.retries;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if left == 0 => {
                let why = format!("{}: {error}", path.display());
                return Err(Cause::Disconnected { why });
            }
            Err(_) => left -= 1,
        }
        std::thread::sleep(options.retry_interval);
    }
}

impl Session {
    pub(super) fn connect(path: &Path, options: &ConnectOptions) -> Result<Self, Cause> {
        let stream = connect_with_retries(path, options)?;
        let mut lane = Lane::new(stream);
        let capacity = lane.connect()?;
        let files = Files::new(ReceivedFileOptions {
            read_only: options.read_only,
            exclude_from_core_dump: options.exclude_from_core_dump,
        });
        Ok(Self {
            path: path.to_owned(),
            options: options.clone(),
            mark: ForkMark::new().map_err(Cause::Io)?,
            process: std::process::id(),
            capacity,
            stream: Arc::clone(lane.stream()),
            primary: Mutex::new(Primary { lane, files }),
            table: Mutex::default(),
            waiters: Waiters::new(options.idle_connections),
            ended: OnceLock::new(),
        })
    }

    /// Bytes of memory that the store has.
    pub(super) fn capacity(&self) -> i64 {
        self.capacity
    }

    /// A fork must not touch the parent's connections, nor locks that another of its threads may have held.
    fn check_not_forked(&self) -> Result<(), Cause> {
        if self.mark.is_in_fork() {
            return Err(Cause::Forked { connected_by: self.process });
        }
        Ok(())
    }

    /// Why there is no connection any more, if there is none.
    fn check_connected(&self) -> Result<(), Cause> {
        self.check_not_forked()?;
        match self.ended.get() {
            Some(why) => Err(Cause::Disconnected { why: why.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.check_connected().is_ok()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }

    /// One exchange of messages. An error that leaves the stream useless ends the session.
    fn with_primary<R>(
        &self,
        exchange: impl FnOnce(&mut Primary) -> Result<R, Cause>,
    ) -> Result<R, Cause> {
        self.check_connected()?;
        let mut primary = self.primary.lock();
        self.check_connected()?;
        self.end_on_error(exchange(&mut primary))
    }

    fn end_on_error<R>(&self, result: Result<R, Cause>) -> Result<R, Cause> {
        let error = match result {
            Err(error) if error.ends_session() => error,
            other => return other,
        };
        self.end(match &error {
            Cause::Disconnected { why } => why.clone(),
            error => error.to_string(),
        });
        match error {
            // What was said first is the reason; a connection that we shut down ourselves only looks as if it failed.
            Cause::Disconnected { why } => {
                Err(Cause::Disconnected { why: self.ended.get().cloned().unwrap_or(why) })
            }
            error => Err(error),
        }
    }

    /// Closes everything and wakes everybody. Harmless when repeated. Does nothing in a fork, whose parent goes on.
    pub(super) fn end(&self, why: String) {
        if self.mark.is_in_fork() {
            return;
        }
        if self.ended.set(why).is_ok() {
            // Fails when the other side has gone.
            let _ = self.stream.shutdown(Shutdown::Both);
            self.waiters.close();
        }
    }

    /// Another connection to the same store.
    fn open_lane(&self) -> Result<Lane, Cause> {
        let stream = UnixStream::connect(&self.path).map_err(|error| Cause::connection(&error))?;
        // So that nobody waits at a new store for what the old one had.
        if is_closed(&self.stream) {
            let why = "the store closed the connection".to_owned();
            return Err(Cause::Disconnected { why });
        }
        Ok(Lane::new(stream))
    }

    pub(super) fn contains(&self, id: &ObjectId) -> Result<bool, Cause> {
        self.check_connected()?;
        if self.table().state(id).is_some() {
            return Ok(true);
        }
        self.with_primary(|primary| primary.lane.contains(id))
    }

    pub(super) fn debug_string(&self) -> Result<String, Cause> {
        self.with_primary(|primary| primary.lane.debug_string())
    }

    /// How this client uses an object.
    pub(super) fn state(&self, id: &ObjectId) -> Option<InUse> {
        self.table().state(id)
    }
}
