//! Any bytes, read as each kind of message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ray_object_manager::plasma::protocol::{
    GetReply, Header, IdList, MessageType, Reply, Request, HEADER_LENGTH,
};

/// Every kind there is, and one that is none.
const KINDS: [i64; 23] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 1000, 1001, 77];

fn look(ids: IdList<'_>) {
    assert_eq!(ids.iter().count(), ids.len());
    assert_eq!(ids.first(3).len(), ids.len().min(3));
}

fn request(kind: MessageType, body: &[u8]) {
    match Request::decode(kind, body) {
        Ok(Request::Get { object_ids, .. } | Request::Delete { object_ids }) => look(object_ids),
        Ok(Request::Create(create)) => {
            let info = create.info();
            assert!(info.data_size >= -1 && info.metadata_size >= -1);
        }
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn reply(kind: MessageType, body: &[u8]) {
    match Reply::decode(kind, body) {
        Ok(Reply::Get(GetReply { object_ids, objects, .. })) => {
            assert_eq!(objects.len(), object_ids.len());
            look(object_ids);
        }
        Ok(Reply::Delete { object_ids, .. }) => look(object_ids),
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

// The first byte is the kind, unless what follows is a header that says it.
fuzz_target!(|bytes: &[u8]| {
    if let Some(header) = bytes.first_chunk::<HEADER_LENGTH>() {
        if let Ok(header) = Header::decode(header, 1 << 20) {
            assert!(header.length <= 1 << 20);
            let body = &bytes[HEADER_LENGTH..];
            request(header.kind, body);
            reply(header.kind, body);
        }
    }
    if let Some((first, body)) = bytes.split_first() {
        let kind = MessageType(KINDS[usize::from(*first) % KINDS.len()]);
        request(kind, body);
        reply(kind, body);
    }
});
