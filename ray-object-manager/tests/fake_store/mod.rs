//! A store that says what a test has written down for it.

mod lies;
mod mutations;

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ray_object_manager::plasma::allocator::{MemFd, MMAP_REGIONS_GAP};
use ray_object_manager::plasma::protocol::{
    capabilities::READ_ONLY, Encoder, Header, MessageType, PlasmaObject, Request, HEADER_LENGTH,
    MAX_BODY_LENGTH,
};
use ray_sys::{send_all, send_fd, Incoming};

/// Bytes of the file that such a store sends.
const FILE_SIZE: usize = 8192;

/// Listens until the test is over.
pub(crate) struct FakeStore {
    folder: tempfile::TempDir,
    _listener: Option<UnixListener>,
}

/// One connection, on the store's side.
pub(crate) struct Peer {
    stream: UnixStream,
    incoming: Incoming,
    encoder: Encoder,
    /// A request that was read before its time.
    first: Option<(MessageType, Vec<u8>)>,
}

impl FakeStore {
    fn listen() -> (tempfile::TempDir, UnixListener) {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("store")).unwrap();
        (folder, listener)
    }

    /// Answers the hello of each client, and then does this. When it returns, the connection is closed.
    pub(crate) fn that(serve: impl Fn(&mut Peer) + Send + Clone + 'static) -> Self {
        let (folder, listener) = Self::listen();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let serve = serve.clone();
                thread::spawn(move || {
                    let incoming = Incoming::with_capacity(1024);
                    let encoder = Encoder::default();
                    let mut peer = Peer { stream, incoming, encoder, first: None };
                    peer.first = peer.request();
                    if let Some((MessageType::CONNECT_REQUEST, _)) = peer.first {
                        peer.first = None;
                        peer.reply(|encoder, out| encoder.connect_reply(out, 1 << 20, 0));
                    }
                    serve(&mut peer);
                });
            }
        });
        Self { folder, _listener: None }
    }

    /// Lets clients connect, and does not know of it.
    pub(crate) fn that_never_accepts() -> Self {
        let (folder, listener) = Self::listen();
        Self { folder, _listener: Some(listener) }
    }

    /// Creates so many objects on each connection, and answers nothing after that.
    pub(crate) fn that_goes_silent(creations: usize) -> Self {
        Self::that(move |peer| {
            for number in 0..creations {
                peer.create(object(), number == 0);
            }
            while peer.request().is_some() {}
        })
    }

    /// Lets clients connect that only read, but answers nobody after the first; to that one it says that nothing is there.
    pub(crate) fn that_answers_one() -> Self {
        let (folder, listener) = Self::listen();
        thread::spawn(move || {
            let Ok((stream, _)) = listener.accept() else { return };
            let incoming = Incoming::with_capacity(1024);
            let mut peer = Peer { stream, incoming, encoder: Encoder::default(), first: None };
            while let Some((kind, body)) = peer.request() {
                match Request::decode(kind, &body).unwrap() {
                    Request::Connect { capabilities } => {
                        let known = capabilities & READ_ONLY;
                        peer.reply(|e, out| e.connect_reply(out, 1 << 20, known));
                    }
                    Request::Get { object_ids, .. } => {
                        let missing = |id| (id, PlasmaObject::MISSING);
                        let objects: Vec<_> = object_ids.iter().map(missing).collect();
                        peer.reply(|e, out| e.get_reply(out, &objects, &[]));
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        Self { folder, _listener: None }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("store")
    }
}

/// Does something that must not take long, whatever a store says.
pub(crate) fn soon<R: Send + 'static>(what: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = channel();
    thread::spawn(move || done.send(what()));
    result.recv_timeout(Duration::from_secs(20)).expect("it hangs, or has panicked")
}

/// A file as stores have them.
fn file() -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(FILE_SIZE as u64).unwrap();
    file
}

/// An object of ten bytes in such a file.
fn object() -> PlasmaObject {
    PlasmaObject {
        store_fd: MemFd { fd: 3, unique_id: 1 },
        data_size: 10,
        metadata_offset: 10,
        allocated_size: 10,
        mmap_size: i64::try_from(FILE_SIZE).unwrap() + MMAP_REGIONS_GAP,
        ..PlasmaObject::ZERO
    }
}

impl Peer {
    fn read(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.incoming.bytes().len() < count {
            if self.incoming.receive(&self.stream, count).ok()? == 0 {
                return None;
            }
        }
        let bytes = self.incoming.bytes()[..count].to_vec();
        self.incoming.consume(count);
        Some(bytes)
    }

    /// The next request; `None` when the client has gone.
    fn request(&mut self) -> Option<(MessageType, Vec<u8>)> {
        if let Some(request) = self.first.take() {
            return Some(request);
        }
        let header = self.read(HEADER_LENGTH)?;
        let header = Header::decode(header.first_chunk().unwrap(), MAX_BODY_LENGTH).unwrap();
        Some((header.kind, self.read(header.length)?))
    }

    fn send(&mut self, bytes: &[u8]) {
        // The client may have given up.
        let _ = send_all(&self.stream, bytes);
    }

    fn reply(&mut self, write: impl FnOnce(&mut Encoder, &mut Vec<u8>)) {
        let mut out = Vec::new();
        write(&mut self.encoder, &mut out);
        self.send(&out);
    }

    fn send_file(&mut self, file: impl AsFd) {
        let _ = send_fd(&self.stream, file.as_fd(), b"f");
    }

    /// Answers a creation as it should be.
    fn create(&mut self, object: PlasmaObject, with_file: bool) {
        let Some((kind, body)) = self.request() else { return };
        let Ok(Request::Create(request)) = Request::decode(kind, &body) else { return };
        self.reply(|encoder, out| encoder.create_reply(out, &request.object_id, Ok(object)));
        if with_file {
            self.send_file(file());
        }
    }
}
