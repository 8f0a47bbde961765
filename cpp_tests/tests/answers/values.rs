//! Random values, and what Rust says to the questions of `answers.cc`.

use proptest::collection::vec;
use proptest::prelude::*;
use ray_common::id::IdError;
use ray_common::status::{describe, Location, StatusCode, UNKNOWN_CODE};
use ray_common::{
    ActorId, JobId, LeaseId, NodeId, ObjectId, PlacementGroupId, TaskId, UniqueId, WorkerId,
};

/// A question and its answer.
pub(crate) type Pair = (String, String);

#[derive(Debug, Clone)]
pub(crate) struct Values {
    job: JobId,
    actor: ActorId,
    task: TaskId,
    object: ObjectId,
    group: PlacementGroupId,
    lease: LeaseId,
    unique: UniqueId,
    others: [u8; 32],
    small: u32,
    large: u64,
    any: Vec<u8>,
    number: i8,
}

/// Bytes as they come, and some that are nil in part or but for one.
fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    let random = || proptest::array::uniform::<_, N>(any::<u8>());
    let partly_nil = (random(), 0..=N, any::<bool>()).prop_map(|(mut bytes, at, front)| {
        if front { &mut bytes[..at] } else { &mut bytes[at..] }.fill(0xff);
        bytes
    });
    let but_one = (any::<u8>(), 0..N).prop_map(|(byte, at)| {
        let mut bytes = [0xff; N];
        bytes[at] = byte;
        bytes
    });
    prop_oneof![2 => random(), 2 => partly_nil, 1 => but_one]
}

/// Any bytes, among them texts of ids with and without a fault.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let digits = (0_usize..3).prop_flat_map(|kind| {
        vec(b"0123456789abcdefABCDEF".as_slice().to_vec().select(), [8, 48, 56][kind])
    });
    let faulty = (digits.clone(), any::<u8>(), any::<prop::sample::Index>()).prop_map(
        |(mut text, byte, at)| {
            let at = at.index(text.len());
            text[at] = byte;
            text
        },
    );
    prop_oneof![vec(any::<u8>(), 0..70), vec(any::<u8>(), 24), vec(any::<u8>(), 28), digits, faulty]
}

trait Select {
    fn select(self) -> prop::sample::Select<u8>;
}

impl Select for Vec<u8> {
    fn select(self) -> prop::sample::Select<u8> {
        prop::sample::select(self)
    }
}

pub(crate) fn values() -> impl Strategy<Value = Values> {
    let ids = (bytes(), bytes(), bytes(), bytes(), bytes(), bytes(), bytes());
    let rest = (any::<[u8; 32]>(), 0..1_u32 << 31, any::<u64>(), any_bytes(), any::<i8>());
    (ids, rest).prop_map(
        |(
            (job, actor, task, object, group, lease, unique),
            (others, small, large, any, number),
        )| Values {
            job: JobId::from_bytes(job),
            actor: ActorId::from_bytes(actor),
            task: TaskId::from_bytes(task),
            object: ObjectId::from_bytes(object),
            group: PlacementGroupId::from_bytes(group),
            lease: LeaseId::from_bytes(lease),
            unique: UniqueId::from_bytes(unique),
            others,
            small,
            large,
            any,
            number,
        },
    )
}

pub(crate) fn word(bytes: impl AsRef<[u8]>) -> String {
    let digits = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
    std::iter::once("x".to_owned()).chain(digits).collect()
}

fn or_why<Id: AsRef<[u8]>>(id: Result<Id, IdError>) -> String {
    id.map_or_else(|error| format!("!{error}"), word)
}

macro_rules! basics {
    ($pairs:ident, $self:ident, $($name:literal, $id:expr, $kind:ty;)*) => {
        $({
            let id = $id;
            let text = format!("{} {} {}", id, id.murmur_hash(), u8::from(id.is_nil()));
            $pairs.push((format!("{} {}", $name, word(id)), text));
            // Itself, another, and one that differs in one byte.
            let mut near = *id.as_bytes();
            near[usize::from($self.others[0]) % near.len()] ^= 1 << ($self.others[1] % 8);
            let mut far = near;
            far.copy_from_slice(&$self.others[..near.len()]);
            for other in [*id.as_bytes(), near, far] {
                let same = <$kind>::from_bytes(other) == id;
                let text = if same { "same same" } else { "other other" };
                let question = format!("{}_same {} {}", $name, word(id), word(other));
                $pairs.push((question, text.to_owned()));
            }
        })*
    };
}

impl Values {
    /// What Ray in Python answers, too.
    pub(crate) fn about_ids(&self) -> Vec<Pair> {
        let Self { job, actor, task, object, .. } = self;
        let mut pairs = Vec::new();
        basics!(pairs, self,
            "unique", self.unique, UniqueId;
            "job", self.job, JobId;
            "actor", self.actor, ActorId;
            "task", self.task, TaskId;
            "object", self.object, ObjectId;
            "group", self.group, PlacementGroupId;
            "node", NodeId::from(self.unique), NodeId;
        );
        let mut add = |question: String, answer: String| pairs.push((question, answer));
        add(format!("job_number {}", word(job)), job.to_int().to_string());
        if !actor.is_nil() {
            add(format!("actor_parts {}", word(actor)), word(actor.job_id()));
        }
        if !task.actor_id().is_nil() {
            let answer = format!("{} {}", word(task.actor_id()), word(task.job_id()));
            add(format!("task_ids {}", word(task)), answer);
        }
        if !object.actor_id().is_nil() {
            let answer = format!("{} {}", word(object.task_id()), word(object.task_id().job_id()));
            add(format!("object_ids {}", word(object)), answer);
        }
        add(format!("driver_task {}", word(job)), word(TaskId::for_driver_task(job)));
        add(format!("creation_task {}", word(actor)), word(TaskId::for_actor_creation_task(actor)));
        let counter = u64::from(self.small);
        add(
            format!("normal_task {} {} {counter}", word(job), word(task)),
            word(TaskId::for_normal_task(job, task, counter)),
        );
        add(
            format!("actor_task {} {} {counter} {}", word(job), word(task), word(actor)),
            word(TaskId::for_actor_task(job, task, counter, actor)),
        );
        pairs
    }

    /// What only C++ answers.
    pub(crate) fn about_parts(&self) -> Vec<Pair> {
        let Self { job, actor, task, object, group, lease, large, .. } = self;
        let worker = WorkerId::from(self.unique);
        let mut pairs = Vec::new();
        basics!(pairs, self, "lease", self.lease, LeaseId;);
        let mut add = |question: String, answer: String| pairs.push((question, answer));
        let job_or_none = |nil: bool, job: JobId| if nil { "-".to_owned() } else { word(job) };
        add(format!("actor_parts {}", word(actor)), job_or_none(actor.is_nil(), actor.job_id()));
        add(format!("group_parts {}", word(group)), job_or_none(group.is_nil(), group.job_id()));
        add(format!("lease_parts {}", word(lease)), word(lease.worker_id()));
        let creates = if task.is_for_actor_creation_task() { "creates" } else { "uses" };
        add(format!("task_parts {}", word(task)), creates.to_owned());
        let stands_for = if object.is_actor_id() { "actor" } else { "value" };
        add(
            format!("object_parts {}", word(object)),
            format!("{} {} {stands_for}", object.object_index(), word(object.actor_id())),
        );
        add(format!("driver_worker {}", word(job)), word(WorkerId::of_driver(job)));
        add(format!("nil_actor {}", word(job)), word(ActorId::nil_from_job(job)));
        let of_driver = TaskId::compute_driver_task_id(&worker);
        add(format!("task_of_driver {}", word(worker)), word(of_driver));
        add(
            format!("normal_task {} {} {large}", word(job), word(task)),
            word(TaskId::for_normal_task(job, task, *large)),
        );
        add(format!("attempt {} {large}", word(task)), word(task.for_execution_attempt(*large)));
        let index = self.small + 1;
        let of_task = ObjectId::from_index(task, index).expect("it is not 0");
        add(format!("object_of {} {index}", word(task)), word(of_task));
        add(format!("actor_handle {}", word(actor)), word(ObjectId::for_actor_handle(actor)));
        let lease = LeaseId::from_worker(&worker, index);
        add(format!("lease_of {} {index}", word(worker)), word(lease));
        pairs
    }

    /// Bytes and texts that are mostly no id's.
    pub(crate) fn about_faults(&self) -> Vec<Pair> {
        let any = word(&self.any);
        let mut pairs = Vec::new();
        macro_rules! both {
            ($($name:literal, $kind:ty;)*) => {
                $(
                    let answer = or_why(<$kind>::from_binary(&self.any));
                    pairs.push((format!("{}_binary {any}", $name), answer));
                    let answer = or_why(<$kind>::from_hex(&self.any));
                    pairs.push((format!("{}_text {any}", $name), answer + " same"));
                )*
            };
        }
        both!("job", JobId; "task", TaskId; "object", ObjectId; "lease", LeaseId; "node", NodeId;);
        pairs
    }

    /// Codes, messages and texts of codes.
    pub(crate) fn about_statuses(&self) -> Vec<Pair> {
        let Self { number, any, small, .. } = self;
        let (rpc_code, line) = (small.cast_signed() - (1 << 20), i32::from(self.others[0]));
        let file: &[u8] = if self.others[1].is_multiple_of(2) { b"" } else { b"a/file.cc" };
        let location = (!file.is_empty()).then_some(Location { file, line });
        let text = describe(*number, any, rpc_code, location);
        let code = StatusCode::from_number(*number).map_or(UNKNOWN_CODE, StatusCode::as_str);
        let arguments = format!("{number} {} {rpc_code} {} {line}", word(any), word(file));
        let known = StatusCode::ALL[usize::from(self.others[2]) % StatusCode::ALL.len()];
        let of = |text: &[u8]| StatusCode::of_text(text).number().to_string();
        vec![
            (format!("status {arguments}"), format!("{} {}", word(text), word(code))),
            (format!("code {}", word(known.as_str())), of(known.as_str().as_bytes())),
            (format!("code {}", word(any)), of(any)),
        ]
    }
}
