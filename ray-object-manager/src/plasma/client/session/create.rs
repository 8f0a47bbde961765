//! Objects come into being: create, seal, abort.

use ray_common::ObjectId;

use super::{Primary, Session};
use crate::plasma::client::error::Cause;
use crate::plasma::client::object::RawObject;
use crate::plasma::client::options::{CreateOptions, Metadata, Wanted};
use crate::plasma::client::table::{InUse, Taken};
use crate::plasma::protocol::{CreateReply, Encoder};

/// What the store says to a creation.
#[derive(Debug)]
pub(in crate::plasma::client) enum Creation {
    /// It is done.
    Done(RawObject),
    /// There is no room yet. Ask again with this.
    Queued(u64),
}

impl Session {
    /// Creates an object with so many references of this client.
    pub(in crate::plasma::client) fn create(
        &self,
        options: &CreateOptions<'_>,
        count: usize,
    ) -> Result<RawObject, Cause> {
        self.check_may_create()?;
        let wanted = options.wanted();
        let request = options.request();
        let write =
            |encoder: &mut Encoder, out: &mut Vec<u8>| encoder.create_request(out, &request);
        let creation = self.begin_to_create(&wanted, count, write)?;
        let object = self.until_created(creation, &wanted, count)?;
        if let Metadata::Bytes(bytes) = options.metadata {
            object.write_metadata(bytes)?;
        }
        Ok(object)
    }

    /// Asks again until there is room.
    pub(super) fn until_created(
        &self,
        mut creation: Creation,
        wanted: &Wanted,
        count: usize,
    ) -> Result<RawObject, Cause> {
        loop {
            let request_id = match creation {
                Creation::Done(object) => return Ok(object),
                Creation::Queued(request_id) => request_id,
            };
            std::thread::sleep(self.options.store_full_delay);
            creation = self.ask_for_created(wanted, count, request_id)?;
        }
    }

    pub(in crate::plasma::client) fn check_may_create(&self) -> Result<(), Cause> {
        if self.options.read_only {
            return Err(Cause::ReadOnly);
        }
        Ok(())
    }

    /// Asks for an object to be created.
    pub(in crate::plasma::client) fn begin_to_create(
        &self,
        wanted: &Wanted,
        count: usize,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) -> Result<Creation, Cause> {
        self.with_primary(|primary| {
            primary.lane.send(write)?;
            let reply = primary.receive_create(&wanted.id)?;
            self.created(primary, reply, wanted, count)
        })
    }

    /// Asks what has become of a creation that has to wait.
    pub(in crate::plasma::client) fn ask_for_created(
        &self,
        wanted: &Wanted,
        count: usize,
        request_id: u64,
    ) -> Result<Creation, Cause> {
        let write = |encoder: &mut Encoder, out: &mut Vec<u8>| {
            encoder.create_retry_request(out, &wanted.id, request_id);
        };
        self.begin_to_create(wanted, count, write)
    }

    /// Notes what the store has said.
    pub(super) fn created(
        &self,
        primary: &Primary,
        reply: CreateReply,
        wanted: &Wanted,
        count: usize,
    ) -> Result<Creation, Cause> {
        let Some(result) = reply.result else {
            return Ok(Creation::Queued(reply.retry_with_request_id));
        };
        let spec = result?;
        wanted.check(&spec)?;
        let object = primary.files.locate(&spec)?;
        object.check_writable()?;
        let mut table = self.table();
        table.note_file(&primary.files);
        if !table.insert_created(wanted.id, object.clone(), count) {
            return Err(Cause::protocol("an object was created that was there already"));
        }
        Ok(Creation::Done(object))
    }

    /// Whether this client may seal or abort an object, under the lock of `primary`.
    fn unsealed(&self, id: &ObjectId) -> Result<InUse, Cause> {
        match self.table().state(id) {
            None => Err(Cause::NotFound),
            Some(InUse { sealed: true, .. }) => Err(Cause::AlreadySealed),
            Some(in_use) => Ok(in_use),
        }
    }

    /// Seals an object. The number of references stays. When the store refuses, it is for the reason that the object is
    /// sealed or gone, so that it can be released, but not given up.
    pub(in crate::plasma::client) fn seal(&self, id: &ObjectId) -> Result<(), Cause> {
        self.with_primary(|primary| {
            let in_use = self.unsealed(id)?;
            let quietly = can_seal_quietly(primary, in_use);
            primary.lane.send(|encoder, out| seal_request(encoder, out, id, quietly))?;
            let sealed = if quietly { Ok(()) } else { primary.lane.receive_seal(id) };
            self.table().seal(id);
            sealed
        })
    }

    /// Seals an object and gives a reference back, with a single message when that is the last.
    pub(in crate::plasma::client) fn seal_and_release(&self, id: &ObjectId) -> Result<(), Cause> {
        self.with_primary(|primary| {
            let in_use = self.unsealed(id)?;
            let quietly = can_seal_quietly(primary, in_use);
            // Whoever looks for it from now on asks the store, behind this.
            let last = (in_use.count == 1).then(|| self.table().remove(id));
            primary.lane.send(|encoder, out| {
                seal_request(encoder, out, id, quietly);
                if last.is_some() {
                    encoder.release_request(out, id, in_use.fallback_allocated);
                }
            })?;
            let sealed = if quietly { Ok(()) } else { primary.lane.receive_seal(id) };
            if let Err(error) = &sealed {
                if last.is_none() || error.ends_session() {
                    return sealed;
                }
            }
            if let Some((object, delete)) = last {
                self.after_last_release(primary, id, object, delete)?;
            } else {
                let mut table = self.table();
                table.seal(id);
                let taken = table.take(id);
                debug_assert_eq!(taken, Taken::OthersLeft);
            }
            sealed
        })
    }

    /// Gives an unsealed object up, to which there is a single reference.
    pub(in crate::plasma::client) fn abort(&self, id: &ObjectId) -> Result<(), Cause> {
        self.with_primary(|primary| {
            if self.unsealed(id)?.count > 1 {
                return Err(Cause::InUse);
            }
            self.table().remove(id);
            primary.lane.abort(id)
        })
    }

    /// Another reference to an object in use. `false` when it is not.
    pub(in crate::plasma::client) fn retain(&self, id: &ObjectId) -> bool {
        self.table().add(id)
    }
}

impl Primary {
    /// The answer to a creation, or to asking for it again, and the file that it names.
    pub(super) fn receive_create(&mut self, id: &ObjectId) -> Result<CreateReply, Cause> {
        let reply = self.lane.receive_create(id)?;
        if let Some(Ok(spec)) = &reply.result {
            self.files.receive(&mut self.lane, spec.store_fd, spec.mmap_size)?;
        }
        Ok(reply)
    }
}

/// Whether nobody need wait for the answer to a seal: in shared memory, requests reach the store before anybody can ask
/// it about the object.
fn can_seal_quietly(primary: &Primary, in_use: InUse) -> bool {
    primary.lane.shared().is_some() && !in_use.fallback_allocated && !in_use.is_mutable
}

fn seal_request(encoder: &mut Encoder, out: &mut Vec<u8>, id: &ObjectId, quietly: bool) {
    if quietly {
        encoder.seal_quietly_request(out, id);
    } else {
        encoder.seal_request(out, id);
    }
}
