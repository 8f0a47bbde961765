//! In which order objects are evicted: LRU, FIFO, LFU.
//!
//! Only what may go stands in the order; what is referred to or pinned does not. The lists run through the slots.

use std::collections::BTreeMap;

use super::slots::{Flag, Slots, NONE};
use crate::config::EvictionPolicy;

/// A list through the slots, the next victim first.
#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: Self = Self { first: NONE, last: NONE };

    fn is_empty(&self) -> bool {
        self.first == NONE
    }

    fn push_last(&mut self, slots: &mut Slots, number: u32) {
        slots[number].previous = self.last;
        slots[number].next = NONE;
        match self.last {
            NONE => self.first = number,
            last => slots[last].next = number,
        }
        self.last = number;
    }

    fn push_first(&mut self, slots: &mut Slots, number: u32) {
        slots[number].previous = NONE;
        slots[number].next = self.first;
        match self.first {
            NONE => self.last = number,
            first => slots[first].previous = number,
        }
        self.first = number;
    }

    fn remove(&mut self, slots: &mut Slots, number: u32) {
        let (previous, next) = (slots[number].previous, slots[number].next);
        match previous {
            NONE => self.first = next,
            previous => slots[previous].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => slots[next].previous = previous,
        }
    }
}

/// The order, by the policy.
#[derive(Debug)]
pub(super) enum Order {
    /// By last use.
    Lru(Used),
    /// By the time at which they came.
    Fifo(Came),
    /// By the number of uses; of those that were used as often, by last use.
    Lfu(BTreeMap<u64, Used>),
}

/// A list in the order of use: whatever is used or let go of goes to its end.
#[derive(Debug)]
pub(super) struct Used(List);

/// In the order in which they came. What was held for a time and has to go back to its place stands in a tree, unless its
/// place is at an end of the list.
#[derive(Debug)]
pub(super) struct Came {
    list: List,
    returned: BTreeMap<u64, u32>,
    counter: u64,
}

impl Order {
    pub(super) fn new(policy: EvictionPolicy) -> Self {
        match policy {
            EvictionPolicy::Lru => Self::Lru(Used(List::EMPTY)),
            EvictionPolicy::Fifo => {
                let (list, returned) = (List::EMPTY, BTreeMap::new());
                Self::Fifo(Came { list, returned, counter: 0 })
            }
            EvictionPolicy::Lfu => Self::Lfu(BTreeMap::new()),
        }
    }

    /// An object has come into the store.
    pub(super) fn came(&mut self, slots: &mut Slots, number: u32) {
        match self {
            Self::Fifo(came) => {
                came.counter += 1;
                slots[number].key = came.counter;
            }
            Self::Lru(_) | Self::Lfu(_) => slots[number].key = 0,
        }
    }

    /// An object that does not stand in the order was used.
    pub(super) fn used(&mut self, slots: &mut Slots, number: u32) {
        debug_assert!(!slots[number].is(Flag::Listed));
        if let Self::Lfu(_) = self {
            slots[number].key += 1;
        }
    }

    /// It may go from now on.
    pub(super) fn insert(&mut self, slots: &mut Slots, number: u32) {
        debug_assert!(!slots[number].is(Flag::Listed));
        slots[number].set(Flag::Listed, true);
        let key = slots[number].key;
        match self {
            Self::Lru(used) => used.0.push_last(slots, number),
            Self::Lfu(counts) => {
                let used = counts.entry(key).or_insert(Used(List::EMPTY));
                used.0.push_last(slots, number);
            }
            Self::Fifo(Came { list, returned, .. }) => {
                if list.is_empty() || slots[list.last].key < key {
                    list.push_last(slots, number);
                } else if key < slots[list.first].key {
                    list.push_first(slots, number);
                } else {
                    returned.insert(key, number);
                }
            }
        }
    }

    /// It may not go from now on, or has gone.
    pub(super) fn remove(&mut self, slots: &mut Slots, number: u32) {
        debug_assert!(slots[number].is(Flag::Listed));
        slots[number].set(Flag::Listed, false);
        let key = slots[number].key;
        match self {
            Self::Lru(used) => used.0.remove(slots, number),
            Self::Lfu(counts) => {
                let used = counts.get_mut(&key).expect("it stands in the list of its count");
                used.0.remove(slots, number);
                if used.0.is_empty() {
                    counts.remove(&key);
                }
            }
            Self::Fifo(Came { list, returned, .. }) => {
                if returned.remove(&key).is_none() {
                    list.remove(slots, number);
                }
            }
        }
    }

    /// Which object goes next.
    pub(super) fn victim(&self, slots: &Slots) -> Option<u32> {
        let first = match self {
            Self::Lru(used) => used.0.first,
            Self::Lfu(counts) => counts.first_key_value().map_or(NONE, |(_, used)| used.0.first),
            Self::Fifo(Came { list, returned, .. }) => match returned.first_key_value() {
                Some((key, number)) if list.is_empty() || *key < slots[list.first].key => *number,
                _ => list.first,
            },
        };
        (first != NONE).then_some(first)
    }
}
