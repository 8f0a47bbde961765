//! Ray's client sends, byte for byte, the requests that `wire` makes, and takes the recorded replies for real.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use ray_common::ObjectId;
use real_peers::client::Creation;
use real_peers::record::{Line, Recording};
use real_peers::wire::{kind, Create, Layout, Message, COOKIE};
use real_peers::{RealClient, Version};

fn id(byte: u8) -> ObjectId {
    ObjectId::from_bytes([byte; ObjectId::LENGTH])
}

/// What the store said first in a step of the recording.
fn reply(step: &str) -> Message {
    let recording: Recording = include_str!("../fixtures/replies.txt").parse().unwrap();
    let mut lines = recording.lines.into_iter().skip_while(|line| *line != Line::Step(step.into()));
    match lines.find(|line| matches!(line, Line::Reply(..))) {
        Some(Line::Reply(_, message)) => message,
        _ => panic!("no reply in {step}"),
    }
}

/// What a store does about one request.
struct Exchange {
    request: Message,
    reply: Option<Message>,
    with_file: bool,
}

fn exchange(request: Message, step: &str) -> Exchange {
    Exchange { request, reply: Some(reply(step)), with_file: false }
}

fn serve(mut stream: UnixStream, exchanges: Vec<Exchange>) {
    for Exchange { request, reply, with_file } in exchanges {
        let mut bytes = [0; 24];
        stream.read_exact(&mut bytes).unwrap();
        let word = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(word(0), COOKIE);
        let mut body = vec![0; usize::try_from(word(16)).unwrap()];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(Message { kind: word(8), body }, request);
        if let Some(reply) = reply {
            let length = i64::try_from(reply.body.len()).unwrap();
            for word in [COOKIE, reply.kind, length] {
                stream.write_all(&word.to_le_bytes()).unwrap();
            }
            stream.write_all(&reply.body).unwrap();
            if with_file {
                let layout = Layout(&reply.body);
                let file = tempfile::tempfile().unwrap();
                file.set_len(layout.u64_at(layout.field(6).unwrap()).unwrap() - 8).unwrap();
                ray_sys::send_fd(&stream, file.as_fd(), &[0]).unwrap();
            }
        }
    }
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "nothing more is sent");
}

#[test]
fn the_clients_requests_are_those_of_wire() {
    let about = |kind, byte| Message::about(kind, &id(byte));
    let exchanges = || {
        let with_file = |exchange| Exchange { with_file: true, ..exchange };
        let silent = |request| Exchange { request, reply: None, with_file: false };
        // Without an error the reply has the bytes of the request.
        let sealed = Message { kind: kind::SEAL_REPLY, ..about(kind::SEAL, 0x20) };
        let mutable = Create { mutable: true, ..Create::queued(&id(4), 64, 8) };
        vec![
            exchange(Message::empty(kind::CONNECT), "connect"),
            with_file(exchange(
                Create::immediate(&id(1), 100, 0).message(),
                "create immediately: the first reply brings the descriptor",
            )),
            exchange(
                Create::immediate(&id(2), 100, 10).message(),
                "create immediately with metadata",
            ),
            exchange(Create::queued(&id(3), 1000, 0).message(), "create queued"),
            exchange(mutable.message(), "create a mutable one"),
            exchange(
                Create::immediate(&id(1), 100, 0).message(),
                "create what exists, immediately",
            ),
            exchange(about(kind::SEAL, 1), "seal"),
            silent(Message::release(&id(1), false)),
            exchange(about(kind::CONTAINS, 8), "contains: absent"),
            exchange(Message::get(&[id(8), id(9)], 20), "get what is absent, with a timeout"),
            exchange(Message::get(&[id(1)], -1), "get: the first reply brings the descriptor"),
            silent(Message::release(&id(1), false)),
            exchange(Message::delete(&[id(8)]), "delete: absent"),
            exchange(Create::queued(&id(0x11), 80, 0).message(), "create what was aborted"),
            exchange(about(kind::ABORT, 0x11), "abort"),
            exchange(Message::empty(kind::DEBUG_STRING), "debug string"),
            with_file(exchange(
                Create::immediate(&id(0x20), 12_000_000, 20).message(),
                "create what fits into no memory, immediately: a file of its own",
            )),
            Exchange { reply: Some(sealed), request: about(kind::SEAL, 0x20), with_file: false },
            exchange(Message::release(&id(0x20), true), "release the only one in a file: unmap"),
            exchange(
                Create::queued(&id(0x31), 6_000_000, 0).message(),
                "create queued: has to wait",
            ),
            exchange(Message::create_retry(&id(0x31), 6), "retry: still waits"),
            exchange(Message::create_retry(&id(0x31), 6), "retry: there was something to evict"),
        ]
    };
    for version in Version::ALL {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("store");
        let listener = UnixListener::bind(&socket).unwrap();
        let exchanges = exchanges();
        let store = thread::spawn(move || serve(listener.accept().unwrap().0, exchanges));

        let mut client = RealClient::connected(version, &socket).unwrap();
        client.create(&id(1), 100, &[], Creation::Immediate).unwrap();
        client.fill(&id(1), 3).unwrap();
        client.create(&id(2), 100, &[5; 10], Creation::Immediate).unwrap();
        client.create(&id(3), 1000, &[], Creation::Queued).unwrap();
        client.create(&id(4), 64, &[5; 8], Creation::Mutable).unwrap();
        let error = client.create(&id(1), 100, &[], Creation::Immediate).unwrap_err();
        assert!(error.is("ObjectExists"), "{error}");
        client.seal(&id(1)).unwrap();
        client.release(&id(1)).unwrap();
        assert!(!client.contains(&id(8)).unwrap());
        assert_eq!(client.look(&[id(8), id(9)], 20).unwrap(), [None, None]);
        assert_eq!(client.look(&[id(1)], -1).unwrap(), [Some(100)]);
        client.release(&id(1)).unwrap();
        client.delete(&[id(8)]).unwrap();
        client.create(&id(0x11), 80, &[], Creation::Queued).unwrap();
        client.abort(&id(0x11)).unwrap();
        assert!(client.usage().unwrap().contains("Eviction Stats"));
        client.create(&id(0x20), 12_000_000, &[5; 20], Creation::Immediate).unwrap();
        client.seal(&id(0x20)).unwrap();
        client.release(&id(0x20)).unwrap();
        client.create(&id(0x31), 6_000_000, &[], Creation::Queued).unwrap();
        client.fill(&id(0x31), 3).unwrap();
        client.disconnect().unwrap();
        store.join().unwrap();
    }
}
