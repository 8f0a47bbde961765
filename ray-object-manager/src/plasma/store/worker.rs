//! A thread of a store: it takes clients in, reads what they send and sends them the answers.

mod admission;
mod lookout;
mod together;

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Instant;

use foldhash::fast::RandomState;
use parking_lot::MutexGuard;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::client::ClientId;
use super::connection::{Connection, Flushed, Input};
use super::core::{Core, Flow, Mistake};
use super::server::{message, Shared, DOORBELL, FIRST_CLIENT, LISTENER, STOP, TIMER};
use super::timers::Due;
use crate::plasma::allocator::Allocator;
use crate::plasma::protocol::{Encoder, Request};
use crate::plasma::shared::{Requests, RingError, StorePage};
use lookout::Lookout;

/// Bytes that are read at once.
const READ_LENGTH: usize = 64 << 10;

/// Messages of one client that are handled before others get a turn at the state.
const MESSAGES_AT_ONCE: usize = 64;

/// Bytes of answers to one client beyond which others get a turn, and it has to read before more is done for it.
const ANSWERS_AT_ONCE: usize = 1 << 20;

/// So many rounds of looks into shared memory come on one at the sockets, which costs a system call.
const ROUNDS: u32 = 8;

/// One thread of a store, with what has come in from the clients that it reads.
pub(super) struct Worker<A: Allocator> {
    shared: Arc<Shared<A>>,
    number: usize,
    clients: HashMap<ClientId, Reading, RandomState>,
    buffer: Vec<u8>,
    /// A message from shared memory.
    message: Vec<u8>,
    /// An empty buffer for output.
    spare: Vec<u8>,
    lookout: Lookout,
}

struct Reading {
    connection: Arc<Connection>,
    input: Input,
    page: Option<Arc<StorePage>>,
    /// Bytes in the socket that come before what is next in the page.
    elsewhere: u64,
}

/// Why a connection ends.
enum End {
    /// The client has gone, or said goodbye.
    Gone,
    Mistake(Mistake),
}

/// Where messages come from.
enum Source<'a> {
    /// From bytes that have come through the socket, of which so many have been used.
    Socket(&'a [u8], usize),
    /// From shared memory, through this buffer.
    Page(&'a mut Vec<u8>),
}

impl Source<'_> {
    fn next<A: Allocator>(
        &mut self,
        core: &mut Core<A>,
        id: ClientId,
        limit: usize,
    ) -> Result<Option<Request<'_>>, Mistake> {
        match self {
            Self::Socket(bytes, used) => {
                Ok(message(&bytes[*used..], limit)?.map(|(request, length)| {
                    *used += length;
                    request
                }))
            }
            Self::Page(buffer) => {
                if !core.take_message(id, buffer)? {
                    return Ok(None);
                }
                Ok(message(buffer, limit)?.map(|(request, _)| request))
            }
        }
    }
}

/// What some messages have brought.
#[derive(Default)]
struct Exchanged {
    /// There are no more for now.
    over: bool,
    page: Option<Arc<StorePage>>,
    elsewhere: Option<u64>,
}

impl<A: Allocator + Send + 'static> Worker<A> {
    pub(super) fn new(shared: Arc<Shared<A>>, number: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            shared,
            number,
            clients: HashMap::default(),
            buffer: vec![0; READ_LENGTH],
            message: Vec::new(),
            spare: Vec::new(),
            lookout: Lookout::new(cores),
        }
    }

    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let epoll = &shared.epolls[self.number];
        let mut space = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let mut looks = 0_u32;
        let at_once = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        while !shared.stopping.load(Ordering::Acquire) {
            looks = looks.wrapping_add(1);
            if self.lookout.is_empty() || looks.is_multiple_of(ROUNDS) {
                let timeout = if self.lookout.is_empty() { None } else { Some(&at_once) };
                let events = match epoll::wait(epoll, &mut space, timeout) {
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
                        client if client & DOORBELL != 0 => {
                            self.look_at(ClientId((client & !DOORBELL) - FIRST_CLIENT));
                        }
                        client => self.ready(ClientId(client - FIRST_CLIENT), flags),
                    }
                }
            }
            self.look();
        }
        for (id, reading) in std::mem::take(&mut self.clients) {
            self.forget(id, &reading.connection);
        }
    }

    /// A client has woken this thread: its page is looked at from now on.
    fn look_at(&mut self, id: ClientId) {
        let page = self.clients.get(&id).and_then(|reading| reading.page.clone());
        if let Some(page) = page {
            self.lookout.add(id, page);
        }
    }

    /// Looks at the pages, does what is asked for there, and waits a little if nothing is.
    fn look(&mut self) {
        if self.lookout.is_empty() {
            return;
        }
        let asking = self.lookout.asking();
        for id in &asking {
            self.with_reading(*id, |worker, reading| worker.serve_page(reading));
        }
        if asking.is_empty() {
            self.lookout.wait();
        } else {
            self.lookout.found();
        }
    }

    /// Does what a client has asked for in shared memory, but not what it asks for meanwhile without end.
    fn serve_page(&mut self, reading: &mut Reading) -> Result<(), End> {
        let connection = Arc::clone(&reading.connection);
        for _ in 0..=Requests::MOST / MESSAGES_AT_ONCE {
            let asks = reading.page.as_ref().is_some_and(|page| page.has_request());
            if !asks || reading.elsewhere > 0 || connection.is_blocked() {
                break;
            }
            if connection.is_closed() {
                return Err(End::Gone);
            }
            let mut message = std::mem::take(&mut self.message);
            let result = self.exchange(&connection, &mut Source::Page(&mut message));
            self.message = message;
            reading.elsewhere = result?.elsewhere.unwrap_or(0);
            if connection.is_closed() {
                return Err(End::Gone);
            }
        }
        if reading.elsewhere > 0 || connection.is_blocked() {
            self.lookout.remove(connection.id);
        }
        Ok(())
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
                Due::Evict => core.evict_slice(),
                Due::Accept => accept = true,
                Due::Settled => {}
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
        self.with_reading(id, |worker, reading| worker.serve(reading, flags));
    }

    /// Does something for a client, and ends its connection if that is how it ends.
    fn with_reading(
        &mut self,
        id: ClientId,
        serve: impl FnOnce(&mut Self, &mut Reading) -> Result<(), End>,
    ) {
        let mut reading = match self.clients.remove(&id) {
            Some(reading) => reading,
            None => match self.shared.connections.lock().get(&id) {
                None => return,
                Some(connection) => Reading {
                    connection: Arc::clone(connection),
                    input: Input::default(),
                    page: None,
                    elsewhere: 0,
                },
            },
        };
        match serve(self, &mut reading) {
            Ok(()) => {
                self.clients.insert(id, reading);
            }
            Err(end) => {
                if let End::Mistake(mistake) = end {
                    let pid = reading.connection.peer.pid;
                    log::warn!("the connection of process {pid} to the store ends: {mistake}");
                    self.shared.core.lock().counters.clients_expelled += 1;
                }
                self.leave(id, &reading);
            }
        }
    }

    /// A client goes that may have shared memory.
    fn leave(&mut self, id: ClientId, reading: &Reading) {
        self.lookout.remove(id);
        if let Some(page) = &reading.page {
            let _ = epoll::delete(&self.shared.epolls[self.number], page.doorbell());
        }
        self.forget(id, &reading.connection);
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
                return self.back_to_page(reading);
            }
            return Ok(());
        }
        if connection.is_blocked() {
            // It is gone, or there would be no event: nothing is read from a client that does not read.
            return Err(End::Gone);
        }
        // What is in shared memory was there before what is in the socket.
        self.serve_page(reading)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = rustix::net::recv(connection.fd(), &mut buffer[..], RecvFlags::DONTWAIT);
        self.buffer = buffer;
        match received {
            Ok((0, _)) => {
                // It can have asked for something and gone at once.
                self.serve_page(reading)?;
                Err(End::Gone)
            }
            Ok((length, _)) => {
                self.feed(reading, length)?;
                self.back_to_page(reading)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_) => Err(End::Gone),
        }
    }

    /// Goes on in shared memory after something else.
    fn back_to_page(&mut self, reading: &mut Reading) -> Result<(), End> {
        let Some(page) = reading.page.clone() else { return Ok(()) };
        self.serve_page(reading)?;
        let id = reading.connection.id;
        let waits = reading.elsewhere > 0 || reading.connection.is_blocked();
        if !waits {
            self.lookout.add(id, page);
        }
        Ok(())
    }

    /// Handles the messages in what has come in, of which the last bytes are in the buffer.
    fn feed(&mut self, reading: &mut Reading, length: usize) -> Result<(), End> {
        let buffer = std::mem::take(&mut self.buffer);
        let Reading { connection, input, page, elsewhere } = reading;
        let result = input.feed(&buffer[..length], |bytes| {
            let (used, new) = self.messages(connection, bytes)?;
            *elsewhere = elsewhere.saturating_sub(used as u64);
            if let Some(new) = new {
                self.share(connection, page.insert(new))?;
            }
            Ok(used)
        });
        self.buffer = buffer;
        result
    }

    /// A client shares memory with the store from now on.
    fn share(&mut self, connection: &Connection, page: &Arc<StorePage>) -> Result<(), End> {
        let data = epoll::EventData::new_u64((connection.id.0 + FIRST_CLIENT) | DOORBELL);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        let epoll = &self.shared.epolls[self.number];
        if let Err(error) = epoll::add(epoll, page.doorbell(), data, flags) {
            log::error!("process {} cannot wake the store: {error}", connection.peer.pid);
            return Err(End::Gone);
        }
        Ok(())
    }

    /// Handles the complete messages among some bytes; returns how long they are together. Stops early when
    /// the client does not read the answers.
    fn messages(
        &mut self,
        connection: &Arc<Connection>,
        bytes: &[u8],
    ) -> Result<(usize, Option<Arc<StorePage>>), End> {
        let mut source = Source::Socket(bytes, 0);
        let mut page = None;
        loop {
            let exchanged = self.exchange(connection, &mut source)?;
            page = exchanged.page.or(page);
            let Source::Socket(_, used) = source else { return Ok((0, page)) };
            if exchanged.elsewhere.is_some() {
                return Err(End::Mistake(RingError::Broken.into()));
            }
            if exchanged.over || connection.is_blocked() {
                return Ok((used, page));
            }
            // What it asked for before it went would be done in vain.
            if connection.is_closed() {
                return Err(End::Gone);
            }
        }
    }

    /// Handles some messages of a client, and sends the answers.
    fn exchange(
        &mut self,
        connection: &Arc<Connection>,
        source: &mut Source<'_>,
    ) -> Result<Exchanged, End> {
        let shared = Arc::clone(&self.shared);
        let limit = shared.config.limits.message_bytes;
        let mut exchanged = Exchanged::default();
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
                let held = core.get_or_insert_with(|| shared.core.lock());
                let request = match source.next(held, connection.id, limit) {
                    Ok(Some(request)) => request,
                    Ok(None) => {
                        exchanged.over = true;
                        break;
                    }
                    Err(mistake) => {
                        end = Some(End::Mistake(mistake));
                        break;
                    }
                };
                match held.handle(connection.id, request) {
                    Ok(Flow::Done) => {}
                    Ok(Flow::Goodbye) => {
                        end = Some(End::Gone);
                        break;
                    }
                    Ok(Flow::Create(object, request)) => {
                        let_go(&mut core);
                        shared.drive_creates();
                        let held = core.insert(shared.core.lock());
                        held.answer_create(connection.id, object, request);
                    }
                    Ok(Flow::Admin(answer)) => {
                        let_go(&mut core);
                        let json = answer.into_json();
                        connection.write(|out| Encoder::default().admin_reply(out, &json));
                    }
                    Ok(Flow::Shared(page)) => exchanged.page = Some(page),
                    Ok(Flow::Elsewhere(bytes)) => {
                        exchanged.elsewhere = Some(bytes);
                        break;
                    }
                    Err(mistake) => {
                        end = Some(End::Mistake(mistake));
                        break;
                    }
                }
            }
            let_go(&mut core);
        }
        self.shared.tell();
        self.flush(connection);
        self.flush_all(others);
        end.map_or(Ok(exchanged), Err)
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
