use ray_common::{NodeId, ObjectId, WorkerId};

use super::*;
use crate::plasma::allocator::MemFd;
use crate::plasma::common::{ObjectSource, PlasmaError};

fn id(byte: u8) -> ObjectId {
    ObjectId::from_bytes([byte; 28])
}

fn split(message: &[u8]) -> (MessageType, &[u8]) {
    let header = Header::decode(message.first_chunk().unwrap(), MAX_BODY_LENGTH).unwrap();
    assert_eq!(header.length, message.len() - HEADER_LENGTH);
    (header.kind, &message[HEADER_LENGTH..])
}

fn object() -> PlasmaObject {
    PlasmaObject {
        store_fd: MemFd { fd: 7, unique_id: 3 },
        header_offset: 64,
        data_offset: 160,
        metadata_offset: 260,
        data_size: 100,
        metadata_size: 5,
        allocated_size: 105,
        device_num: 0,
        mmap_size: 4104,
        fallback_allocated: true,
        is_mutable: true,
    }
}

/// Every kind of message once.
fn messages() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::default();
    let mut all = Vec::new();
    let mut add = |write: &dyn Fn(&mut Encoder, &mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut encoder, &mut out);
        all.push(out);
    };
    let create = CreateRequest {
        object_id: id(1),
        owner_node_id: NodeId::from_bytes([2; 28]),
        owner_ip_address: b"127.0.0.1",
        owner_port: 9,
        owner_worker_id: WorkerId::from_bytes([3; 28]),
        is_mutable: true,
        data_size: 100,
        metadata_size: 5,
        source: ObjectSource::RESTORED_FROM_STORAGE,
        device_num: 1,
        try_immediately: true,
    };
    add(&|encoder, out| encoder.create_request(out, &create));
    add(&|encoder, out| encoder.create_retry_request(out, &id(1), 5));
    add(&|encoder, out| encoder.abort_request(out, &id(1)));
    add(&|encoder, out| encoder.seal_request(out, &id(1)));
    add(&|encoder, out| encoder.get_request(out, &[id(1), id(2), id(1)], -1));
    add(&|encoder, out| encoder.release_request(out, &id(1), true));
    add(&|encoder, out| encoder.delete_request(out, &[id(1), id(2)]));
    add(&|encoder, out| encoder.contains_request(out, &id(1)));
    add(&|encoder, out| encoder.connect_request(out, capabilities::ADMIN));
    add(&|encoder, out| encoder.get_debug_string_request(out));
    add(&|encoder, out| encoder.admin_request(out, "stat"));
    add(&|encoder, out| encoder.create_reply(out, &id(1), Ok(object())));
    add(&|encoder, out| encoder.create_reply(out, &id(1), Err(PlasmaError::OutOfDisk)));
    add(&|encoder, out| encoder.unfinished_create_reply(out, &id(1), 5));
    add(&|encoder, out| encoder.abort_reply(out, &id(1)));
    add(&|encoder, out| encoder.seal_reply(out, &id(1), PlasmaError::ObjectSealed));
    let found = [(id(1), object()), (id(2), PlasmaObject::MISSING)];
    add(&|encoder, out| {
        encoder.get_reply(out, &found, &[(object().store_fd, object().mmap_size)]);
    });
    add(&|encoder, out| encoder.release_reply(out, &id(1), true, PlasmaError::Ok));
    let results = [(id(1), PlasmaError::Ok), (id(2), PlasmaError::ObjectInUse)];
    add(&|encoder, out| encoder.delete_reply(out, &results));
    add(&|encoder, out| encoder.contains_reply(out, &id(1), true));
    add(&|encoder, out| encoder.connect_reply(out, 1 << 30, capabilities::ADMIN));
    add(&|encoder, out| encoder.get_debug_string_reply(out, "text"));
    add(&|encoder, out| encoder.admin_reply(out, "{}"));
    all
}

#[test]
fn what_is_written_is_read() {
    let shown: Vec<String> = messages()
        .iter()
        .map(|message| {
            let (kind, body) = split(message);
            match (Request::decode(kind, body), Reply::decode(kind, body)) {
                (Ok(request), Err(_)) => match request {
                    Request::Get { object_ids, timeout_ms } => {
                        format!("{:?} {timeout_ms}", object_ids.iter().collect::<Vec<_>>())
                    }
                    Request::Delete { object_ids } => {
                        format!("{:?}", object_ids.iter().collect::<Vec<_>>())
                    }
                    other => format!("{other:?}"),
                },
                (Err(_), Ok(reply)) => match reply {
                    Reply::Get(reply) => {
                        let ids: Vec<_> = reply.object_ids.iter().collect();
                        assert_eq!(ids, [id(1), id(2)]);
                        assert_eq!(reply.objects, [object(), PlasmaObject::MISSING]);
                        assert!(reply.objects[0].is_present() && !reply.objects[1].is_present());
                        format!("{:?}", reply.files)
                    }
                    Reply::Delete { object_ids, errors } => {
                        format!("{:?} {errors:?}", object_ids.iter().collect::<Vec<_>>())
                    }
                    Reply::Create(reply) => {
                        if let Some(Ok(read)) = reply.result {
                            assert_eq!(read, object());
                        }
                        format!(
                            "create {:?} {}",
                            reply.result.is_some(),
                            reply.retry_with_request_id
                        )
                    }
                    other => format!("{other:?}"),
                },
                both => panic!("{kind:?} goes in one direction: {both:?}"),
            }
        })
        .collect();
    let text = shown.join("\n");
    for expected in [
        "owner_ip_address: [49, 50, 55, 46, 48, 46, 48, 46, 49], owner_port: 9",
        "is_mutable: true, data_size: 100, metadata_size: 5, source: ObjectSource(1), device_num: 1, try_immediately: true",
        "request_id: 5",
        "may_unmap: true",
        "Connect { capabilities: 1 }",
        "Admin { query: \"stat\" }",
        "create true 0\ncreate true 0\ncreate false 5",
        "error: ObjectSealed",
        "[(MemFd { fd: 7, unique_id: 3 }, 4104)]",
        "should_unmap: true",
        "[Ok, ObjectInUse]",
        "has_object: true",
        "memory_capacity: 1073741824, capabilities: 1",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

#[test]
fn cut_and_damaged_messages_are_errors_or_other_messages_but_never_more() {
    for message in messages() {
        let (kind, body) = split(&message);
        for length in 0..body.len() {
            let _ = Request::decode(kind, &body[..length]);
            let _ = Reply::decode(kind, &body[..length]);
        }
        let mut body = body.to_vec();
        for at in 0..body.len() {
            let good = body[at];
            for bad in [0, 1, 0x7f, 0x80, 0xff, good.wrapping_add(1)] {
                body[at] = bad;
                let _ = Request::decode(kind, &body);
                let _ = Reply::decode(kind, &body);
            }
            body[at] = good;
        }
    }
}

#[test]
fn headers_are_checked() {
    let good = Header::encode(MessageType::SEAL_REQUEST, 12);
    let header = Header { kind: MessageType::SEAL_REQUEST, length: 12 };
    assert_eq!(Header::decode(&good, 12), Ok(header));
    let too_long = ProtocolError::BadLength { length: 12, limit: 11 };
    assert_eq!(Header::decode(&good, 11), Err(too_long));
    let mut bad = good;
    bad[0] = 1;
    assert!(matches!(Header::decode(&bad, 12), Err(ProtocolError::BadCookie(_))));
    let mut bad = good;
    bad[23] = 0x80;
    assert!(matches!(Header::decode(&bad, 12), Err(ProtocolError::BadLength { .. })));
}

#[test]
fn ids_of_a_wrong_length_and_missing_fields_are_named() {
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let short = builder.create_byte_string(&[1; 27]);
    let table = builder.start_table();
    builder.push_slot_always(4, short);
    let table = builder.end_table(table);
    builder.finish_minimal(table);
    let error = Request::decode(MessageType::SEAL_REQUEST, builder.finished_data()).unwrap_err();
    assert!(error.to_string().contains("object_id") && error.to_string().contains("27"), "{error}");
    builder.reset();
    let table = builder.start_table();
    let table = builder.end_table(table);
    builder.finish_minimal(table);
    let error = Request::decode(MessageType::SEAL_REQUEST, builder.finished_data());
    assert!(matches!(error, Err(ProtocolError::MissingField("object_id"))));
    let unknown = Request::decode(MessageType(77), builder.finished_data());
    assert!(matches!(unknown, Err(ProtocolError::UnknownType(77))));
}
