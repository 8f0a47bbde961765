//! Space that is set aside for a client's next object, so that the client can fill it while the store is asked.
//!
//! A client that says it wants this, and has created two objects of one size after another, is offered space for a third in its page
//! ([`crate::plasma::shared`]). To the allocator that is in use; so that nobody else sees a difference, everything that is offered and not taken
//! is freed before room is made, before the creation queue is served, and before anybody looks at figures.

use super::client::ClientId;
use super::sharing::Sharing;
use crate::plasma::allocator::{Allocation, Allocator};
use crate::plasma::object_store::{ObjectStore, Space};
use crate::plasma::shared::{StorePage, OFFERED_SIZES};

/// At most this part of the memory is set aside for one client.
const PART_FOR_ONE: i64 = 64;

/// At most this part of the memory is in use, with what is set aside, when something is set aside. After that what is set aside would soon have to
/// be freed for others.
const PART_USED: (i64, i64) = (3, 4);

/// What is set aside for one client.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// How many there were: the number of the last.
    count: u64,
    current: Option<Allocation>,
    /// Bytes of the last object that the client created.
    last_size: i64,
}

impl Offers {
    /// The space of this offer, if it is for an object of this size, and the client has taken it.
    fn taken(&self, page: &StorePage, number: u64, size: i64) -> Option<&Allocation> {
        let current = self.current.as_ref().filter(|current| current.size == size);
        current.filter(|_| number == self.count && page.has_taken(number))
    }

    /// What was set aside has become an object.
    fn used(&mut self, page: &StorePage) {
        self.current = None;
        page.end_offer();
    }

    /// Frees what is set aside, unless the client has taken it. Says whether there was something to free.
    fn withdraw<A: Allocator>(&mut self, page: &StorePage, table: &mut ObjectStore<A>) -> bool {
        self.current.is_some() && page.withdraw(self.count) && self.end(table)
    }

    /// Frees what is set aside, of a client that has gone. Says whether there was something to free.
    pub(super) fn end<A: Allocator>(&mut self, table: &mut ObjectStore<A>) -> bool {
        let current = self.current.take();
        current.map(|allocation| table.free_set_aside(allocation)).is_some()
    }
}

impl Sharing {
    /// The space of an offer, if it is for an object of this size, and its client has taken it.
    pub(super) fn taken_offer(&self, id: ClientId, number: u64, size: i64) -> Option<&Allocation> {
        let sharer = &self.sharers[self.position(id)?];
        sharer.offers.taken(&sharer.page, number, size)
    }

    /// An object lies now in the space that a client had taken.
    pub(super) fn offer_is_used(&mut self, id: ClientId) {
        let Some(at) = self.position(id) else { return };
        let sharer = &mut self.sharers[at];
        sharer.offers.used(&sharer.page);
        self.offers -= 1;
    }

    /// Frees all that is set aside and not taken. Says whether there was any.
    pub(super) fn withdraw_offers<A: Allocator>(&mut self, table: &mut ObjectStore<A>) -> bool {
        if self.offers == 0 {
            return false;
        }
        let withdrawn = self
            .sharers
            .iter_mut()
            .filter_map(|sharer| sharer.offers.withdraw(&sharer.page, table).then_some(()))
            .count();
        self.offers -= withdrawn;
        withdrawn > 0
    }

    /// A client has created an object of so many bytes: sets space aside for another, if it is likely to come.
    pub(super) fn offer_another<A: Allocator>(
        &mut self,
        id: ClientId,
        size: i64,
        table: &mut ObjectStore<A>,
    ) {
        let Some(at) = self.position(id) else { return };
        let sharer = &mut self.sharers[at];
        if !sharer.page.wants_offers() {
            return;
        }
        let (page, offers) = (&sharer.page, &mut sharer.offers);
        let again = std::mem::replace(&mut offers.last_size, size) == size;
        if let Some(current) = &offers.current {
            if current.size == size || !offers.withdraw(page, table) {
                return;
            }
            self.offers -= 1;
        }
        let (limit, used) = (table.footprint_limit(), table.allocated());
        let most = limit / PART_USED.1 * PART_USED.0;
        if !again
            || !OFFERED_SIZES.contains(&size.unsigned_abs())
            || size > limit / PART_FOR_ONE
            || used.saturating_add(size) > most
        {
            return;
        }
        let Some(allocation) = usize::try_from(size).ok().and_then(|size| table.set_aside(size))
        else {
            return;
        };
        // A client knows the place of objects in the main file only.
        let place =
            u64::try_from(allocation.offset).ok().filter(|_| self.index.is_of(allocation.fd));
        let Some(place) = place else {
            table.free_set_aside(allocation);
            return;
        };
        offers.count += 1;
        page.offer(offers.count, place, size.unsigned_abs());
        offers.current = Some(allocation);
        self.offers += 1;
    }
}
