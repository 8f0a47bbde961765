//! Clients that only read cannot write: the store sees to that.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use ray_object_manager::plasma::client::{ConnectOptions, CreateOptions, Timeout};
use ray_object_manager::plasma::protocol::{
    capabilities, Encoder, Header, MessageType, Reply, HEADER_LENGTH, MAX_BODY_LENGTH,
};
use ray_sys::{send_all, Incoming, ReceivedFile, ReceivedFileOptions};
use rustix::io::Errno;
use rustix::mm::{mprotect, MprotectFlags};

use crate::client_support::{id, Store, MEMORY};
use crate::our_store::OurStore;

fn exchange<R>(
    stream: &UnixStream,
    incoming: &mut Incoming,
    request: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    read: impl FnOnce(Reply<'_>) -> R,
) -> R {
    let mut out = Vec::new();
    request(&mut Encoder::default(), &mut out);
    send_all(stream, &out).unwrap();
    let await_bytes = |incoming: &mut Incoming, count| {
        while incoming.bytes().len() < count {
            assert_ne!(incoming.receive(stream, count).unwrap(), 0);
        }
    };
    await_bytes(incoming, HEADER_LENGTH);
    let header = incoming.bytes().first_chunk().unwrap();
    let Header { kind, length } = Header::decode(header, MAX_BODY_LENGTH).unwrap();
    let end = HEADER_LENGTH + length;
    await_bytes(incoming, end);
    let result = read(Reply::decode(kind, &incoming.bytes()[HEADER_LENGTH..end]).unwrap());
    incoming.consume(end);
    if kind == MessageType::GET_REPLY {
        await_bytes(incoming, 1);
        incoming.consume(1);
    }
    result
}

#[test]
fn descriptors_can_only_be_read() {
    let store = OurStore::start();
    let writer = store.client();
    let (small, large) = (id(), id());
    writer.put(small, b"data", b"").unwrap();
    let options = CreateOptions::new(large, (MEMORY + 1) as u64).immediately();
    writer.create(&options).unwrap().seal().unwrap();
    for (wanted, writable) in [(capabilities::READ_ONLY, false), (0, true)] {
        let stream = UnixStream::connect(store.socket()).unwrap();
        let mut incoming = Incoming::with_capacity(1024);
        let hello = |e: &mut Encoder, out: &mut Vec<u8>| e.connect_request(out, wanted);
        let granted = exchange(&stream, &mut incoming, hello, |reply| match reply {
            Reply::Connect { capabilities, .. } => capabilities,
            other => panic!("{other:?}"),
        });
        assert_eq!(granted, wanted);
        for id in [small, large] {
            let get = |e: &mut Encoder, out: &mut Vec<u8>| e.get_request(out, &[id], 0);
            exchange(&stream, &mut incoming, get, |reply| assert!(matches!(reply, Reply::Get(_))));
            let file = File::from(incoming.take_fd().unwrap());
            let mut bytes = [0; 4];
            file.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!(file.write_at(&bytes, 0).is_ok(), writable);
            let map = |read_only| {
                let options = ReceivedFileOptions { read_only, exclude_from_core_dump: false };
                ReceivedFile::map(file.try_clone().unwrap().into(), 4096, options)
            };
            assert_eq!(map(false).is_ok(), writable);
            assert!(map(true).is_ok());
        }
    }
}

/// Makes the page of an object writable, if that can be.
fn make_writable(object: &[u8]) -> Result<(), Errno> {
    let page = object.as_ptr().wrapping_sub(object.as_ptr() as usize % ray_sys::page_size());
    let flags = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: the page is mapped, and being able to write changes nothing for whoever reads.
    unsafe { mprotect(page.cast_mut().cast(), ray_sys::page_size(), flags) }
}

#[test]
fn memory_of_a_reader_cannot_be_made_writable() {
    let store = OurStore::start();
    let (writer, id) = (store.client(), id());
    writer.put(id, b"data", b"").unwrap();
    for read_only in [true, false] {
        let options = ConnectOptions { read_only, ..ConnectOptions::default() };
        let client = store.client_with(options);
        let buffer = client.get_one(id, Timeout::Immediate).unwrap();
        let expected = if read_only { Err(Errno::ACCESS) } else { Ok(()) };
        assert_eq!(make_writable(buffer.data()), expected);
    }
    store.expect_idle();
}

#[test]
fn a_reader_waits_like_anybody() {
    let store = OurStore::start();
    let writer = store.client();
    let reader = store.client_with(ConnectOptions { read_only: true, ..Default::default() });
    for _ in 0..3 {
        let id = id();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| reader.get_one(id, Timeout::Never));
            writer.put(id, b"late", b"").unwrap();
            assert_eq!(waiting.join().unwrap().unwrap().data(), b"late");
        });
    }
    store.expect_idle();
}
