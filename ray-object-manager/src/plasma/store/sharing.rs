//! What the store shares with those of its clients that asked for it: [`crate::plasma::shared`].

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ray_common::ObjectId;

use super::client::ClientId;
use super::offers::Offers;
use crate::plasma::allocator::Allocator;
use crate::plasma::eviction_policy::Victim;
use crate::plasma::obj_lifecycle_mgr::UnseenUsers;
use crate::plasma::object_store::{ObjectRef, ObjectStore};
use crate::plasma::protocol::PlasmaObject;
use crate::plasma::shared::{Index, StorePage, Unseen};

/// A client can say of itself at most that it did so much.
const MOST_UNSEEN: u64 = 1 << 40;

/// So many victims are looked for among the pins one by one; of more, the pins are collected first.
const FEW_VICTIMS: usize = 32;

/// A client with a page.
#[derive(Debug)]
pub(super) struct Sharer {
    pub(super) id: ClientId,
    pub(super) page: Arc<StorePage>,
    /// How many of its pins that it took away have been heard of.
    let_go: u64,
    pub(super) offers: Offers,
}

/// The index, and the pages of all clients that have one.
#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) index: Index,
    /// In the order of their ids.
    pub(super) sharers: Vec<Sharer>,
    /// For how many of them something is set aside.
    pub(super) offers: usize,
}

/// A client has pinned an object, and the store has seen it.
pub(super) type Adoption = (ClientId, ObjectId);

impl Sharing {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { index: Index::new()?, sharers: Vec::new(), offers: 0 })
    }

    /// Makes a page for a client. Returns it with what the client has to be sent.
    pub(super) fn admit(&mut self, id: ClientId) -> io::Result<(Arc<StorePage>, [OwnedFd; 3])> {
        let (page, descriptor) = StorePage::new()?;
        let page = Arc::new(page);
        let doorbell = page.doorbell().try_clone_to_owned()?;
        let descriptors = [self.index.descriptor()?, descriptor, doorbell];
        let sharer = Sharer { id, page: Arc::clone(&page), let_go: 0, offers: Offers::default() };
        let at = self.sharers.partition_point(|other| other.id < id);
        self.sharers.insert(at, sharer);
        Ok((page, descriptors))
    }

    /// A client has gone, its pins with it, and what was set aside for it. Returns what it did unseen.
    pub(super) fn dismiss<A: Allocator>(
        &mut self,
        id: ClientId,
        table: &mut ObjectStore<A>,
    ) -> Unseen {
        let Some(at) = self.position(id) else { return Unseen::default() };
        let mut sharer = self.sharers.remove(at);
        self.offers -= usize::from(sharer.offers.end(table));
        believable(&sharer.page)
    }

    pub(super) fn position(&self, id: ClientId) -> Option<usize> {
        self.sharers.binary_search_by_key(&id, |sharer| sharer.id).ok()
    }

    pub(super) fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.sharers.iter().map(|sharer| sharer.id)
    }

    /// What all clients together did unseen.
    pub(super) fn unseen(&self) -> Unseen {
        self.sharers.iter().map(|sharer| believable(&sharer.page)).fold(
            Unseen::default(),
            |sum, one| Unseen {
                gets: sum.gets + one.gets,
                contains: sum.contains + one.contains,
                releases: sum.releases + one.releases,
            },
        )
    }

    /// Lets clients find a sealed object that is not to be deleted.
    pub(super) fn publish(&mut self, id: &ObjectId, object: &PlasmaObject, at: ObjectRef) {
        if !self.sharers.is_empty() {
            self.index.publish(id, object, at.0);
        }
    }

    pub(super) fn wants_other_table(&self, objects: usize) -> bool {
        self.index.wants_other_table(objects)
    }

    /// Nobody shall find anything any more in the table that there is.
    pub(super) fn leave_table(&mut self) {
        self.index.leave_table();
    }

    /// Everybody who has pinned something has been adopted.
    pub(super) fn change_table(&mut self, objects: usize) {
        self.index.change_table(objects);
    }

    /// Nobody shall find the object any more. Returns who has it pinned.
    pub(super) fn retire(&mut self, id: &ObjectId, object: &PlasmaObject) -> Vec<ClientId> {
        self.index.retire([id]);
        self.users(object).collect()
    }

    /// Who has the object pinned now.
    pub(super) fn users<'a>(
        &'a self,
        object: &PlasmaObject,
    ) -> impl Iterator<Item = ClientId> + 'a {
        let offset = self.index.is_of(object.store_fd).then_some(object.data_offset);
        let has = move |sharer: &&Sharer| offset.is_some_and(|at| sharer.page.has_pinned(at));
        self.sharers.iter().filter(has).map(|sharer| sharer.id)
    }

    /// All pins of objects in the index.
    pub(super) fn pins<'a, A: Allocator>(
        &'a self,
        table: &'a ObjectStore<A>,
    ) -> impl Iterator<Item = (ClientId, ObjectRef)> + 'a {
        self.sharers.iter().flat_map(move |sharer| {
            let named = |pin| Some((sharer.id, self.named(table, pin)?));
            sharer.page.pins().filter_map(named)
        })
    }

    /// The object that a pin names, if there is one.
    fn named<A: Allocator>(
        &self,
        table: &ObjectStore<A>,
        (key, slot): (u64, usize),
    ) -> Option<ObjectRef> {
        let (object, entry) = table.numbered(self.index.number_of(slot)?)?;
        (PlasmaObject::of(entry).data_offset >> 6 == key).then_some(object)
    }

    pub(super) fn close(&self) {
        self.index.close();
        for sharer in &self.sharers {
            sharer.page.wake_client();
        }
    }
}

fn believable(page: &StorePage) -> Unseen {
    let Unseen { gets, contains, releases } = page.unseen();
    Unseen {
        gets: gets.min(MOST_UNSEEN),
        contains: contains.min(MOST_UNSEEN),
        releases: releases.min(MOST_UNSEEN),
    }
}

impl<'a> Pins<'a> {
    pub(super) fn of(sharing: &'a mut Option<Sharing>) -> Self {
        Self { sharing: sharing.as_mut(), adopted: Vec::new() }
    }
}

/// Stands in for clients while room is made. What they have pinned of it is noted.
#[derive(Debug)]
pub(super) struct Pins<'a> {
    pub(super) sharing: Option<&'a mut Sharing>,
    pub(super) adopted: Vec<Adoption>,
}

impl<A: Allocator> UnseenUsers<ObjectStore<A>> for Pins<'_> {
    fn give_way(&mut self, table: &mut ObjectStore<A>) -> bool {
        self.sharing.as_mut().is_some_and(|sharing| sharing.withdraw_offers(table))
    }

    fn let_go(&mut self, table: &ObjectStore<A>) -> Vec<(ObjectId, ObjectRef)> {
        let Some(sharing) = &mut self.sharing else { return Vec::new() };
        let mut all = Vec::new();
        for at in 0..sharing.sharers.len() {
            let (pins, now) = sharing.sharers[at].page.let_go(sharing.sharers[at].let_go);
            sharing.sharers[at].let_go = now;
            all.extend(pins.into_iter().filter_map(|pin| sharing.named(table, pin)));
        }
        all.into_iter().map(|at| (*table.object(at).id(), at)).collect()
    }

    fn keep(
        &mut self,
        table: &ObjectStore<A>,
        victims: &mut Vec<Victim<ObjectStore<A>>>,
    ) -> Vec<(Victim<ObjectStore<A>>, usize)> {
        let Some(sharing) = &mut self.sharing else { return Vec::new() };
        if sharing.sharers.is_empty() {
            return Vec::new();
        }
        sharing.index.retire(victims.iter().map(|victim| &victim.key));
        let pinned: Option<HashSet<u64, RandomState>> = (victims.len() > FEW_VICTIMS).then(|| {
            sharing.sharers.iter().flat_map(|sharer| sharer.page.pins()).map(|pin| pin.0).collect()
        });
        let mut kept = Vec::new();
        let mut left = Vec::with_capacity(victims.len());
        for victim in victims.drain(..) {
            let object = victim.object.map(|at| PlasmaObject::of(table.object(at)));
            let may_be = |object: &PlasmaObject| {
                pinned.as_ref().is_none_or(|pinned| pinned.contains(&(object.data_offset >> 6)))
            };
            let users: Vec<ClientId> = object
                .filter(may_be)
                .map(|object| sharing.users(&object).collect())
                .unwrap_or_default();
            if users.is_empty() {
                left.push(victim);
            } else {
                self.adopted.extend(users.iter().map(|user| (*user, victim.key)));
                kept.push((victim, users.len()));
            }
        }
        *victims = left;
        kept
    }
}
