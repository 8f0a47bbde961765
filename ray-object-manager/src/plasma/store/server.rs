//! The threads of a store, and the handle to it.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
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
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags};

use super::client::ClientId;
use super::config::StoreConfig;
use super::connection::{peer_of, Connection, Flushed, Input, Peer};
use super::core::{Core, Event, Flow, Mistake, StoreSnapshot};
use super::hooks::StoreHooks;
use super::socket::Listener;
use super::timers::Due;
use crate::plasma::allocator::Allocator;
use crate::plasma::create_request_queue::{AfterFull, Step};
use crate::plasma::protocol::{Encoder, Header, Request, HEADER_LENGTH};

/// Bytes that are read at once.
const READ_LENGTH: usize = 64 << 10;

/// Messages of one client that are handled before others get a turn at the state.
const MESSAGES_AT_ONCE: usize = 64;

/// Bytes of answers to one client beyond which others get a turn, and it has to read before more is done for it.
const ANSWERS_AT_ONCE: usize = 1 << 20;

/// How long no clients are taken in when that has failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What an event of the operating system is about: these, or a client by its number.
const LISTENER: u64 = 0;
const STOP: u64 = 1;
const TIMER: u64 = 2;
const FIRST_CLIENT: u64 = 16;

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

struct Shared<A: Allocator> {
    core: Mutex<Core<A>>,
    hooks: Arc<dyn StoreHooks>,
    wants_events: bool,
    /// Who holds it tells the world; so that the world hears of things in order.
    telling: Mutex<()>,
    connections: Mutex<HashMap<ClientId, Arc<Connection>, RandomState>>,
    next_client: AtomicU64,
    epolls: Vec<OwnedFd>,
    listener: Mutex<Option<Listener>>,
    stop: OwnedFd,
    stopping: AtomicBool,
    stopped: Mutex<bool>,
    stopped_changed: Condvar,
    config: StoreConfig,
    started: Instant,
    /// Given up for a moment when there are no descriptors left, to turn a client away.
    reserve: Mutex<Option<OwnedFd>>,
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
        look(self.shared.core.lock().lifecycle.table().allocator())
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

fn watch(epoll: &OwnedFd, fd: impl AsFd, what: u64) -> io::Result<()> {
    Ok(epoll::add(epoll, fd, epoll::EventData::new_u64(what), epoll::EventFlags::IN)?)
}

fn spare_descriptor() -> Option<OwnedFd> {
    std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
}

/// One thread of a store, with what has come in from the clients that it reads.
struct Worker<A: Allocator> {
    shared: Arc<Shared<A>>,
    number: usize,
    clients: HashMap<ClientId, Reading, RandomState>,
    buffer: Vec<u8>,
    /// An empty buffer for output.
    spare: Vec<u8>,
}

struct Reading {
    connection: Arc<Connection>,
    input: Input,
}

/// Why a connection ends.
enum End {
    /// The client has gone, or said goodbye.
    Gone,
    Mistake(Mistake),
}

impl<A: Allocator + Send + 'static> Worker<A> {
    fn new(shared: Arc<Shared<A>>, number: usize) -> Self {
        let (clients, spare) = (HashMap::default(), Vec::new());
        Self { shared, number, clients, buffer: vec![0; READ_LENGTH], spare }
    }

    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let epoll = &shared.epolls[self.number];
        let mut space = [MaybeUninit::<epoll::Event>::uninit(); 64];
        while !shared.stopping.load(Ordering::Acquire) {
            let events = match epoll::wait(epoll, &mut space, None) {
                Ok((events, _)) => events,
                Err(Errno::INTR) => continue,
                Err(error) => {
                    log::error!("the store cannot wait for its clients: {error}");
                    break;
                }
            };
            for event in events {
                let (data, flags) = (event.data, event.flags);
                match data.u64() {
                    LISTENER => self.accept(),
                    STOP => break,
                    TIMER => self.time(),
                    client => self.ready(ClientId(client - FIRST_CLIENT), flags),
                }
            }
        }
        for (id, reading) in std::mem::take(&mut self.clients) {
            self.forget(id, &reading.connection);
        }
    }

    fn accept(&self) {
        loop {
            let listener = self.shared.listener.lock();
            let Some(listener) = listener.as_ref() else {
                return;
            };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::accept_with(&listener.socket, flags) {
                Ok(socket) => self.admit(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                Err(Errno::MFILE | Errno::NFILE) => match self.turn_away(&listener.socket) {
                    Ok(()) => log::warn!("a client is turned away: no descriptor is left for it"),
                    Err(Errno::AGAIN) => return,
                    Err(error) => return self.pause(&listener.socket, error),
                },
                Err(error) => return self.pause(&listener.socket, error),
            }
        }
    }

    /// Takes a client in the place of the spare descriptor, and ends its connection. Without a free descriptor the
    /// operating system does not even say that nobody waits.
    fn turn_away(&self, listener: &OwnedFd) -> Result<(), Errno> {
        let mut reserve = self.shared.reserve.lock();
        drop(reserve.take());
        let turned_away = rustix::net::accept_with(listener, SocketFlags::CLOEXEC).map(drop);
        *reserve = spare_descriptor();
        turned_away
    }

    /// Nobody can be taken in at present: looks again later, and not all the time.
    fn pause(&self, listener: &OwnedFd, error: Errno) {
        log::error!("the store can take no clients in at present: {error}");
        let data = epoll::EventData::new_u64(LISTENER);
        match epoll::modify(&self.shared.epolls[0], listener, data, epoll::EventFlags::empty()) {
            Ok(()) => {
                self.shared.core.lock().timers.add(Instant::now() + ACCEPT_PAUSE, Due::Accept)
            }
            Err(error) => log::error!("the listening socket cannot be left alone: {error}"),
        }
    }

    fn resume(&self) {
        if let Some(listener) = self.shared.listener.lock().as_ref() {
            let data = epoll::EventData::new_u64(LISTENER);
            let flags = epoll::EventFlags::IN;
            if let Err(error) = epoll::modify(&self.shared.epolls[0], &listener.socket, data, flags)
            {
                log::error!("the listening socket cannot be watched: {error}");
            }
        }
    }

    fn admit(&self, socket: OwnedFd) {
        let shared = &self.shared;
        let peer = match peer_of(&socket) {
            Ok(peer) => peer,
            Err(error) => return log::warn!("cannot see who a client is: {error}"),
        };
        if !self.may_connect(peer) {
            return log::warn!("process {} of user {} may not use this store", peer.pid, peer.uid);
        }
        let mut connections = shared.connections.lock();
        if connections.len() >= shared.config.limits.connections {
            return log::warn!(
                "{} clients are enough; process {} is turned away",
                connections.len(),
                peer.pid
            );
        }
        let id = ClientId(shared.next_client.fetch_add(1, Ordering::Relaxed));
        let thread = usize::try_from(id.0).unwrap_or(0) % shared.epolls.len();
        let connection = Arc::new(Connection::new(id, peer, thread, socket));
        connections.insert(id, Arc::clone(&connection));
        drop(connections);
        shared.core.lock().add_client(Arc::clone(&connection));
        if let Err(error) = watch(&shared.epolls[thread], connection.fd(), id.0 + FIRST_CLIENT) {
            log::error!("cannot serve process {}: {error}", peer.pid);
            self.forget(id, &connection);
        }
    }

    fn may_connect(&self, peer: Peer) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.shared.config.allow_other_users || peer.uid == own || peer.uid == 0
    }

    /// Something is to be done by now.
    fn time(&mut self) {
        let (mut create, mut accept) = (false, false);
        let mut core = self.shared.core.lock();
        let now = Instant::now();
        while let Some(due) = core.timers.take_due(now) {
            match due {
                Due::Get(id) => core.get_timed_out(id),
                Due::Create => {
                    core.rested();
                    create = true;
                }
                Due::Accept => accept = true,
            }
        }
        core.timers.rearm();
        drop(core);
        if accept {
            self.resume();
        }
        if create {
            self.shared.drive_creates();
        }
        let others = std::mem::take(&mut self.shared.core.lock().to_flush);
        self.shared.tell();
        self.flush_all(others);
    }

    /// A client's socket can be read or written, or is closed.
    fn ready(&mut self, id: ClientId, flags: epoll::EventFlags) {
        let mut reading = match self.clients.remove(&id) {
            Some(reading) => reading,
            None => match self.shared.connections.lock().get(&id) {
                None => return,
                Some(connection) => {
                    Reading { connection: Arc::clone(connection), input: Input::default() }
                }
            },
        };
        match self.serve(&mut reading, flags) {
            Ok(()) => {
                self.clients.insert(id, reading);
            }
            Err(end) => {
                if let End::Mistake(mistake) = end {
                    let pid = reading.connection.peer.pid;
                    log::warn!("the connection of process {pid} to the store ends: {mistake}");
                    self.shared.core.lock().counters.clients_expelled += 1;
                }
                self.forget(id, &reading.connection);
            }
        }
    }

    fn serve(&mut self, reading: &mut Reading, flags: epoll::EventFlags) -> Result<(), End> {
        let connection = Arc::clone(&reading.connection);
        if flags.contains(epoll::EventFlags::OUT) {
            connection.unblock();
            self.flush(&connection);
            if connection.is_closed() {
                return Err(End::Gone);
            }
            if !connection.is_blocked() {
                self.interest(&connection);
                if !reading.input.is_empty() {
                    self.feed(reading, 0)?;
                }
            }
            return Ok(());
        }
        if connection.is_blocked() {
            // It is gone, or there would be no event: nothing is read from a client that does not read.
            return Err(End::Gone);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = rustix::net::recv(connection.fd(), &mut buffer[..], RecvFlags::DONTWAIT);
        self.buffer = buffer;
        match received {
            Ok((0, _)) => Err(End::Gone),
            Ok((length, _)) => self.feed(reading, length),
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_) => Err(End::Gone),
        }
    }

    /// Handles the messages in what has come in, of which the last bytes are in the buffer.
    fn feed(&mut self, reading: &mut Reading, length: usize) -> Result<(), End> {
        let buffer = std::mem::take(&mut self.buffer);
        let connection = Arc::clone(&reading.connection);
        let result =
            reading.input.feed(&buffer[..length], |bytes| self.messages(&connection, bytes));
        self.buffer = buffer;
        result
    }

    /// Handles the complete messages among some bytes; returns how long they are together. Stops early when
    /// the client does not read the answers.
    fn messages(&mut self, connection: &Arc<Connection>, bytes: &[u8]) -> Result<usize, End> {
        let mut used = 0;
        loop {
            let (length, more) = self.some_messages(connection, &bytes[used..])?;
            used += length;
            if !more || connection.is_blocked() {
                return Ok(used);
            }
            // What it asked for before it went would be done in vain.
            if connection.is_closed() {
                return Err(End::Gone);
            }
        }
    }

    /// As [`Self::messages`], for some of them; returns whether there are more.
    fn some_messages(
        &mut self,
        connection: &Arc<Connection>,
        bytes: &[u8],
    ) -> Result<(usize, bool), End> {
        let shared = Arc::clone(&self.shared);
        let mut used = 0;
        let mut more = true;
        let mut end = None;
        // Those whose gets are over by what is done here.
        let mut others = Vec::new();
        {
            let mut core: Option<MutexGuard<'_, Core<A>>> = None;
            let mut let_go = |core: &mut Option<MutexGuard<'_, Core<A>>>| {
                if let Some(mut core) = core.take() {
                    others.append(&mut core.to_flush);
                }
            };
            for number in 0..MESSAGES_AT_ONCE {
                if number > 0 && connection.has_more_than(ANSWERS_AT_ONCE) {
                    break;
                }
                match message(&bytes[used..], shared.config.limits.message_bytes) {
                    Err(mistake) => {
                        end = Some(End::Mistake(mistake));
                        break;
                    }
                    Ok(None) => {
                        more = false;
                        break;
                    }
                    Ok(Some((request, length))) => {
                        used += length;
                        let held = core.get_or_insert_with(|| shared.core.lock());
                        match held.handle(connection.id, request) {
                            Ok(Flow::Done) => {}
                            Ok(Flow::Goodbye) => {
                                end = Some(End::Gone);
                                break;
                            }
                            Ok(Flow::Create(object, request)) => {
                                let_go(&mut core);
                                shared.drive_creates();
                                shared.core.lock().answer_create(connection.id, object, request);
                            }
                            Ok(Flow::Admin(answer)) => {
                                let_go(&mut core);
                                let json = answer.into_json();
                                connection.write(|out| Encoder::default().admin_reply(out, &json));
                            }
                            Err(mistake) => {
                                end = Some(End::Mistake(mistake));
                                break;
                            }
                        }
                    }
                }
            }
            let_go(&mut core);
        }
        self.shared.tell();
        self.flush(connection);
        self.flush_all(others);
        end.map_or(Ok((used, more)), Err)
    }

    fn flush_all(&mut self, connections: Vec<Arc<Connection>>) {
        for connection in connections {
            self.flush(&connection);
        }
    }

    fn flush(&mut self, connection: &Arc<Connection>) {
        match connection.flush(&mut self.spare) {
            Flushed::Done => {}
            Flushed::Blocked => self.interest(connection),
            // Its own thread sees that the socket is shut.
            Flushed::Broken => connection.close(),
        }
    }

    /// Asks the operating system for what a connection waits for.
    fn interest(&self, connection: &Connection) {
        let epoll = &self.shared.epolls[connection.thread];
        connection.with_blocked(|blocked| {
            let flags = if blocked { epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            let data = epoll::EventData::new_u64(connection.id.0 + FIRST_CLIENT);
            if let Err(error) = epoll::modify(epoll, connection.fd(), data, flags) {
                log::debug!("client {:?} cannot be watched: {error}", connection.id);
            }
        });
    }

    /// Ends a connection, and releases what it had.
    fn forget(&self, id: ClientId, connection: &Connection) {
        let shared = &self.shared;
        let _ = epoll::delete(&shared.epolls[connection.thread], connection.fd());
        shared.connections.lock().remove(&id);
        connection.close();
        shared.core.lock().remove_client(id);
        shared.tell();
    }
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
    fn tell(&self) {
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
    fn drive_creates(&self) {
        if !self.core.lock().begin_driving() {
            return;
        }
        loop {
            let disk_is_full = self.hooks.disk_is_full();
            let (step, head) = self.core.lock().drive(disk_is_full);
            match (step, head) {
                (Step::Finished(_), _) => {}
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
