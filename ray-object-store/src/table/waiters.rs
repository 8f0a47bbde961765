//! Who sleeps until an object comes.

use std::collections::HashMap;
use std::task::Waker;

use ray_common::ObjectId;

/// The tasks that wait, by object. A task is known by a number of its own, under which it stands once an object.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    of: HashMap<ObjectId, Vec<(u64, Waker)>>,
    next: u64,
}

impl Waiters {
    /// A number for one that waits.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Wakes it when the object comes; only the last waker counts.
    pub(super) fn register(&mut self, id: ObjectId, number: u64, waker: &Waker) {
        let waiting = self.of.entry(id).or_default();
        match waiting.iter_mut().find(|(other, _)| *other == number) {
            Some((_, old)) => old.clone_from(waker),
            None => waiting.push((number, waker.clone())),
        }
    }

    pub(super) fn unregister(&mut self, id: &ObjectId, number: u64) {
        let Some(waiting) = self.of.get_mut(id) else { return };
        waiting.retain(|(other, _)| *other != number);
        if waiting.is_empty() {
            self.of.remove(id);
        }
    }

    /// All who wait for the object. They are to be woken, outside the lock.
    pub(super) fn take(&mut self, id: &ObjectId) -> Vec<(u64, Waker)> {
        self.of.remove(id).unwrap_or_default()
    }

    /// How many waits there are.
    pub(super) fn len(&self) -> usize {
        self.of.values().map(Vec::len).sum()
    }
}
