//! Ray's `CreateRequestQueue`: requests to create objects, served first come first served.
//!
//! The head of the queue blocks those behind it, small ones too. While it does not fit, objects are
//! spilled; once nothing is being spilled and a grace period is over, it gets a file of its own.
//!
//! Nobody is called while the queue changes: [`CreateRequestQueue::step`] says what to ask the world, and
//! the answer goes to [`CreateRequestQueue::head_is_full`]. So whoever shares the queue between threads can
//! let go of it meanwhile. [`CreateRequestQueue::process`] does both for those who need not.

use std::collections::{HashMap, VecDeque};

use super::common::PlasmaError;

/// What the queue needs of the store behind it.
pub trait CreateHandler<R, T> {
    /// Tries to create the object of a request, with a file of its own as the last resort if `fallback`
    /// says so. [`PlasmaError::OutOfMemory`] leaves the request in the queue, everything else ends it.
    ///
    /// # Errors
    /// Why there is no object.
    fn create(&mut self, request: &R, fallback: bool) -> Result<T, PlasmaError>;

    /// Whether the disk of the fallback files is too full to be used.
    fn disk_is_full(&mut self) -> bool;

    /// Whether an object that has just been refused with [`PlasmaError::OutOfMemory`] may fit soon, for there is more to evict.
    fn is_making_room(&self) -> bool {
        false
    }
}

/// What to do after [`CreateRequestQueue::step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is no request left.
    Done,
    /// The request at the head is over; there may be more.
    Finished(RequestId),
    /// As [`Step::Finished`], for want of disk space, which ends this round.
    OutOfDisk(RequestId),
    /// Room is being made for the request at the head, a part at a time. Try again at once, but let others have a turn.
    MakingRoom(RequestId),
    /// The request at the head does not fit. Tell the world to collect its garbage and to spill, then call
    /// [`CreateRequestQueue::head_is_full`].
    Full(RequestId),
}

/// What to do after [`CreateRequestQueue::head_is_full`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFull {
    /// Try again later: objects are being spilled.
    Spilling,
    /// Try again later: the grace period is not over.
    Grace,
    /// The head has been served, or refused with [`PlasmaError::OutOfDisk`]. Go on.
    Finished(RequestId, bool),
    /// The head is another request by now. Go on.
    Changed,
}

/// How [`CreateRequestQueue::process`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every request is over.
    Done,
    /// The head waits for objects to be spilled.
    Spilling,
    /// The head waits for the end of the grace period.
    Grace,
    /// The head was refused because the disk is full; the next are tried later.
    OutOfDisk,
}

/// Names a request, from 1 upwards.
pub type RequestId = u64;

/// A request that waits.
#[derive(Debug)]
pub struct Waiting<C, R> {
    /// Its name.
    pub id: RequestId,
    /// Who made it.
    pub client: C,
    /// What is to be created.
    pub request: R,
    /// Bytes of data and metadata.
    pub object_size: u64,
}

/// A request that is over and whose result nobody has taken.
#[derive(Debug)]
struct Fulfilled<C, T> {
    client: C,
    result: Result<T, PlasmaError>,
}

/// Requests of clients `C` (compared to drop those of a client that has gone), each of them an `R` that
/// becomes a `T`. Not thread-safe.
#[derive(Debug)]
pub struct CreateRequestQueue<C, R, T> {
    grace_period_ns: i64,
    next_id: RequestId,
    waiting: VecDeque<Waiting<C, R>>,
    fulfilled: HashMap<RequestId, Option<Fulfilled<C, T>>, foldhash::fast::RandomState>,
    full_since_ns: Option<i64>,
    pending_bytes: u64,
}

impl<C: PartialEq, R, T> CreateRequestQueue<C, R, T> {
    /// An empty queue. The grace period is in seconds; a negative one is over at once, as in Ray.
    pub fn new(grace_period_s: i64) -> Self {
        Self {
            grace_period_ns: grace_period_s.saturating_mul(1_000_000_000),
            next_id: 1,
            waiting: VecDeque::new(),
            fulfilled: HashMap::default(),
            full_since_ns: None,
            pending_bytes: 0,
        }
    }

    /// Adds a request, which is not tried yet. Its result is taken with [`Self::take_result`].
    pub fn add(&mut self, client: C, request: R, object_size: u64) -> RequestId {
        let id = self.next_id;
        self.next_id += 1;
        self.fulfilled.insert(id, None);
        self.pending_bytes = self.pending_bytes.wrapping_add(object_size);
        self.waiting.push_back(Waiting { id, client, request, object_size });
        id
    }

    /// Names a request that is served without the queue. If nobody waits, the store is not full: the next
    /// to find it full gets a whole grace period.
    pub fn skip(&mut self) -> RequestId {
        if self.waiting.is_empty() {
            self.full_since_ns = None;
        }
        self.next_id += 1;
        self.next_id - 1
    }

    /// Takes the result of a request, once; `None` while it waits.
    ///
    /// # Errors
    /// Inside: why it failed; [`PlasmaError::UnexpectedError`] when there is no such request (any more).
    pub fn take_result(&mut self, id: RequestId) -> Option<Result<T, PlasmaError>> {
        match self.fulfilled.get(&id) {
            None => {
                log::error!("the result of create request {id} was asked for, which is unknown or has been taken");
                Some(Err(PlasmaError::UnexpectedError))
            }
            Some(None) => None,
            Some(Some(_)) => self.fulfilled.remove(&id).flatten().map(|done| done.result),
        }
    }

    /// As [`Self::take_result`], for one client: results of others are unknown to it.
    ///
    /// # Errors
    /// As there.
    pub fn take_result_of(&mut self, id: RequestId, client: &C) -> Option<Result<T, PlasmaError>> {
        let foreign = matches!(self.fulfilled.get(&id), Some(Some(done)) if done.client != *client);
        if foreign {
            return Some(Err(PlasmaError::UnexpectedError));
        }
        self.take_result(id)
    }

    /// Tries the request at the head once.
    pub fn step(&mut self, handler: &mut impl CreateHandler<R, T>) -> Step {
        let Some(head) = self.waiting.front() else {
            return Step::Done;
        };
        let id = head.id;
        match handler.create(&head.request, false) {
            Err(PlasmaError::OutOfMemory) if handler.is_making_room() => {
                self.full_since_ns = None;
                Step::MakingRoom(id)
            }
            Err(PlasmaError::OutOfMemory) if handler.disk_is_full() => {
                log::info!("out of disk: cannot create an object of {} bytes", head.object_size);
                self.finish_head(Err(PlasmaError::OutOfDisk));
                Step::OutOfDisk(id)
            }
            Err(PlasmaError::OutOfMemory) => Step::Full(id),
            result => {
                self.finish_head(result);
                self.full_since_ns = None;
                Step::Finished(id)
            }
        }
    }

    /// Decides about the head that [`Step::Full`] named: `spilling` says whether objects are being spilled.
    /// `now_ns` is of any clock that does not run backwards.
    pub fn head_is_full(
        &mut self,
        id: RequestId,
        spilling: bool,
        now_ns: i64,
        handler: &mut impl CreateHandler<R, T>,
    ) -> AfterFull {
        let Some(head) = self.waiting.front().filter(|head| head.id == id) else {
            return AfterFull::Changed;
        };
        if spilling {
            self.full_since_ns = None;
            return AfterFull::Spilling;
        }
        let since = *self.full_since_ns.get_or_insert(now_ns);
        if now_ns.saturating_sub(since) < self.grace_period_ns {
            return AfterFull::Grace;
        }
        let mut result = handler.create(&head.request, true);
        let out_of_disk = matches!(result, Err(PlasmaError::OutOfMemory));
        if out_of_disk {
            result = Err(PlasmaError::OutOfDisk);
            log::info!("out of disk: cannot create an object of {} bytes", head.object_size);
        }
        self.finish_head(result);
        AfterFull::Finished(id, out_of_disk)
    }

    /// Serves as many requests as possible. `collect` tells the world to collect its garbage, `spill` to
    /// spill, and returns whether it does; `now` is the time in nanoseconds.
    pub fn process(
        &mut self,
        handler: &mut impl CreateHandler<R, T>,
        mut now: impl FnMut() -> i64,
        mut collect: impl FnMut(),
        mut spill: impl FnMut() -> bool,
    ) -> Outcome {
        loop {
            match self.step(handler) {
                Step::Done => return Outcome::Done,
                Step::OutOfDisk(_) => return Outcome::OutOfDisk,
                Step::Finished(_) | Step::MakingRoom(_) => {}
                Step::Full(id) => {
                    let now = now();
                    collect();
                    self.full_since_ns.get_or_insert(now);
                    match self.head_is_full(id, spill(), now, handler) {
                        AfterFull::Spilling => return Outcome::Spilling,
                        AfterFull::Grace => return Outcome::Grace,
                        AfterFull::Finished(..) | AfterFull::Changed => {}
                    }
                }
            }
        }
    }

    /// Drops what a client that has gone was waiting for, and the results that it did not take. These are
    /// returned: what they stand for is the caller's to release.
    pub fn remove_client(&mut self, client: &C) -> Vec<T> {
        let Self { waiting, fulfilled, pending_bytes, .. } = self;
        waiting.retain(|one| {
            let stays = one.client != *client;
            if !stays {
                fulfilled.remove(&one.id);
                *pending_bytes = pending_bytes.wrapping_sub(one.object_size);
            }
            stays
        });
        let mut left = Vec::new();
        fulfilled.retain(|_, done| match done {
            Some(done) if done.client == *client => {
                let unknown = Err(PlasmaError::UnexpectedError);
                left.extend(std::mem::replace(&mut done.result, unknown));
                false
            }
            _ => true,
        });
        left
    }

    /// Requests that wait.
    pub fn num_pending_requests(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that they ask for.
    pub fn num_pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// The requests that wait, the head first.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting<C, R>> {
        self.waiting.iter()
    }

    /// Requests that wait, and results that nobody has taken.
    pub fn num_untaken(&self) -> usize {
        self.fulfilled.len()
    }

    /// Whether a request is waiting (false), or over and not taken (true); `None` when it is unknown.
    pub fn is_fulfilled(&self, id: RequestId) -> Option<bool> {
        self.fulfilled.get(&id).map(Option::is_some)
    }

    fn finish_head(&mut self, result: Result<T, PlasmaError>) {
        let Some(head) = self.waiting.pop_front() else {
            return;
        };
        self.pending_bytes = self.pending_bytes.wrapping_sub(head.object_size);
        self.fulfilled.insert(head.id, Some(Fulfilled { client: head.client, result }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room for so many bytes; disk for so many.
    struct Store {
        room: u64,
        disk: u64,
        disk_full: bool,
    }

    impl CreateHandler<u64, (u64, bool)> for Store {
        fn create(&mut self, &size: &u64, fallback: bool) -> Result<(u64, bool), PlasmaError> {
            if size <= self.room {
                self.room -= size;
                Ok((size, false))
            } else if fallback && size <= self.disk {
                self.disk -= size;
                Ok((size, true))
            } else {
                Err(PlasmaError::OutOfMemory)
            }
        }

        fn disk_is_full(&mut self) -> bool {
            self.disk_full
        }
    }

    type Queue = CreateRequestQueue<u8, u64, (u64, bool)>;

    fn process(queue: &mut Queue, store: &mut Store, now_s: i64, spilling: bool) -> Outcome {
        queue.process(store, || now_s * 1_000_000_000, || (), || spilling)
    }

    #[test]
    fn the_head_blocks_and_results_are_taken_once() {
        let mut store = Store { room: 10, disk: 0, disk_full: false };
        let mut queue = Queue::new(2);
        let (large, small) = (queue.add(1, 20, 20), queue.add(2, 1, 1));
        assert_eq!((large, small), (1, 2));
        assert_eq!(process(&mut queue, &mut store, 0, true), Outcome::Spilling);
        assert_eq!(queue.take_result(large), None);
        assert_eq!(queue.take_result(small), None);
        assert_eq!((queue.num_pending_requests(), queue.num_pending_bytes()), (2, 21));
        store.room = 21;
        assert_eq!(process(&mut queue, &mut store, 0, true), Outcome::Done);
        assert_eq!(queue.take_result_of(large, &2), Some(Err(PlasmaError::UnexpectedError)));
        assert_eq!(queue.take_result_of(large, &1), Some(Ok((20, false))));
        assert_eq!(queue.take_result(large), Some(Err(PlasmaError::UnexpectedError)));
        assert_eq!(queue.take_result(small), Some(Ok((1, false))));
        assert_eq!((queue.num_pending_bytes(), queue.num_untaken()), (0, 0));
    }

    #[test]
    fn spilling_restarts_the_grace_period() {
        let mut store = Store { room: 0, disk: 30, disk_full: false };
        let mut queue = Queue::new(2);
        let id = queue.add(1, 20, 20);
        assert_eq!(process(&mut queue, &mut store, 0, false), Outcome::Grace);
        assert_eq!(process(&mut queue, &mut store, 1, true), Outcome::Spilling);
        assert_eq!(process(&mut queue, &mut store, 2, false), Outcome::Grace);
        assert_eq!(process(&mut queue, &mut store, 3, false), Outcome::Grace);
        assert_eq!(process(&mut queue, &mut store, 4, false), Outcome::Done);
        assert_eq!(queue.take_result(id), Some(Ok((20, true))));
        // So does what needs no queue, unless somebody waits in it.
        assert_eq!(queue.skip(), 2);
        queue.add(1, 10, 10);
        assert_eq!(process(&mut queue, &mut store, 100, false), Outcome::Grace);
        assert_eq!(queue.skip(), 4);
        assert_eq!(process(&mut queue, &mut store, 102, false), Outcome::Done);
    }

    /// A store that makes its room a byte at a time.
    struct SlowStore {
        room: u64,
        free: u64,
        making_room: bool,
    }

    impl CreateHandler<u64, (u64, bool)> for SlowStore {
        fn create(&mut self, &size: &u64, _: bool) -> Result<(u64, bool), PlasmaError> {
            self.making_room = size > self.free && self.room > 0;
            if self.making_room {
                (self.room, self.free) = (self.room - 1, self.free + 1);
                return Err(PlasmaError::OutOfMemory);
            }
            self.free = self.free.checked_sub(size).ok_or(PlasmaError::OutOfMemory)?;
            Ok((size, false))
        }

        fn disk_is_full(&mut self) -> bool {
            panic!("a store that makes room is not asked for its disk")
        }

        fn is_making_room(&self) -> bool {
            self.making_room
        }
    }

    #[test]
    fn the_head_waits_for_room_without_spilling() {
        let mut store = SlowStore { room: 3, free: 0, making_room: false };
        let mut queue = Queue::new(0);
        let (large, small) = (queue.add(1, 2, 2), queue.add(2, 1, 1));
        assert_eq!(queue.step(&mut store), Step::MakingRoom(large));
        assert_eq!(queue.step(&mut store), Step::MakingRoom(large));
        assert_eq!(
            (queue.is_fulfilled(large), queue.is_fulfilled(small)),
            (Some(false), Some(false))
        );
        assert_eq!(queue.step(&mut store), Step::Finished(large));
        assert_eq!(queue.step(&mut store), Step::MakingRoom(small));
        let never = || -> bool { panic!("nothing is to be spilled") };
        assert_eq!(queue.process(&mut store, || 0, || (), never), Outcome::Done);
        assert_eq!(queue.take_result(small), Some(Ok((1, false))));
    }

    #[test]
    fn no_disk_is_an_error_of_its_own() {
        let mut store = Store { room: 0, disk: 0, disk_full: false };
        let mut queue = Queue::new(0);
        let id = queue.add(1, 20, 20);
        assert_eq!(process(&mut queue, &mut store, 0, false), Outcome::Done);
        assert_eq!(queue.take_result(id), Some(Err(PlasmaError::OutOfDisk)));
        store.disk_full = true;
        let (first, second) = (queue.add(1, 20, 20), queue.add(1, 20, 20));
        assert_eq!(process(&mut queue, &mut store, 0, true), Outcome::OutOfDisk);
        assert_eq!(queue.take_result(first), Some(Err(PlasmaError::OutOfDisk)));
        assert_eq!(queue.take_result(second), None);
    }

    #[test]
    fn a_client_that_goes_leaves_nothing() {
        let mut store = Store { room: 10, disk: 0, disk_full: false };
        let mut queue = Queue::new(2);
        let (gone, taken) = (queue.add(1, 5, 5), queue.add(2, 5, 5));
        assert_eq!(process(&mut queue, &mut store, 0, true), Outcome::Done);
        let (waits, head) = (queue.add(2, 5, 5), queue.add(1, 5, 5));
        assert_eq!(queue.remove_client(&1), [(5, false)]);
        assert_eq!(queue.take_result(gone), Some(Err(PlasmaError::UnexpectedError)));
        assert_eq!(queue.take_result(head), Some(Err(PlasmaError::UnexpectedError)));
        assert_eq!(queue.take_result(taken), Some(Ok((5, false))));
        assert_eq!((queue.take_result(waits), queue.num_pending_bytes()), (None, 5));
        queue.remove_client(&2);
        assert_eq!((queue.num_untaken(), queue.num_pending_bytes()), (0, 0));
    }

    #[test]
    fn the_head_may_change_while_the_world_is_asked() {
        let mut store = Store { room: 1, disk: 0, disk_full: false };
        let mut queue = Queue::new(0);
        let id = queue.add(1, 20, 20);
        let small = queue.add(2, 1, 1);
        assert_eq!(queue.step(&mut store), Step::Full(id));
        queue.remove_client(&1);
        assert_eq!(queue.head_is_full(id, false, 0, &mut store), AfterFull::Changed);
        assert_eq!(queue.step(&mut store), Step::Finished(small));
    }
}
