//! Behind `protocol.h`. Ids cross as their bytes, objects as addresses; what is written has its header before it.

use ray_common::{NodeId, ObjectId, WorkerId};
use ray_object_manager::plasma::allocator::MemFd;
use ray_object_manager::plasma::common::ObjectSource;
use ray_object_manager::plasma::protocol::{
    CreateReply, CreateRequest, Encoder, IdList, MessageType, PlasmaObject, ProtocolError, Reply,
    Request,
};

use crate::eviction_policy::append_ids;
use crate::layout::{plasma_error, CxxPlasmaObject};

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    /// An id, and a number and an error if the message has them.
    struct IdMessage {
        id: [u8; 28],
        number: u64,
        error: i32,
    }

    /// What a creation says in numbers.
    struct CreationNumbers {
        is_mutable: bool,
        data_size: i64,
        metadata_size: i64,
        owner_port: i32,
        source: i32,
        device_num: i32,
        try_immediately: bool,
    }

    struct CreationMessage {
        object_id: [u8; 28],
        owner_node_id: [u8; 28],
        owner_ip_address: Vec<u8>,
        owner_worker_id: [u8; 28],
        numbers: CreationNumbers,
    }

    struct GetMessage {
        ids: Vec<u8>,
        timeout_ms: i64,
    }

    struct WireFile {
        fd: i32,
        unique_id: i64,
        mmap_size: i64,
    }

    struct GetReplyMessage {
        ids: Vec<u8>,
        files: Vec<WireFile>,
    }

    struct DeleteReplyMessage {
        ids: Vec<u8>,
        errors: Vec<i32>,
    }

    extern "Rust" {
        fn write_id(kind: i64, id: &[u8; 28], number: u64) -> Vec<u8>;
        fn read_id(kind: i64, body: &[u8]) -> Result<IdMessage>;
        fn write_release_reply(id: &[u8; 28], should_unmap: bool, error: i32) -> Vec<u8>;

        fn write_create_request(
            id: &[u8; 28],
            owner_node_id: &[u8],
            owner_ip_address: &[u8],
            owner_worker_id: &[u8],
            numbers: &CreationNumbers,
        ) -> Result<Vec<u8>>;
        fn read_create_request(body: &[u8]) -> Result<CreationMessage>;
        unsafe fn write_create_reply(id: &[u8; 28], object: *const u8, error: i32) -> Vec<u8>;
        /// The number is what to ask again with. Without it and an error, `object` is set.
        unsafe fn read_create_reply(body: &[u8], object: *mut u8) -> Result<IdMessage>;

        fn write_get_request(ids: &[u8], timeout_ms: i64) -> Vec<u8>;
        fn read_get_request(body: &[u8]) -> Result<GetMessage>;
        unsafe fn write_get_reply(ids: &[u8], objects: *const u8, files: &[WireFile]) -> Vec<u8>;
        /// Fails when there are not `count` objects.
        unsafe fn read_get_reply(
            body: &[u8],
            objects: *mut u8,
            count: usize,
        ) -> Result<GetReplyMessage>;

        fn write_delete_request(ids: &[u8]) -> Vec<u8>;
        fn read_delete_request(body: &[u8]) -> Result<Vec<u8>>;
        fn write_delete_reply(ids: &[u8], errors: &[i32]) -> Vec<u8>;
        fn read_delete_reply(body: &[u8]) -> Result<DeleteReplyMessage>;

        fn write_connect_request() -> Vec<u8>;
        fn write_connect_reply(memory_capacity: i64) -> Vec<u8>;
        fn read_connect_reply(body: &[u8]) -> Result<i64>;

        fn write_debug_string_request() -> Vec<u8>;
        fn write_debug_string_reply(debug_string: &[u8]) -> Vec<u8>;
        fn read_debug_string_reply(body: &[u8]) -> Result<Vec<u8>>;
    }
}

/// A message that [`Encoder`] writes.
fn written(write: impl FnOnce(&mut Encoder, &mut Vec<u8>)) -> Vec<u8> {
    let mut message = Vec::new();
    write(&mut Encoder::default(), &mut message);
    message
}

fn ids_from(bytes: &[u8]) -> Vec<ObjectId> {
    let (ids, _) = bytes.as_chunks::<{ ObjectId::LENGTH }>();
    ids.iter().copied().map(ObjectId::from_bytes).collect()
}

fn bytes_of(ids: IdList<'_>) -> Vec<u8> {
    let ids: Vec<ObjectId> = ids.iter().collect();
    let mut bytes = Vec::with_capacity(ids.len() * ObjectId::LENGTH);
    append_ids(&mut bytes, &ids);
    bytes
}

fn unexpected(kind: MessageType) -> ProtocolError {
    ProtocolError::UnknownType(kind.0)
}

fn write_id(kind: i64, id: &[u8; 28], number: u64) -> Vec<u8> {
    let id = &ObjectId::from_bytes(*id);
    let error = || plasma_error(i32::try_from(number).unwrap_or(-1));
    written(|encoder, out| match MessageType(kind) {
        MessageType::CREATE_RETRY_REQUEST => encoder.create_retry_request(out, id, number),
        MessageType::CREATE_REPLY => encoder.unfinished_create_reply(out, id, number),
        MessageType::ABORT_REQUEST => encoder.abort_request(out, id),
        MessageType::ABORT_REPLY => encoder.abort_reply(out, id),
        MessageType::SEAL_REQUEST => encoder.seal_request(out, id),
        MessageType::SEAL_REPLY => encoder.seal_reply(out, id, error()),
        MessageType::RELEASE_REQUEST => encoder.release_request(out, id, number != 0),
        MessageType::CONTAINS_REQUEST => encoder.contains_request(out, id),
        MessageType::CONTAINS_REPLY => encoder.contains_reply(out, id, number != 0),
        MessageType(other) => unreachable!("message type {other} is not an id and a number"),
    })
}

fn read_id(kind: i64, body: &[u8]) -> Result<ffi::IdMessage, ProtocolError> {
    let kind = MessageType(kind);
    let is_reply = matches!(
        kind,
        MessageType::ABORT_REPLY
            | MessageType::SEAL_REPLY
            | MessageType::RELEASE_REPLY
            | MessageType::CONTAINS_REPLY
    );
    let (id, number, error) = if is_reply {
        match Reply::decode(kind, body)? {
            Reply::Abort { object_id } => (object_id, 0, 0),
            Reply::Seal { object_id, error } => (object_id, 0, error as i32),
            Reply::Release { object_id, should_unmap, error } => {
                (object_id, should_unmap.into(), error as i32)
            }
            Reply::Contains { object_id, has_object } => (object_id, has_object.into(), 0),
            _ => return Err(unexpected(kind)),
        }
    } else {
        match Request::decode(kind, body)? {
            Request::Abort { object_id }
            | Request::Seal { object_id }
            | Request::Contains { object_id } => (object_id, 0, 0),
            Request::Release { object_id, may_unmap } => (object_id, may_unmap.into(), 0),
            _ => return Err(unexpected(kind)),
        }
    };
    Ok(ffi::IdMessage { id: *id.as_bytes(), number, error })
}

fn write_release_reply(id: &[u8; 28], should_unmap: bool, error: i32) -> Vec<u8> {
    let id = &ObjectId::from_bytes(*id);
    written(|encoder, out| encoder.release_reply(out, id, should_unmap, plasma_error(error)))
}

fn write_create_request(
    id: &[u8; 28],
    owner_node_id: &[u8],
    owner_ip_address: &[u8],
    owner_worker_id: &[u8],
    numbers: &ffi::CreationNumbers,
) -> Result<Vec<u8>, ray_common::id::IdError> {
    let request = CreateRequest {
        object_id: ObjectId::from_bytes(*id),
        owner_node_id: NodeId::from_binary(owner_node_id)?,
        owner_ip_address,
        owner_port: numbers.owner_port,
        owner_worker_id: WorkerId::from_binary(owner_worker_id)?,
        is_mutable: numbers.is_mutable,
        data_size: numbers.data_size.cast_unsigned(),
        metadata_size: numbers.metadata_size.cast_unsigned(),
        source: ObjectSource(numbers.source),
        device_num: numbers.device_num,
        try_immediately: numbers.try_immediately,
    };
    Ok(written(|encoder, out| encoder.create_request(out, &request)))
}

fn read_create_request(body: &[u8]) -> Result<ffi::CreationMessage, ProtocolError> {
    let kind = MessageType::CREATE_REQUEST;
    let Request::Create(request) = Request::decode(kind, body)? else {
        return Err(unexpected(kind));
    };
    let info = request.info();
    Ok(ffi::CreationMessage {
        object_id: *info.object_id.as_bytes(),
        owner_node_id: *info.owner_node_id.as_bytes(),
        owner_ip_address: request.owner_ip_address.to_vec(),
        owner_worker_id: *info.owner_worker_id.as_bytes(),
        numbers: ffi::CreationNumbers {
            is_mutable: info.is_mutable,
            data_size: info.data_size,
            metadata_size: info.metadata_size,
            owner_port: info.owner_port,
            source: request.source.0,
            device_num: request.device_num,
            try_immediately: request.try_immediately,
        },
    })
}

unsafe fn write_create_reply(id: &[u8; 28], object: *const u8, error: i32) -> Vec<u8> {
    // SAFETY: the shell passes a `plasma::PlasmaObject`.
    let object = unsafe { object.cast::<CxxPlasmaObject>().read() };
    let result = match plasma_error(error) {
        ray_object_manager::plasma::common::PlasmaError::Ok => Ok(object.into()),
        error => Err(error),
    };
    written(|encoder, out| encoder.create_reply(out, &ObjectId::from_bytes(*id), result))
}

unsafe fn read_create_reply(body: &[u8], object: *mut u8) -> Result<ffi::IdMessage, ProtocolError> {
    let kind = MessageType::CREATE_REPLY;
    let Reply::Create(CreateReply { object_id, result, retry_with_request_id }) =
        Reply::decode(kind, body)?
    else {
        return Err(unexpected(kind));
    };
    let error = match result {
        Some(Ok(created)) => {
            // SAFETY: the shell passes a `plasma::PlasmaObject`.
            unsafe { object.cast::<CxxPlasmaObject>().write(created.into()) };
            0
        }
        Some(Err(error)) => error as i32,
        None => 0,
    };
    Ok(ffi::IdMessage { id: *object_id.as_bytes(), number: retry_with_request_id, error })
}

fn write_get_request(ids: &[u8], timeout_ms: i64) -> Vec<u8> {
    written(|encoder, out| encoder.get_request(out, &ids_from(ids), timeout_ms))
}

fn read_get_request(body: &[u8]) -> Result<ffi::GetMessage, ProtocolError> {
    let kind = MessageType::GET_REQUEST;
    match Request::decode(kind, body)? {
        Request::Get { object_ids, timeout_ms } => {
            Ok(ffi::GetMessage { ids: bytes_of(object_ids), timeout_ms })
        }
        _ => Err(unexpected(kind)),
    }
}

unsafe fn write_get_reply(ids: &[u8], objects: *const u8, files: &[ffi::WireFile]) -> Vec<u8> {
    let ids = ids_from(ids);
    let object = |at: usize| {
        // SAFETY: the shell passes as many `plasma::PlasmaObject` as ids.
        let object = unsafe { objects.cast::<CxxPlasmaObject>().add(at).read() };
        PlasmaObject::from(object)
    };
    let objects: Vec<_> = ids.iter().enumerate().map(|(at, id)| (*id, object(at))).collect();
    let files: Vec<_> = files
        .iter()
        .map(|file| (MemFd { fd: file.fd, unique_id: file.unique_id }, file.mmap_size))
        .collect();
    written(|encoder, out| encoder.get_reply(out, &objects, &files))
}

unsafe fn read_get_reply(
    body: &[u8],
    objects: *mut u8,
    count: usize,
) -> Result<ffi::GetReplyMessage, ProtocolError> {
    let kind = MessageType::GET_REPLY;
    let Reply::Get(reply) = Reply::decode(kind, body)? else {
        return Err(unexpected(kind));
    };
    if reply.objects.len() != count {
        return Err(ProtocolError::Malformed("another number of objects than was asked for"));
    }
    for (at, object) in reply.objects.iter().enumerate() {
        // SAFETY: the shell has room for `count` objects.
        unsafe { objects.cast::<CxxPlasmaObject>().add(at).write((*object).into()) };
    }
    let files = reply.files.iter().map(|(fd, mmap_size)| ffi::WireFile {
        fd: fd.fd,
        unique_id: fd.unique_id,
        mmap_size: *mmap_size,
    });
    Ok(ffi::GetReplyMessage { ids: bytes_of(reply.object_ids), files: files.collect() })
}

fn write_delete_request(ids: &[u8]) -> Vec<u8> {
    written(|encoder, out| encoder.delete_request(out, &ids_from(ids)))
}

fn read_delete_request(body: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let kind = MessageType::DELETE_REQUEST;
    match Request::decode(kind, body)? {
        Request::Delete { object_ids } => Ok(bytes_of(object_ids)),
        _ => Err(unexpected(kind)),
    }
}

fn write_delete_reply(ids: &[u8], errors: &[i32]) -> Vec<u8> {
    let errors = errors.iter().map(|error| plasma_error(*error));
    let results: Vec<_> = ids_from(ids).into_iter().zip(errors).collect();
    written(|encoder, out| encoder.delete_reply(out, &results))
}

fn read_delete_reply(body: &[u8]) -> Result<ffi::DeleteReplyMessage, ProtocolError> {
    let kind = MessageType::DELETE_REPLY;
    match Reply::decode(kind, body)? {
        Reply::Delete { object_ids, errors } => Ok(ffi::DeleteReplyMessage {
            ids: bytes_of(object_ids),
            errors: errors.into_iter().map(|error| error as i32).collect(),
        }),
        _ => Err(unexpected(kind)),
    }
}

fn write_connect_request() -> Vec<u8> {
    written(|encoder, out| encoder.connect_request(out, 0))
}

fn write_connect_reply(memory_capacity: i64) -> Vec<u8> {
    written(|encoder, out| encoder.connect_reply(out, memory_capacity, 0))
}

fn read_connect_reply(body: &[u8]) -> Result<i64, ProtocolError> {
    let kind = MessageType::CONNECT_REPLY;
    match Reply::decode(kind, body)? {
        Reply::Connect { memory_capacity, .. } => Ok(memory_capacity),
        _ => Err(unexpected(kind)),
    }
}

fn write_debug_string_request() -> Vec<u8> {
    written(Encoder::get_debug_string_request)
}

fn write_debug_string_reply(debug_string: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(debug_string);
    written(|encoder, out| encoder.get_debug_string_reply(out, &text))
}

fn read_debug_string_reply(body: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let kind = MessageType::GET_DEBUG_STRING_REPLY;
    match Reply::decode(kind, body)? {
        Reply::GetDebugString { debug_string } => Ok(debug_string.to_vec()),
        _ => Err(unexpected(kind)),
    }
}
