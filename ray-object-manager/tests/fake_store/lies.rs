//! Whatever a store says that makes no sense is an error that says so, and ends the session.

use std::fs::File;

use ray_common::ObjectId;
use ray_object_manager::plasma::client::{
    AsyncPlasmaClient, Cause, ConnectOptions, CreateOptions, PlasmaClient, Result, Timeout,
};
use ray_object_manager::plasma::common::PlasmaError;
use ray_object_manager::plasma::protocol::{Encoder, Header, MessageType, PlasmaObject};

use super::{file, object, soon, FakeStore, Peer, FILE_SIZE};

pub(super) fn the_id() -> ObjectId {
    ObjectId::from_bytes([7; 28])
}

fn other_id() -> ObjectId {
    ObjectId::from_bytes([8; 28])
}

/// What a client does in these tests.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Create,
    Seal,
    Get,
    Wait,
    Contains,
    Delete,
    DebugString,
}

fn options() -> CreateOptions<'static> {
    CreateOptions::new(the_id(), 10)
}

fn run(client: &PlasmaClient, what: What) -> Result<()> {
    let id = the_id();
    match what {
        What::Create => client.create(&options()).map(drop),
        What::Seal => client.create(&options())?.seal().map(drop),
        What::Get => client.get_one(id, Timeout::Immediate).map(drop),
        What::Wait => client.get_one(id, Timeout::Never).map(drop),
        What::Contains => client.contains(id).map(drop),
        What::Delete => client.delete(&[id]).map(drop),
        What::DebugString => client.debug_string().map(drop),
    }
}

async fn run_async(client: &AsyncPlasmaClient, what: What) -> Result<()> {
    let id = the_id();
    match what {
        What::Create => client.create(&options()).await.map(drop),
        What::Seal => client.create(&options()).await?.seal().await.map(drop),
        What::Get => client.get_one(id, Timeout::Immediate).await.map(drop),
        What::Wait => client.get_one(id, Timeout::Never).await.map(drop),
        What::Contains => client.contains(id).await.map(drop),
        What::Delete => client.delete(&[id]).await.map(drop),
        What::DebugString => client.debug_string().await.map(drop),
    }
}

/// Both clients do something, twice if need be, and get this error; afterwards they are not connected.
fn expect(what: What, error: &str, store: impl Fn(&mut Peer) + Send + Clone + 'static) {
    let store = FakeStore::that(store);
    let path = store.socket();
    let blocking = soon({
        let path = path.clone();
        move || {
            let client = PlasmaClient::connect(path, ConnectOptions::default()).unwrap();
            let mut result = run(&client, what);
            if client.is_connected() {
                result = run(&client, what);
            }
            let end = run(&client, What::Contains).unwrap_err().cause;
            assert!(matches!(end, Cause::Disconnected { .. }));
            result.unwrap_err().to_string()
        }
    });
    let asynchronous = soon(move || {
        futures_lite::future::block_on(async {
            let client = AsyncPlasmaClient::connect(path, ConnectOptions::default()).await.unwrap();
            let mut result = run_async(&client, what).await;
            if client.is_connected() {
                result = run_async(&client, what).await;
            }
            let end = run_async(&client, What::Contains).await.unwrap_err().cause;
            assert!(matches!(end, Cause::Disconnected { .. }));
            result.unwrap_err().to_string()
        })
    });
    for seen in [blocking, asynchronous] {
        assert!(seen.contains(error), "{what:?}: {seen} instead of {error}");
    }
}

/// A store that answers the first request with this.
fn says(
    write: impl Fn(&mut Encoder, &mut Vec<u8>) + Send + Clone + 'static,
) -> impl Fn(&mut Peer) + Send + Clone + 'static {
    move |peer| {
        peer.request();
        peer.reply(&write);
        while peer.request().is_some() {}
    }
}

fn says_bytes(bytes: Vec<u8>) -> impl Fn(&mut Peer) + Send + Clone + 'static {
    says(move |_, out| out.extend_from_slice(&bytes))
}

/// A store that creates this object, in this file.
fn creates(
    object: PlasmaObject,
    file: impl Fn() -> File + Send + Clone + 'static,
) -> impl Fn(&mut Peer) + Send + Clone + 'static {
    move |peer| {
        peer.create(object, false);
        peer.send_file(file());
        while peer.request().is_some() {}
    }
}

/// A store that finds this object.
fn finds(object: PlasmaObject) -> impl Fn(&mut Peer) + Send + Clone + 'static {
    move |peer| {
        peer.request();
        let files = [(object.store_fd, object.mmap_size)];
        peer.reply(|encoder, out| encoder.get_reply(out, &[(the_id(), object)], &files));
        peer.send_file(file());
        while peer.request().is_some() {}
    }
}

#[test]
fn replies_about_other_objects() {
    let asked = "asked for 0707";
    expect(What::Create, asked, says(|e, out| e.create_reply(out, &other_id(), Ok(object()))));
    expect(What::Contains, asked, says(|e, out| e.contains_reply(out, &other_id(), true)));
    expect(What::Seal, asked, |peer| {
        peer.create(object(), true);
        says(|e, out| e.seal_reply(out, &other_id(), PlasmaError::Ok))(peer);
    });
    let unasked = "does not answer what was asked";
    let missing = PlasmaObject::MISSING;
    expect(What::Get, unasked, says(move |e, out| e.get_reply(out, &[(other_id(), missing)], &[])));
    expect(What::Get, unasked, says(|e, out| e.get_reply(out, &[], &[])));
    let twice = [(the_id(), missing); 2];
    expect(What::Get, unasked, says(move |e, out| e.get_reply(out, &twice, &[])));
    let deleted = [(other_id(), PlasmaError::Ok)];
    expect(What::Delete, unasked, says(move |e, out| e.delete_reply(out, &deleted)));
    expect(What::Delete, unasked, says(|e, out| e.delete_reply(out, &[])));
}

#[test]
fn replies_to_other_questions() {
    let unasked = "does not answer what was asked";
    for what in [What::Create, What::Get, What::Contains, What::Delete, What::DebugString] {
        expect(what, unasked, says(|e, out| e.abort_reply(out, &the_id())));
    }
    expect(What::Seal, unasked, |peer| {
        peer.create(object(), true);
        says(|e, out| e.contains_reply(out, &the_id(), true))(peer);
    });
    expect(What::Contains, "is not known here", says(|e, out| e.seal_request(out, &the_id())));
}

#[test]
fn descriptors_that_are_missing_or_of_no_use() {
    let first = |peer: &mut Peer, then: &dyn Fn(&mut Peer)| {
        peer.create(object(), false);
        then(peer);
        while peer.request().is_some() {}
    };
    expect(What::Create, "without a descriptor", move |peer| first(peer, &|peer| peer.send(b"f")));
    expect(What::Create, "not connected to the store", |peer| peer.create(object(), false));
    let short = |size: u64| {
        move || {
            let file = file();
            file.set_len(size).unwrap();
            file
        }
    };
    expect(What::Create, "the file has 8191", creates(object(), short(8191)));
    expect(What::Create, "the file has 0", creates(object(), short(0)));
    expect(What::Create, "mapping 8192", creates(object(), || File::open("/dev/null").unwrap()));
    expect(What::Create, "mapping 8192", creates(object(), || File::open("/").unwrap()));
    // It is long enough, and cannot be written.
    let read_only = || File::open(std::env::current_exe().unwrap()).unwrap();
    expect(What::Create, "mapping 8192", creates(object(), read_only));
    for mmap_size in [0, 8, i64::MIN, i64::MAX, 8192 * 2] {
        let object = PlasmaObject { mmap_size, ..object() };
        expect(What::Create, "mapping ", creates(object, file));
        expect(What::Get, "mapping ", finds(object));
    }
    let no_file =
        |e: &mut Encoder, out: &mut Vec<u8>| e.get_reply(out, &[(the_id(), object())], &[]);
    expect(What::Get, "no file came", says(no_file));
}

#[test]
fn objects_outside_their_files() {
    let size = FILE_SIZE as u64;
    let at = |offset: u64| PlasmaObject {
        data_offset: offset,
        metadata_offset: offset.wrapping_add(10),
        ..object()
    };
    for offset in [size - 9, size, u64::MAX, u64::MAX - 9, 1 << 63] {
        expect(What::Create, "outside its file", creates(at(offset), file));
        expect(What::Get, "outside its file", finds(at(offset)));
    }
    let large = PlasmaObject { data_size: size + 1, metadata_offset: size + 1, ..object() };
    expect(What::Get, "outside its file", finds(large));
    let metadata = PlasmaObject { metadata_size: size, ..object() };
    expect(What::Get, "outside its file", finds(metadata));
    let apart = PlasmaObject { metadata_offset: 11, ..object() };
    expect(What::Create, "of an unknown shape", creates(apart, file));
    for header_offset in [1, 4, u64::MAX] {
        let mutable = PlasmaObject {
            is_mutable: true,
            header_offset,
            data_offset: 100,
            metadata_offset: 110,
            ..object()
        };
        expect(What::Get, "of an unknown shape", finds(mutable));
    }
    let other_size = PlasmaObject { data_size: 9, metadata_offset: 9, ..object() };
    expect(What::Create, "asked for (10, 0, false)", creates(other_size, file));
}

#[test]
fn more_than_was_asked_for() {
    let surplus = "more came than was asked for";
    expect(
        What::Contains,
        surplus,
        says(|e, out| {
            e.contains_reply(out, &the_id(), true);
            e.contains_reply(out, &the_id(), true);
        }),
    );
    expect(What::Get, surplus, |peer| {
        peer.request();
        peer.reply(|e, out| e.get_reply(out, &[(the_id(), PlasmaObject::MISSING)], &[]));
        peer.send_file(file());
        while peer.request().is_some() {}
    });
}

#[test]
fn what_is_no_message() {
    let header = |kind, length| Header::encode(kind, length).to_vec();
    let reply = MessageType::CONTAINS_REPLY;
    expect(What::Contains, "Ray's cookie", says_bytes(vec![0xAB; 100]));
    expect(What::Contains, "a body of 67108865 bytes", says_bytes(header(reply, (64 << 20) + 1)));
    expect(What::Contains, "a body of -1 bytes", says_bytes(header(reply, usize::MAX)));
    let mut unknown = Vec::new();
    Encoder::default().contains_reply(&mut unknown, &the_id(), true);
    unknown[8..10].copy_from_slice(&12345_u16.to_le_bytes());
    expect(What::Contains, "type 12345", says_bytes(unknown));
    for body in [vec![], vec![0xFF; 64], vec![0; 64], vec![1, 0]] {
        let message = [header(reply, body.len()), body].concat();
        expect(What::Contains, "the store broke the protocol", says_bytes(message));
    }
    expect(What::Contains, "not connected to the store", move |peer| {
        peer.request();
        let mut message = Vec::new();
        Encoder::default().contains_reply(&mut message, &the_id(), true);
        message.pop();
        peer.send(&message);
    });
}

#[test]
fn lies_to_who_waits() {
    // The first connection tells the truth.
    let waiting = |write: fn(&mut Encoder, &mut Vec<u8>)| {
        move |peer: &mut Peer| loop {
            let Some((kind, body)) = peer.request() else { return };
            let waits = body.windows(8).any(|word| word == (-1_i64).to_le_bytes());
            if waits {
                peer.reply(write);
            } else if kind == MessageType::GET_REQUEST {
                let missing = [(the_id(), PlasmaObject::MISSING)];
                peer.reply(|e, out| e.get_reply(out, &missing, &[]));
            }
        }
    };
    let wrong = waiting(|e, out| e.get_reply(out, &[(other_id(), PlasmaObject::MISSING)], &[]));
    expect(What::Wait, "does not answer", wrong);
    expect(What::Wait, "Ray's cookie", waiting(|_, out| out.extend_from_slice(&[1; 30])));
}
