//! Ids that are made from others, and what they are made from.

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::random;
use super::{ActorId, IdError, JobId, LeaseId, ObjectId, PlacementGroupId, TaskId, WorkerId};

/// Bytes of an actor's id that are its own.
const ACTOR_OWN: usize = ActorId::LENGTH - JobId::LENGTH;
/// Bytes of a task's id that are its own.
const TASK_OWN: usize = TaskId::LENGTH - ActorId::LENGTH;
/// Bytes of a placement group's id that are its own.
const GROUP_OWN: usize = PlacementGroupId::LENGTH - JobId::LENGTH;
/// Bytes of a lease's id that count.
const LEASE_OWN: usize = LeaseId::LENGTH - WorkerId::LENGTH;

/// Two pieces, one after the other.
fn joined<const N: usize>(own: &[u8], rest: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let (front, back) = bytes.split_at_mut(own.len());
    front.copy_from_slice(own);
    back.copy_from_slice(rest);
    bytes
}

/// The last bytes of an id.
fn tail<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.last_chunk().copied().unwrap_or([0xff; N])
}

/// The first bytes of the SHA-256 sum of what was submitted where, and as the how many-eth. `more` counts unless it
/// is 0.
fn digest<const N: usize>(job: &JobId, parent: &TaskId, counter: u64, more: u64) -> [u8; N] {
    let mut sum = Sha256::new();
    sum.update(job.0);
    sum.update(parent.0);
    sum.update(counter.to_le_bytes());
    if more > 0 {
        sum.update(more.to_le_bytes());
    }
    let sum: [u8; 32] = sum.finalize().into();
    sum.first_chunk().copied().unwrap_or([0; N])
}

impl JobId {
    /// The job of this number.
    pub const fn from_int(number: u32) -> Self {
        Self(number.to_le_bytes())
    }

    /// The number of this job; that of nil is the largest.
    pub const fn to_int(self) -> u32 {
        u32::from_le_bytes(self.0)
    }
}

impl ActorId {
    /// A new actor's id. The time goes into it, so that no two actors ever have the same.
    ///
    /// * `parent` - the task that makes the actor
    /// * `counter` - how many tasks and actors that task has made before
    pub fn of(job: &JobId, parent: &TaskId, counter: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::of_at(job, parent, counter, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The id of an actor that is made at a time, in nanoseconds since 1970.
    pub fn of_at(job: &JobId, parent: &TaskId, counter: u64, nanoseconds: u64) -> Self {
        Self(joined(&digest::<ACTOR_OWN>(job, parent, counter, nanoseconds), &job.0))
    }

    /// What stands in the id of a task that has no actor: nil but for the job.
    pub fn nil_from_job(job: &JobId) -> Self {
        Self(joined(&[0xff; ACTOR_OWN], &job.0))
    }

    /// The job of the actor; that of nil is nil.
    pub fn job_id(&self) -> JobId {
        JobId(tail(&self.0))
    }
}

impl TaskId {
    /// The task that the driver of a job is.
    pub fn for_driver_task(job: &JobId) -> Self {
        Self(joined(&[0xff; TASK_OWN], &ActorId::nil_from_job(job).0))
    }

    /// The task that this worker is as a driver: the front of the worker's bytes.
    pub fn compute_driver_task_id(driver: &WorkerId) -> Self {
        Self(driver.0.first_chunk().copied().unwrap_or([0xff; Self::LENGTH]))
    }

    /// Random but for the job.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn random(job: &JobId) -> Self {
        Self(joined(&random::bytes::<{ TaskId::LENGTH - JobId::LENGTH }>(), &job.0))
    }

    /// The task that makes an actor.
    pub fn for_actor_creation_task(actor: &ActorId) -> Self {
        Self(joined(&[0xff; TASK_OWN], &actor.0))
    }

    /// A task of an actor.
    ///
    /// * `parent` - the task that submits it
    /// * `counter` - how many tasks that one has submitted before
    pub fn for_actor_task(job: &JobId, parent: &TaskId, counter: u64, actor: &ActorId) -> Self {
        Self(joined(&digest::<TASK_OWN>(job, parent, counter, 0), &actor.0))
    }

    /// A task of no actor; see [`Self::for_actor_task`].
    pub fn for_normal_task(job: &JobId, parent: &TaskId, counter: u64) -> Self {
        Self::for_actor_task(job, parent, counter, &ActorId::nil_from_job(job))
    }

    /// The id of the how many-eth execution of a task, 0 for the first; ids of what that execution makes are made from
    /// it. The attempt takes the place of the lowest byte of the task's first number, and carries.
    pub fn for_execution_attempt(&self, attempt: u64) -> Self {
        let own = u64::from_le_bytes(self.0.first_chunk().copied().unwrap_or_default());
        let own = (own & !0xff).wrapping_add(attempt);
        Self(joined(&own.to_le_bytes(), &self.0[TASK_OWN..]))
    }

    /// The actor of the task; of a task that has none, nil but for the job.
    pub fn actor_id(&self) -> ActorId {
        ActorId(tail(&self.0))
    }

    /// Whether this task makes an actor. The driver's counts as one too, as in Ray: its actor is not wholly nil.
    pub fn is_for_actor_creation_task(&self) -> bool {
        self.0[..TASK_OWN] == [0xff; TASK_OWN] && !self.actor_id().is_nil()
    }

    /// The job of the task; that of nil is nil.
    pub fn job_id(&self) -> JobId {
        JobId(tail(&self.0))
    }
}

impl ObjectId {
    /// The largest index of an object.
    pub const MAX_INDEX: u32 = u32::MAX;

    /// The object that a task puts or returns as its how many-eth, counted from 1.
    ///
    /// # Errors
    /// [`IdError::IndexZero`].
    pub fn from_index(task: &TaskId, index: u32) -> Result<Self, IdError> {
        if index == 0 {
            return Err(IdError::IndexZero);
        }
        Ok(Self(joined(&task.0, &index.to_le_bytes())))
    }

    /// An object of a random task, with index 0, which no task gives.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn random() -> Self {
        Self(joined(&random::bytes::<{ TaskId::LENGTH }>(), &[0; 4]))
    }

    /// The object that stands for an actor, to count who refers to it.
    pub fn for_actor_handle(actor: &ActorId) -> Self {
        Self(joined(&TaskId::for_actor_creation_task(actor).0, &1_u32.to_le_bytes()))
    }

    /// Whether this object stands for an actor.
    pub fn is_actor_id(&self) -> bool {
        self.0[..TASK_OWN] == [0xff; TASK_OWN]
    }

    /// The actor that makes the object.
    pub fn actor_id(&self) -> ActorId {
        self.task_id().actor_id()
    }

    /// The task that makes the object.
    pub fn task_id(&self) -> TaskId {
        TaskId(self.0.first_chunk().copied().unwrap_or([0xff; TaskId::LENGTH]))
    }

    /// The index among the task's objects.
    pub fn object_index(&self) -> u32 {
        u32::from_le_bytes(tail(&self.0))
    }
}

impl PlacementGroupId {
    /// Random but for the job.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn of(job: &JobId) -> Self {
        Self(joined(&random::bytes::<GROUP_OWN>(), &job.0))
    }

    /// The job of the group; that of nil is nil.
    pub fn job_id(&self) -> JobId {
        JobId(tail(&self.0))
    }
}

impl LeaseId {
    /// The lease that a worker asks for as its how many-eth.
    pub fn from_worker(worker: &WorkerId, counter: u32) -> Self {
        const { assert!(LEASE_OWN == 4) };
        Self(joined(&counter.to_le_bytes(), &worker.0))
    }

    /// Fresh random bytes from the operating system.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn random() -> Self {
        Self(random::bytes())
    }

    /// The worker that asked for the lease.
    pub fn worker_id(&self) -> WorkerId {
        WorkerId(tail(&self.0))
    }
}
