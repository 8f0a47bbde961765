//! What the stores are: a table, and a plasma store behind it or none.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_lite::FutureExt;
use parking_lot::Mutex;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::{Buffer, Timeout};

use crate::config::MemoryConfig;
use crate::core::{Content, Core, Read};
use crate::error::{Result, StoreError};
use crate::error_object::{ErrorObject, ErrorType};
use crate::metadata::ObjectMetadata;
use crate::object_store::{elsewhere, Keep, NewObject, RayObject};
use crate::plasma_link::PlasmaLink;
use crate::stats::Stats;
use crate::table::{self, Place, Refusal, State, Table};

pub(crate) type Engine = Core<Mutex<Table<Buffer>>, PlasmaLink>;

/// On what thread a future is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One that waits for it.
    Blocking,
    /// One of an executor, which must not wait for the plasma store.
    Async,
}

/// Gives up what was begun in the plasma store, unless it was finished.
struct Begun<'a> {
    engine: &'a Arc<Engine>,
    id: ObjectId,
    finished: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.engine.change(|table, effects| table.abort(&self.id, None, effects));
        }
    }
}

fn keep(keep: Keep) -> table::Keep {
    match keep {
        Keep::References => table::Keep::References,
        Keep::Existing => table::Keep::Existing,
        Keep::Store => table::Keep::Store,
    }
}

fn gone(state: State) -> RayObject {
    let (error_type, message) = match state {
        State::Freed => (ErrorType::OBJECT_FREED, "the object was deleted"),
        _ => (ErrorType::OBJECT_LOST, "who had promised the object has gone"),
    };
    let metadata = ObjectMetadata::of_error(ErrorObject::new(error_type, message));
    RayObject { data: Bytes::new(), metadata: metadata.encode().into() }
}

fn of_plasma(buffer: Buffer) -> RayObject {
    let metadata = Bytes::copy_from_slice(buffer.metadata());
    RayObject { data: Bytes::from_owner(buffer), metadata }
}

impl Engine {
    pub(crate) fn start(memory: MemoryConfig, link: PlasmaLink) -> Arc<Self> {
        Self::new(Table::new(memory.limit, memory.policy), link)
    }

    /// Whether an object is to lie in the plasma store.
    pub(crate) fn is_for_plasma(&self, object: &NewObject<'_>) -> bool {
        self.border.takes(object.data.len() + object.metadata.len())
            || (self.border.is_connected() && self.look(|table| table.is_to_share(&object.id)))
    }

    pub(crate) fn put_object(self: &Arc<Self>, object: &NewObject<'_>) -> Result<()> {
        if self.is_for_plasma(object) {
            return self.put_shared(object);
        }
        match self.put_memory(object) {
            Err(StoreError::OutOfMemory { .. }) if self.border.is_connected() => {
                self.put_shared(object)
            }
            other => other,
        }
    }

    /// Who had promised the object will not put it.
    pub(crate) fn break_promise(self: &Arc<Self>, id: ObjectId) {
        let lost = gone(State::Lost);
        let error = NewObject { keep: Keep::Existing, ..NewObject::new(id, &[], &lost.metadata) };
        // Who may wait for it in other processes is to hear of it, too.
        if !self.is_for_plasma(&error) || self.put_shared(&error).is_err() {
            self.change(|table, effects| table.lose(&id, effects));
        }
    }

    pub(crate) fn put_memory(self: &Arc<Self>, object: &NewObject<'_>) -> Result<()> {
        let NewObject { id, data, metadata, nested, .. } = *object;
        let content = Content { data, metadata, nested, keep: keep(object.keep) };
        self.put(&id, &content).map_err(|refusal| self.refused(id, &content, refusal))?;
        if self.border.is_connected() && self.look(|table| table.is_to_share(&id)) {
            // Somebody asked for that while it was being put. If plasma has no room, others wait.
            let _ = self.share_object(id);
        }
        Ok(())
    }

    fn refused(&self, id: ObjectId, content: &Content<'_>, refusal: Refusal) -> StoreError {
        match refusal {
            Refusal::Exists => StoreError::Exists(id),
            Refusal::OutOfMemory { held } => {
                let bytes = Table::<Buffer>::charge(content.data.len(), content.metadata.len());
                StoreError::OutOfMemory {
                    bytes,
                    limit: self.look(|table| table.stats().limit),
                    held,
                }
            }
        }
    }

    pub(crate) fn put_shared(self: &Arc<Self>, object: &NewObject<'_>) -> Result<()> {
        for nested in object.nested {
            self.share_object(*nested)?;
        }
        let id = object.id;
        let begun = self.change(|table, effects| table.begin(&id, None, effects));
        begun.map_err(|_| StoreError::Exists(id))?;
        let mut begun = Begun { engine: self, id, finished: false };
        let held = self.border.create(object)?;
        begun.finished = true;
        self.change(|table, effects| {
            let (place, keep) = (Place::Shared(held), keep(object.keep));
            table.finish(&id, place, object.metadata, object.nested, keep, effects);
        });
        Ok(())
    }

    /// Copies an object, and what it refers to, from memory to the plasma store.
    pub(crate) fn share_object(self: &Arc<Self>, id: ObjectId) -> Result<()> {
        if self.look(|table| table.is_shared(&id)) {
            return Ok(());
        }
        if !self.border.is_connected() {
            return Err(StoreError::NotFound(id));
        }
        let Some(object) = self.read_now(&id, false) else {
            // What is to come, from here or from elsewhere.
            return match self.look(|table| table.share_later(&id)) {
                true => Ok(()),
                false => Err(StoreError::NotFound(id)),
            };
        };
        let described = object.describe()?;
        for nested in &described.nested {
            self.share_object(*nested)?;
        }
        let new = NewObject {
            owner: described.owner.as_ref(),
            ..NewObject::new(id, &object.data, &object.metadata)
        };
        match self.border.create(&new) {
            Ok(held) => {
                if !self.look(|table| table.add_copy(&id, held)) {
                    // It has gone, or somebody else was faster and has the same one.
                    if !self.look(|table| table.is_shared(&id)) {
                        self.border.delete(id)?;
                    }
                }
                Ok(())
            }
            Err(StoreError::Exists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The object as it is here, without asking anybody.
    fn read_now(self: &Arc<Self>, id: &ObjectId, count: bool) -> Option<RayObject> {
        match self.read(id, count) {
            Read::Memory { data, metadata } => Some(RayObject { data, metadata }),
            Read::Shared(buffer) => Some(of_plasma(buffer)),
            Read::Nothing(Some(state @ (State::Freed | State::Lost))) => Some(gone(state)),
            Read::Nothing(_) => None,
        }
    }

    /// Asks the plasma store for what may come from there, and holds what is there and referred to here.
    pub(crate) fn fetch(self: &Arc<Self>, ids: &[ObjectId]) -> Result<()> {
        if !self.border.is_connected() {
            return Ok(());
        }
        let elsewhere = self.look(|table| -> Vec<ObjectId> {
            ids.iter().filter(|id| table.may_come_from_elsewhere(id)).copied().collect()
        });
        if elsewhere.is_empty() {
            return Ok(());
        }
        let found = self.border.get(&elsewhere)?;
        self.change(|table, effects| {
            for (id, buffer) in elsewhere.iter().zip(&found) {
                if let Some(buffer) = buffer {
                    table.adopt(id, buffer, effects);
                }
            }
        });
        Ok(())
    }

    /// The same, not on an executor's thread.
    pub(crate) async fn fetch_as(self: &Arc<Self>, mode: Mode, ids: &[ObjectId]) -> Result<()> {
        let may_come =
            |table: &mut Table<Buffer>| ids.iter().any(|id| table.may_come_from_elsewhere(id));
        if !self.border.is_connected() || !self.look(may_come) {
            return Ok(());
        }
        match mode {
            Mode::Blocking => self.fetch(ids),
            Mode::Async => {
                let (engine, ids) = (Arc::clone(self), ids.to_vec());
                elsewhere(move || engine.fetch(&ids)).await
            }
        }
    }

    /// Sleeps until so many of the objects, each of which the caller refers to, are there, or the time is over.
    async fn arrive(
        self: &Arc<Self>,
        ids: &[ObjectId],
        count: usize,
        timeout: Timeout,
        mode: Mode,
    ) -> Result<()> {
        self.fetch_as(mode, ids).await?;
        let over = |table: &mut Table<Buffer>| ids.iter().filter(|id| table.is_over(id)).count();
        if timeout == Timeout::Immediate || self.look(over) >= count {
            return Ok(());
        }
        let arrival = self.arrival(ids.to_vec(), count);
        let come = async {
            arrival.await;
            Ok(())
        };
        let watch = async {
            if self.border.is_connected() {
                return self.watch(ids, count).await;
            }
            std::future::pending().await
        };
        let timer = async {
            match timeout {
                Timeout::After(duration) => drop(async_io::Timer::after(duration).await),
                Timeout::Immediate | Timeout::Never => std::future::pending().await,
            }
            Ok(())
        };
        come.or(timer).or(watch).await
    }

    /// Waits at the plasma store for what another process puts there. Whatever comes is adopted, which wakes those
    /// who wait here; so this only ends with an error.
    async fn watch(self: &Arc<Self>, ids: &[ObjectId], count: usize) -> Result<()> {
        let client = self.border.asynchronous().await?;
        let missing = || {
            self.look(|table| {
                ids.iter()
                    .filter(|id| table.may_come_from_elsewhere(id))
                    .copied()
                    .collect::<Vec<_>>()
            })
        };
        if count < ids.len() {
            return crate::plasma_link::watch_each(self, &client, &missing()).await;
        }
        loop {
            let missing = missing();
            if missing.is_empty() {
                std::future::pending::<()>().await;
            }
            let from_plasma = async {
                let came = client.get(&missing, Timeout::Never).await?;
                // They are held until this process holds them on its first connection.
                self.fetch_as(Mode::Async, &missing).await?;
                drop(came);
                Ok(())
            };
            // What somebody here puts will not come from there.
            let from_here = async {
                self.arrival(missing.clone(), 1).await;
                Ok(())
            };
            let ended: Result<()> = pin!(from_plasma).or(pin!(from_here)).await;
            ended?;
        }
    }

    pub(crate) async fn get_objects(
        self: &Arc<Self>,
        ids: &[ObjectId],
        timeout: Timeout,
        mode: Mode,
    ) -> Result<Vec<Option<RayObject>>> {
        let mut found: Vec<_> = ids.iter().map(|id| self.read_now(id, true)).collect();
        let missing = |found: &[Option<RayObject>]| -> Vec<ObjectId> {
            ids.iter().zip(found).filter(|(_, found)| found.is_none()).map(|(id, _)| *id).collect()
        };
        let sought = missing(&found);
        if sought.is_empty() || (timeout == Timeout::Immediate && !self.border.is_connected()) {
            return Ok(found);
        }
        let _retained = self.retain_all(sought.clone());
        self.arrive(&sought, sought.len(), timeout, mode).await?;
        for (id, found) in ids.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            *found = self.read_now(id, false);
        }
        Ok(found)
    }

    pub(crate) async fn wait_for(
        self: &Arc<Self>,
        ids: &[ObjectId],
        count: usize,
        timeout: Timeout,
        mode: Mode,
    ) -> Result<Vec<bool>> {
        let _retained = self.retain_all(ids.to_vec());
        self.arrive(ids, count.min(ids.len()), timeout, mode).await?;
        Ok(self.look(|table| ids.iter().map(|id| table.is_over(id)).collect()))
    }

    pub(crate) fn contains(&self, id: &ObjectId) -> Result<bool> {
        match self.look(|table| table.state(id)) {
            Some(State::Memory | State::Shared) => Ok(true),
            Some(State::Creating | State::Freed | State::Lost) => Ok(false),
            Some(State::Pending) | None => self.border.contains(*id),
        }
    }

    pub(crate) fn describe(
        self: &Arc<Self>,
        id: ObjectId,
    ) -> Result<Option<(ObjectMetadata, usize)>> {
        if let Some((size, metadata)) = self.look(|table| table.describe(&id)) {
            return Ok(Some((ObjectMetadata::decode(&metadata)?, size)));
        }
        let _retained = self.retain_all(vec![id]);
        self.fetch(&[id])?;
        match self.read(&id, false) {
            Read::Memory { data, metadata } => {
                Ok(Some((ObjectMetadata::decode(&metadata)?, data.len())))
            }
            Read::Shared(buffer) => {
                Ok(Some((ObjectMetadata::decode(buffer.metadata())?, buffer.len())))
            }
            Read::Nothing(_) => Ok(None),
        }
    }

    pub(crate) fn pin_object(self: &Arc<Self>, id: ObjectId) -> Result<()> {
        if self.look(|table| table.pin(&id)) {
            return Ok(());
        }
        let _retained = self.retain_all(vec![id]);
        self.fetch(&[id])?;
        if self.look(|table| table.pin(&id)) {
            return Ok(());
        }
        Err(StoreError::NotFound(id))
    }

    pub(crate) fn unpin_object(self: &Arc<Self>, id: ObjectId) -> Result<()> {
        if self.change(|table, effects| table.unpin(&id, effects)) {
            return Ok(());
        }
        Err(StoreError::NotPinned(id))
    }

    pub(crate) fn delete_object(self: &Arc<Self>, id: ObjectId) -> Result<bool> {
        match self.change(|table, effects| table.delete(&id, effects)) {
            Some(true) => Ok(true),
            Some(false) => Err(StoreError::Pinned(id)),
            None if self.look(|table| table.may_come_from_elsewhere(&id)) => self.border.delete(id),
            None => Ok(false),
        }
    }

    pub(crate) fn retain_objects(self: &Arc<Self>, ids: &[ObjectId]) -> Result<()> {
        let retained = self.retain_all(ids.to_vec());
        self.fetch(ids)?;
        retained.forget();
        Ok(())
    }

    pub(crate) fn all_stats(&self) -> Stats {
        Stats { lingering: self.border.lingering(), ..self.look(|table| table.stats()) }
    }
}
