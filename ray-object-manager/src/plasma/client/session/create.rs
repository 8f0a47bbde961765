//! Objects come into being: create, seal, abort.

use ray_common::ObjectId;

use super::{Primary, Session};
use crate::plasma::client::error::Cause;
use crate::plasma::client::object::RawObject;
use crate::plasma::client::options::{CreateOptions, Metadata};
use crate::plasma::client::table::{InUse, Taken};
use crate::plasma::protocol::{CreateReply, PlasmaObject};

enum Step {
    Created(RawObject),
    AskAgain(u64),
}

impl Session {
    /// Creates an object with so many references of this client.
    pub(in crate::plasma::client) fn create(
        &self,
        options: &CreateOptions<'_>,
        count: usize,
    ) -> Result<RawObject, Cause> {
        let mut step = self.with_primary(|primary| {
            let request = options.request();
            primary.lane.send(|encoder, out| encoder.create_request(out, &request))?;
            self.created(primary, options, count)
        })?;
        let object = loop {
            let request_id = match step {
                Step::Created(object) => break object,
                Step::AskAgain(request_id) => request_id,
            };
            std::thread::sleep(self.options.store_full_delay);
            step = self.with_primary(|primary| {
                let id = &options.id;
                primary
                    .lane
                    .send(|encoder, out| encoder.create_retry_request(out, id, request_id))?;
                self.created(primary, options, count)
            })?;
        };
        if let Metadata::Bytes(bytes) = options.metadata {
            object.write_metadata(bytes)?;
        }
        Ok(object)
    }

    fn created(
        &self,
        primary: &mut Primary,
        options: &CreateOptions<'_>,
        count: usize,
    ) -> Result<Step, Cause> {
        let CreateReply { result, retry_with_request_id, .. } =
            primary.lane.receive_create(&options.id)?;
        let Some(result) = result else {
            return Ok(Step::AskAgain(retry_with_request_id));
        };
        let spec = result?;
        check_sizes(&spec, options)?;
        primary.files.receive(&mut primary.lane, spec.store_fd, spec.mmap_size)?;
        let object = primary.files.locate(&spec)?;
        object.prepare_for_writing()?;
        if !self.table().insert_created(options.id, object.clone(), count) {
            return Err(Cause::protocol("an object was created that was there already"));
        }
        Ok(Step::Created(object))
    }

    /// Whether this client may seal or abort an object, under the lock of `primary`.
    fn unsealed(&self, id: &ObjectId) -> Result<InUse, Cause> {
        match self.table().state(id) {
            None => Err(Cause::NotFound),
            Some(InUse { sealed: true, .. }) => Err(Cause::AlreadySealed),
            Some(in_use) => Ok(in_use),
        }
    }

    /// Seals an object. The number of references stays.
    pub(in crate::plasma::client) fn seal(&self, id: &ObjectId) -> Result<(), Cause> {
        self.with_primary(|primary| {
            self.unsealed(id)?;
            primary.lane.send(|encoder, out| encoder.seal_request(out, id))?;
            primary.lane.receive_seal(id)?;
            self.table().seal(id);
            Ok(())
        })
    }

    /// Seals an object and gives a reference back, with a single message when that is the last.
    pub(in crate::plasma::client) fn seal_and_release(&self, id: &ObjectId) -> Result<(), Cause> {
        self.with_primary(|primary| {
            let InUse { count, fallback_allocated, .. } = self.unsealed(id)?;
            let last = count == 1;
            primary.lane.send(|encoder, out| {
                encoder.seal_request(out, id);
                if last {
                    encoder.release_request(out, id, fallback_allocated);
                }
            })?;
            let sealed = primary.lane.receive_seal(id);
            if let Err(error) = &sealed {
                if !last || error.ends_session() {
                    return sealed;
                }
            } else {
                self.table().seal(id);
            }
            if last {
                self.after_last_release(primary, id)?;
            } else {
                let taken = self.table().take(id);
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

fn check_sizes(spec: &PlasmaObject, options: &CreateOptions<'_>) -> Result<(), Cause> {
    let asked = (options.data_size, options.metadata.size(), options.is_mutable);
    if (spec.data_size, spec.metadata_size, spec.is_mutable) == asked {
        return Ok(());
    }
    Err(Cause::protocol(format!("asked for {asked:?}, got {spec:?}")))
}
