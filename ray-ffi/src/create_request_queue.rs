//! Behind `create_request_queue.h`.

use std::cell::{RefCell, RefMut};

use cxx::UniquePtr;
use ray_object_manager::plasma::common::PlasmaError;
use ray_object_manager::plasma::create_request_queue::{
    AfterFull, CreateHandler, CreateRequestQueue, Step,
};

use crate::layout::{plasma_error, CxxPlasmaObject};
use crate::logging;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    /// How a round of the queue ended.
    enum CreateOutcome {
        Done,
        Spilling,
        Grace,
        OutOfDisk,
    }

    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");

        /// A request that waits.
        type CreateHook;

        /// Puts a `plasma::PlasmaObject` to `object` and returns the number of a `PlasmaError`.
        unsafe fn create(self: &CreateHook, fallback: bool, object: *mut u8) -> i32;

        /// What the queue asks of the world.
        type CreateQueueHook;

        fn disk_is_full(self: &CreateQueueHook) -> bool;
        fn now(self: &CreateQueueHook) -> i64;
        fn collect_garbage(self: &CreateQueueHook);
        fn spill(self: &CreateQueueHook) -> bool;
        fn out_of_disk(self: &CreateQueueHook);
    }

    extern "Rust" {
        type CreateQueueHandle;

        fn create_queue_new(grace_period_s: i64) -> Box<CreateQueueHandle>;
        /// Clients are told apart by a number of theirs.
        fn add(
            self: &CreateQueueHandle,
            client: usize,
            request: UniquePtr<CreateHook>,
            object_size: u64,
        ) -> u64;
        unsafe fn take_result(
            self: &CreateQueueHandle,
            id: u64,
            object: *mut u8,
            error: &mut i32,
        ) -> bool;
        fn process(self: &CreateQueueHandle, world: &CreateQueueHook) -> CreateOutcome;
        fn remove_client(self: &CreateQueueHandle, client: usize);
        fn num_pending_requests(self: &CreateQueueHandle) -> usize;
        fn num_pending_bytes(self: &CreateQueueHandle) -> usize;
        fn num_untaken(self: &CreateQueueHandle) -> usize;
        fn is_known(self: &CreateQueueHandle, id: u64) -> bool;
    }
}

type Queue = CreateRequestQueue<usize, UniquePtr<ffi::CreateHook>, CxxPlasmaObject>;

/// A `plasma::CreateRequestQueue`.
pub struct CreateQueueHandle(RefCell<Queue>);

fn create_queue_new(grace_period_s: i64) -> Box<CreateQueueHandle> {
    logging::connect();
    Box::new(CreateQueueHandle(RefCell::new(Queue::new(grace_period_s))))
}

/// Creates by calling C++.
struct Handler<'a>(&'a ffi::CreateQueueHook);

impl CreateHandler<UniquePtr<ffi::CreateHook>, CxxPlasmaObject> for Handler<'_> {
    fn create(
        &mut self,
        request: &UniquePtr<ffi::CreateHook>,
        fallback: bool,
    ) -> Result<CxxPlasmaObject, PlasmaError> {
        let mut object = CxxPlasmaObject::default();
        // SAFETY: the object is ours, and has the layout of C++'s.
        let error = unsafe { request.create(fallback, (&raw mut object).cast()) };
        match plasma_error(error) {
            PlasmaError::Ok => Ok(object),
            error => Err(error),
        }
    }

    fn disk_is_full(&mut self) -> bool {
        self.0.disk_is_full()
    }
}

impl CreateQueueHandle {
    /// The queue, which nobody else changes at the moment.
    fn queue(&self) -> RefMut<'_, Queue> {
        self.0.try_borrow_mut().expect("the queue of creations is used by one of its requests")
    }

    fn add(&self, client: usize, request: UniquePtr<ffi::CreateHook>, object_size: u64) -> u64 {
        self.queue().add(client, request, object_size)
    }

    unsafe fn take_result(&self, id: u64, object: *mut u8, error: &mut i32) -> bool {
        let Some(result) = self.queue().take_result(id) else {
            return false;
        };
        match result {
            Ok(created) => {
                // SAFETY: the shell passes a `plasma::PlasmaObject`, which has this layout.
                unsafe { object.cast::<CxxPlasmaObject>().write(created) };
                *error = PlasmaError::Ok as i32;
            }
            Err(why) => *error = why as i32,
        }
        true
    }

    fn process(&self, world: &ffi::CreateQueueHook) -> ffi::CreateOutcome {
        let mut told = false;
        loop {
            // A statement of its own, for what follows calls out and the queue must not be borrowed then.
            let step = self.queue().step(&mut Handler(world));
            let id = match step {
                Step::Done => return ffi::CreateOutcome::Done,
                Step::OutOfDisk(_) => return ffi::CreateOutcome::OutOfDisk,
                Step::Finished(_) | Step::MakingRoom(_) => continue,
                Step::Full(id) => id,
            };
            let now = world.now();
            world.collect_garbage();
            let spilling = world.spill();
            let after = self.queue().head_is_full(id, spilling, now, &mut Handler(world));
            match after {
                AfterFull::Spilling => return ffi::CreateOutcome::Spilling,
                AfterFull::Grace => return ffi::CreateOutcome::Grace,
                AfterFull::Finished(_, true) if !told => {
                    told = true;
                    world.out_of_disk();
                }
                AfterFull::Finished(..) | AfterFull::Changed => {}
            }
        }
    }

    fn remove_client(&self, client: usize) {
        // Dropped when the queue is free again: with the last request a client may go, and take more with it.
        let gone = self.queue().remove_client(&client);
        drop(gone);
    }

    fn num_pending_requests(&self) -> usize {
        self.queue().num_pending_requests()
    }

    fn num_pending_bytes(&self) -> usize {
        usize::try_from(self.queue().num_pending_bytes()).unwrap_or(usize::MAX)
    }

    fn num_untaken(&self) -> usize {
        self.queue().num_untaken()
    }

    fn is_known(&self, id: u64) -> bool {
        self.queue().is_fulfilled(id).is_some()
    }
}
