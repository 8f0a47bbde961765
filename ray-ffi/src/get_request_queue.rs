//! Behind `get_request_queue.h`.

use std::cell::{RefCell, RefMut};

use cxx::UniquePtr;
use ray_common::ObjectId;
use ray_object_manager::plasma::get_request_queue::{Found, GetId, GetRequestQueue};

use crate::eviction_policy::append_ids;
use crate::logging;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");

        /// A get that waits.
        type GetHook;

        /// Is shown gets. It does not come back to the queue.
        type GetVisitor;

        fn visit(self: &GetVisitor, get: &GetHook, last: bool);
    }

    extern "Rust" {
        type GetQueueHandle;

        fn get_queue_new() -> Box<GetQueueHandle>;
        /// Clients are told apart by a number of theirs; `missing` are the bytes of ids.
        fn add(
            self: &GetQueueHandle,
            client: usize,
            missing: Vec<u8>,
            get: UniquePtr<GetHook>,
        ) -> u64;
        fn object_sealed(self: &GetQueueHandle, id: &[u8; 28], visitor: &GetVisitor);
        fn remove(self: &GetQueueHandle, number: u64);
        fn remove_client(self: &GetQueueHandle, client: usize, visitor: &GetVisitor);
        fn num_objects(self: &GetQueueHandle) -> usize;
        fn num_waiting_for(self: &GetQueueHandle, id: &[u8; 28]) -> usize;
        fn waiting_for(self: &GetQueueHandle, id: &[u8; 28], visitor: &GetVisitor);
        fn objects(self: &GetQueueHandle) -> Vec<u8>;
    }
}

type Queue = GetRequestQueue<usize, UniquePtr<ffi::GetHook>>;

/// A `plasma::GetRequestQueue`.
pub struct GetQueueHandle(RefCell<Queue>);

fn get_queue_new() -> Box<GetQueueHandle> {
    logging::connect();
    Box::new(GetQueueHandle(RefCell::new(Queue::default())))
}

impl GetQueueHandle {
    fn queue(&self) -> RefMut<'_, Queue> {
        self.0.try_borrow_mut().expect("the queue of gets is used by one of its visitors")
    }

    fn add(&self, client: usize, missing: Vec<u8>, get: UniquePtr<ffi::GetHook>) -> u64 {
        let (ids, _) = missing.as_chunks::<{ ObjectId::LENGTH }>();
        let missing = ids.iter().copied().map(ObjectId::from_bytes).collect();
        self.queue().add(client, missing, get).0
    }

    fn object_sealed(&self, id: &[u8; 28], visitor: &ffi::GetVisitor) {
        // The visitor keeps what a get is made of, so that dropping it here calls nobody.
        self.queue().object_sealed(&ObjectId::from_bytes(*id), |_, found| match found {
            Found::One(_, get) => visitor.visit(get, false),
            Found::Last(_, get) => visitor.visit(&get, true),
        });
    }

    fn remove(&self, number: u64) {
        // Dropped when the queue is free again.
        let removed = self.queue().remove(GetId(number));
        drop(removed);
    }

    fn remove_client(&self, client: usize, visitor: &ffi::GetVisitor) {
        self.queue().remove_client(&client, |_, get| visitor.visit(&get, false));
    }

    fn num_objects(&self) -> usize {
        self.queue().objects().count()
    }

    fn num_waiting_for(&self, id: &[u8; 28]) -> usize {
        self.queue().num_waiting_for(&ObjectId::from_bytes(*id))
    }

    fn waiting_for(&self, id: &[u8; 28], visitor: &ffi::GetVisitor) {
        let queue = self.queue();
        queue.waiting_for(&ObjectId::from_bytes(*id)).for_each(|get| visitor.visit(get, false));
    }

    fn objects(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        append_ids(&mut bytes, self.queue().objects());
        bytes
    }
}
