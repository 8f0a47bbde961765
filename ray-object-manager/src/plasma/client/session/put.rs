//! Objects that are created and filled at once, in space that the store has set aside: the bytes are copied while the store
//! is asked. Others may use the connection meanwhile, and hear the answer for who has asked.

use std::sync::Arc;

use super::create::Creation;
use super::{Primary, Session};
use crate::plasma::client::error::Cause;
use crate::plasma::client::object::RawObject;
use crate::plasma::client::options::{CreateOptions, Metadata, Wanted};
use crate::plasma::protocol::CreateReply;
use crate::plasma::shared::{ClientPage, Offer, OFFERED_SIZES};

/// Answers to creations that nobody has waited for yet.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// What the next message answers, if anything.
    asked: Option<(Offer, Wanted)>,
    /// The number of the space each was asked for with.
    heard: Vec<(u64, CreateReply)>,
}

impl Primary {
    /// Hears what somebody has asked and not waited for. Everybody who uses the connection does so first.
    pub(super) fn hear_early(&mut self) -> Result<(), Cause> {
        if let Some((offer, wanted)) = self.early.asked.take() {
            let reply = self.receive_create(&wanted.id)?;
            self.early.heard.push((offer.number, reply));
        }
        Ok(())
    }

    /// What was heard for whoever has taken this space.
    fn heard(&mut self, offer: &Offer) -> Result<CreateReply, Cause> {
        let heard = &mut self.early.heard;
        let at = heard.iter().position(|(number, _)| *number == offer.number);
        let at = at.ok_or_else(|| Cause::protocol("nothing was asked"))?;
        Ok(heard.swap_remove(at).1)
    }
}

/// Space that was taken for an object. When it goes, the space is given back, if no object has come to lie there.
struct Taken<'a> {
    page: &'a ClientPage,
    offer: Offer,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.page.give_back(self.offer);
    }
}

impl Session {
    /// Creates an object with one reference of this client and fills it. Nothing is returned, and nothing done, when no space is set aside for it.
    pub(in crate::plasma::client) fn create_filled(
        &self,
        options: &CreateOptions<'_>,
        data: &[u8],
    ) -> Result<Option<RawObject>, Cause> {
        self.check_may_create()?;
        let size = options.data_size.saturating_add(options.metadata.size());
        let Some(page) = self.shared.as_ref().filter(|_| OFFERED_SIZES.contains(&size)) else {
            return Ok(None);
        };
        page.want_offers();
        let Some(offer) = page.take_offer(size) else { return Ok(None) };
        let taken = Taken { page, offer };
        let wanted = options.wanted();
        let Some(place) = self.ask_early(options, &wanted, &taken)? else { return Ok(None) };
        let filled = fill(&place, options, data);
        let created = self.with_primary(|primary| {
            let reply = primary.heard(&offer)?;
            self.created(primary, reply, &wanted, 1)
        });
        // Nothing is written there any more, and if the object lies there the store has ended the offer.
        drop(taken);
        let object = match created? {
            Creation::Done(object) if object.lies_as(&place) => filled.map(|()| object),
            // The store had reasons to do it another way.
            creation => {
                let object = self.until_created(creation, &wanted, 1)?;
                fill(&object, options, data).map(|()| object)
            }
        };
        if object.is_err() {
            // What cannot be filled is not kept. That it could not be is what counts.
            let _ = self.abort(&options.id);
        }
        object.map(Some)
    }

    /// Asks for the object, and says where it will lie if the store has nothing against it.
    fn ask_early(
        &self,
        options: &CreateOptions<'_>,
        wanted: &Wanted,
        taken: &Taken<'_>,
    ) -> Result<Option<RawObject>, Cause> {
        self.with_primary(|primary| {
            let file = taken.page.index().file();
            let Some(spec) = file.and_then(|file| wanted.at(file, taken.offer.place)) else {
                return Ok(None);
            };
            let Some(file) = primary.files.get(spec.store_fd) else { return Ok(None) };
            let place = RawObject::new(Arc::clone(file), spec)?;
            place.check_writable()?;
            let request = options.request();
            // Another thread may create something just now, which is not to lie there.
            primary.lane.send(|encoder, out| {
                encoder.set_aside(out, taken.offer.number);
                encoder.create_request(out, &request);
            })?;
            primary.early.asked = Some((taken.offer, *wanted));
            Ok(Some(place))
        })
    }
}

fn fill(object: &RawObject, options: &CreateOptions<'_>, data: &[u8]) -> Result<(), Cause> {
    if let Metadata::Bytes(bytes) = options.metadata {
        object.write_metadata(bytes)?;
    }
    object.fill(data)
}
