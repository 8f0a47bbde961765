//! Objects are found: in use already, with one question, or after waiting.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use ray_common::ObjectId;

use super::Session;
use crate::plasma::client::buffer::{Buffer, MutableObject};
use crate::plasma::client::error::Cause;
use crate::plasma::client::object::RawObject;
use crate::plasma::client::waiters::Waiter;

/// What a get has found so far: a reference to each object that is there, in the order of the ids. An id that stands
/// there twice has two references. They are given back when it is dropped.
#[derive(Debug)]
pub(in crate::plasma::client) struct Found {
    session: Arc<Session>,
    ids: Vec<ObjectId>,
    objects: Vec<Option<RawObject>>,
}

/// A get that waits, on a connection of its own.
#[derive(Debug)]
pub(in crate::plasma::client) struct Waiting {
    found: Found,
    waiter: Waiter,
}

/// How a get stands once the store has been asked.
#[derive(Debug)]
pub(in crate::plasma::client) enum Sought {
    /// It is over.
    Over(Found),
    /// Something is missing.
    Waiting(Box<Waiting>),
}

impl Session {
    /// The objects that are sealed at the latest after so many milliseconds (-1: whenever that is).
    pub(in crate::plasma::client) fn get(
        self: &Arc<Self>,
        ids: &[ObjectId],
        timeout_ms: i64,
    ) -> Result<Found, Cause> {
        let (found, all) = self.find_in_use(ids)?;
        if all {
            return Ok(found);
        }
        match found.seek(timeout_ms)? {
            Sought::Over(found) => Ok(found),
            Sought::Waiting(waiting) => waiting.finish(),
        }
    }

    /// The objects that this client uses already, and whether these are all.
    pub(in crate::plasma::client) fn find_in_use(
        self: &Arc<Self>,
        ids: &[ObjectId],
    ) -> Result<(Found, bool), Cause> {
        self.check_connected()?;
        let mut objects = vec![None; ids.len()];
        let all = self.table().find(ids, &mut objects);
        Ok((Found { session: Arc::clone(self), ids: ids.to_vec(), objects }, all))
    }
}

impl Found {
    /// Asks the store for what is missing; if something still is and there is time, again on a connection where the
    /// answer comes when all are there.
    pub(in crate::plasma::client) fn seek(mut self, timeout_ms: i64) -> Result<Sought, Cause> {
        if self.fetch()? || timeout_ms == 0 {
            return Ok(Sought::Over(self));
        }
        let session = &self.session;
        let waiter = session.waiters.take(|| session.open_lane());
        let Some(mut waiter) = session.end_on_error(waiter)? else {
            session.check_connected()?;
            return Ok(Sought::Over(self));
        };
        session.end_on_error(waiter.greet(session.capabilities))?;
        session.end_on_error(waiter.ask(self.missing(), timeout_ms))?;
        Ok(Sought::Waiting(Box::new(Waiting { found: self, waiter })))
    }

    /// Asks for what is missing, without waiting. Says whether all is found now.
    fn fetch(&mut self) -> Result<bool, Cause> {
        let asked = self.missing();
        let (session, ids, found) = (&self.session, &self.ids, &mut self.objects);
        session.with_primary(|primary| {
            // Somebody else may have got them before the lock came here.
            let owed = {
                let mut table = session.table();
                if table.find(ids, found) {
                    return Ok(true);
                }
                table.take_owed()
            };
            // What this client has let go of, the store hears of before it is asked for it again.
            primary.lane.send(|encoder, out| {
                owed.iter().for_each(|id| encoder.release_request(out, id, false));
                encoder.get_request(out, &asked, 0);
            })?;
            let got = primary.lane.receive_get(&asked)?;
            for (fd, mmap_size) in got.files {
                primary.files.receive(&mut primary.lane, fd, mmap_size)?;
            }
            let present = asked.iter().zip(&got.objects).filter(|(_, spec)| spec.is_present());
            let objects = present
                .map(|(id, spec)| Ok((*id, primary.files.locate(spec)?)))
                .collect::<Result<Vec<_>, Cause>>()?;
            let mut table = session.table();
            table.note_file(&primary.files);
            for (id, object) in objects {
                table.insert_sealed(id, object);
            }
            Ok(table.find(ids, found))
        })
    }

    /// The ids of what is not found, each once.
    fn missing(&self) -> Vec<ObjectId> {
        let missing = self.ids.iter().zip(&self.objects).filter(|(_, object)| object.is_none());
        let mut missing: Vec<ObjectId> = missing.map(|(id, _)| *id).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// The objects. Whoever has them has the references.
    pub(in crate::plasma::client) fn into_objects(mut self) -> Vec<Option<RawObject>> {
        std::mem::take(&mut self.objects)
    }

    /// The same as buffers.
    pub(in crate::plasma::client) fn into_buffers(mut self) -> Vec<Option<Buffer>> {
        let objects = std::mem::take(&mut self.objects);
        let buffer = |(id, object): (&ObjectId, Option<RawObject>)| {
            object.map(|object| Buffer::new(Arc::clone(&self.session), *id, object))
        };
        self.ids.iter().zip(objects).map(buffer).collect()
    }

    /// The one object, which has to be a mutable one.
    pub(in crate::plasma::client) fn into_mutable(mut self) -> Result<MutableObject, Cause> {
        let object = self.objects.pop().flatten().ok_or(Cause::NotFound)?;
        let id = self.ids.pop().ok_or(Cause::NotFound)?;
        MutableObject::new(Arc::clone(&self.session), id, object)
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        for (id, _) in self.ids.iter().zip(&self.objects).filter(|(_, object)| object.is_some()) {
            self.session.let_go(id);
        }
    }
}

impl Waiting {
    /// The socket that can be read when the wait is over.
    pub(in crate::plasma::client) fn stream(&self) -> Option<Arc<UnixStream>> {
        self.waiter.stream()
    }

    /// Waits for the answer, and then gets what is there.
    pub(in crate::plasma::client) fn finish(mut self) -> Result<Found, Cause> {
        let session = Arc::clone(&self.found.session);
        session.end_on_error(self.waiter.wait())?;
        self.found.fetch()?;
        session.end_on_error(self.waiter.release(session.shared.is_some()))?;
        Ok(self.found)
    }
}
