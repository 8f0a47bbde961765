//! What our store says of itself.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use ray_object_manager::plasma::protocol::{
    capabilities, Encoder, Header, Reply, HEADER_LENGTH, MAX_BODY_LENGTH,
};
use serde_json::Value;

/// Its numbers.
pub(crate) fn stat(socket: &Path) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut encoder = Encoder::default();
    let mut request = Vec::new();
    encoder.connect_request(&mut request, capabilities::ADMIN);
    encoder.admin_request(&mut request, "stat");
    stream.write_all(&request).unwrap();
    loop {
        let mut header = [0; HEADER_LENGTH];
        stream.read_exact(&mut header).unwrap();
        let header = Header::decode(&header, MAX_BODY_LENGTH).unwrap();
        let mut body = vec![0; header.length];
        stream.read_exact(&mut body).unwrap();
        match Reply::decode(header.kind, &body).unwrap() {
            Reply::Connect { capabilities: known, .. } => {
                assert_eq!(known, capabilities::ADMIN, "it is not our store");
            }
            Reply::Admin { json } => return serde_json::from_slice(json).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}
