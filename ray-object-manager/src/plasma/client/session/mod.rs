//! One connected client: what it shares with the store from connecting until the connection ends.
//!
//! Two locks. `primary` holds the first connection for one exchange of messages. `table` counts who uses which object
//! and is never held while anything is sent or copied. Counting to or from 0 tells the store, so it happens with
//! `primary` held, `table` inside it.

mod asynchronous;
mod connect;
mod create;
mod get;
mod put;
mod release;

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use ray_common::ObjectId;
use ray_sys::{ForkMark, ReceivedFileOptions};

pub(super) use self::connect::is_closed;
use self::connect::{is_exhausted, try_connect, Attempts};
pub(super) use self::get::Found;
use self::put::Early;
use super::error::Cause;
use super::lane::{Lane, LARGE_BUFFER, SMALL_BUFFER};
use super::object::Files;
use super::options::ConnectOptions;
use super::table::{InUse, Table};
use super::waiters::Waiters;
use super::worker::Worker;
use crate::plasma::protocol::capabilities;
use crate::plasma::shared::ClientPage;

/// The first connection, and what came over it.
#[derive(Debug)]
struct Primary {
    lane: Lane,
    files: Files,
    early: Early,
}

#[derive(Debug)]
pub(super) struct Session {
    path: PathBuf,
    options: ConnectOptions,
    mark: ForkMark,
    /// The process that connected.
    process: u32,
    capacity: i64,
    /// What was asked of the store beyond Ray's protocol, and granted.
    capabilities: u64,
    stream: Arc<UnixStream>,
    /// Memory that is shared with the store, if it does that.
    shared: Option<Arc<ClientPage>>,
    primary: Mutex<Primary>,
    table: Mutex<Table>,
    waiters: Arc<Waiters>,
    ended: OnceLock<String>,
    /// The thread of an asynchronous client.
    worker: Option<Worker>,
}

/// How long to wait for a store that has not accepted all who came before.
const BUSY: Duration = Duration::from_millis(1);

impl Session {
    pub(super) fn connect(path: &Path, options: &ConnectOptions) -> Result<Arc<Self>, Cause> {
        let mut attempts = Attempts::new(path, options);
        let stream = loop {
            if let Some(stream) = attempts.next()? {
                break stream;
            }
            std::thread::sleep(options.retry_interval);
        };
        Self::over(Arc::new(stream), path.to_owned(), options.clone(), None).map(Arc::new)
    }

    /// A session over a connection. With a worker, whatever is dropped is told to the store there.
    fn over(
        stream: Arc<UnixStream>,
        path: PathBuf,
        options: ConnectOptions,
        worker: Option<Worker>,
    ) -> Result<Self, Cause> {
        let mut lane = Lane::new(Arc::clone(&stream), LARGE_BUFFER);
        let wanted = if options.read_only { capabilities::READ_ONLY } else { 0 };
        let shared = if options.shared_memory { capabilities::SHARED } else { 0 };
        let (capacity, granted) = lane.connect(wanted | shared)?;
        let shared = lane.shared().map(Arc::clone);
        let mut table = Table::default();
        if let Some(shared) = &shared {
            table.share(Arc::clone(shared));
        }
        let files = Files::new(ReceivedFileOptions {
            read_only: options.read_only,
            exclude_from_core_dump: options.exclude_from_core_dump,
        });
        Ok(Self {
            path,
            mark: ForkMark::new().map_err(Cause::Io)?,
            process: std::process::id(),
            capacity,
            capabilities: granted & wanted,
            stream,
            shared,
            primary: Mutex::new(Primary { lane, files, early: Early::default() }),
            table: Mutex::new(table),
            waiters: Arc::new(Waiters::new(options.idle_connections)),
            ended: OnceLock::new(),
            worker,
            options,
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
        let ready = primary.hear_early().and_then(|()| self.pay(&mut primary));
        let result = ready.and_then(|()| exchange(&mut primary));
        self.end_on_error(result)
    }

    /// Sends the store the messages that it is owed.
    fn pay(&self, primary: &mut Primary) -> Result<(), Cause> {
        if self.shared.is_none() {
            return Ok(());
        }
        let owed = self.table().take_owed();
        if owed.is_empty() {
            return Ok(());
        }
        primary.lane.send(|encoder, out| {
            owed.iter().for_each(|id| encoder.release_request(out, id, false));
        })
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
            if let Some(shared) = &self.shared {
                shared.wake();
            }
            self.waiters.close();
        }
    }

    /// Another connection to the same store.
    fn open_lane(&self) -> Result<Lane, Cause> {
        let stream = loop {
            match try_connect(&self.path) {
                Ok(stream) => break stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if is_exhausted(&error) => return Err(Cause::Exhausted(error)),
                Err(error) => return Err(Cause::connection(&error)),
            }
            self.check_connected()?;
            std::thread::sleep(BUSY);
        };
        // So that nobody waits at a new store for what the old one had.
        if is_closed(&self.stream) {
            let why = "the store closed the connection".to_owned();
            return Err(Cause::Disconnected { why });
        }
        Ok(Lane::new(Arc::new(stream), SMALL_BUFFER))
    }

    pub(super) fn contains(&self, id: &ObjectId) -> Result<bool, Cause> {
        self.check_connected()?;
        if self.table().state(id).is_some() {
            return Ok(true);
        }
        if self.shared.as_ref().is_some_and(|shared| shared.contains(id)) {
            return Ok(true);
        }
        self.with_primary(|primary| primary.lane.contains(id))
    }

    /// Whether this client may only read.
    pub(super) fn is_read_only(&self) -> bool {
        self.options.read_only
    }

    pub(super) fn debug_string(&self) -> Result<String, Cause> {
        self.with_primary(|primary| primary.lane.debug_string())
    }

    /// How this client uses an object.
    pub(super) fn state(&self, id: &ObjectId) -> Option<InUse> {
        self.table().state(id)
    }
}
