//! The handle to a running store, and what its threads share.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::{Condvar, Mutex, MutexGuard};
use ray_common::ObjectId;
use rustix::event::epoll;
use rustix::event::{eventfd, EventfdFlags};

use super::client::ClientId;
use super::config::StoreConfig;
use super::connection::Connection;
use super::core::{Core, Event, Mistake, StoreSnapshot};
use super::hooks::StoreHooks;
use super::socket::Listener;
use super::worker::Worker;
use crate::plasma::allocator::Allocator;
use crate::plasma::create_request_queue::{AfterFull, Step};
use crate::plasma::protocol::{Header, Request, HEADER_LENGTH};

/// What an event of the operating system is about: these, or a client by its number.
pub(super) const LISTENER: u64 = 0;
pub(super) const STOP: u64 = 1;
pub(super) const TIMER: u64 = 2;
pub(super) const FIRST_CLIENT: u64 = 16;
/// With a client's number: it has something in shared memory.
pub(super) const DOORBELL: u64 = 1 << 63;

/// How long those whom a thread serves wait while it makes room for a creation.
const MAKING_ROOM: Duration = Duration::from_millis(1);

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket cannot be used.
    #[error("cannot listen on {path}: {source}")]
    Socket {
        /// Where.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused something that every store needs.
    #[error("cannot start the store: {0}")]
    System(#[from] io::Error),
}

/// A running store. Stops when it is dropped. All methods can be called on any thread, also from hooks.
pub struct PlasmaStore<A: Allocator + Send + 'static> {
    shared: Arc<Shared<A>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

pub(super) struct Shared<A: Allocator> {
    pub(super) core: Mutex<Core<A>>,
    pub(super) hooks: Arc<dyn StoreHooks>,
    pub(super) wants_events: bool,
    /// Who holds it tells the world; so that the world hears of things in order.
    pub(super) telling: Mutex<()>,
    pub(super) connections: Mutex<HashMap<ClientId, Arc<Connection>, RandomState>>,
    pub(super) next_client: AtomicU64,
    pub(super) epolls: Vec<OwnedFd>,
    pub(super) listener: Mutex<Option<Listener>>,
    pub(super) stop: OwnedFd,
    pub(super) stopping: AtomicBool,
    pub(super) stopped: Mutex<bool>,
    pub(super) stopped_changed: Condvar,
    pub(super) config: StoreConfig,
    pub(super) started: Instant,
    /// Given up for a moment when there are no descriptors left, to turn a client away.
    pub(super) reserve: Mutex<Option<OwnedFd>>,
}

impl<A: Allocator + Send + 'static> PlasmaStore<A> {
    /// Listens, and serves clients until it is stopped.
    ///
    /// # Errors
    /// When the socket cannot be used, or threads or descriptors are not to be had.
    pub fn start(
        config: StoreConfig,
        allocator: A,
        hooks: Arc<dyn StoreHooks>,
    ) -> Result<Self, StartError> {
        let whole_lives = hooks.wants_whole_lives();
        let wants_events = hooks.wants_events() || whole_lives;
        let core = Core::new(allocator, &config, wants_events, whole_lives)?;
        let listener =
            Listener::bind(&config.socket, !config.allow_other_users).map_err(|source| {
                StartError::Socket { path: config.socket.display().to_string(), source }
            })?;
        let stop =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from)?;
        let mut epolls = Vec::new();
        for _ in 0..config.threads.max(1) {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from)?;
            watch(&epoll, &stop, STOP)?;
            epolls.push(epoll);
        }
        watch(&epolls[0], &listener.socket, LISTENER)?;
        watch(&epolls[0], core.timers.fd(), TIMER)?;
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            hooks,
            wants_events,
            telling: Mutex::new(()),
            connections: Mutex::default(),
            next_client: AtomicU64::new(1),
            epolls,
            listener: Mutex::new(Some(listener)),
            stop,
            stopping: AtomicBool::new(false),
            stopped: Mutex::new(false),
            stopped_changed: Condvar::new(),
            config,
            started: Instant::now(),
            reserve: Mutex::new(spare_descriptor()),
        });
        let store = Self { shared: Arc::clone(&shared), threads: Mutex::default() };
        for number in 0..shared.epolls.len() {
            let shared = Arc::clone(&shared);
            let name = format!("store.io.{number}");
            let thread = std::thread::Builder::new().name(name);
            let handle = thread.spawn(move || Worker::new(shared, number).run())?;
            store.threads.lock().push(handle);
        }
        Ok(store)
    }

    /// Whether an object could be spilled: it is sealed, and exactly one client uses it.
    pub fn is_object_spillable(&self, id: &ObjectId) -> bool {
        self.shared.core.lock().is_spillable(id)
    }

    /// Removes an object as eviction does: when it is sealed and nobody uses it. Returns whether it was so. The hooks
    /// are told of it with what is told next; at once when it is one of them that calls.
    pub fn evict(&self, id: &ObjectId) -> bool {
        self.shared.core.lock().evict(id)
    }

    /// Bytes that new objects can have once everything that is not in use is gone. What is being written does
    /// not count as in use, as in Ray.
    pub fn available_memory(&self) -> i64 {
        let now = self.snapshot();
        let in_use = now.stats.in_use.bytes - now.stats.unsealed.bytes;
        (now.capacity - in_use).max(0)
    }

    /// The store's numbers at this moment.
    pub fn snapshot(&self) -> StoreSnapshot {
        self.shared.core.lock().snapshot()
    }

    /// The text that a store writes to its log now and then.
    pub fn debug_dump(&self) -> String {
        self.shared.core.lock().debug_dump()
    }

    /// Looks at the allocator under the lock.
    pub fn with_allocator<R>(&self, look: impl FnOnce(&A) -> R) -> R {
        let mut core = self.shared.core.lock();
        core.settle_outside(None);
        look(core.lifecycle.table().allocator())
    }

    /// Stops serving, and ends every connection. Returns when all threads are done; at once when it is called
    /// from one of them. Can be called again.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        let _ = rustix::io::write(&self.shared.stop, &1_u64.to_ne_bytes());
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                log::error!("a thread of the store has panicked");
            }
        }
        self.shared.listener.lock().take();
        self.shared.core.lock().close_shared();
        for (_, connection) in self.shared.connections.lock().drain() {
            connection.close();
        }
        *self.shared.stopped.lock() = true;
        self.shared.stopped_changed.notify_all();
    }

    /// Waits until somebody has stopped the store.
    pub fn wait(&self) {
        let mut stopped = self.shared.stopped.lock();
        while !*stopped {
            self.shared.stopped_changed.wait(&mut stopped);
        }
    }
}

impl<A: Allocator + Send + 'static> Drop for PlasmaStore<A> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<A: Allocator + Send + 'static> std::fmt::Debug for PlasmaStore<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlasmaStore")
            .field("socket", &self.shared.config.socket)
            .finish_non_exhaustive()
    }
}

pub(super) fn watch(epoll: &OwnedFd, fd: impl AsFd, what: u64) -> io::Result<()> {
    Ok(epoll::add(epoll, fd, epoll::EventData::new_u64(what), epoll::EventFlags::IN)?)
}

pub(super) fn spare_descriptor() -> Option<OwnedFd> {
    std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
}

/// The message at the beginning of some bytes, and its length; `None` when it is not complete.
pub(super) fn message(bytes: &[u8], limit: usize) -> Result<Option<(Request<'_>, usize)>, Mistake> {
    let Some(header) = bytes.first_chunk::<HEADER_LENGTH>() else {
        return Ok(None);
    };
    let header = Header::decode(header, limit)?;
    let Some(body) = bytes[HEADER_LENGTH..].get(..header.length) else {
        return Ok(None);
    };
    Ok(Some((Request::decode(header.kind, body)?, HEADER_LENGTH + header.length)))
}

impl<A: Allocator> Shared<A> {
    /// Tells the world, in order, what it has not been told. When this returns, everything that had happened
    /// when it was called has been told.
    pub(super) fn tell(&self) {
        if !self.wants_events {
            return;
        }
        let _telling = self.telling.lock();
        loop {
            let events = std::mem::take(&mut self.core.lock().events);
            if events.is_empty() {
                return;
            }
            for event in events {
                match event {
                    Event::Created(size, source) => self.hooks.object_created(size, source),
                    Event::Added(info) => self.hooks.object_added(&info),
                    Event::Deleted(id) => self.hooks.object_deleted(&id),
                    Event::Allocated(info, source, in_own_file) => {
                        self.hooks.object_allocated(&info, source, in_own_file);
                    }
                    Event::Aborted(id) => self.hooks.object_aborted(&id),
                    Event::References(id, count) => self.hooks.references_changed(&id, count),
                }
            }
        }
    }

    /// Serves the creation queue as far as it goes, unless somebody does.
    pub(super) fn drive_creates(&self) {
        if !self.core.lock().begin_driving() {
            return;
        }
        let started = Instant::now();
        loop {
            let disk_is_full = self.hooks.disk_is_full();
            let mut core = self.core.lock();
            let (step, head) = core.drive(disk_is_full);
            MutexGuard::unlock_fair(core);
            match (step, head) {
                (Step::Finished(_), _) => {}
                // Other threads have had their turn. Who is served by this one gets it, too.
                (Step::MakingRoom(_), _) if started.elapsed() < MAKING_ROOM => {}
                (Step::Full(id), Some((head, source))) => {
                    // What was evicted in vain is gone before anything is spilled.
                    self.tell();
                    self.hooks.object_store_full();
                    let spilling = self.hooks.spill_objects_for(&head, source);
                    match self.core.lock().drive_full(id, spilling, self.now_ns()) {
                        AfterFull::Spilling | AfterFull::Grace => break,
                        AfterFull::Finished(..) | AfterFull::Changed => {}
                    }
                }
                _ => break,
            }
        }
        self.core.lock().end_driving();
    }

    fn now_ns(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}
