//! The state of a store, and what each request does to it. One lock guards it; nobody is called from here.

use std::collections::{HashMap, VecDeque};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use ray_common::ObjectId;

use super::client::{Client, ClientId};
use super::config::{ClientLimits, StoreConfig};
use super::connection::Connection;
use super::timers::{Due, Timers};
use crate::plasma::allocator::{Allocator, MemFd};
use crate::plasma::common::{
    LocalObject, ObjectDescription, ObjectInfo, ObjectSource, PlasmaError,
};
use crate::plasma::create_request_queue::{
    AfterFull, CreateHandler, CreateRequestQueue, RequestId, Step,
};
use crate::plasma::get_request_queue::{Found, GetId, GetRequestQueue};
use crate::plasma::obj_lifecycle_mgr::PlasmaLifecycle;
use crate::plasma::object_store::ObjectTable;
use crate::plasma::protocol::{
    capabilities, CreateRequest, Encoder, IdList, PlasmaObject, Request,
};
use crate::plasma::stats_collector::ObjectStatsCollector;

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

/// A creation that waits.
#[derive(Debug, Clone)]
pub(super) struct Creation {
    client: ClientId,
    info: ObjectInfo,
    source: ObjectSource,
}

/// What a creation that was queued has become. It may have gone again before its creator asks.
#[derive(Debug, Clone, Copy)]
struct Created {
    id: ObjectId,
    object: PlasmaObject,
}

/// A get that waits.
#[derive(Debug)]
struct Get {
    object_ids: Vec<ObjectId>,
    deadline: Option<Instant>,
}

/// What remains to be done for a request.
#[derive(Debug)]
pub(super) enum Flow {
    /// Nothing.
    Done,
    /// The creation queue is to be served, and then the client told how its creation stands.
    Create(ObjectId, RequestId),
    /// The client is to be sent this as text.
    Admin(super::admin::Answer),
    /// The client said goodbye.
    Goodbye,
}

/// How often what was asked, and how it ended. Never goes down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the number of such requests")]
pub struct StoreCounters {
    pub creates: u64,
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
    delay_on_full: Duration,
    limits: ClientLimits,
    wants_events: bool,
    /// Whether the events that only some hooks want are wanted.
    whole_lives: bool,
    encoder: Encoder,
    scratch: Vec<(ObjectId, PlasmaObject)>,
}

/// Creates objects for the queue.
struct Creator<'a, A: Allocator> {
    lifecycle: &'a mut PlasmaLifecycle<A>,
    clients: &'a mut HashMap<ClientId, Client, RandomState>,
    disk_is_full: bool,
    /// Files of its own kind that a client may use.
    descriptors: usize,
    /// Whether to note in `allocated` what was.
    noting: bool,
    allocated: Option<Event>,
}

impl<A: Allocator> CreateHandler<Creation, Created> for Creator<'_, A> {
    fn create(&mut self, creation: &Creation, fallback: bool) -> Result<Created, PlasmaError> {
        let Some(client) = self.clients.get_mut(&creation.client) else {
            return Err(PlasmaError::UnexpectedError);
        };
        let fallback = fallback && client.descriptors() < self.descriptors;
        let info = &creation.info;
        let object = create(self.lifecycle, client, info, creation.source, fallback)?;
        if self.noting {
            self.allocated = Some(allocated(info, creation.source, &object));
        }
        Ok(Created { id: info.object_id, object })
    }

    fn disk_is_full(&mut self) -> bool {
        self.disk_is_full
    }
}

/// Creates an object to which its client has the one reference.
fn create<A: Allocator>(
    lifecycle: &mut PlasmaLifecycle<A>,
    client: &mut Client,
    info: &ObjectInfo,
    source: ObjectSource,
    fallback: bool,
) -> Result<PlasmaObject, PlasmaError> {
    lifecycle.create_object(info, source, fallback)?;
    lifecycle.add_reference(&info.object_id);
    let Some(object) = lifecycle.get(&info.object_id) else {
        return Err(PlasmaError::UnexpectedError);
    };
    client.hold(info.object_id, object.allocation());
    client.unsealed_bytes += bytes(object);
    Ok(PlasmaObject::of(object))
}

/// Finds a sealed object for a client, which has a reference to it from then on. It may use so many files of their own.
fn find<A: Allocator>(
    lifecycle: &mut PlasmaLifecycle<A>,
    client: &mut Client,
    id: &ObjectId,
    descriptors: usize,
) -> Result<Option<PlasmaObject>, Mistake> {
    let Some(found) = lifecycle.get_object(id) else {
        return Ok(None);
    };
    let object = lifecycle.table().object(found);
    if !object.sealed() {
        return Ok(None);
    }
    let in_file = object.allocation().fallback_allocated;
    if in_file && client.descriptors() >= descriptors && !client.holds(id) {
        return Err(Mistake::TooManyDescriptors(descriptors));
    }
    let described = PlasmaObject::of(object);
    if client.hold(*id, object.allocation()) {
        lifecycle.add_reference_to(id, found);
    }
    Ok(Some(described))
}

fn bytes<I: ObjectDescription>(object: &LocalObject<I>) -> u64 {
    u64::try_from(object.info().object_size()).unwrap_or(0)
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
}

impl<A: Allocator> Core<A> {
    pub(super) fn new(
        allocator: A,
        config: &StoreConfig,
        wants_events: bool,
        whole_lives: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            lifecycle: PlasmaLifecycle::over_allocator(allocator),
            clients: HashMap::default(),
            creates: CreateRequestQueue::new(config.grace_period_s),
            gets: GetRequestQueue::default(),
            timers: Timers::new()?,
            events: VecDeque::new(),
            to_flush: Vec::new(),
            counters: StoreCounters::default(),
            driving: false,
            resting: false,
            delay_on_full: config.delay_on_full,
            limits: config.limits,
            wants_events,
            whole_lives,
            encoder: Encoder::default(),
            scratch: Vec::new(),
        })
    }

    /// Does what a client asks, and writes the answer to its connection, which the caller flushes.
    pub(super) fn handle(&mut self, id: ClientId, request: Request<'_>) -> Result<Flow, Mistake> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(Flow::Goodbye);
        };
        match request {
            Request::Contains { object_id } => {
                self.counters.contains += 1;
                let found = self.lifecycle.is_object_sealed(&object_id);
                let encoder = &mut self.encoder;
                client.connection.write(|out| encoder.contains_reply(out, &object_id, found));
            }
            Request::Get { object_ids, timeout_ms } => self.get(id, object_ids, timeout_ms)?,
            Request::Release { object_id, may_unmap } => self.release(id, object_id, may_unmap)?,
            Request::Create(request) => return self.create(id, &request),
            Request::Seal { object_id } => self.seal(id, object_id),
            Request::CreateRetry { object_id, request_id } => {
                self.answer_create(id, object_id, request_id);
            }
            Request::Abort { object_id } => self.abort(id, object_id)?,
            Request::Delete { object_ids } => self.delete(id, object_ids),
            Request::Connect { capabilities: wanted } => {
                let known = wanted & (capabilities::ADMIN | capabilities::READ_ONLY);
                client.read_only |= known & capabilities::READ_ONLY != 0;
                let capacity = self.lifecycle.table().allocator().footprint_limit();
                let encoder = &mut self.encoder;
                client.connection.write(|out| encoder.connect_reply(out, capacity, known));
            }
            Request::GetDebugString => {
                let connection = Arc::clone(&client.connection);
                let text = self.debug_string();
                connection.write(|out| self.encoder.get_debug_string_reply(out, &text));
            }
            Request::Admin { query } => {
                return Ok(Flow::Admin(super::admin::collect(self, query)));
            }
            Request::Disconnect => return Ok(Flow::Goodbye),
        }
        Ok(Flow::Done)
    }

    fn create(&mut self, id: ClientId, request: &CreateRequest<'_>) -> Result<Flow, Mistake> {
        self.counters.creates += 1;
        let limits = self.limits;
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(Flow::Goodbye);
        };
        let info = request.info();
        let size = info.checked_object_size().and_then(|size| u64::try_from(size).ok());
        let allowed = size.filter(|size| {
            request.device_num == 0
                && !client.read_only
                && client.unsealed_bytes.saturating_add(client.queued_bytes).saturating_add(*size)
                    <= limits.unsealed_bytes
                && client.descriptors() < limits.descriptors
        });
        let quick =
            request.try_immediately || (self.creates.num_pending_requests() == 0 && !self.driving);
        let result = match allowed {
            // What Ray's store says once it has had the request in its queue for the whole grace period.
            None if request.device_num != 0 && !request.try_immediately => {
                Err(PlasmaError::OutOfDisk)
            }
            None => Err(PlasmaError::OutOfMemory),
            Some(_) if quick => {
                create(&mut self.lifecycle, client, &info, request.source, request.try_immediately)
            }
            Some(size) => return self.enqueue(id, info, request.source, size),
        };
        if let (Err(PlasmaError::OutOfMemory), Some(size), false) =
            (&result, allowed, request.try_immediately)
        {
            return self.enqueue(id, info, request.source, size);
        }
        if !request.try_immediately {
            self.creates.skip();
        }
        self.collect_deleted();
        if let (true, Ok(object)) = (self.whole_lives, &result) {
            self.events.push_back(allocated(&info, request.source, object));
        }
        self.write_created(id, info.object_id, result);
        Ok(Flow::Done)
    }

    fn enqueue(
        &mut self,
        id: ClientId,
        info: ObjectInfo,
        source: ObjectSource,
        size: u64,
    ) -> Result<Flow, Mistake> {
        self.wait(id)?;
        if let Some(client) = self.clients.get_mut(&id) {
            client.queued_bytes = client.queued_bytes.saturating_add(size);
        }
        let object_id = info.object_id;
        let request = self.creates.add(id, Creation { client: id, info, source }, size);
        Ok(Flow::Create(object_id, request))
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

    /// Tells a client how a creation that was queued stands.
    pub(super) fn answer_create(&mut self, id: ClientId, object_id: ObjectId, request: RequestId) {
        let known = self.creates.is_fulfilled(request).is_some();
        match self.creates.take_result_of(request, &id) {
            Some(result) => {
                if known {
                    self.waited(id);
                }
                let result = result.and_then(|created| self.still_there(id, created));
                self.write_created(id, object_id, result);
            }
            None => {
                if let Some(client) = self.clients.get(&id) {
                    let encoder = &mut self.encoder;
                    client
                        .connection
                        .write(|out| encoder.unfinished_create_reply(out, &object_id, request));
                }
            }
        }
    }

    /// The object of a creation, unless its creator has let go of it since: then its file may be another's by now.
    fn still_there(&self, id: ClientId, created: Created) -> Result<PlasmaObject, PlasmaError> {
        let held = self.clients.get(&id).is_some_and(|client| client.holds(&created.id));
        let now = self.lifecycle.get(&created.id).filter(|_| held).map(PlasmaObject::of);
        now.filter(|now| *now == created.object).ok_or(PlasmaError::UnexpectedError)
    }

    fn write_created(
        &mut self,
        id: ClientId,
        object_id: ObjectId,
        result: Result<PlasmaObject, PlasmaError>,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let encoder = &mut self.encoder;
        client.connection.write(|out| encoder.create_reply(out, &object_id, result));
        if let Ok(object) = result {
            send_fd(client, object.store_fd);
            if let (true, Some(object)) = (self.wants_events, self.lifecycle.get(&object_id)) {
                let size = object.info().object_size();
                self.events.push_back(Event::Created(size, object.source()));
            }
        }
    }

    /// Begins to serve the creation queue; false when somebody does, or it is to rest.
    pub(super) fn begin_driving(&mut self) -> bool {
        let idle = !self.driving && !self.resting;
        self.driving |= idle;
        idle
    }

    /// Serves the head of the creation queue. With [`Step::Full`] comes the object that does not fit.
    pub(super) fn drive(
        &mut self,
        disk_is_full: bool,
    ) -> (Step, Option<(ObjectInfo, ObjectSource)>) {
        let head = self.head();
        let mut creator = Creator {
            lifecycle: &mut self.lifecycle,
            clients: &mut self.clients,
            disk_is_full,
            descriptors: self.limits.descriptors,
            noting: self.whole_lives,
            allocated: None,
        };
        let step = self.creates.step(&mut creator);
        let allocated = creator.allocated;
        self.collect_deleted();
        self.events.extend(allocated);
        if matches!(step, Step::Finished(_) | Step::OutOfDisk(_)) {
            self.left_queue(head);
        }
        match step {
            Step::Full(_) => {
                let head = self.creates.waiting().next().map(|head| &head.request);
                (step, head.map(|head| (head.info.clone(), head.source)))
            }
            _ => (step, None),
        }
    }

    /// Goes on after the world was asked to spill.
    pub(super) fn drive_full(&mut self, id: RequestId, spilling: bool, now: i64) -> AfterFull {
        let head = self.head();
        let mut creator = Creator {
            lifecycle: &mut self.lifecycle,
            clients: &mut self.clients,
            disk_is_full: false,
            descriptors: self.limits.descriptors,
            noting: self.whole_lives,
            allocated: None,
        };
        let after = self.creates.head_is_full(id, spilling, now, &mut creator);
        let allocated = creator.allocated;
        self.collect_deleted();
        self.events.extend(allocated);
        if matches!(after, AfterFull::Finished(..)) {
            self.left_queue(head);
        }
        after
    }

    /// Whose creation is the first in the queue, and its size.
    fn head(&self) -> Option<(ClientId, u64)> {
        self.creates.waiting().next().map(|head| (head.client, head.object_size))
    }

    /// A creation waits no longer: if it succeeded its bytes are among those not sealed now.
    fn left_queue(&mut self, head: Option<(ClientId, u64)>) {
        if let Some((client, size)) = head {
            if let Some(client) = self.clients.get_mut(&client) {
                client.queued_bytes = client.queued_bytes.saturating_sub(size);
            }
        }
    }

    /// Ends serving the creation queue, and tries again later if something is left in it.
    pub(super) fn end_driving(&mut self) {
        self.driving = false;
        if self.creates.num_pending_requests() > 0 {
            self.resting = true;
            self.timers.add(Instant::now() + self.delay_on_full, Due::Create);
        }
    }

    /// The creation queue has rested.
    pub(super) fn rested(&mut self) {
        self.resting = false;
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
            self.events.push_back(Event::Added(object.info().clone()));
        }
        if let Some(creator) = self.creator_of(id, &object_id) {
            creator.unsealed_bytes = creator.unsealed_bytes.saturating_sub(size);
        }
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

    /// Gives an object that is there now to the gets that wait for it.
    fn object_sealed(&mut self, object_id: ObjectId) {
        if self.gets.num_waiting_for(&object_id) == 0 {
            return;
        }
        let mut done = Vec::new();
        let mut holders = Vec::new();
        self.gets.object_sealed(&object_id, |client, found| {
            holders.push(*client);
            if let Found::Last(id, get) = found {
                done.push((*client, id, get));
            }
        });
        for client in holders {
            self.reference(client, &object_id);
        }
        for (client, id, get) in done {
            self.finish_get(client, id, &get);
        }
    }

    /// Gives a client a reference to a sealed object, unless it has one.
    fn reference(&mut self, id: ClientId, object_id: &ObjectId) {
        if let Some(client) = self.clients.get_mut(&id) {
            // To a client that has too many descriptors it is not there.
            let _ = find(&mut self.lifecycle, client, object_id, self.limits.descriptors);
            if self.whole_lives {
                note_references(&mut self.events, &self.lifecycle, object_id);
            }
        }
    }

    /// Removes a sealed object that nobody uses. Returns whether there was one.
    pub(super) fn evict(&mut self, id: &ObjectId) -> bool {
        let unused = |object: &LocalObject<_>| object.sealed() && object.ref_count() == 0;
        let evicted =
            self.lifecycle.get(id).is_some_and(unused) && self.lifecycle.delete_object(id).is_ok();
        self.collect_deleted();
        evicted
    }

    fn get(&mut self, id: ClientId, ids: IdList<'_>, timeout_ms: i64) -> Result<(), Mistake> {
        self.counters.gets += 1;
        let mut missing = Vec::new();
        let mut objects = std::mem::take(&mut self.scratch);
        objects.clear();
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        for object_id in ids.iter() {
            let found = find(&mut self.lifecycle, client, &object_id, self.limits.descriptors)?;
            if found.is_none() {
                missing.push(object_id);
            } else if self.whole_lives {
                note_references(&mut self.events, &self.lifecycle, &object_id);
            }
            objects.push((object_id, found.unwrap_or(PlasmaObject::MISSING)));
        }
        self.counters.get_hits += (objects.len() - missing.len()) as u64;
        self.counters.get_misses += missing.len() as u64;
        if missing.is_empty() || timeout_ms == 0 {
            self.write_get(id, &objects);
        }
        self.scratch = objects;
        if missing.is_empty() || timeout_ms == 0 {
            return Ok(());
        }
        self.wait(id)?;
        if let Some(client) = self.clients.get_mut(&id) {
            client.waiting_ids += ids.len();
            if client.waiting_ids > MOST_WAITING_IDS {
                return Err(Mistake::TooManyWaitingIds(MOST_WAITING_IDS));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        // A negative timeout never ends; so does one that is further away than clocks go.
        let deadline = u64::try_from(timeout_ms)
            .ok()
            .and_then(|timeout| Instant::now().checked_add(Duration::from_millis(timeout)));
        let get = Get { object_ids: ids.iter().collect(), deadline };
        let get_id = self.gets.add(id, missing, get);
        if let Some(deadline) = deadline {
            self.timers.add(deadline, Due::Get(get_id));
        }
        Ok(())
    }

    /// Answers a get that has left the queue with what the client has got by now.
    fn finish_get(&mut self, id: ClientId, get_id: GetId, get: &Get) {
        if let Some(deadline) = get.deadline {
            self.timers.cancel(deadline, Due::Get(get_id));
        }
        self.waited(id);
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.waiting_ids = client.waiting_ids.saturating_sub(get.object_ids.len());
        let client = &*client;
        let lifecycle = &self.lifecycle;
        let held = |id: &ObjectId| client.holds(id).then(|| lifecycle.get(id)).flatten();
        let objects: Vec<_> = get
            .object_ids
            .iter()
            .map(|id| {
                let object = held(id).filter(|object| object.sealed());
                (*id, object.map_or(PlasmaObject::MISSING, PlasmaObject::of))
            })
            .collect();
        let connection = Arc::clone(&client.connection);
        self.write_get(id, &objects);
        self.to_flush.push(connection);
    }

    /// The time of a get is over.
    pub(super) fn get_timed_out(&mut self, get_id: GetId) {
        if let Some((client, get)) = self.gets.remove(get_id) {
            self.finish_get(client, get_id, &get);
        }
    }

    fn write_get(&mut self, id: ClientId, objects: &[(ObjectId, PlasmaObject)]) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let mut files: Vec<(MemFd, i64)> = Vec::new();
        for (_, object) in objects {
            let new =
                object.is_present() && !files.iter().rev().any(|(fd, _)| *fd == object.store_fd);
            if new {
                files.push((object.store_fd, object.mmap_size));
            }
        }
        let encoder = &mut self.encoder;
        client.connection.write(|out| encoder.get_reply(out, objects, &files));
        for (fd, _) in files {
            send_fd(client, fd);
        }
    }

    fn release(
        &mut self,
        id: ClientId,
        object_id: ObjectId,
        may_unmap: bool,
    ) -> Result<(), Mistake> {
        self.counters.releases += 1;
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        let mut should_unmap = false;
        if client.holds(&object_id) {
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
    pub(super) fn is_spillable(&self, id: &ObjectId) -> bool {
        self.lifecycle.get(id).is_some_and(|object| object.sealed() && object.ref_count() == 1)
    }

    pub(super) fn snapshot(&self) -> StoreSnapshot {
        let allocator = self.lifecycle.table().allocator();
        StoreSnapshot {
            capacity: allocator.footprint_limit(),
            allocated: allocator.allocated(),
            fallback_allocated: allocator.fallback_allocated(),
            objects: self.lifecycle.table().len(),
            stats: *self.lifecycle.stats(),
            counters: self.counters,
            clients: self.clients.len(),
            references: self.clients.values().map(|client| client.held().len()).sum(),
            pending_creates: self.creates.num_pending_requests(),
            pending_create_bytes: self.creates.num_pending_bytes(),
            untaken_creates: self.creates.num_untaken(),
            pending_gets: self.gets.len(),
            eager_deletions: self.lifecycle.eager_deletions().len(),
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
    pub(super) fn debug_dump(&self) -> String {
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
    let count = lifecycle.get(id).map(LocalObject::ref_count);
    events.extend(count.map(|count| Event::References(*id, count)));
}

/// A client does not use an object any more. Returns, if `noting`, what is to be told of it.
fn remove_reference<A: Allocator>(
    lifecycle: &mut PlasmaLifecycle<A>,
    id: &ObjectId,
    noting: bool,
) -> Option<Event> {
    // The count is taken before, as the object may go with its last reference.
    let count = if noting { lifecycle.get(id).map(LocalObject::ref_count) } else { None };
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
