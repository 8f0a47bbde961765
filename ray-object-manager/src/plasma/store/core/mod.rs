//! The state of a store, and what each request does to it. One lock guards it; nobody is called from here.

mod creation;
mod evictions;
mod gets;
mod unseen;

use std::collections::{HashMap, VecDeque};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use ray_common::ObjectId;

use crate::plasma::allocator::{Allocator, MemFd};
use crate::plasma::common::{ObjectInfo, ObjectSource, PlasmaError};
use crate::plasma::create_request_queue::{CreateRequestQueue, RequestId};
use crate::plasma::get_request_queue::GetRequestQueue;
use crate::plasma::local_object::LocalObject;
use crate::plasma::obj_lifecycle_mgr::PlasmaLifecycle;
use crate::plasma::protocol::{
    capabilities, Encoder, IdList, MessageType, PlasmaObject, ProtocolError, Request,
};
use crate::plasma::shared::{RingError, StorePage};
use crate::plasma::stats_collector::ObjectStatsCollector;
use crate::plasma::store::client::{Client, ClientId};
use crate::plasma::store::config::{ClientLimits, StoreConfig};
use crate::plasma::store::connection::Connection;
use crate::plasma::store::sharing::Sharing;
use crate::plasma::store::timers::{Due, Timers};
use creation::{Created, Creation};
use gets::Get;

/// Ids in all the gets of one client that wait. What it costs to remember so many is some 200 MB.
const MOST_WAITING_IDS: usize = 1_000_000;

/// What the world has to be told.
#[derive(Debug)]
pub(super) enum Event {
    Created(i64, ObjectSource),
    Added(ObjectInfo),
    Deleted(ObjectId),
    Allocated(ObjectInfo, ObjectSource, bool),
    Aborted(ObjectId),
    References(ObjectId, i32),
}

/// What remains to be done for a request.
#[derive(Debug)]
pub(super) enum Flow {
    /// Nothing.
    Done,
    /// The creation queue is to be served, and then the client told how its creation stands.
    Create(ObjectId, RequestId),
    /// The client is to be sent this as text.
    Admin(crate::plasma::store::admin::Answer),
    /// The client shares memory with the store from now on.
    Shared(Arc<StorePage>),
    /// The client goes on in its socket, for so many bytes.
    Elsewhere(u64),
    /// The client said goodbye.
    Goodbye,
}

/// How often what was asked, and how it ended. Never goes down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the number of such requests")]
pub struct StoreCounters {
    pub creates: u64,
    /// Objects that were created in space set aside for them.
    pub creates_set_aside: u64,
    pub seals: u64,
    pub aborts: u64,
    pub gets: u64,
    /// Objects that gets found at once.
    pub get_hits: u64,
    /// Objects that gets had to wait for, or did not get.
    pub get_misses: u64,
    pub releases: u64,
    pub deletes: u64,
    pub contains: u64,
    /// Objects that were evicted or deleted.
    pub objects_gone: u64,
    /// Connections that were ended for a mistake of the client.
    pub clients_expelled: u64,
    /// Connections ever.
    pub clients_total: u64,
}

/// A store at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like what they are")]
pub struct StoreSnapshot {
    /// Bytes of the primary region.
    pub capacity: i64,
    /// Bytes in live allocations.
    pub allocated: i64,
    /// The part of them in fallback files.
    pub fallback_allocated: i64,
    pub objects: usize,
    pub stats: ObjectStatsCollector,
    pub counters: StoreCounters,
    pub clients: usize,
    /// References that clients have, of all clients together.
    pub references: usize,
    pub pending_creates: usize,
    pub pending_create_bytes: u64,
    /// Results of creations that nobody has fetched, and creations that wait.
    pub untaken_creates: usize,
    pub pending_gets: usize,
    /// Objects that go as soon as nobody uses them.
    pub eager_deletions: usize,
    /// Bytes that will be evicted next, for a creation that had no room.
    pub eviction_owed: i64,
}

pub(super) struct Core<A: Allocator> {
    pub(super) lifecycle: PlasmaLifecycle<A>,
    pub(super) clients: HashMap<ClientId, Client, RandomState>,
    creates: CreateRequestQueue<ClientId, Creation, Created>,
    gets: GetRequestQueue<ClientId, Get>,
    pub(super) timers: Timers,
    pub(super) events: VecDeque<Event>,
    /// Connections to which something was written that has to be flushed, besides the one that asked.
    pub(super) to_flush: Vec<Arc<Connection>>,
    pub(super) counters: StoreCounters,
    /// Somebody serves the creation queue.
    driving: bool,
    /// The head of the creation queue is not tried before that time.
    resting: bool,
    /// Room is being made for the head of the creation queue, which is to be tried again at once.
    making_room: bool,
    /// Creations that are answered when that has come to an end.
    unanswered: Vec<(ClientId, ObjectId, RequestId)>,
    /// A slice of eviction is on the way.
    evicting: bool,
    delay_on_full: Duration,
    limits: ClientLimits,
    wants_events: bool,
    /// Whether the events that only some hooks want are wanted.
    whole_lives: bool,
    encoder: Encoder,
    scratch: Vec<(ObjectId, PlasmaObject)>,
    /// What is shared with clients that asked for it; once one has.
    sharing: Option<Sharing>,
    may_share: bool,
    /// A message from shared memory.
    message: Vec<u8>,
}

fn bytes(object: LocalObject<'_, ObjectInfo>) -> u64 {
    u64::try_from(object.object_size()).unwrap_or(0)
}

/// A mistake of a client, for which its connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mistake {
    #[error(transparent)]
    Protocol(#[from] crate::plasma::protocol::ProtocolError),
    #[error("abort of {0}, which the client has not created, or which is sealed")]
    Abort(ObjectId),
    #[error("release of {0}, which is not sealed")]
    ReleaseUnsealed(ObjectId),
    #[error("more than {0} gets and creations at once")]
    TooManyRequests(usize),
    #[error("gets for more than {0} objects at once")]
    TooManyWaitingIds(usize),
    #[error("objects in more than {0} files of their own")]
    TooManyDescriptors(usize),
    #[error("in shared memory: {0}")]
    Ring(#[from] RingError),
}

impl<A: Allocator> Core<A> {
    pub(super) fn new(
        allocator: A,
        config: &StoreConfig,
        wants_events: bool,
        whole_lives: bool,
    ) -> io::Result<Self> {
        let mut lifecycle = PlasmaLifecycle::over_allocator(allocator);
        lifecycle.evict_in_slices();
        Ok(Self {
            lifecycle,
            clients: HashMap::default(),
            creates: CreateRequestQueue::new(config.grace_period_s),
            gets: GetRequestQueue::default(),
            timers: Timers::new()?,
            events: VecDeque::new(),
            to_flush: Vec::new(),
            counters: StoreCounters::default(),
            driving: false,
            resting: false,
            making_room: false,
            unanswered: Vec::new(),
            evicting: false,
            delay_on_full: config.delay_on_full,
            limits: config.limits,
            wants_events,
            whole_lives,
            encoder: Encoder::default(),
            scratch: Vec::new(),
            sharing: None,
            may_share: config.shared_memory && !whole_lives,
            message: Vec::new(),
        })
    }

    /// Does what a client asks, and writes the answer to its connection, which the caller flushes.
    pub(super) fn handle(&mut self, id: ClientId, request: Request<'_>) -> Result<Flow, Mistake> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(Flow::Goodbye);
        };
        match request {
            Request::Contains { object_id } => self.contains(id, &object_id),
            Request::Get { object_ids, timeout_ms } => self.get(id, object_ids, timeout_ms)?,
            Request::Release { object_id, may_unmap } => self.release(id, object_id, may_unmap)?,
            Request::Create(request) => return self.create(id, &request),
            Request::Seal { object_id } => self.seal(id, object_id),
            Request::CreateRetry { object_id, request_id } => {
                self.answer_create(id, object_id, request_id);
            }
            Request::Abort { object_id } => self.abort(id, object_id)?,
            Request::Delete { object_ids } => self.delete(id, object_ids),
            Request::Connect { capabilities: wanted } => return Ok(self.connect(id, wanted)),
            Request::SealQuietly { object_id } if client.requests.is_some() => {
                self.counters.seals += 1;
                self.seal_unsettled(id, object_id);
            }
            Request::Elsewhere { bytes } if client.requests.is_some() => {
                return Ok(Flow::Elsewhere(bytes));
            }
            Request::SetAside { offer } if client.requests.is_some() => {
                client.next_in = Some(offer);
            }
            Request::SetAside { .. } => {
                return Err(ProtocolError::UnknownType(MessageType::SET_ASIDE.0).into());
            }
            Request::SealQuietly { .. } => {
                return Err(ProtocolError::UnknownType(MessageType::SEAL_QUIETLY.0).into());
            }
            Request::Elsewhere { .. } => {
                return Err(ProtocolError::UnknownType(MessageType::ELSEWHERE.0).into());
            }
            Request::GetDebugString => {
                let connection = Arc::clone(&client.connection);
                let text = self.debug_string();
                connection.write(|out| self.encoder.get_debug_string_reply(out, &text));
            }
            Request::Admin { query } => {
                return Ok(Flow::Admin(crate::plasma::store::admin::collect(self, query)));
            }
            Request::Disconnect => return Ok(Flow::Goodbye),
        }
        Ok(Flow::Done)
    }

    fn contains(&mut self, id: ClientId, object_id: &ObjectId) {
        self.counters.contains += 1;
        self.settle_unsealed(object_id);
        let found = self.lifecycle.is_object_sealed(object_id);
        let Some(client) = self.clients.get_mut(&id) else { return };
        let encoder = &mut self.encoder;
        client.connection.write(|out| encoder.contains_reply(out, object_id, found));
        if found && client.requests.is_some() {
            self.publish(object_id);
        }
    }

    /// A client says hello.
    fn connect(&mut self, id: ClientId, wanted: u64) -> Flow {
        let mut known = wanted & (capabilities::ADMIN | capabilities::READ_ONLY);
        let page = if wanted & capabilities::SHARED != 0 { self.share_with(id) } else { None };
        let Some(client) = self.clients.get_mut(&id) else { return Flow::Goodbye };
        client.read_only |= known & capabilities::READ_ONLY != 0;
        known |= if page.is_some() { capabilities::SHARED } else { 0 };
        let capacity = self.lifecycle.table().allocator().footprint_limit();
        let encoder = &mut self.encoder;
        client.connection.write(|out| encoder.connect_reply(out, capacity, known));
        let Some((page, descriptors)) = page else { return Flow::Done };
        for descriptor in descriptors {
            client.connection.write_fd(descriptor);
        }
        client.connection.share(Arc::clone(&page));
        Flow::Shared(page)
    }

    /// Counts one more request of a client that waits.
    fn wait(&mut self, id: ClientId) -> Result<(), Mistake> {
        if let Some(client) = self.clients.get_mut(&id) {
            if client.in_flight >= self.limits.requests_in_flight {
                return Err(Mistake::TooManyRequests(self.limits.requests_in_flight));
            }
            client.in_flight += 1;
        }
        Ok(())
    }

    fn waited(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.in_flight = client.in_flight.saturating_sub(1);
        }
    }

    fn seal(&mut self, id: ClientId, object_id: ObjectId) {
        self.counters.seals += 1;
        let error = self.try_seal(id, object_id);
        if let Some(client) = self.clients.get(&id) {
            let encoder = &mut self.encoder;
            client.connection.write(|out| encoder.seal_reply(out, &object_id, error));
        }
    }

    fn try_seal(&mut self, id: ClientId, object_id: ObjectId) -> PlasmaError {
        if self.creator_of(id, &object_id).is_none_or(|creator| creator.connection.id != id) {
            self.settle_unsealed(&object_id);
        }
        self.seal_unsettled(id, object_id)
    }

    fn seal_unsettled(&mut self, id: ClientId, object_id: ObjectId) -> PlasmaError {
        if self.lifecycle.seal_object(&object_id).is_none() {
            return match self.lifecycle.get(&object_id) {
                Some(_) => PlasmaError::ObjectSealed,
                None => PlasmaError::ObjectNonexistent,
            };
        }
        let Some(object) = self.lifecycle.get(&object_id) else {
            return PlasmaError::ObjectNonexistent;
        };
        let size = bytes(object);
        if self.wants_events {
            self.events.push_back(Event::Added(object.info()));
        }
        if let Some(creator) = self.creator_of(id, &object_id) {
            creator.unsealed_bytes = creator.unsealed_bytes.saturating_sub(size);
        }
        self.publish(&object_id);
        self.object_sealed(object_id);
        PlasmaError::Ok
    }

    /// Who created an object that nobody else can have used yet: mostly `likely`, but any client may seal.
    fn creator_of(&mut self, likely: ClientId, object_id: &ObjectId) -> Option<&mut Client> {
        let holds = |client: &Client| client.holds(object_id);
        let creator = if self.clients.get(&likely).is_some_and(holds) {
            likely
        } else {
            self.clients.iter().find(|(_, client)| holds(client)).map(|(id, _)| *id)?
        };
        self.clients.get_mut(&creator)
    }

    /// Removes a sealed object that nobody uses. Returns whether there was one.
    pub(super) fn evict(&mut self, id: &ObjectId) -> bool {
        self.settle_outside(Some(id));
        self.adopt(id);
        let unused = |object: LocalObject<'_, _>| object.sealed() && object.ref_count() == 0;
        let evicted =
            self.lifecycle.get(id).is_some_and(unused) && self.lifecycle.delete_object(id).is_ok();
        self.collect_deleted();
        evicted
    }

    fn release(
        &mut self,
        id: ClientId,
        object_id: ObjectId,
        may_unmap: bool,
    ) -> Result<(), Mistake> {
        self.counters.releases += 1;
        let used_again = self.is_used_again(id, &object_id);
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        let mut should_unmap = false;
        if client.holds(&object_id) && !used_again {
            if !self.lifecycle.is_object_sealed(&object_id) {
                return Err(Mistake::ReleaseUnsealed(object_id));
            }
            should_unmap = client.let_go(&object_id).unwrap_or(false);
            let noting = self.whole_lives;
            self.events.extend(remove_reference(&mut self.lifecycle, &object_id, noting));
        }
        if may_unmap {
            let encoder = &mut self.encoder;
            client.connection.write(|out| {
                encoder.release_reply(out, &object_id, should_unmap, PlasmaError::Ok);
            });
        }
        self.collect_deleted();
        Ok(())
    }

    fn abort(&mut self, id: ClientId, object_id: ObjectId) -> Result<(), Mistake> {
        self.counters.aborts += 1;
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        if !client.holds(&object_id) || self.lifecycle.is_object_sealed(&object_id) {
            return Err(Mistake::Abort(object_id));
        }
        abort(&mut self.lifecycle, client, &object_id);
        let encoder = &mut self.encoder;
        client.connection.write(|out| encoder.abort_reply(out, &object_id));
        self.note_abort(&object_id);
        Ok(())
    }

    /// Notes that an object has gone before it was sealed.
    fn note_abort(&mut self, id: &ObjectId) {
        if self.whole_lives {
            self.events.push_back(Event::Aborted(*id));
        }
    }

    fn delete(&mut self, id: ClientId, ids: IdList<'_>) {
        self.counters.deletes += 1;
        let delete = |object_id| {
            self.settle(&object_id);
            self.adopt(&object_id);
            let result = self.lifecycle.delete_object(&object_id);
            (object_id, result.err().unwrap_or(PlasmaError::Ok))
        };
        let results: Vec<_> = ids.iter().map(delete).collect();
        self.collect_deleted();
        if let Some(client) = self.clients.get(&id) {
            let encoder = &mut self.encoder;
            client.connection.write(|out| encoder.delete_reply(out, &results));
        }
    }

    /// Takes a client in.
    pub(super) fn add_client(&mut self, connection: Arc<Connection>) {
        self.counters.clients_total += 1;
        self.clients.insert(connection.id, Client::new(connection));
    }

    /// A client has gone: unsealed objects are given up, references and requests dropped.
    pub(super) fn remove_client(&mut self, id: ClientId) {
        self.stop_sharing_with(id);
        let Some(mut client) = self.clients.remove(&id) else {
            return;
        };
        self.gets.remove_client(&id, |get_id, get| {
            if let Some(deadline) = get.deadline {
                self.timers.cancel(deadline, Due::Get(get_id));
            }
        });
        self.creates.remove_client(&id);
        let held: Vec<ObjectId> = client.held().copied().collect();
        for object_id in held {
            if self.lifecycle.is_object_sealed(&object_id) {
                client.let_go(&object_id);
                let noting = self.whole_lives;
                self.events.extend(remove_reference(&mut self.lifecycle, &object_id, noting));
            } else {
                abort(&mut self.lifecycle, &mut client, &object_id);
                self.note_abort(&object_id);
            }
        }
        self.collect_deleted();
    }

    /// Notes which sealed objects have gone.
    fn collect_deleted(&mut self) {
        while let Some(id) = self.lifecycle.next_deleted() {
            self.counters.objects_gone += 1;
            if self.wants_events {
                self.events.push_back(Event::Deleted(id));
            }
        }
    }

    /// Whether an object could be spilled: it is sealed, and exactly one client uses it.
    pub(super) fn is_spillable(&mut self, id: &ObjectId) -> bool {
        self.settle_outside(Some(id));
        let unseen = self.unseen_users(id);
        let users = |object: LocalObject<'_, _>| i64::from(object.ref_count()) + unseen;
        self.lifecycle.get(id).is_some_and(|object| object.sealed() && users(object) == 1)
    }

    /// The numbers of this moment, with what clients did and have that the store has not heard of.
    pub(super) fn snapshot(&mut self) -> StoreSnapshot {
        self.settle_outside(None);
        let (mut stats, mut counters) = (*self.lifecycle.stats(), self.counters);
        let unseen_references = self.count_unseen(&mut stats, &mut counters);
        let allocator = self.lifecycle.table().allocator();
        StoreSnapshot {
            capacity: allocator.footprint_limit(),
            allocated: allocator.allocated(),
            fallback_allocated: allocator.fallback_allocated(),
            objects: self.lifecycle.table().len(),
            stats,
            counters,
            clients: self.clients.len(),
            references: self.clients.values().map(|client| client.held().len()).sum::<usize>()
                + unseen_references,
            pending_creates: self.creates.num_pending_requests(),
            pending_create_bytes: self.creates.num_pending_bytes(),
            untaken_creates: self.creates.num_untaken(),
            pending_gets: self.gets.len(),
            eager_deletions: self.lifecycle.eager_deletions().len(),
            eviction_owed: self.lifecycle.owed(),
        }
    }

    fn debug_string(&self) -> String {
        format!(
            "{}\nEviction Stats:{}",
            self.lifecycle.stats(),
            self.lifecycle.eviction_debug_string()
        )
    }

    /// The text that a store writes to its log now and then.
    pub(super) fn debug_dump(&mut self) -> String {
        let now = self.snapshot();
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let gigabytes = |bytes: i64| bytes as f64 / 1e9;
        format!(
            "Plasma store debug dump: \nCurrent usage: {} / {} GB\n- num bytes created total: {}\n{} pending objects of total size {}MB\n{}",
            gigabytes(now.allocated),
            gigabytes(now.capacity),
            now.stats.created_total.bytes,
            now.pending_creates,
            now.pending_create_bytes / 1024 / 1024,
            now.stats
        )
    }
}

fn abort<A: Allocator>(lifecycle: &mut PlasmaLifecycle<A>, client: &mut Client, id: &ObjectId) {
    let size = lifecycle.get(id).map_or(0, bytes);
    client.unsealed_bytes = client.unsealed_bytes.saturating_sub(size);
    client.let_go(id);
    if let Err(error) = lifecycle.abort_object(id) {
        log::error!("cannot give up {id}: {error:?}");
    }
}

/// What is to be told of an object that has its memory now.
fn allocated(info: &ObjectInfo, source: ObjectSource, object: &PlasmaObject) -> Event {
    Event::Allocated(info.clone(), source, object.fallback_allocated)
}

/// Notes how many clients use an object now.
fn note_references<A: Allocator>(
    events: &mut VecDeque<Event>,
    lifecycle: &PlasmaLifecycle<A>,
    id: &ObjectId,
) {
    let count = lifecycle.get(id).map(|object| object.ref_count());
    events.extend(count.map(|count| Event::References(*id, count)));
}

/// A client does not use an object any more. Returns, if `noting`, what is to be told of it.
fn remove_reference<A: Allocator>(
    lifecycle: &mut PlasmaLifecycle<A>,
    id: &ObjectId,
    noting: bool,
) -> Option<Event> {
    // The count is taken before, as the object may go with its last reference.
    let count = if noting { lifecycle.get(id).map(|object| object.ref_count()) } else { None };
    let removed = lifecycle.remove_reference(id);
    count.filter(|_| removed).map(|count| Event::References(*id, count - 1))
}

/// Sends a client the descriptor of a file, unless it has it.
fn send_fd(client: &mut Client, fd: MemFd) {
    if fd.fd < 0 || !client.must_be_sent(fd) {
        return;
    }
    match copy_of(fd, client.read_only) {
        Ok(copy) => client.connection.write_fd(copy),
        Err(error) => {
            log::error!(
                "cannot send a descriptor to client {}: {error}",
                client.connection.peer.pid
            );
            client.connection.close();
        }
    }
}

/// A descriptor of its own for a file of the store, which may go before the client reads.
fn copy_of(fd: MemFd, read_only: bool) -> io::Result<OwnedFd> {
    // SAFETY: the store keeps the files of live objects open, and this one is in use by the client.
    let file = unsafe { BorrowedFd::borrow_raw(fd.fd) };
    if read_only {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        return Ok(OpenOptions::new().read(true).open(path)?.into());
    }
    file.try_clone_to_owned()
}
