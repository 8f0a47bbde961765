//! Replies of which any byte is wrong, or the end is missing, do a client no harm.

use ray_object_manager::plasma::client::{ConnectOptions, CreateOptions, PlasmaClient, Timeout};
use ray_object_manager::plasma::protocol::{Encoder, HEADER_LENGTH};

use super::lies::the_id;
use super::{file, object, soon, FakeStore};

/// What a client does with a store that answers its first request with these bytes and a file, and closes.
fn harmless(bytes: Vec<u8>, get: bool) {
    let store = FakeStore::that(move |peer| {
        peer.request();
        peer.send(&bytes);
        peer.send_file(file());
    });
    let path = store.socket();
    soon(move || {
        let client = PlasmaClient::connect(path, ConnectOptions::default()).unwrap();
        let id = the_id();
        if get {
            if let Ok(buffer) = client.get_one(id, Timeout::Immediate) {
                assert!(buffer.iter().chain(buffer.metadata()).all(|byte| *byte == 0));
            }
        } else if let Ok(mut buffer) = client.create(&CreateOptions::new(id, 10)) {
            buffer.data_mut().fill(1);
            assert!(buffer.seal().is_err());
        }
    });
}

#[test]
fn no_reply_does_harm() {
    let mut created = Vec::new();
    let mut found = Vec::new();
    let mut encoder = Encoder::default();
    encoder.create_reply(&mut created, &the_id(), Ok(object()));
    let files = [(object().store_fd, object().mmap_size)];
    encoder.get_reply(&mut found, &[(the_id(), object())], &files);
    for (reply, get) in [(created, false), (found, true)] {
        for length in (0..reply.len()).step_by(3) {
            harmless(reply[..length].to_vec(), get);
        }
        for at in HEADER_LENGTH - 8..reply.len() {
            for wrong in [0xFF, 0x01] {
                let mut reply = reply.clone();
                reply[at] ^= wrong;
                harmless(reply, get);
            }
        }
    }
}
