//! Ray's `GetRequestQueue`: gets that wait for objects to be sealed.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use ray_common::ObjectId;

/// Names a get that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GetId(pub u64);

/// Gets of clients `C`, each with the `R` that its answer needs. Not thread-safe.
///
/// Which of its objects are there when a get comes is the caller's to know; the queue keeps those that are not.
#[derive(Debug)]
pub struct GetRequestQueue<C, R> {
    next_id: u64,
    requests: HashMap<GetId, Pending<C, R>, RandomState>,
    by_object: HashMap<ObjectId, VecDeque<GetId>, RandomState>,
}

#[derive(Debug)]
struct Pending<C, R> {
    client: C,
    /// The objects that were missing when the get came, each once.
    waits_for: Vec<ObjectId>,
    /// How many of them still are.
    missing: usize,
    request: R,
}

impl<C, R> Default for GetRequestQueue<C, R> {
    fn default() -> Self {
        Self { next_id: 1, requests: HashMap::default(), by_object: HashMap::default() }
    }
}

impl<C: PartialEq, R> GetRequestQueue<C, R> {
    /// Adds a get that waits for `missing`, in which no id occurs twice and which is not empty.
    pub fn add(&mut self, client: C, missing: Vec<ObjectId>, request: R) -> GetId {
        let id = GetId(self.next_id);
        self.next_id += 1;
        for object in &missing {
            self.by_object.entry(*object).or_default().push_back(id);
        }
        let count = missing.len();
        self.requests.insert(id, Pending { client, waits_for: missing, missing: count, request });
        id
    }

    /// Notes that an object is there. Each get that waited for it is handed to `found`, in the order in which
    /// they came, and with it whether that was the last one missing: then it has left the queue.
    pub fn object_sealed(&mut self, object: &ObjectId, mut found: impl FnMut(&C, Found<'_, R>)) {
        let Some(waiting) = self.by_object.remove(object) else {
            return;
        };
        for id in waiting {
            let Some(pending) = self.requests.get_mut(&id) else {
                continue;
            };
            pending.missing -= 1;
            if pending.missing > 0 {
                found(&pending.client, Found::One(id, &mut pending.request));
            } else if let Some(done) = self.requests.remove(&id) {
                found(&done.client, Found::Last(id, done.request));
            }
        }
    }

    /// Takes a get out, because its time is over. `None` when it has been answered.
    pub fn remove(&mut self, id: GetId) -> Option<(C, R)> {
        let pending = self.requests.remove(&id)?;
        for object in &pending.waits_for {
            if let Some(waiting) = self.by_object.get_mut(object) {
                // They stand in the order in which they came, and mostly end in it.
                if let Ok(at) = waiting.binary_search(&id) {
                    waiting.remove(at);
                }
                if waiting.is_empty() {
                    self.by_object.remove(object);
                }
            }
        }
        Some((pending.client, pending.request))
    }

    /// Drops every get of a client that has gone, each of which is handed to `dropped`. Linear in the number of
    /// gets that wait, and of those for the same objects.
    pub fn remove_client(&mut self, client: &C, mut dropped: impl FnMut(GetId, R)) {
        let gone: Vec<GetId> = self
            .requests
            .iter()
            .filter(|(_, pending)| pending.client == *client)
            .map(|(id, _)| *id)
            .collect();
        let mut objects = Vec::new();
        for id in gone {
            if let Some(pending) = self.requests.remove(&id) {
                objects.extend(pending.waits_for);
                dropped(id, pending.request);
            }
        }
        objects.sort_unstable();
        objects.dedup();
        // Each list once, however many of these gets are in it.
        for object in objects {
            if let Some(waiting) = self.by_object.get_mut(&object) {
                waiting.retain(|id| self.requests.contains_key(id));
                if waiting.is_empty() {
                    self.by_object.remove(&object);
                }
            }
        }
    }

    /// Gets that wait.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Gets that wait for this object.
    pub fn num_waiting_for(&self, object: &ObjectId) -> usize {
        self.by_object.get(object).map_or(0, VecDeque::len)
    }

    /// The gets that wait for this object, in the order in which they came.
    pub fn waiting_for(&self, object: &ObjectId) -> impl Iterator<Item = &R> {
        let ids = self.by_object.get(object).into_iter().flatten();
        ids.filter_map(|id| self.requests.get(id)).map(|pending| &pending.request)
    }

    /// Objects that somebody waits for, in no order.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.by_object.keys()
    }
}

/// A get whose object has come.
#[derive(Debug)]
pub enum Found<'a, R> {
    /// It waits for more.
    One(GetId, &'a mut R),
    /// It can be answered, and is no longer in the queue.
    Last(GetId, R),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ObjectId {
        ObjectId::from_bytes([byte; 28])
    }

    fn seal(queue: &mut GetRequestQueue<u8, &'static str>, object: u8) -> Vec<(u8, String)> {
        let mut events = Vec::new();
        queue.object_sealed(&id(object), |client, found| {
            events.push((
                *client,
                match found {
                    Found::One(_, name) => format!("{name} waits"),
                    Found::Last(_, name) => format!("{name} done"),
                },
            ));
        });
        events
    }

    #[test]
    fn gets_end_with_their_last_object_in_the_order_they_came() {
        let mut queue = GetRequestQueue::default();
        queue.add(1, vec![id(1), id(2)], "both");
        queue.add(2, vec![id(2)], "two");
        assert_eq!(queue.num_waiting_for(&id(2)), 2);
        assert_eq!(seal(&mut queue, 2), [(1, "both waits".into()), (2, "two done".into())]);
        assert_eq!(seal(&mut queue, 2), []);
        assert_eq!(seal(&mut queue, 1), [(1, "both done".into())]);
        assert!(queue.is_empty() && queue.objects().next().is_none());
    }

    #[test]
    fn a_get_that_is_over_or_whose_client_has_gone_leaves_nothing() {
        let mut queue = GetRequestQueue::default();
        let over = queue.add(1, vec![id(1), id(2)], "over");
        queue.add(2, vec![id(2)], "gone");
        queue.add(2, vec![id(3)], "gone too");
        assert_eq!(queue.remove(over), Some((1, "over")));
        assert_eq!(queue.remove(over), None);
        assert_eq!(queue.waiting_for(&id(2)).collect::<Vec<_>>(), [&"gone"]);
        let mut gone = Vec::new();
        queue.remove_client(&2, |_, request| gone.push(request));
        gone.sort_unstable();
        assert_eq!(gone, ["gone", "gone too"]);
        assert_eq!((queue.len(), queue.objects().count()), (0, 0));
        assert_eq!(seal(&mut queue, 2), []);
        // Of several for one object those of others stay, in their order.
        for (client, name) in [(1, "a"), (2, "b"), (1, "c"), (3, "d")] {
            queue.add(client, vec![id(1), id(4)], name);
        }
        queue.remove_client(&1, |_, _| ());
        assert_eq!(queue.num_waiting_for(&id(4)), 2);
        assert_eq!(seal(&mut queue, 4), [(2, "b waits".into()), (3, "d waits".into())]);
    }
}
