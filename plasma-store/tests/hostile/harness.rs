//! A store that is watched, clients that misbehave, and one that does not.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ray_common::{NodeId, ObjectId, WorkerId};
use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient, Timeout};
use ray_object_manager::plasma::common::ObjectSource;
use ray_object_manager::plasma::protocol::{CreateRequest, Encoder, MessageType, Reply};
use real_peers::wire::{kind, Event, Message, RawClient};
use serde_json::Value;

use crate::common::{command, Store};

/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn id(number: u32) -> ObjectId {
    let mut bytes = [0xab; ObjectId::LENGTH];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    ObjectId::from_bytes(bytes)
}

/// A message in bytes, made by the encoder.
pub(crate) fn bytes(encode: impl FnOnce(&mut Encoder, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut Encoder::default(), &mut out);
    out
}

/// A request of an object in memory, that does not wait.
pub(crate) fn creation(id: ObjectId, data_size: u64) -> CreateRequest<'static> {
    CreateRequest {
        object_id: id,
        owner_node_id: NodeId::NIL,
        owner_ip_address: b"",
        owner_port: 0,
        owner_worker_id: WorkerId::NIL,
        is_mutable: false,
        data_size,
        metadata_size: 0,
        source: ObjectSource::CREATED_BY_WORKER,
        device_num: 0,
        try_immediately: true,
    }
}

pub(crate) fn create(request: &CreateRequest<'_>) -> Vec<u8> {
    bytes(|encoder, out| encoder.create_request(out, request))
}

/// A create that waits in the queue.
pub(crate) fn queued(id: ObjectId, data_size: u64) -> Vec<u8> {
    create(&CreateRequest { try_immediately: false, ..creation(id, data_size) })
}

pub(crate) fn seal(id: ObjectId) -> Vec<u8> {
    bytes(|encoder, out| encoder.seal_request(out, &id))
}

pub(crate) fn abort(id: ObjectId) -> Vec<u8> {
    bytes(|encoder, out| encoder.abort_request(out, &id))
}

pub(crate) fn get(ids: &[ObjectId], timeout_ms: i64) -> Vec<u8> {
    bytes(|encoder, out| encoder.get_request(out, ids, timeout_ms))
}

pub(crate) fn release(id: ObjectId, may_unmap: bool) -> Vec<u8> {
    bytes(|encoder, out| encoder.release_request(out, &id, may_unmap))
}

pub(crate) fn delete(ids: &[ObjectId]) -> Vec<u8> {
    bytes(|encoder, out| encoder.delete_request(out, ids))
}

pub(crate) fn contains(id: ObjectId) -> Vec<u8> {
    bytes(|encoder, out| encoder.contains_request(out, &id))
}

pub(crate) fn retry(id: ObjectId, request: u64) -> Vec<u8> {
    bytes(|encoder, out| encoder.create_retry_request(out, &id, request))
}

pub(crate) fn connect() -> Vec<u8> {
    bytes(|encoder, out| encoder.connect_request(out, 0))
}

pub(crate) fn admin(query: &str) -> Vec<u8> {
    bytes(|encoder, out| encoder.admin_request(out, query))
}

/// What came from the store.
#[derive(Debug)]
pub(crate) enum Came {
    Message(Message),
    Fd(OwnedFd),
    Closed,
}

impl Came {
    /// The error in a message, 0 if there is none; the first that is none of a list.
    pub(crate) fn error(&self) -> i32 {
        let Self::Message(message) = self else {
            return 0;
        };
        match Reply::decode(MessageType(message.kind), &message.body).unwrap() {
            Reply::Create(reply) => match reply.result {
                Some(Err(error)) => error as i32,
                _ => 0,
            },
            Reply::Seal { error, .. } => error as i32,
            Reply::Delete { errors, .. } => {
                errors.iter().map(|error| *error as i32).find(|error| *error != 0).unwrap_or(0)
            }
            _ => 0,
        }
    }

    pub(crate) fn kind(&self) -> i64 {
        match self {
            Self::Message(message) => message.kind,
            Self::Fd(_) => -1,
            Self::Closed => -2,
        }
    }
}

/// A connection on which anything can be said.
#[derive(Debug)]
pub(crate) struct Talker(pub(crate) RawClient);

impl Talker {
    pub(crate) fn to(socket: &Path) -> Self {
        Self(RawClient::connect(socket).unwrap())
    }

    /// Says something; the store may have hung up.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        match self.0.stream().write_all(bytes) {
            Ok(()) => {}
            Err(error) => assert!(is_hung_up(&error), "{error}"),
        }
    }

    /// What comes next.
    pub(crate) fn hear(&mut self) -> Came {
        match self.0.next_event() {
            Ok(Event::Message(message)) => Came::Message(message),
            Ok(Event::Fd(_, fd)) => Came::Fd(fd),
            Ok(Event::Closed) => Came::Closed,
            Err(error) if is_hung_up(&error) => Came::Closed,
            Err(error) => panic!("{error}"),
        }
    }

    /// Says something and waits for the answer to it; a descriptor is not one.
    pub(crate) fn ask(&mut self, bytes: &[u8]) -> Came {
        self.say(bytes);
        loop {
            match self.hear() {
                Came::Fd(_) => {}
                other => return other,
            }
        }
    }

    /// Whether the connection is still there, and the last error that came before this was found out.
    pub(crate) fn stands(&mut self) -> (bool, i32) {
        let mark = ObjectId::from_bytes([0xee; ObjectId::LENGTH]);
        self.say(&contains(mark));
        let mut last = 0;
        loop {
            match self.hear() {
                Came::Closed => return (false, last),
                Came::Message(message)
                    if message.kind == kind::CONTAINS_REPLY
                        && message
                            .body
                            .windows(ObjectId::LENGTH)
                            .any(|id| id == mark.as_bytes()) =>
                {
                    return (true, last);
                }
                came => last = if came.error() == 0 { last } else { came.error() },
            }
        }
    }

    pub(crate) fn query(&mut self, query: &str) -> Value {
        match self.ask(&admin(query)) {
            Came::Message(message) => {
                match Reply::decode(MessageType(message.kind), &message.body).unwrap() {
                    Reply::Admin { json } => serde_json::from_slice(json).unwrap(),
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn is_hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected | UnexpectedEof)
}

/// A client that does as it should, and sees that everything does.
#[derive(Debug)]
pub(crate) struct Neighbour {
    client: PlasmaClient,
    next: u32,
}

impl Neighbour {
    pub(crate) fn of(socket: &Path) -> Self {
        let client = PlasmaClient::connect(socket, ConnectOptions::default()).unwrap();
        Self { client, next: 1 << 30 }
    }

    /// Puts an object, gets it, looks at it, and deletes it; then it is gone.
    pub(crate) fn works(&mut self) {
        let id = self.deletes();
        assert!(!self.has(id));
    }

    /// Whether an object is there.
    pub(crate) fn has(&self, id: ObjectId) -> bool {
        self.client.contains(id).unwrap()
    }

    /// As [`Self::works`], but what was deleted may be there as long as somebody else uses it.
    pub(crate) fn deletes(&mut self) -> ObjectId {
        self.next += 1;
        let id = id(self.next);
        let first = self.next.to_le_bytes()[0];
        let data: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(first)).collect();
        self.client.put(id, &data, b"neighbour").unwrap();
        let object = self.client.get_one(id, Timeout::Immediate).unwrap();
        assert_eq!((object.data(), object.metadata()), (&data[..], &b"neighbour"[..]));
        drop(object);
        assert!(self.client.contains(id).unwrap());
        self.client.delete(&[id]).unwrap();
        id
    }
}

/// What a process holds of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holdings {
    descriptors: usize,
    /// Mappings of files.
    mappings: usize,
}

impl Holdings {
    fn of(pid: u32) -> Self {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        // address, permissions, offset, device, inode, path
        let is_file = |line: &&str| line.split_whitespace().nth(4) != Some("0");
        Self { descriptors, mappings: maps.lines().filter(is_file).count() }
    }
}

/// A store in a process of its own, beside which a client works.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Store,
    admin: Talker,
    pub(crate) neighbour: Neighbour,
    before: Holdings,
}

impl Watched {
    /// Ten megabytes, nothing waits, two threads.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(|command| command, arguments)
    }

    pub(crate) fn spawn(wrap: impl FnOnce(Command) -> Command, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = wrap(command(directory.path()));
        command.args(["--threads", "2", "--grace-period", "0", "--log-level", "off"]);
        command.args(arguments);
        let store = Store::spawn(directory, command);
        let mut admin = Talker::to(&store.socket);
        let mut neighbour = Neighbour::of(&store.socket);
        neighbour.works();
        admin.query("stat");
        let before = Holdings::of(store.pid());
        Self { store, admin, neighbour, before }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.store.socket
    }

    pub(crate) fn pid(&self) -> u32 {
        self.store.pid()
    }

    pub(crate) fn talker(&self) -> Talker {
        Talker::to(self.socket())
    }

    pub(crate) fn stat(&mut self) -> Value {
        self.admin.query("stat")
    }

    /// Waits until `stat` says what is wanted.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let stat = self.stat();
            if wanted(&stat) {
                return stat;
            }
            assert!(started.elapsed() < PATIENCE, "{stat}");
            thread::yield_now();
        }
    }

    /// Resident memory of the store, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.store.pid())).unwrap();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        anonymous.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Every offender has gone: deletes the sealed objects that are left, and sees that nothing else is.
    pub(crate) fn is_as_before(&mut self) {
        self.neighbour.works();
        let started = Instant::now();
        loop {
            let stat = self.stat();
            let here = Holdings::of(self.store.pid());
            let left = leftovers(&stat);
            if left.is_empty() && stat["clients"] == 2 && here == self.before {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "{left:?} {here:?}, before {:?}", self.before);
            if stat["clients"] == 2 && stat["objects"] != 0 {
                let ids = self.sealed();
                self.admin.ask(&delete(&ids));
            }
            thread::yield_now();
        }
        self.neighbour.works();
    }

    fn sealed(&mut self) -> Vec<ObjectId> {
        let objects = self.admin.query("ls");
        let objects = objects["objects"].as_array().unwrap().iter();
        objects.map(|object| from_hex(object["id"].as_str().unwrap())).collect()
    }
}

fn from_hex(hex: &str) -> ObjectId {
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    ObjectId::from_bytes(std::array::from_fn(byte))
}

/// The numbers of `stat` that are not zero and should be when nobody uses anything.
fn leftovers(stat: &Value) -> Vec<String> {
    let numbers = [
        "/allocated",
        "/fallback_allocated",
        "/objects",
        "/references",
        "/pending_creates",
        "/pending_create_bytes",
        "/pending_gets",
        "/untaken_creates",
        "/eager_deletions",
        "/states/sealed_bytes",
        "/states/unsealed/bytes",
        "/states/unsealed/objects",
        "/states/in_use/bytes",
        "/states/in_use/objects",
        "/states/evictable/bytes",
        "/states/evictable/objects",
        "/states/spillable/bytes",
        "/states/spillable/objects",
        "/sources/created_by_worker/bytes",
        "/sources/restored/bytes",
        "/sources/received/bytes",
        "/sources/errored/bytes",
    ];
    let left = |name: &&str| stat.pointer(name).is_none_or(|value| *value != 0);
    let text = |name| format!("{name}={:?}", stat.pointer(name));
    numbers.into_iter().filter(|name| left(name)).map(text).collect()
}
