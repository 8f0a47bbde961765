//! Behind `id.h`: how ids are made, and their texts. What is done with them often is inline in C++.

use ray_common::id::{fill_random, hex, IdError};
use ray_common::{ActorId, JobId, LeaseId, ObjectId, PlacementGroupId, TaskId, WorkerId};

#[cxx::bridge(namespace = "plasma_rs::ids")]
mod ffi {
    extern "Rust" {
        fn write_hex(bytes: &[u8], text: &mut [u8]);
        fn read_hex(text: &[u8], bytes: &mut [u8]) -> Result<()>;
        fn wrong_length(expected: usize, actual: usize) -> String;

        fn fill_random(bytes: &mut [u8]);
        fn random_object() -> [u8; 28];
        fn random_task(job: &[u8; 4]) -> [u8; 24];
        fn placement_group(job: &[u8; 4]) -> [u8; 18];

        fn driver_worker(job: &[u8; 4]) -> [u8; 28];
        fn lease_from_worker(worker: &[u8; 28], counter: u32) -> [u8; 32];
        fn actor(job: &[u8; 4], parent: &[u8; 24], counter: u64) -> [u8; 16];
        fn nil_actor(job: &[u8; 4]) -> [u8; 16];
        fn driver_task(job: &[u8; 4]) -> [u8; 24];
        fn task_of_driver(worker: &[u8; 28]) -> [u8; 24];
        fn creation_task(actor: &[u8; 16]) -> [u8; 24];
        fn actor_task(job: &[u8; 4], parent: &[u8; 24], counter: u64, actor: &[u8; 16])
            -> [u8; 24];
        fn normal_task(job: &[u8; 4], parent: &[u8; 24], counter: u64) -> [u8; 24];
        fn execution_attempt(task: &[u8; 24], attempt: u64) -> [u8; 24];
        fn actor_handle(actor: &[u8; 16]) -> [u8; 28];
    }
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    hex::write(bytes, text);
}

fn read_hex(text: &[u8], bytes: &mut [u8]) -> Result<(), IdError> {
    hex::parse(text, bytes)
}

fn wrong_length(expected: usize, actual: usize) -> String {
    IdError::WrongLength { expected, actual }.to_string()
}

fn random_object() -> [u8; 28] {
    *ObjectId::random().as_bytes()
}

fn random_task(job: &[u8; 4]) -> [u8; 24] {
    *TaskId::random(&JobId::from_bytes(*job)).as_bytes()
}

fn placement_group(job: &[u8; 4]) -> [u8; 18] {
    *PlacementGroupId::of(&JobId::from_bytes(*job)).as_bytes()
}

fn driver_worker(job: &[u8; 4]) -> [u8; 28] {
    *WorkerId::of_driver(&JobId::from_bytes(*job)).as_bytes()
}

fn lease_from_worker(worker: &[u8; 28], counter: u32) -> [u8; 32] {
    *LeaseId::from_worker(&WorkerId::from_bytes(*worker), counter).as_bytes()
}

fn actor(job: &[u8; 4], parent: &[u8; 24], counter: u64) -> [u8; 16] {
    let (job, parent) = (JobId::from_bytes(*job), TaskId::from_bytes(*parent));
    *ActorId::of(&job, &parent, counter).as_bytes()
}

fn nil_actor(job: &[u8; 4]) -> [u8; 16] {
    *ActorId::nil_from_job(&JobId::from_bytes(*job)).as_bytes()
}

fn driver_task(job: &[u8; 4]) -> [u8; 24] {
    *TaskId::for_driver_task(&JobId::from_bytes(*job)).as_bytes()
}

fn task_of_driver(worker: &[u8; 28]) -> [u8; 24] {
    *TaskId::compute_driver_task_id(&WorkerId::from_bytes(*worker)).as_bytes()
}

fn creation_task(actor: &[u8; 16]) -> [u8; 24] {
    *TaskId::for_actor_creation_task(&ActorId::from_bytes(*actor)).as_bytes()
}

fn actor_task(job: &[u8; 4], parent: &[u8; 24], counter: u64, actor: &[u8; 16]) -> [u8; 24] {
    let (job, parent) = (JobId::from_bytes(*job), TaskId::from_bytes(*parent));
    *TaskId::for_actor_task(&job, &parent, counter, &ActorId::from_bytes(*actor)).as_bytes()
}

fn normal_task(job: &[u8; 4], parent: &[u8; 24], counter: u64) -> [u8; 24] {
    let (job, parent) = (JobId::from_bytes(*job), TaskId::from_bytes(*parent));
    *TaskId::for_normal_task(&job, &parent, counter).as_bytes()
}

fn execution_attempt(task: &[u8; 24], attempt: u64) -> [u8; 24] {
    *TaskId::from_bytes(*task).for_execution_attempt(attempt).as_bytes()
}

fn actor_handle(actor: &[u8; 16]) -> [u8; 28] {
    *ObjectId::for_actor_handle(&ActorId::from_bytes(*actor)).as_bytes()
}
