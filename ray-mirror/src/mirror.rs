//! The hooks of our store that keep a twin of every object in the shadow.
//!
//! | ours | the twin |
//! |---|---|
//! | is created | is created by the first peer, in the order of ours, without waiting for the answer |
//! | is sealed | is sealed before anybody learns of the seal, so that the raylet knows first, as with its own store |
//! | is used by one client | the first peer has a reference |
//! | by more | the second peer, too: an object can be spilled when there is exactly one |
//! | is used no more | nobody has one, a few milliseconds later |
//! | is evicted, deleted | is deleted, before the twin of what took its place is created |
//!
//! The shadow divides its memory in another way than our store, and may evict when ours does not. Then ours evicts
//! the same object, or the twin is made again if it is in use by now.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use ray_common::ObjectId;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource, PlasmaError};
use ray_object_manager::plasma::store::StoreHooks;

use crate::peer::{Answer, Creation, Peer, PeerError, Shadow};
use crate::pressure::{Pressure, Verdict};
use crate::twins::{Place, Twin, Twins, ENOUGH};

/// How long references may differ.
const LAG: Duration = Duration::from_millis(5);

/// How long a raylet may take to listen on its store's socket after it has bound it.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long the disk counts as full after the shadow said so.
const DISK_STAYS_FULL: Duration = Duration::from_millis(100);

type Evict = Box<dyn Fn(&ObjectId) -> bool + Send + Sync>;

/// The hooks of a store whose objects have twins. See the crate.
pub struct Mirror {
    state: Mutex<State>,
    changed: Condvar,
    /// Removes an object of ours that nobody uses.
    evict: OnceLock<Evict>,
    disk_was_full: Mutex<Option<Instant>>,
}

enum State {
    Connecting,
    Connected(Box<Link>),
    /// There is no shadow (any more).
    Broken,
}

struct Link {
    shadow: Shadow,
    first: Peer,
    /// It never owes an answer from one hook to the next.
    second: Peer,
    twins: Twins,
    limit: i64,
    /// What waits in our store, asked for here.
    pressure: Option<Pressure>,
    /// Something that does not fit, when that does.
    more_pressure: Option<Pressure>,
    /// The shadow counts the time since something did not fit, which ends when it creates something from its queue.
    grace_runs: bool,
    /// Twins that the shadow has evicted, to be looked after.
    lost: Vec<ObjectId>,
}

impl Mirror {
    /// A mirror that connects to the shadow as soon as that listens. What is told before waits.
    ///
    /// # Errors
    /// When there cannot be another thread.
    pub fn start(shadow: Shadow) -> std::io::Result<Arc<Self>> {
        let mirror = Arc::new(Self {
            state: Mutex::new(State::Connecting),
            changed: Condvar::new(),
            evict: OnceLock::new(),
            disk_was_full: Mutex::new(None),
        });
        let thread = std::thread::Builder::new().name("store.mirror".into());
        let weak = Arc::downgrade(&mirror);
        thread.spawn(move || {
            let link = Link::connect(shadow);
            if let Some(mirror) = weak.upgrade() {
                mirror.connected(link);
                mirror.keep_up();
            }
        })?;
        Ok(mirror)
    }

    /// Says how an object of ours is removed if nobody uses it. It is called from hooks.
    pub fn set_evict(&self, evict: impl Fn(&ObjectId) -> bool + Send + Sync + 'static) {
        let _ = self.evict.set(Box::new(evict));
    }

    fn connected(&self, link: Result<Link, PeerError>) {
        *self.state.lock() = match link {
            Ok(link) => State::Connected(Box::new(link)),
            Err(error) => {
                log::error!("{error}: Ray will not hear of any object");
                State::Broken
            }
        };
        self.changed.notify_all();
    }

    /// Brings references up to date, for ever.
    fn keep_up(&self) {
        let mut state = self.state.lock();
        loop {
            match &mut *state {
                State::Connected(link) if link.twins.has_dirty() || link.pressure.is_some() => {}
                State::Broken => return,
                _ => {
                    self.changed.wait(&mut state);
                    continue;
                }
            }
            drop(state);
            std::thread::sleep(LAG);
            self.with(Link::keep_up);
            state = self.state.lock();
        }
    }

    /// Does something with the shadow. `None` when there is none.
    fn with<T>(&self, act: impl FnOnce(&mut Link) -> Result<T, PeerError>) -> Option<T> {
        let mut state = self.state.lock();
        while matches!(*state, State::Connecting) {
            self.changed.wait(&mut state);
        }
        let State::Connected(link) = &mut *state else {
            return None;
        };
        match act(link).and_then(|result| link.look_after_lost(self.evict.get()).map(|()| result)) {
            Ok(result) => {
                if link.twins.has_dirty() || link.pressure.is_some() {
                    self.changed.notify_all();
                }
                Some(result)
            }
            Err(error) => {
                log::error!("{error}: Ray hears of no object any more");
                *state = State::Broken;
                None
            }
        }
    }
}

impl StoreHooks for Mirror {
    fn object_added(&self, info: &ObjectInfo) {
        self.with(|link| link.seal(info.object_id));
    }

    fn object_deleted(&self, id: &ObjectId) {
        self.with(|link| link.delete(id));
    }

    fn spill_objects(&self, waiting: &ObjectInfo) -> bool {
        self.spill_objects_for(waiting, ObjectSource::CREATED_BY_WORKER)
    }

    fn spill_objects_for(&self, waiting: &ObjectInfo, source: ObjectSource) -> bool {
        match self.with(|link| link.spill(waiting, source)) {
            Some(Verdict::Wait) => true,
            Some(Verdict::DiskIsFull) => {
                // The store asks whether it is before it tries again.
                *self.disk_was_full.lock() = Some(Instant::now());
                true
            }
            Some(Verdict::UseDisk) | None => false,
        }
    }

    fn object_store_full(&self) {
        // The shadow says so, as it asks for objects to be spilled.
    }

    fn disk_is_full(&self) -> bool {
        self.disk_was_full.lock().is_some_and(|since| since.elapsed() < DISK_STAYS_FULL)
    }

    fn object_allocated(&self, info: &ObjectInfo, source: ObjectSource, fallback: bool) {
        self.with(|link| link.create(info, source, fallback));
    }

    fn object_aborted(&self, id: &ObjectId) {
        self.with(|link| link.abort(id));
    }

    fn references_changed(&self, id: &ObjectId, references: i32) {
        self.with(|link| link.refer(id, references));
    }

    fn wants_whole_lives(&self) -> bool {
        true
    }
}

impl Link {
    fn connect(shadow: Shadow) -> Result<Self, PeerError> {
        let started = Instant::now();
        let mut first = loop {
            match shadow.connect() {
                Ok(peer) => break peer,
                Err(error) if started.elapsed() > START_LIMIT => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let second = shadow.connect()?;
        first.capacity();
        let Some(Answer::Capacity(limit)) = first.answer()? else {
            return Err(PeerError::Unexpected("something else than its capacity".into()));
        };
        Ok(Self {
            shadow,
            first,
            second,
            twins: Twins::default(),
            limit,
            pressure: None,
            more_pressure: None,
            grace_runs: false,
            lost: Vec::new(),
        })
    }

    fn create(
        &mut self,
        info: &ObjectInfo,
        source: ObjectSource,
        fallback: bool,
    ) -> Result<(), PeerError> {
        let mut twin = Twin::new(info.clone(), source);
        let mut creator = self.pressure.take_if(|pressure| pressure.is_for(&info.object_id));
        if creator.is_some() {
            self.more_pressure.take().map_or(Ok(()), Pressure::end)?;
        }
        let mut placeholder = None;
        if let Some(creator) = &mut creator {
            creator.retry()?;
        }
        if let Some(other) = creator.take_if(|creator| !creator.may_become(fallback)) {
            let has_room = other.is_there(false);
            other.end()?;
            if fallback && has_room {
                // The twin is to be in a file of its own, too: something else takes that room meanwhile.
                placeholder = Some(Pressure::begin_like(&self.shadow, info)?);
            }
        }
        if creator.is_none() && self.grace_runs && self.pressure.is_none() && !fallback {
            // As Ray's clients create objects. That ends the time that runs.
            creator = Pressure::begin(&self.shadow, info, source)?.unless_fallback()?;
        }
        match creator {
            Some(creator) => {
                twin.place = creator.place();
                self.grace_runs &= twin.place == Place::Asked || fallback;
                twin.creator = Some(Box::new(creator));
            }
            None => self.first.create(info, source, true),
        }
        self.twins.insert(twin);
        match placeholder {
            None => self.send(),
            Some(placeholder) => {
                self.settle()?;
                placeholder.end()
            }
        }
    }

    fn abort(&mut self, id: &ObjectId) -> Result<(), PeerError> {
        self.settle()?;
        match self.twins.remove(id) {
            Some(Twin { creator: Some(creator), .. }) => (*creator).end(),
            Some(Twin { place: Place::There { .. }, .. }) => {
                self.first.abort(*id);
                self.send()
            }
            _ => Ok(()),
        }
    }

    fn seal(&mut self, id: ObjectId) -> Result<(), PeerError> {
        self.settle()?;
        let Some(twin) = self.twins.get(&id) else {
            return Ok(());
        };
        twin.sealed = true;
        if twin.place == Place::Missing {
            return self.create_again(id);
        }
        let creator = twin.creator.take().map(|creator| self.await_creator(*creator));
        let creator = creator.transpose()?.flatten();
        self.first.seal(id);
        if creator.is_some() {
            self.first.get(&[id]);
        }
        self.look_at_first_unused();
        self.settle()?;
        creator.map_or(Ok(()), Pressure::end)
    }

    /// Waits until what asked for a twin has it; or else has the first peer create it.
    fn await_creator(&mut self, mut creator: Pressure) -> Result<Option<Pressure>, PeerError> {
        if creator.wait()? {
            self.grace_runs &= creator.is_there(true);
            let id = creator.object().0.object_id;
            self.twins.place(&id, creator.place());
            return Ok(Some(creator));
        }
        let (info, source) = creator.object();
        let info = info.clone();
        creator.end()?;
        self.first.create(&info, source, true);
        self.settle()?;
        Ok(None)
    }

    fn refer(&mut self, id: &ObjectId, references: i32) -> Result<(), PeerError> {
        let Some(twin) = self.twins.get(id) else {
            return Ok(());
        };
        twin.wanted = u8::try_from(references).unwrap_or(0).min(ENOUGH);
        let (wanted, held) = (twin.wanted, twin.held);
        if held == 0 && wanted > 0 {
            // At once, or the shadow may evict it.
            if twin.place == Place::Missing {
                self.create_again(*id)?;
            } else {
                self.twins.hold(id, 1);
                self.first.get(&[*id]);
                self.send()?;
            }
        }
        if self.twins.get(id).is_some_and(|twin| twin.wanted != twin.held) {
            self.twins.mark(id);
        }
        Ok(())
    }

    fn delete(&mut self, id: &ObjectId) -> Result<(), PeerError> {
        let Some(twin) = self.twins.remove(id) else {
            return Ok(());
        };
        if twin.place == Place::Missing {
            return Ok(());
        }
        if twin.held > 1 {
            self.second.release(*id, twin.own_file());
            settle_second(&mut self.second)?;
        }
        if twin.held > 0 {
            self.first.release(*id, twin.own_file());
        }
        self.first.delete(*id);
        self.send()
    }

    /// What does not fit into our store is asked for here.
    fn spill(&mut self, info: &ObjectInfo, source: ObjectSource) -> Result<Verdict, PeerError> {
        let waiting = info.object_id;
        if self.pressure.as_ref().is_some_and(|pressure| !pressure.is_for(&waiting)) {
            self.end_pressure()?;
        }
        self.grace_runs = true;
        let pressure = match self.pressure.take() {
            Some(pressure) => pressure,
            None => {
                self.hold_unused()?;
                Pressure::begin(&self.shadow, info, source)?
            }
        };
        let pressure = self.pressure.insert(pressure);
        let verdict = pressure.verdict()?;
        if !pressure.is_there(false) {
            return Ok(verdict);
        }
        // The shadow has room for it where our store has none.
        let more = match self.more_pressure.take() {
            Some(more) => more,
            None => Pressure::begin_more(&self.shadow, waiting, self.limit)?,
        };
        self.more_pressure.insert(more).verdict()
    }

    /// Nobody waits any more.
    fn end_pressure(&mut self) -> Result<(), PeerError> {
        self.more_pressure.take().map_or(Ok(()), Pressure::end)?;
        self.pressure.take().map_or(Ok(()), Pressure::end)
    }

    /// Takes a reference to everything that the shadow could evict.
    fn hold_unused(&mut self) -> Result<(), PeerError> {
        let unused = self.twins.all_unused();
        for ids in unused.chunks(1000) {
            self.first.get(ids);
            for id in ids {
                self.twins.hold(id, 1);
                self.twins.mark(id);
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Brings references up to date, and gives up what nobody waits for.
    fn keep_up(&mut self) -> Result<(), PeerError> {
        if self.pressure.as_ref().is_some_and(Pressure::is_forgotten) {
            self.end_pressure()?;
        }
        self.settle()?;
        for id in self.twins.take_dirty() {
            self.bring_up_to_date(&id)?;
        }
        self.first.flush()?;
        settle_second(&mut self.second)?;
        self.settle()
    }

    fn bring_up_to_date(&mut self, id: &ObjectId) -> Result<(), PeerError> {
        let keep = u8::from(self.pressure.is_some());
        let Some(twin) = self.twins.get(id) else {
            return Ok(());
        };
        if !twin.sealed || twin.place == Place::Missing {
            return Ok(());
        }
        let (held, wanted, file) = (twin.held, twin.wanted, twin.own_file());
        let target = wanted.max(keep.min(held));
        match (held, target) {
            (2, 0 | 1) => self.second.release(*id, file),
            (0 | 1, 2) => self.second.get(&[*id]),
            _ => {}
        }
        match (held, target) {
            (1 | 2, 0) => self.first.release(*id, file),
            (0, 1 | 2) => self.first.get(&[*id]),
            _ => {}
        }
        if held != target {
            self.twins.hold(id, target);
        }
        if target != wanted {
            self.twins.mark(id);
        }
        if self.first.is_behind() {
            self.settle()?;
        }
        if self.second.is_behind() {
            settle_second(&mut self.second)?;
        }
        Ok(())
    }

    /// Has the first peer ask whether the shadow has evicted anything, when it may have.
    fn look_at_first_unused(&mut self) {
        if self.twins.main_bytes() > self.limit / 2 {
            if let Some(id) = self.twins.first_unused() {
                self.first.contains(id);
            }
        }
    }

    /// Looks after twins that the shadow has evicted.
    fn look_after_lost(&mut self, evict: Option<&Evict>) -> Result<(), PeerError> {
        while let Some(id) = self.lost.pop() {
            let Some(twin) = self.twins.get(&id) else {
                continue;
            };
            if twin.wanted > 0 {
                self.create_again(id)?;
            } else if !evict.is_some_and(|evict| evict(&id)) {
                log::debug!("{id} is in use again, which will be told");
            }
            // The shadow may have evicted more.
            self.look_at_first_unused();
            self.settle()?;
        }
        Ok(())
    }

    /// Makes a twin that the shadow does not have.
    fn create_again(&mut self, id: ObjectId) -> Result<(), PeerError> {
        let Some(twin) = self.twins.get(&id) else {
            return Ok(());
        };
        twin.held = 1;
        let (info, source, sealed) = (twin.info.clone(), twin.source, twin.sealed);
        self.twins.place(&id, Place::Asked);
        self.first.create(&info, source, true);
        self.settle()?;
        let there = self.twins.get(&id).is_some_and(|twin| twin.place != Place::Missing);
        if !there {
            log::error!("the raylet's own store has no room for {id}: Ray will not hear of it");
        } else if sealed {
            self.twins.hold(&id, 1);
            self.first.seal(id);
            self.settle()?;
        }
        if self.twins.get(&id).is_some_and(|twin| twin.wanted != twin.held) {
            self.twins.mark(&id);
        }
        Ok(())
    }

    /// Sends what was asked for, and reads answers if there are many to come.
    fn send(&mut self) -> Result<(), PeerError> {
        self.first.flush()?;
        if self.first.is_behind() {
            self.settle()?;
        }
        Ok(())
    }

    /// Reads all answers that the first peer waits for.
    fn settle(&mut self) -> Result<(), PeerError> {
        while let Some(answer) = self.first.answer()? {
            self.note(answer);
        }
        Ok(())
    }

    fn note(&mut self, answer: Answer) {
        match answer {
            Answer::Created(id, Creation::Done { file, fallback, .. }) => {
                self.twins.place(&id, Place::There { file, fallback });
            }
            Answer::Created(id, other) => {
                log::warn!("the raylet's own store has not created {id}: {other:?}");
                self.twins.place(&id, Place::Missing);
            }
            Answer::Sealed(id, error) if error != PlasmaError::Ok => {
                log::error!("the raylet's own store has not sealed {id}: {error:?}");
            }
            Answer::Got(objects) => {
                for (id, _) in objects.into_iter().filter(|(_, present)| !present) {
                    self.lose(id);
                }
            }
            Answer::Contains(id, false) => self.lose(id),
            Answer::Deleted(
                id,
                error @ (PlasmaError::ObjectInUse | PlasmaError::ObjectNotSealed),
            ) => {
                log::error!("the raylet's own store has not deleted {id}: {error:?}");
            }
            _ => {}
        }
    }

    /// The shadow has evicted a twin.
    fn lose(&mut self, id: ObjectId) {
        log::debug!("the raylet's own store has evicted {id}");
        self.twins.place(&id, Place::Missing);
        self.lost.push(id);
    }
}

/// Sends what the second peer was asked for, and waits until it is done.
fn settle_second(second: &mut Peer) -> Result<(), PeerError> {
    second.capacity();
    while second.answer()?.is_some() {}
    Ok(())
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let twins = match &*self.state.lock() {
            State::Connected(link) => Some(link.twins.len()),
            _ => None,
        };
        f.debug_struct("Mirror").field("twins", &twins).finish_non_exhaustive()
    }
}
