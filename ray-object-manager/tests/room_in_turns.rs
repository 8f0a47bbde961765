//! A creation that needs the room of many objects takes turns with what other clients ask for.

use std::time::Duration;

use ray_common::{NodeId, ObjectId, WorkerId};
use ray_object_manager::plasma::common::{ObjectSource, PlasmaError};
use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::protocol::{CreateRequest, Encoder, Header, Reply, HEADER_LENGTH};
use ray_object_manager::plasma::store::machine::Machine;
use ray_object_manager::plasma::store::StoreConfig;

const SMALL: u32 = 8192;
const MEMORY: i64 = 64 * SMALL as i64;

type Store = Machine<PlasmaAllocator>;

fn id(number: u32) -> ObjectId {
    let mut bytes = [1; 28];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    ObjectId::from_bytes(bytes)
}

/// A store full of small objects that nobody uses.
fn full(folder: &tempfile::TempDir) -> (Store, u64) {
    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: folder.path().to_owned(),
        fallback_directory: folder.path().to_owned(),
        footprint_limit: MEMORY,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: false,
    });
    let mut store = Store::new(allocator.unwrap(), &StoreConfig::new("/nowhere")).unwrap();
    let client = store.connect().unwrap();
    for number in 0..SMALL {
        assert_eq!(created(&ask(&mut store, client, &create(number, 64, false))), Ok(number));
        ask(&mut store, client, &message(|encoder, out| encoder.seal_request(out, &id(number))));
        let release = |encoder: &mut Encoder, out: &mut Vec<u8>| {
            encoder.release_request(out, &id(number), false);
        };
        ask(&mut store, client, &message(release));
    }
    assert_eq!(store.snapshot().objects, SMALL as usize);
    (store, client)
}

fn message(encode: impl FnOnce(&mut Encoder, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut Encoder::default(), &mut out);
    out
}

fn create(number: u32, data_size: u64, try_immediately: bool) -> Vec<u8> {
    let request = CreateRequest {
        object_id: id(number),
        owner_node_id: NodeId::NIL,
        owner_ip_address: b"",
        owner_port: 0,
        owner_worker_id: WorkerId::NIL,
        is_mutable: false,
        data_size,
        metadata_size: 0,
        source: ObjectSource::CREATED_BY_WORKER,
        device_num: 0,
        try_immediately,
    };
    message(|encoder, out| encoder.create_request(out, &request))
}

/// What the client is sent after this.
fn ask(store: &mut Store, client: u64, message: &[u8]) -> Vec<u8> {
    assert!(store.receive(client, message));
    store.output(client).0
}

/// The object of a reply to a creation.
fn created(bytes: &[u8]) -> Result<u32, PlasmaError> {
    let header = Header::decode(bytes.first_chunk().expect("an answer"), 1 << 20).unwrap();
    let body = &bytes[HEADER_LENGTH..];
    assert_eq!(body.len(), header.length, "one answer");
    let Ok(Reply::Create(reply)) = Reply::decode(header.kind, body) else {
        panic!("not an answer to a creation")
    };
    let number = u32::from_le_bytes(*reply.object_id.as_bytes().first_chunk().unwrap());
    reply.result.expect("nobody is to ask again").map(|_| number)
}

#[test]
fn others_are_served_while_room_is_made_and_the_answer_comes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, writer) = full(&folder);
    let other = store.connect().unwrap();
    let large = MEMORY.cast_unsigned() / 2;
    assert!(ask(&mut store, writer, &create(SMALL, large, false)).is_empty(), "it takes longer");
    let now = store.snapshot();
    let went = SMALL as usize - now.objects;
    assert_eq!(now.pending_creates, 1);
    assert!(
        (1..=SMALL as usize / 4).contains(&went),
        "{went} objects went before others had a turn"
    );
    let contains = message(|encoder, out| encoder.contains_request(out, &id(SMALL - 1)));
    assert!(!ask(&mut store, other, &contains).is_empty(), "served meanwhile");
    // All that is to be done soon is done in one tick here.
    store.tick(Duration::ZERO);
    assert_eq!(created(&store.output(writer).0), Ok(SMALL));
    let now = store.snapshot();
    assert_eq!(now.objects, SMALL as usize / 2 + 1, "no more than had to go");
    assert_eq!((now.pending_creates, now.untaken_creates, now.allocated), (0, 0, MEMORY));
    store.allocator().check_invariants().unwrap();
}

#[test]
fn who_cannot_wait_gets_all_room_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, writer) = full(&folder);
    let large = MEMORY.cast_unsigned() / 2;
    assert_eq!(created(&ask(&mut store, writer, &create(SMALL, large, true))), Ok(SMALL));
    assert_eq!(store.snapshot().pending_creates, 0);
}

#[test]
fn a_client_that_goes_meanwhile_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, writer) = full(&folder);
    let large = MEMORY.cast_unsigned() / 2;
    assert!(ask(&mut store, writer, &create(SMALL, large, false)).is_empty());
    let next = store.connect().unwrap();
    assert!(ask(&mut store, next, &create(SMALL + 1, 64, false)).is_empty(), "the head blocks");
    store.disconnect(writer);
    while store.snapshot().pending_creates > 0 {
        store.tick(Duration::ZERO);
    }
    assert_eq!(created(&store.output(next).0), Ok(SMALL + 1));
    let now = store.snapshot();
    assert_eq!((now.untaken_creates, now.references), (0, 1));
    store.disconnect(next);
    store.allocator().check_invariants().unwrap();
}
