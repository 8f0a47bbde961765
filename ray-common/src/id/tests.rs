//! Ids against examples and rules. What Ray itself computes is in the tests of the border crates.

use proptest::prelude::*;

use super::*;

#[test]
fn nil_is_all_ones() {
    assert!(ObjectId::NIL.is_nil());
    assert_eq!(ObjectId::default(), ObjectId::from_bytes([0xff; 28]));
    assert_eq!(ObjectId::NIL.to_string(), "f".repeat(56));
    assert!(!ObjectId::random().is_nil());
    assert!(JobId::default().is_nil() && ActorId::default().is_nil() && TaskId::default().is_nil());
    assert!(PlacementGroupId::default().is_nil() && LeaseId::default().is_nil());
    assert!(!NodeId::GCS.is_nil());
    assert_eq!(NodeId::GCS.to_string(), "0".repeat(56));
}

#[test]
fn nil_leads_to_nil() {
    assert!(ActorId::NIL.job_id().is_nil());
    assert!(TaskId::NIL.actor_id().is_nil() && TaskId::NIL.job_id().is_nil());
    assert!(ObjectId::NIL.task_id().is_nil() && ObjectId::NIL.actor_id().is_nil());
    assert_eq!(ObjectId::NIL.object_index(), u32::MAX);
    assert!(PlacementGroupId::NIL.job_id().is_nil() && LeaseId::NIL.worker_id().is_nil());
    assert!(!TaskId::NIL.is_for_actor_creation_task());
}

#[test]
fn wrong_input_names_the_fault() {
    let wrong = ObjectId::from_binary(&[0; 27]).unwrap_err();
    assert_eq!(wrong.to_string(), "expected size is 28, but got data size is 27");
    let wrong = NodeId::from_hex("00").unwrap_err();
    assert_eq!(wrong.to_string(), "expected 56 hexadecimal digits, but got 2 characters");
    let mut text = "0".repeat(56);
    text.replace_range(7..8, "g");
    let wrong = WorkerId::from_hex(&text).unwrap_err();
    assert_eq!(wrong.to_string(), "incorrect hex character at position 7");
    assert_eq!("".parse::<JobId>(), Err(IdError::WrongDigits { expected: 8, actual: 0 }));
    let wrong = ObjectId::from_index(&TaskId::NIL, 0).unwrap_err();
    assert_eq!(wrong.to_string(), "objects of a task are numbered from 1, not from 0");
}

#[test]
fn a_task_without_an_actor_has_nil_but_for_the_job_in_its_place() {
    let job = JobId::from_int(0x0403_0201);
    let driver = TaskId::for_driver_task(&job);
    assert_eq!(driver.to_string(), format!("{}01020304", "f".repeat(40)));
    assert_eq!(driver.job_id(), job);
    assert!(driver.is_for_actor_creation_task(), "as Ray has it");
    let normal = TaskId::for_normal_task(&job, &driver, 3);
    assert_eq!(normal.actor_id(), ActorId::nil_from_job(&job));
    assert!(!normal.is_for_actor_creation_task());
}

#[test]
fn attempts_take_the_lowest_byte_and_carry() {
    let task = TaskId::from_hex("ff01000000000000".to_owned() + &"7".repeat(32)).unwrap();
    let own = |attempt| task.for_execution_attempt(attempt).to_string()[..16].to_owned();
    assert_eq!(own(0), "0001000000000000");
    assert_eq!(own(1), "0101000000000000");
    assert_eq!(own(256), "0002000000000000");
    assert_eq!(own(u64::MAX), "ff00000000000000");
    assert_eq!(task.for_execution_attempt(9).actor_id(), task.actor_id());
}

#[test]
fn the_digest_is_of_all_parts() {
    // SHA-256 of 4, 24 and 8 bytes, and of 8 more, computed with sha256sum.
    let (job, parent) = (JobId::from_int(1), TaskId::from_bytes([7; 24]));
    let task = TaskId::for_normal_task(&job, &parent, 5).to_string();
    assert_eq!(task[..16], *"bc07d170e313a6b3");
    let actor = ActorId::of_at(&job, &parent, 5, 0x1122_3344).to_string();
    assert_eq!(actor, "c5fa7f2c8300532f0a290a5901000000");
    let timeless = ActorId::of_at(&job, &parent, 5, 0).to_string();
    assert_eq!(timeless[..16], task[..16]);
}

#[test]
fn two_actors_differ_by_their_time() {
    let (job, parent) = (JobId::from_int(1), TaskId::NIL);
    assert_ne!(ActorId::of_at(&job, &parent, 1, 1), ActorId::of_at(&job, &parent, 1, 2));
    assert_ne!(ActorId::of(&job, &parent, 1), ActorId::of_at(&job, &parent, 1, 1));
}

#[test]
fn the_driver_of_a_job_is_a_worker_and_a_task() {
    let job = JobId::from_int(9);
    let worker = WorkerId::of_driver(&job);
    assert_eq!(worker.to_string(), format!("09000000{}", "f".repeat(48)));
    let task = TaskId::compute_driver_task_id(&worker);
    assert_eq!(task.to_string(), format!("09000000{}", "f".repeat(40)));
}

#[test]
fn random_ids_differ_and_keep_their_job() {
    let job = JobId::from_int(77);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        assert!(seen.insert(UniqueId::random().to_string()));
        assert!(seen.insert(LeaseId::random().to_string()));
        let object = ObjectId::random();
        assert!(seen.insert(object.to_string()) && object.object_index() == 0);
        let task = TaskId::random(&job);
        assert!(seen.insert(task.to_string()) && task.job_id() == job);
        let group = PlacementGroupId::of(&job);
        assert!(seen.insert(group.to_string()) && group.job_id() == job);
    }
}

#[test]
fn the_hash_is_the_known_one() {
    // `std::hash<std::string>` of libstdc++ is this one with this seed, and gave these.
    assert_eq!(murmur_hash_64a(b"hello world", 0xc70f_6907), 0x4d66_86d3_6206_7ff9);
    let alphabet = b"abcdefghijklmnopqrstuvwxyz";
    assert_eq!(murmur_hash_64a(alphabet, 0xc70f_6907), 0x8a7e_bd92_a973_21c3);
    assert_eq!(murmur_hash_64a(b"", 0), 0);
    assert_eq!(JobId::NIL.murmur_hash(), murmur_hash_64a(&[0xff; 4], 0));
}

fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    proptest::array::uniform::<_, N>(any::<u8>())
}

proptest! {
    #[test]
    fn binary_and_hex_round_trip(of_object in bytes::<28>(), of_task in bytes::<24>()) {
        let id = ObjectId::from_bytes(of_object);
        prop_assert_eq!(ObjectId::from_binary(&of_object), Ok(id));
        prop_assert_eq!(ObjectId::from_binary(&[]), Ok(ObjectId::NIL));
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(ObjectId::from_hex(id.to_string().to_uppercase()), Ok(id));
        let task = TaskId::from_bytes(of_task);
        prop_assert_eq!(TaskId::from_hex(task.to_string()), Ok(task));
        prop_assert_eq!(format!("{task:?}"), format!("TaskId({task})"));
    }

    #[test]
    fn any_bytes_are_an_id_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..80)) {
        match JobId::from_hex(&text) {
            Ok(id) => prop_assert_eq!(id.to_string().into_bytes(), text.to_ascii_lowercase()),
            Err(IdError::WrongDigits { expected, actual }) => {
                prop_assert!(expected == 8 && actual == text.len() && actual != 8);
            }
            Err(IdError::NotHex { position }) => prop_assert!(!text[position].is_ascii_hexdigit()),
            Err(other) => prop_assert!(false, "{}", other),
        }
        let wrong = text.len() != 32 && !text.is_empty();
        prop_assert_eq!(LeaseId::from_binary(&text).is_err(), wrong);
    }

    #[test]
    fn parts_come_back(job in any::<u32>(), task in bytes::<24>(), actor in bytes::<16>(),
                       worker in bytes::<28>(), index in 1..=u32::MAX) {
        let (job, task, actor) = (JobId::from_int(job), TaskId::from_bytes(task), ActorId::from_bytes(actor));
        prop_assert_eq!(JobId::from_int(job.to_int()), job);
        let object = ObjectId::from_index(&task, index).unwrap();
        prop_assert_eq!((object.task_id(), object.object_index()), (task, index));
        prop_assert_eq!(object.actor_id(), task.actor_id());
        prop_assert_eq!(task.job_id(), task.actor_id().job_id());
        prop_assert_eq!(ActorId::of(&job, &task, 1).job_id(), job);
        prop_assert_eq!(TaskId::for_actor_task(&job, &task, 1, &actor).actor_id(), actor);
        let handle = ObjectId::for_actor_handle(&actor);
        prop_assert!(handle.is_actor_id() && handle.object_index() == 1);
        prop_assert_eq!(handle.actor_id(), actor);
        prop_assert_eq!(handle.task_id(), TaskId::for_actor_creation_task(&actor));
        let worker = WorkerId::from_bytes(worker);
        let lease = LeaseId::from_worker(&worker, index);
        prop_assert_eq!(lease.worker_id(), worker);
        prop_assert!(lease.as_bytes().starts_with(&index.to_le_bytes()));
        prop_assert!(NodeId::from(UniqueId::from(worker)).as_bytes() == worker.as_bytes());
    }
}
