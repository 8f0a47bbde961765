//! What a store knows of its objects: who refers to them, where they lie, what goes when memory is short.
//!
//! A table is a plain structure that one thread changes at a time; [`crate::engine`] has it under a lock. `P` is what holds
//! an object in a plasma store. What has to be done without the lock (waking tasks, messages to the plasma store) a
//! call leaves in [`Effects`].
//!
//! What always holds, and [`Table::check`] checks:
//! * `reserved + memory <= limit`, where `memory` counts an object until its bytes are given back to the allocator;
//! * an object stands in the eviction order exactly if it lies in memory and nobody refers to it or has pinned it.

mod kinds;
mod order;
mod slots;
#[cfg(test)]
mod tests;
mod waiters;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use hashbrown::HashTable;
use ray_common::ObjectId;

use self::kinds::Kinds;
use self::order::Order;
pub(crate) use self::slots::State;
use self::slots::{Flag, Slots, NONE};
use self::waiters::Waiters;
use crate::config::{EvictionPolicy, OBJECT_OVERHEAD};
use crate::stats::{Amount, Counters, Stats};

/// What few objects have.
#[derive(Debug)]
struct Extra<P> {
    /// The object in the plasma store, which cannot go while this is here.
    shared: Option<P>,
    /// Objects that this one refers to. It is counted among their references.
    nested: Vec<ObjectId>,
}

/// An object of the plasma store that this process lets go of.
#[derive(Debug)]
pub(crate) struct Unshared<P> {
    pub(crate) id: ObjectId,
    pub(crate) held: P,
    /// Whether it is to be deleted there.
    pub(crate) delete: bool,
    /// References that end when it is really gone there.
    pub(crate) nested: Vec<ObjectId>,
}

/// What is to be done without the lock.
#[derive(Debug)]
pub(crate) struct Effects<P> {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) unshared: Vec<Unshared<P>>,
}

impl<P> Default for Effects<P> {
    fn default() -> Self {
        Self { wakers: Vec::new(), unshared: Vec::new() }
    }
}

/// Why an object cannot be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is one of this id.
    Exists,
    /// It does not fit beside what cannot go.
    OutOfMemory {
        /// Bytes that cannot go.
        held: usize,
    },
}

/// What a get finds.
#[derive(Debug)]
pub(crate) enum Found<P> {
    /// In memory, with one reference more.
    Memory { data: Arc<[u8]>, metadata: Arc<[u8]> },
    /// In the plasma store.
    Shared(P),
    /// Nothing that could be read; `None` if nobody here ever heard of it.
    Nothing(Option<State>),
}

/// Where the bytes of a new object are.
#[derive(Debug)]
pub(crate) enum Place<P> {
    Memory(Arc<[u8]>),
    Shared(P),
}

/// Who keeps a new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// References: there is one now, and the object goes with the last.
    References,
    /// References that there are already. Without any it goes at once.
    Existing,
    /// The store, until it needs the memory.
    Store,
}

#[derive(Debug)]
pub(crate) struct Table<P> {
    limit: usize,
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    slots: Slots,
    order: Order,
    kinds: Kinds,
    extras: HashMap<u32, Extra<P>>,
    waiters: Waiters,
    reserved: Amount,
    memory: Amount,
    evictable: Amount,
    pinned: Amount,
    counters: Counters,
}

impl<P: Clone> Table<P> {
    pub(crate) fn new(limit: usize, policy: EvictionPolicy) -> Self {
        Self {
            limit,
            index: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
            slots: Slots::new(),
            order: Order::new(policy),
            kinds: Kinds::new(),
            extras: HashMap::new(),
            waiters: Waiters::default(),
            reserved: Amount::default(),
            memory: Amount::default(),
            evictable: Amount::default(),
            pinned: Amount::default(),
            counters: Counters::default(),
        }
    }

    /// What an object with this content counts against the limit.
    pub(crate) fn charge(data: usize, metadata: usize) -> usize {
        data.saturating_add(metadata).saturating_add(OBJECT_OVERHEAD)
    }

    fn hash(&self, id: &ObjectId) -> u64 {
        std::hash::BuildHasher::hash_one(&self.hasher, id)
    }

    fn find(&self, id: &ObjectId) -> Option<u32> {
        let Self { slots, .. } = self;
        self.index.find(self.hash(id), |number| slots[*number].id == *id).copied()
    }

    fn find_or_insert(&mut self, id: &ObjectId) -> u32 {
        if let Some(number) = self.find(id) {
            return number;
        }
        let hash = self.hash(id);
        let Self { index, slots, hasher, .. } = self;
        let number = slots.insert(*id);
        index.insert_unique(hash, number, |number| {
            std::hash::BuildHasher::hash_one(hasher, slots[*number].id)
        });
        number
    }

    /// Forgets a slot that nobody refers to.
    fn remove_slot(&mut self, number: u32) {
        let id = self.slots[number].id;
        debug_assert!(!self.slots[number].is(Flag::Listed) && self.slots[number].data.is_none());
        if self.slots[number].kind != NONE {
            self.kinds.remove(self.slots[number].kind);
        }
        if let Ok(entry) = self.index.find_entry(self.hash(&id), |other| *other == number) {
            entry.remove();
        }
        self.slots.remove(number);
        if self.slots.len() == 0 {
            self.index = HashTable::new();
            self.extras = HashMap::new();
        }
    }

    fn extra(&mut self, number: u32) -> &mut Extra<P> {
        self.slots[number].set(Flag::HasExtra, true);
        self.extras.entry(number).or_insert(Extra { shared: None, nested: Vec::new() })
    }

    fn take_extra(&mut self, number: u32) -> Option<Extra<P>> {
        if !self.slots[number].is(Flag::HasExtra) {
            return None;
        }
        self.slots[number].set(Flag::HasExtra, false);
        self.extras.remove(&number)
    }

    fn charge_of(&self, number: u32) -> usize {
        let slot = &self.slots[number];
        Self::charge(slot.size(), self.kinds.get(slot.kind).len())
    }

    /// Takes the object out of the eviction order, if it stands there.
    fn hold(&mut self, number: u32) {
        if self.slots[number].is(Flag::Listed) {
            self.order.remove(&mut self.slots, number);
            self.evictable.subtract(self.charge_of(number));
        }
    }

    /// Somebody has let go of the object. If nobody is left, it goes, or may go.
    fn let_go(&mut self, number: u32, effects: &mut Effects<P>) {
        let slot = &self.slots[number];
        if slot.refs > 0 || slot.pins > 0 {
            if slot.state == State::Freed {
                self.drop_data(number);
            }
            return;
        }
        match slot.state {
            State::Creating => {}
            State::Memory if !slot.is(Flag::Owned) => {
                if !slot.is(Flag::Listed) {
                    self.order.insert(&mut self.slots, number);
                    self.evictable.add(self.charge_of(number));
                }
            }
            State::Memory | State::Shared => {
                let owned = slot.is(Flag::Owned);
                self.counters.freed += u64::from(owned);
                self.free(number, owned, effects);
                self.remove_slot(number);
            }
            State::Pending | State::Freed | State::Lost => {
                self.drop_data(number);
                self.remove_slot(number);
            }
        }
    }

    /// Gives back the bytes in memory, unless somebody reads them.
    fn drop_data(&mut self, number: u32) {
        if self.slots[number].data.as_mut().is_some_and(|data| Arc::get_mut(data).is_some()) {
            self.memory.subtract(self.charge_of(number));
            self.slots[number].data = None;
        }
    }

    /// Gives back whatever an object has. Its slot stays.
    fn free(&mut self, number: u32, delete: bool, effects: &mut Effects<P>) {
        self.hold(number);
        self.drop_data(number);
        let Some(Extra { shared, nested }) = self.take_extra(number) else { return };
        match shared {
            Some(held) => {
                let id = self.slots[number].id;
                effects.unshared.push(Unshared { id, held, delete, nested });
            }
            None => nested.iter().for_each(|id| self.release(id, effects)),
        }
    }

    /// Evicts until there is room for so many bytes, and reserves them.
    fn reserve(&mut self, bytes: usize, effects: &mut Effects<P>) -> Result<(), Refusal> {
        let held = self.reserved.bytes + self.memory.bytes - self.evictable.bytes;
        if self.limit.checked_sub(held).is_none_or(|room| room < bytes) {
            return Err(Refusal::OutOfMemory { held });
        }
        while self.limit - self.reserved.bytes - self.memory.bytes < bytes {
            let victim = self.order.victim(&self.slots).expect("what may go is enough");
            self.counters.evictions += 1;
            self.counters.evicted_bytes += self.charge_of(victim) as u64;
            self.free(victim, false, effects);
            self.remove_slot(victim);
        }
        self.reserved.add(bytes);
        Ok(())
    }

    /// Begins to put an object: in memory with so many bytes reserved, or in the plasma store.
    pub(crate) fn begin(
        &mut self,
        id: &ObjectId,
        bytes: Option<usize>,
        effects: &mut Effects<P>,
    ) -> Result<(), Refusal> {
        if self.find(id).is_some_and(|number| self.slots[number].state != State::Pending) {
            return Err(Refusal::Exists);
        }
        if let Some(bytes) = bytes {
            self.reserve(bytes, effects)?;
        }
        let number = self.find_or_insert(id);
        self.slots[number].state = State::Creating;
        Ok(())
    }

    /// Gives up what was begun.
    pub(crate) fn abort(&mut self, id: &ObjectId, bytes: Option<usize>, effects: &mut Effects<P>) {
        if let Some(bytes) = bytes {
            self.reserved.subtract(bytes);
        }
        let number = self.find(id).expect("it was begun");
        self.slots[number].state = State::Pending;
        self.let_go(number, effects);
    }

    /// The object is there: whoever waits for it wakes.
    pub(crate) fn finish(
        &mut self,
        id: &ObjectId,
        place: Place<P>,
        metadata: &[u8],
        nested: &[ObjectId],
        keep: Keep,
        effects: &mut Effects<P>,
    ) {
        let number = self.find(id).expect("it was begun");
        for id in nested {
            self.retain(id);
        }
        if !nested.is_empty() {
            self.extra(number).nested = nested.to_vec();
        }
        match place {
            Place::Memory(data) => {
                let charge = Self::charge(data.len(), metadata.len());
                self.reserved.subtract(charge);
                self.memory.add(charge);
                let kind = self.kinds.insert(metadata);
                let slot = &mut self.slots[number];
                (slot.state, slot.kind, slot.data) = (State::Memory, kind, Some(data));
                self.order.came(&mut self.slots, number);
            }
            Place::Shared(held) => {
                self.extra(number).shared = Some(held);
                self.slots[number].state = State::Shared;
            }
        }
        self.counters.puts += 1;
        let slot = &mut self.slots[number];
        slot.set(Flag::Owned, keep != Keep::Store);
        slot.refs += u32::from(keep == Keep::References);
        self.wake(id, effects);
        self.let_go(number, effects);
    }

    fn wake(&mut self, id: &ObjectId, effects: &mut Effects<P>) {
        effects.wakers.extend(self.waiters.take(id).into_iter().map(|(_, waker)| waker));
    }

    /// An object that was found in the plasma store is held from now on, if anybody here refers to it. Returns whether.
    pub(crate) fn adopt(&mut self, id: &ObjectId, held: &P, effects: &mut Effects<P>) -> bool {
        let Some(number) = self.find(id) else { return false };
        if self.slots[number].state != State::Pending {
            return false;
        }
        self.extra(number).shared = Some(held.clone());
        self.slots[number].state = State::Shared;
        self.wake(id, effects);
        true
    }

    /// A copy of an object in memory lies in the plasma store, too, and goes with it. `false` when the object has gone meanwhile.
    pub(crate) fn add_copy(&mut self, id: &ObjectId, held: P) -> bool {
        let Some(number) = self.find(id) else { return false };
        let is_alone = !self.slots[number].is(Flag::HasExtra)
            || self.extras.get(&number).is_none_or(|extra| extra.shared.is_none());
        if self.slots[number].state == State::Memory && is_alone {
            self.extra(number).shared = Some(held);
            return true;
        }
        false
    }

    /// Whether the object has a copy in the plasma store, or lies there.
    pub(crate) fn is_shared(&self, id: &ObjectId) -> bool {
        let number = self.find(id);
        number.and_then(|number| self.extras.get(&number)).is_some_and(|e| e.shared.is_some())
    }

    /// Another process is to read the object as soon as it is there. `false` when it is there, or will never be.
    pub(crate) fn share_later(&mut self, id: &ObjectId) -> bool {
        let Some(number) = self.find(id) else { return false };
        let is_to_come = matches!(self.slots[number].state, State::Pending | State::Creating);
        self.slots[number].set(Flag::ToShare, is_to_come);
        is_to_come
    }

    /// Whether another process is to read the object.
    pub(crate) fn is_to_share(&self, id: &ObjectId) -> bool {
        self.find(id).is_some_and(|number| self.slots[number].is(Flag::ToShare))
    }

    /// One reference more.
    pub(crate) fn retain(&mut self, id: &ObjectId) -> State {
        let number = self.find_or_insert(id);
        self.hold(number);
        let slot = &mut self.slots[number];
        slot.refs = slot.refs.checked_add(1).expect("fewer than four thousand million references");
        slot.state
    }

    /// One reference less.
    pub(crate) fn release(&mut self, id: &ObjectId, effects: &mut Effects<P>) {
        let Some(number) = self.find(id) else { return };
        let slot = &mut self.slots[number];
        debug_assert!(slot.refs > 0, "{id} has no reference that could be given back");
        slot.refs = slot.refs.saturating_sub(1);
        self.let_go(number, effects);
    }

    /// The object as a get finds it. What lies in memory has one reference more, which the reader gives back.
    pub(crate) fn get(&mut self, id: &ObjectId, count: bool) -> Found<P> {
        let number = self.find(id);
        let state = number.map(|number| self.slots[number].state);
        let found = match (number, state) {
            (Some(number), Some(State::Memory)) => {
                self.hold(number);
                if count {
                    self.order.used(&mut self.slots, number);
                }
                let slot = &mut self.slots[number];
                slot.refs += 1;
                let data = Arc::clone(slot.data.as_ref().expect("it lies in memory"));
                Found::Memory {
                    data,
                    metadata: Arc::clone(self.kinds.get(self.slots[number].kind)),
                }
            }
            (Some(number), Some(State::Shared)) => match self.extras.get(&number) {
                Some(Extra { shared: Some(held), .. }) => Found::Shared(held.clone()),
                _ => Found::Nothing(state),
            },
            _ => Found::Nothing(state),
        };
        if count {
            self.count_get(!matches!(found, Found::Nothing(_)));
        }
        found
    }

    /// Counts a get that found its object at once, or did not.
    pub(crate) fn count_get(&mut self, hit: bool) {
        self.counters.hits += u64::from(hit);
        self.counters.misses += u64::from(!hit);
    }

    /// What there is of it.
    pub(crate) fn state(&self, id: &ObjectId) -> Option<State> {
        self.find(id).map(|number| self.slots[number].state)
    }

    /// Bytes of data, and metadata, of an object in memory.
    pub(crate) fn describe(&self, id: &ObjectId) -> Option<(usize, Arc<[u8]>)> {
        let slot = &self.slots[self.find(id)?];
        let data = slot.data.as_ref().filter(|_| slot.state == State::Memory)?;
        Some((data.len(), Arc::clone(self.kinds.get(slot.kind))))
    }

    /// Keeps an object that is here. `false` when it is not.
    pub(crate) fn pin(&mut self, id: &ObjectId) -> bool {
        let Some(number) = self.find(id) else { return false };
        if !matches!(self.slots[number].state, State::Memory | State::Shared) {
            return false;
        }
        self.hold(number);
        let slot = &mut self.slots[number];
        slot.pins = slot.pins.checked_add(1).expect("fewer than 65536 pins");
        if slot.pins == 1 && slot.state == State::Memory {
            self.pinned.add(self.charge_of(number));
        }
        true
    }

    /// Takes a pin back. `false` when there is none.
    pub(crate) fn unpin(&mut self, id: &ObjectId, effects: &mut Effects<P>) -> bool {
        let Some(number) = self.find(id).filter(|number| self.slots[*number].pins > 0) else {
            return false;
        };
        self.slots[number].pins -= 1;
        if self.slots[number].pins == 0 && self.slots[number].state == State::Memory {
            self.pinned.subtract(self.charge_of(number));
        }
        self.let_go(number, effects);
        true
    }

    /// The object stays, without references, until its memory is needed.
    pub(crate) fn disown(&mut self, id: &ObjectId) {
        if let Some(number) = self.find(id) {
            self.slots[number].set(Flag::Owned, false);
        }
    }

    /// Takes the object away from all who refer to it. `None`: it is not here, or not there yet. `Some(false)`: it is pinned.
    pub(crate) fn delete(&mut self, id: &ObjectId, effects: &mut Effects<P>) -> Option<bool> {
        let number = self.find(id)?;
        if !matches!(self.slots[number].state, State::Memory | State::Shared) {
            return None;
        }
        if self.slots[number].pins > 0 {
            return Some(false);
        }
        self.counters.deleted += 1;
        self.slots[number].state = State::Freed;
        self.free(number, true, effects);
        self.let_go(number, effects);
        Some(true)
    }

    /// Who had promised the object has gone.
    pub(crate) fn lose(&mut self, id: &ObjectId, effects: &mut Effects<P>) {
        if let Some(number) = self.find(id) {
            if self.slots[number].state == State::Pending {
                self.slots[number].state = State::Lost;
                self.wake(id, effects);
            }
        }
    }

    /// Somebody here is going to put it. Counts as a reference.
    pub(crate) fn promise(&mut self, id: &ObjectId) {
        self.retain(id);
        if let Some(number) = self.find(id) {
            self.slots[number].set(Flag::Promised, true);
        }
    }

    /// Whether another process may put it.
    pub(crate) fn may_come_from_elsewhere(&self, id: &ObjectId) -> bool {
        self.find(id).is_none_or(|number| {
            self.slots[number].state == State::Pending && !self.slots[number].is(Flag::Promised)
        })
    }

    /// Whether a get of it would return: it is there, or will never be.
    pub(crate) fn is_over(&self, id: &ObjectId) -> bool {
        !matches!(self.state(id), None | Some(State::Pending | State::Creating))
    }

    pub(crate) fn waiters(&mut self) -> u64 {
        self.waiters.number()
    }

    pub(crate) fn register(&mut self, id: ObjectId, number: u64, waker: &Waker) {
        self.waiters.register(id, number, waker);
    }

    pub(crate) fn unregister(&mut self, id: &ObjectId, number: u64) {
        self.waiters.unregister(id, number);
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut referenced = self.memory;
        referenced.bytes -= self.evictable.bytes + self.pinned.bytes;
        referenced.objects -= self.evictable.objects + self.pinned.objects;
        Stats {
            limit: self.limit,
            reserved: self.reserved,
            referenced,
            pinned: self.pinned,
            evictable: self.evictable,
            shared: self.extras.values().filter(|extra| extra.shared.is_some()).count(),
            known: self.slots.len(),
            waits: self.waiters.len(),
            lingering: 0,
            counters: self.counters,
        }
    }

    /// Panics unless everything adds up.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        let (mut memory, mut evictable, mut pinned) = <(Amount, Amount, Amount)>::default();
        for number in &self.index {
            let slot = &self.slots[*number];
            assert_eq!(self.find(&slot.id), Some(*number));
            let may_go = slot.state == State::Memory && slot.refs == 0 && slot.pins == 0;
            assert_eq!(slot.is(Flag::Listed), may_go, "{slot:?}");
            assert!(!(may_go && slot.is(Flag::Owned)), "{slot:?}");
            if slot.data.is_some() {
                memory.add(self.charge_of(*number));
                if slot.is(Flag::Listed) {
                    evictable.add(self.charge_of(*number));
                }
                if slot.pins > 0 {
                    pinned.add(self.charge_of(*number));
                }
            }
        }
        assert_eq!((memory, evictable, pinned), (self.memory, self.evictable, self.pinned));
        assert_eq!(self.index.len(), self.slots.len());
        assert!(self.reserved.bytes + self.memory.bytes <= self.limit);
    }
}
