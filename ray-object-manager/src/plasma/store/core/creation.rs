//! Objects are created: at once, or when the queue has come to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use ray_common::ObjectId;

use super::{allocated, bytes, send_fd, Core, Event, Flow, Mistake};
use crate::plasma::allocator::Allocator;
use crate::plasma::common::{ObjectDescription, ObjectInfo, ObjectSource, PlasmaError};
use crate::plasma::create_request_queue::{AfterFull, CreateHandler, RequestId, Step};
use crate::plasma::obj_lifecycle_mgr::PlasmaLifecycle;
use crate::plasma::protocol::{CreateRequest, PlasmaObject};
use crate::plasma::store::client::{Client, ClientId};
use crate::plasma::store::sharing::Pins;
use crate::plasma::store::timers::Due;

/// Objects that are evicted for a creation before others get a turn. It goes on in the queue.
const AT_ONCE: usize = 1024;

/// A creation that waits.
#[derive(Debug, Clone)]
pub(super) struct Creation {
    client: ClientId,
    info: ObjectInfo,
    source: ObjectSource,
}

/// What a creation that was queued has become. It may have gone again before its creator asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Created {
    id: ObjectId,
    object: PlasmaObject,
}

/// Creates objects for the queue.
struct Creator<'a, A: Allocator> {
    lifecycle: &'a mut PlasmaLifecycle<A>,
    pins: Pins<'a>,
    clients: &'a mut HashMap<ClientId, Client, RandomState>,
    disk_is_full: bool,
    /// Files of its own kind that a client may use.
    descriptors: usize,
    /// Whether room is being made for what was asked for last.
    making_room: bool,
    /// Whether to note in `allocated` what was.
    noting: bool,
    allocated: Option<Event>,
}

impl<A: Allocator> CreateHandler<Creation, Created> for Creator<'_, A> {
    fn create(&mut self, creation: &Creation, fallback: bool) -> Result<Created, PlasmaError> {
        self.making_room = false;
        let Some(client) = self.clients.get_mut(&creation.client) else {
            return Err(PlasmaError::UnexpectedError);
        };
        let fallback_asked = fallback;
        let fallback = fallback && client.descriptors() < self.descriptors;
        let info = &creation.info;
        // The last attempt gets all there is.
        let most = if fallback_asked { usize::MAX } else { AT_ONCE };
        let created =
            create(self.lifecycle, client, &mut self.pins, info, creation.source, fallback, most)?;
        self.making_room = created.is_none();
        let object = created.ok_or(PlasmaError::OutOfMemory)?;
        if self.noting {
            self.allocated = Some(allocated(info, creation.source, &object));
        }
        Ok(Created { id: info.object_id, object })
    }

    fn disk_is_full(&mut self) -> bool {
        self.disk_is_full
    }

    fn is_making_room(&self) -> bool {
        self.making_room
    }
}

/// Creates an object to which its client has the one reference. Nothing is returned when so many objects had to go, and
/// more have to.
fn create<A: Allocator>(
    lifecycle: &mut PlasmaLifecycle<A>,
    client: &mut Client,
    pins: &mut Pins<'_>,
    info: &ObjectInfo,
    source: ObjectSource,
    fallback: bool,
    most: usize,
) -> Result<Option<PlasmaObject>, PlasmaError> {
    if lifecycle.create_object_for_now(info, source, fallback, pins, most)?.is_none() {
        return Ok(None);
    }
    begin(lifecycle, client, &info.object_id).map(Some)
}

/// Gives an object that was just created its client's reference.
fn begin<A: Allocator>(
    lifecycle: &mut PlasmaLifecycle<A>,
    client: &mut Client,
    id: &ObjectId,
) -> Result<PlasmaObject, PlasmaError> {
    lifecycle.add_reference(id);
    let Some(object) = lifecycle.get(id) else {
        return Err(PlasmaError::UnexpectedError);
    };
    client.hold(*id, &object.allocation());
    client.unsealed_bytes += bytes(object);
    Ok(PlasmaObject::of(object))
}

impl<A: Allocator> Core<A> {
    pub(in crate::plasma::store) fn create(
        &mut self,
        id: ClientId,
        request: &CreateRequest<'_>,
    ) -> Result<Flow, Mistake> {
        self.counters.creates += 1;
        let limits = self.limits;
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(Flow::Goodbye);
        };
        let offer = client.next_in.take();
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
            Some(_) if quick => match self.create_set_aside(id, offer, &info, request.source) {
                Some(result) => result,
                None => self.create_now(id, &info, request),
            },
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
        self.plan_eviction();
        if let (true, Ok(object)) = (self.whole_lives, &result) {
            self.events.push_back(allocated(&info, request.source, object));
        }
        self.write_created(id, info.object_id, result);
        if let (Ok(_), Some(size)) = (result, info.checked_object_size()) {
            self.offer_another(id, size);
        }
        Ok(Flow::Done)
    }

    /// Creates an object in the space that its client has taken for it; `None` if there is none, or for a channel, whose header the
    /// store writes where the client may be writing. When it fails, the space stays the client's.
    fn create_set_aside(
        &mut self,
        id: ClientId,
        offer: Option<u64>,
        info: &ObjectInfo,
        source: ObjectSource,
    ) -> Option<Result<PlasmaObject, PlasmaError>> {
        let (offer, size) = (offer.filter(|_| !info.is_mutable)?, info.checked_object_size()?);
        self.settle(&info.object_id);
        let sharing = self.sharing.as_mut()?;
        let (space, client) = (sharing.taken_offer(id, offer, size)?, self.clients.get_mut(&id)?);
        let lifecycle = &mut self.lifecycle;
        if let Err(error) = lifecycle.create_object_set_aside(info, source, space) {
            return Some(Err(error));
        }
        sharing.offer_is_used(id);
        self.counters.creates_set_aside += 1;
        Some(begin(lifecycle, client, &info.object_id))
    }

    /// A client has created an object of so many bytes, and may create another, for which space is set aside, unless others wait for some.
    fn offer_another(&mut self, id: ClientId, size: i64) {
        let Some(sharing) = &mut self.sharing else { return };
        if self.creates.num_pending_requests() == 0 && self.lifecycle.owed() == 0 {
            sharing.offer_another(id, size, self.lifecycle.table_mut());
        }
    }

    /// Creates an object without the queue.
    fn create_now(
        &mut self,
        id: ClientId,
        info: &ObjectInfo,
        request: &CreateRequest<'_>,
    ) -> Result<PlasmaObject, PlasmaError> {
        self.settle(&info.object_id);
        // What others have let go of is heard of only when it matters.
        let mut heard = self.sharing.is_none();
        loop {
            let Some(client) = self.clients.get_mut(&id) else {
                return Err(PlasmaError::UnexpectedError);
            };
            // Only what cannot be had otherwise goes to a file.
            let fallback = heard && request.try_immediately;
            let mut pins = Pins::of(&mut self.sharing);
            let lifecycle = &mut self.lifecycle;
            // Who cannot wait in the queue has to make all others wait.
            let most = if request.try_immediately { usize::MAX } else { AT_ONCE };
            let result = create(lifecycle, client, &mut pins, info, request.source, fallback, most)
                .and_then(|created| created.ok_or(PlasmaError::OutOfMemory));
            let adopted = pins.adopted;
            self.note_adoptions(&adopted);
            if heard || result != Err(PlasmaError::OutOfMemory) {
                return result;
            }
            self.settle_all();
            heard = true;
        }
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

    /// Tells a client how a creation that was queued stands: now, or when room has been made for the head of the queue, which
    /// takes some milliseconds at most where asking again would take many.
    pub(in crate::plasma::store) fn answer_create(
        &mut self,
        id: ClientId,
        object_id: ObjectId,
        request: RequestId,
    ) {
        let deferred = |(_, _, other): &(_, _, RequestId)| *other == request;
        if self.making_room
            && self.creates.is_fulfilled(request) == Some(false)
            && !self.unanswered.iter().any(deferred)
        {
            self.unanswered.push((id, object_id, request));
            return;
        }
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

    pub(in crate::plasma::store) fn write_created(
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
                let size = object.object_size();
                self.events.push_back(Event::Created(size, object.source()));
            }
        }
    }

    /// Begins to serve the creation queue; false when somebody does, or it is to rest.
    pub(in crate::plasma::store) fn begin_driving(&mut self) -> bool {
        let idle = !self.driving && !self.resting;
        self.driving |= idle;
        idle
    }

    /// Serves the head of the creation queue. With [`Step::Full`] comes the object that does not fit.
    pub(in crate::plasma::store) fn drive(
        &mut self,
        disk_is_full: bool,
    ) -> (Step, Option<(ObjectInfo, ObjectSource)>) {
        self.settle_all();
        let head = self.head();
        let mut creator = Creator {
            lifecycle: &mut self.lifecycle,
            pins: Pins::of(&mut self.sharing),
            clients: &mut self.clients,
            disk_is_full,
            making_room: false,
            descriptors: self.limits.descriptors,
            noting: self.whole_lives,
            allocated: None,
        };
        let step = self.creates.step(&mut creator);
        self.making_room = matches!(step, Step::MakingRoom(_));
        let (allocated, adopted) = (creator.allocated, creator.pins.adopted);
        self.note_adoptions(&adopted);
        self.collect_deleted();
        self.plan_eviction();
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
    pub(in crate::plasma::store) fn drive_full(
        &mut self,
        id: RequestId,
        spilling: bool,
        now: i64,
    ) -> AfterFull {
        self.settle_all();
        let head = self.head();
        let mut creator = Creator {
            lifecycle: &mut self.lifecycle,
            pins: Pins::of(&mut self.sharing),
            clients: &mut self.clients,
            disk_is_full: false,
            making_room: false,
            descriptors: self.limits.descriptors,
            noting: self.whole_lives,
            allocated: None,
        };
        let after = self.creates.head_is_full(id, spilling, now, &mut creator);
        let (allocated, adopted) = (creator.allocated, creator.pins.adopted);
        self.note_adoptions(&adopted);
        self.collect_deleted();
        self.plan_eviction();
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
    pub(in crate::plasma::store) fn end_driving(&mut self) {
        self.driving = false;
        if !self.making_room {
            for (id, object_id, request) in std::mem::take(&mut self.unanswered) {
                self.answer_create(id, object_id, request);
                self.to_flush
                    .extend(self.clients.get(&id).map(|client| Arc::clone(&client.connection)));
            }
        }
        if self.creates.num_pending_requests() > 0 {
            self.resting = true;
            let rest = if self.making_room { Duration::ZERO } else { self.delay_on_full };
            self.timers.add(Instant::now() + rest, Due::Create);
        }
    }

    /// The creation queue has rested.
    pub(in crate::plasma::store) fn rested(&mut self) {
        self.resting = false;
    }
}
