//! A store's state without sockets, threads and time of its own: for fuzzers, to which the same has to happen every time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::ClientId;
use super::config::StoreConfig;
use super::connection::{Connection, Input, Peer};
use super::core::{Core, Flow, StoreSnapshot};
use super::server::message;
use super::timers::Due;
use crate::plasma::allocator::Allocator;
use crate::plasma::create_request_queue::{AfterFull, Step};
use crate::plasma::protocol::Encoder;

/// Time passes when [`Self::tick`] is called. What a client sends and is sent are bytes.
pub struct Machine<A: Allocator> {
    core: Core<A>,
    clients: BTreeMap<u64, (Arc<Connection>, Input)>,
    next: u64,
    limit: usize,
    now_ns: i64,
    /// What the world says when it is asked to spill.
    pub spilling: bool,
    /// Whether the disk is full.
    pub disk_is_full: bool,
}

/// The client is to be thrown out.
struct Expelled;

impl<A: Allocator> Machine<A> {
    /// # Errors
    /// When there are no descriptors left.
    pub fn new(allocator: A, config: &StoreConfig) -> io::Result<Self> {
        Ok(Self {
            core: Core::new(allocator, config, false, false)?,
            clients: BTreeMap::new(),
            next: 1,
            limit: config.limits.message_bytes,
            now_ns: 0,
            spilling: false,
            disk_is_full: false,
        })
    }

    /// A client comes; returns its name.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn connect(&mut self) -> io::Result<u64> {
        let id = ClientId(self.next);
        self.next += 1;
        let nothing = File::open("/dev/null")?.into();
        let connection = Arc::new(Connection::new(id, Peer { pid: 0, uid: 0 }, 0, nothing));
        self.core.add_client(Arc::clone(&connection));
        self.clients.insert(id.0, (connection, Input::default()));
        Ok(id.0)
    }

    /// A client has sent something. False when it has no connection any more.
    pub fn receive(&mut self, client: u64, bytes: &[u8]) -> bool {
        let Some((connection, mut input)) = self.clients.remove(&client) else {
            return false;
        };
        let result = input.feed(bytes, |bytes| self.messages(connection.id, bytes));
        self.clients.insert(client, (connection, input));
        self.core.to_flush.clear();
        if result.is_err() {
            self.disconnect(client);
        }
        result.is_ok()
    }

    fn messages(&mut self, client: ClientId, bytes: &[u8]) -> Result<usize, Expelled> {
        let mut used = 0;
        while let Some((request, length)) =
            message(&bytes[used..], self.limit).map_err(|_| Expelled)?
        {
            used += length;
            match self.core.handle(client, request).map_err(|_| Expelled)? {
                Flow::Done => {}
                Flow::Shared(_) | Flow::Elsewhere(_) => {}
                Flow::Goodbye => return Err(Expelled),
                Flow::Admin(answer) => {
                    let json = answer.into_json();
                    if let Some(client) = self.core.clients.get(&client) {
                        let out = &client.connection;
                        out.write(|out| Encoder::default().admin_reply(out, &json));
                    }
                }
                Flow::Create(object, request) => {
                    self.drive();
                    self.core.answer_create(client, object, request);
                }
            }
        }
        Ok(used)
    }

    /// A client goes.
    pub fn disconnect(&mut self, client: u64) {
        if let Some((connection, _)) = self.clients.remove(&client) {
            connection.close();
            self.core.remove_client(connection.id);
        }
    }

    /// So much time passes, and all gets but those that wait for ever are over.
    pub fn tick(&mut self, passed: Duration) {
        let passed = i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX);
        self.now_ns = self.now_ns.saturating_add(passed);
        let far = Instant::now() + Duration::from_secs(1 << 30);
        let mut create = false;
        while let Some(due) = self.core.timers.take_due(far) {
            match due {
                Due::Get(id) => self.core.get_timed_out(id),
                Due::Create => {
                    self.core.rested();
                    create = true;
                }
                Due::Evict => self.core.evict_slice(),
                Due::Accept | Due::Settled => {}
            }
        }
        self.core.timers.rearm();
        if create {
            self.drive();
        }
        self.core.to_flush.clear();
    }

    fn drive(&mut self) {
        if !self.core.begin_driving() {
            return;
        }
        loop {
            match self.core.drive(self.disk_is_full) {
                (Step::Finished(_), _) => {}
                (Step::Full(id), Some(_)) => {
                    match self.core.drive_full(id, self.spilling, self.now_ns) {
                        AfterFull::Spilling | AfterFull::Grace => break,
                        AfterFull::Finished(..) | AfterFull::Changed => {}
                    }
                }
                _ => break,
            }
        }
        self.core.end_driving();
    }

    /// Takes what a client has been sent: bytes, and how many descriptors.
    pub fn output(&mut self, client: u64) -> (Vec<u8>, usize) {
        self.clients.get(&client).map(|(connection, _)| connection.take()).unwrap_or_default()
    }

    /// The numbers at this moment.
    pub fn snapshot(&mut self) -> StoreSnapshot {
        self.core.snapshot()
    }

    /// Looks at the allocator.
    pub fn allocator(&self) -> &A {
        self.core.lifecycle.table().allocator()
    }
}

impl<A: Allocator> std::fmt::Debug for Machine<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}
