//! Objects are let go: release and delete.

use std::sync::Arc;

use ray_common::ObjectId;

use super::{Primary, Session};
use crate::plasma::client::error::Cause;
use crate::plasma::client::object::RawObject;
use crate::plasma::client::options::Deletion;
use crate::plasma::client::table::{InUse, Released, Taken};
use crate::plasma::common::PlasmaError;

impl Session {
    /// Gives a reference back for somebody who cannot wait or be told: what can fail is the connection, and with it goes
    /// the reference. In an asynchronous client the store is told later.
    pub(in crate::plasma::client) fn let_go(self: &Arc<Self>, id: &ObjectId) {
        let Some(worker) = &self.worker else {
            let _ = self.release(id);
            return;
        };
        if self.check_not_forked().is_err() {
            return;
        }
        let released = self.table().release(id);
        if !matches!(released, Released::Last | Released::Owed) {
            return;
        }
        let (session, id) = (Arc::clone(self), *id);
        worker.post(move || {
            let _ = match released {
                Released::Owed => session.with_primary(|_| Ok(())),
                _ => session.release(&id),
            };
        });
    }

    /// The same for an object that was created and is not sealed, to which there is a single reference.
    pub(in crate::plasma::client) fn give_up(self: &Arc<Self>, id: ObjectId) {
        let give_up = move |session: &Self| {
            // Somebody else may have sealed it.
            if let Err(Cause::AlreadySealed) = session.abort(&id) {
                let _ = session.release(&id);
            }
        };
        let Some(worker) = &self.worker else { return give_up(self) };
        if self.check_not_forked().is_err() {
            return;
        }
        let session = Arc::clone(self);
        worker.post(move || give_up(&session));
    }

    /// Gives a reference back. When the session has ended, that only counts.
    pub(in crate::plasma::client) fn release(&self, id: &ObjectId) -> Result<(), Cause> {
        self.check_not_forked()?;
        let released = self.table().release(id);
        let released = match released {
            Released::Done => return Ok(()),
            Released::Unknown => return Err(Cause::NotFound),
            // The messages that are owed go first in every exchange.
            Released::Owed => self.with_primary(|_| Ok(())),
            Released::Last => self.with_primary(|primary| self.release_last(primary, id)),
        };
        match released {
            Err(Cause::Disconnected { .. }) => {
                let mut table = self.table();
                if let Taken::Last(_) = table.take(id) {
                    table.remove(id);
                }
                Ok(())
            }
            other => other,
        }
    }

    fn release_last(&self, primary: &mut Primary, id: &ObjectId) -> Result<(), Cause> {
        let (in_use, (object, delete)) = {
            let mut table = self.table();
            match table.take(id) {
                Taken::OthersLeft => return Ok(()),
                Taken::Unknown => return Err(Cause::NotFound),
                Taken::Last(InUse { sealed: false, .. }) => return Err(Cause::NotSealed),
                // Whoever looks for it from now on asks the store, behind this.
                Taken::Last(in_use) => (in_use, table.remove(id)),
            }
        };
        let may_unmap = in_use.fallback_allocated;
        primary.lane.send(|encoder, out| encoder.release_request(out, id, may_unmap))?;
        self.after_last_release(primary, id, object, delete)
    }

    /// Once the store has been sent the last release of an object that was removed from the table: waits for the answer
    /// if there is one, and deletes the object if it had been in the way of that.
    pub(super) fn after_last_release(
        &self,
        primary: &mut Primary,
        id: &ObjectId,
        object: Option<RawObject>,
        delete: bool,
    ) -> Result<(), Cause> {
        if let Some(object) = object.filter(|object| object.is_fallback_allocated()) {
            if primary.lane.receive_release(id)? {
                primary.files.forget(object.description().store_fd);
            }
        }
        if delete {
            let ids = [*id];
            primary.lane.send(|encoder, out| encoder.delete_request(out, &ids))?;
            primary.lane.receive_delete(&ids)?;
        }
        Ok(())
    }

    /// Deletes objects, and says of each what became of it.
    pub(in crate::plasma::client) fn delete(
        &self,
        ids: &[ObjectId],
    ) -> Result<Vec<Deletion>, Cause> {
        self.with_primary(|primary| {
            let mut deletions = vec![Deletion::WhenReleased; ids.len()];
            let mut asked = Vec::new();
            {
                let mut table = self.table();
                asked.extend(ids.iter().filter(|id| !table.delete_later(id)));
            }
            if asked.is_empty() {
                return Ok(deletions);
            }
            primary.lane.send(|encoder, out| encoder.delete_request(out, &asked))?;
            let errors = primary.lane.receive_delete(&asked)?;
            let mut answers = asked.iter().zip(errors).peekable();
            for (id, deletion) in ids.iter().zip(&mut deletions) {
                if let Some((_, error)) = answers.next_if(|(asked, _)| *asked == id) {
                    *deletion = outcome(error)?;
                }
            }
            Ok(deletions)
        })
    }
}

fn outcome(error: PlasmaError) -> Result<Deletion, Cause> {
    Ok(match error {
        PlasmaError::Ok => Deletion::Done,
        PlasmaError::ObjectNonexistent => Deletion::NotFound,
        PlasmaError::ObjectNotSealed => Deletion::NotSealed,
        PlasmaError::ObjectInUse => Deletion::InUse,
        other => return Err(other.into()),
    })
}
