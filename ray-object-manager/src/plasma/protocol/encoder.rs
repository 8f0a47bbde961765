//! Writes messages with the layout that Ray's generated code gives them.
//!
//! What Ray's C++ compiler makes of the order of arguments decides where strings and vectors lie: of several
//! arguments the last is built first.

use flatbuffers::{
    FlatBufferBuilder, ForwardsUOffset, Push, PushAlignment, TableFinishedWIPOffset,
    UnionWIPOffset, VOffsetT, Vector, WIPOffset,
};
use ray_common::ObjectId;

use super::reply::SPEC_LENGTH;
use super::{CreateRequest, Header, MessageType, PlasmaObject};
use crate::plasma::allocator::MemFd;
use crate::plasma::common::PlasmaError;

/// Writes messages, each behind what a buffer holds already. Keep one: it keeps its memory.
#[derive(Default)]
pub struct Encoder {
    builder: FlatBufferBuilder<'static>,
}

/// The position of a field in a table's list of fields.
const fn slot(index: VOffsetT) -> VOffsetT {
    4 + 2 * index
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

type Table = WIPOffset<TableFinishedWIPOffset>;

impl Encoder {
    fn finish(&mut self, out: &mut Vec<u8>, kind: MessageType, table: Table) {
        self.builder.finish_minimal(table);
        let body = self.builder.finished_data();
        out.extend_from_slice(&Header::encode(kind, body.len()));
        out.extend_from_slice(body);
        self.builder.reset();
    }

    fn empty(&mut self, out: &mut Vec<u8>, kind: MessageType) {
        let table = self.builder.start_table();
        let table = self.builder.end_table(table);
        self.finish(out, kind, table);
    }

    /// A message of an id and no more than a number.
    fn id_and<T: Push + PartialEq>(
        &mut self,
        out: &mut Vec<u8>,
        kind: MessageType,
        id: &ObjectId,
        number: T,
        default: T,
    ) {
        let builder = &mut self.builder;
        let id = builder.create_byte_string(id.as_bytes());
        let table = builder.start_table();
        if size_of::<T>() == 8 {
            builder.push_slot(slot(1), number, default);
            builder.push_slot_always(slot(0), id);
        } else {
            // Of fields of one size the last is written first; a smaller one comes after the id.
            if size_of::<T>() == 4 {
                builder.push_slot(slot(1), number, default);
                builder.push_slot_always(slot(0), id);
            } else {
                builder.push_slot_always(slot(0), id);
                builder.push_slot(slot(1), number, default);
            }
        }
        let table = builder.end_table(table);
        self.finish(out, kind, table);
    }

    fn id_only(&mut self, out: &mut Vec<u8>, kind: MessageType, id: &ObjectId) {
        self.id_and(out, kind, id, 0_i32, 0);
    }

    fn text(&mut self, out: &mut Vec<u8>, kind: MessageType, text: &[u8]) {
        let text = self.builder.create_byte_string(text);
        let table = self.builder.start_table();
        self.builder.push_slot_always(slot(0), text);
        let table = self.builder.end_table(table);
        self.finish(out, kind, table);
    }

    /// A vector. An empty one is not aligned like its elements, as in Ray's C++.
    fn vector<T: Push>(
        &mut self,
        items: impl ExactSizeIterator<Item = T> + DoubleEndedIterator,
    ) -> WIPOffset<UnionWIPOffset>
    where
        T::Output: 'static,
    {
        if items.len() == 0 {
            return self.builder.create_vector::<i32>(&[]).as_union_value();
        }
        self.builder.create_vector_from_iter(items).as_union_value()
    }

    fn ids<'a>(&mut self, ids: impl Iterator<Item = &'a ObjectId>) -> IdVector {
        let builder = &mut self.builder;
        let ids: Vec<_> = ids.map(|id| builder.create_byte_string(id.as_bytes())).collect();
        builder.create_vector(&ids)
    }

    // What clients send.

    /// Goodbye.
    pub fn disconnect(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Header::encode(MessageType::DISCONNECT_CLIENT, 0));
    }

    /// Asks for an object to be created.
    pub fn create_request(&mut self, out: &mut Vec<u8>, request: &CreateRequest<'_>) {
        let builder = &mut self.builder;
        let worker = builder.create_byte_string(request.owner_worker_id.as_bytes());
        let address = builder.create_byte_string(request.owner_ip_address);
        let node = builder.create_byte_string(request.owner_node_id.as_bytes());
        let id = builder.create_byte_string(request.object_id.as_bytes());
        let table = builder.start_table();
        builder.push_slot(slot(7), request.metadata_size, 0);
        builder.push_slot(slot(6), request.data_size, 0);
        builder.push_slot(slot(9), request.device_num, 0);
        builder.push_slot(slot(8), request.source.0, 0);
        builder.push_slot_always(slot(4), worker);
        builder.push_slot(slot(3), request.owner_port, 0);
        builder.push_slot_always(slot(2), address);
        builder.push_slot_always(slot(1), node);
        builder.push_slot_always(slot(0), id);
        builder.push_slot(slot(10), request.try_immediately, false);
        builder.push_slot(slot(5), request.is_mutable, false);
        let table = builder.end_table(table);
        self.finish(out, MessageType::CREATE_REQUEST, table);
    }

    /// Asks for the result of a creation that had to wait.
    pub fn create_retry_request(&mut self, out: &mut Vec<u8>, id: &ObjectId, request_id: u64) {
        self.id_and(out, MessageType::CREATE_RETRY_REQUEST, id, request_id, 0);
    }

    /// Asks for an unsealed object to be given up.
    pub fn abort_request(&mut self, out: &mut Vec<u8>, id: &ObjectId) {
        self.id_only(out, MessageType::ABORT_REQUEST, id);
    }

    /// Asks for an object to be sealed.
    pub fn seal_request(&mut self, out: &mut Vec<u8>, id: &ObjectId) {
        self.id_only(out, MessageType::SEAL_REQUEST, id);
    }

    /// Ours: asks for an object to be sealed, and for no answer.
    pub fn seal_quietly_request(&mut self, out: &mut Vec<u8>, id: &ObjectId) {
        self.id_only(out, MessageType::SEAL_QUIETLY, id);
    }

    /// Ours: so many bytes of messages stand in the socket.
    pub fn elsewhere(&mut self, out: &mut Vec<u8>, bytes: u64) {
        self.number_only(out, MessageType::ELSEWHERE, bytes);
    }

    /// Ours: the creation that follows is for the space of this offer.
    pub fn set_aside(&mut self, out: &mut Vec<u8>, offer: u64) {
        self.number_only(out, MessageType::SET_ASIDE, offer);
    }

    fn number_only(&mut self, out: &mut Vec<u8>, kind: MessageType, number: u64) {
        let table = self.builder.start_table();
        self.builder.push_slot(slot(0), number, 0);
        let table = self.builder.end_table(table);
        self.finish(out, kind, table);
    }

    /// Asks for objects. The timeout is in milliseconds; -1 waits for ever.
    pub fn get_request(&mut self, out: &mut Vec<u8>, ids: &[ObjectId], timeout_ms: i64) {
        let ids = self.ids(ids.iter());
        let table = self.builder.start_table();
        self.builder.push_slot(slot(1), timeout_ms, 0);
        self.builder.push_slot_always(slot(0), ids);
        let table = self.builder.end_table(table);
        self.finish(out, MessageType::GET_REQUEST, table);
    }

    /// Gives a reference back. Has an answer only with `may_unmap`.
    pub fn release_request(&mut self, out: &mut Vec<u8>, id: &ObjectId, may_unmap: bool) {
        self.id_and(out, MessageType::RELEASE_REQUEST, id, may_unmap, false);
    }

    /// Asks for objects to be deleted.
    pub fn delete_request(&mut self, out: &mut Vec<u8>, ids: &[ObjectId]) {
        let count = i32::try_from(ids.len()).unwrap_or(i32::MAX);
        let ids = self.ids(ids.iter());
        let table = self.builder.start_table();
        self.builder.push_slot_always(slot(1), ids);
        self.builder.push_slot(slot(0), count, 0);
        let table = self.builder.end_table(table);
        self.finish(out, MessageType::DELETE_REQUEST, table);
    }

    /// Asks whether an object is there.
    pub fn contains_request(&mut self, out: &mut Vec<u8>, id: &ObjectId) {
        self.id_only(out, MessageType::CONTAINS_REQUEST, id);
    }

    /// Asks how large the store is and, if `capabilities` is not 0, which of these it has.
    pub fn connect_request(&mut self, out: &mut Vec<u8>, capabilities: u64) {
        let table = self.builder.start_table();
        self.builder.push_slot(slot(0), capabilities, 0);
        let table = self.builder.end_table(table);
        self.finish(out, MessageType::CONNECT_REQUEST, table);
    }

    /// Asks for the debug string.
    pub fn get_debug_string_request(&mut self, out: &mut Vec<u8>) {
        self.empty(out, MessageType::GET_DEBUG_STRING_REQUEST);
    }

    /// Ours: asks about the store.
    pub fn admin_request(&mut self, out: &mut Vec<u8>, query: &str) {
        self.text(out, MessageType::ADMIN_REQUEST, query.as_bytes());
    }

    // What the store answers.

    /// The end of a creation.
    pub fn create_reply(
        &mut self,
        out: &mut Vec<u8>,
        id: &ObjectId,
        result: Result<PlasmaObject, PlasmaError>,
    ) {
        let builder = &mut self.builder;
        let id = builder.create_byte_string(id.as_bytes());
        let (object, error) = match result {
            Ok(object) => (object, PlasmaError::Ok),
            Err(error) => (PlasmaObject::ZERO, error),
        };
        let table = builder.start_table();
        builder.push_slot(slot(3), error as i32, 0);
        builder.push_slot_always(slot(2), Spec::of(&object));
        builder.push_slot_always(slot(0), id);
        builder.push_slot(slot(4), object.store_fd.fd, 0);
        builder.push_slot(slot(5), object.store_fd.unique_id, 0);
        builder.push_slot(slot(6), object.mmap_size, 0);
        let table = builder.end_table(table);
        self.finish(out, MessageType::CREATE_REPLY, table);
    }

    /// A creation that has to wait.
    pub fn unfinished_create_reply(&mut self, out: &mut Vec<u8>, id: &ObjectId, request_id: u64) {
        let builder = &mut self.builder;
        let id = builder.create_byte_string(id.as_bytes());
        let table = builder.start_table();
        builder.push_slot_always(slot(0), id);
        builder.push_slot(slot(1), request_id, 0);
        let table = builder.end_table(table);
        self.finish(out, MessageType::CREATE_REPLY, table);
    }

    /// An object has been given up.
    pub fn abort_reply(&mut self, out: &mut Vec<u8>, id: &ObjectId) {
        self.id_only(out, MessageType::ABORT_REPLY, id);
    }

    /// An object has been sealed, or not.
    pub fn seal_reply(&mut self, out: &mut Vec<u8>, id: &ObjectId, error: PlasmaError) {
        self.id_and(out, MessageType::SEAL_REPLY, id, error as i32, 0);
    }

    /// The answer of a get: each id that was asked for and what it is, and the files in which they lie.
    pub fn get_reply(
        &mut self,
        out: &mut Vec<u8>,
        objects: &[(ObjectId, PlasmaObject)],
        files: &[(MemFd, i64)],
    ) {
        let handles = self.vector(std::iter::empty::<i32>());
        let sizes = self.vector(files.iter().map(|(_, size)| *size));
        let unique = self.vector(files.iter().map(|(fd, _)| fd.unique_id));
        let fds = self.vector(files.iter().map(|(fd, _)| fd.fd));
        let specs = self.vector(objects.iter().map(|(_, object)| Spec::of(object)));
        let ids = self.ids(objects.iter().map(|(id, _)| id));
        let builder = &mut self.builder;
        let table = builder.start_table();
        builder.push_slot_always(slot(5), handles);
        builder.push_slot_always(slot(4), sizes);
        builder.push_slot_always(slot(3), unique);
        builder.push_slot_always(slot(2), fds);
        builder.push_slot_always(slot(1), specs);
        builder.push_slot_always(slot(0), ids);
        let table = builder.end_table(table);
        self.finish(out, MessageType::GET_REPLY, table);
    }

    /// The answer to a release with `may_unmap`.
    pub fn release_reply(
        &mut self,
        out: &mut Vec<u8>,
        id: &ObjectId,
        should_unmap: bool,
        error: PlasmaError,
    ) {
        let builder = &mut self.builder;
        let id = builder.create_byte_string(id.as_bytes());
        let table = builder.start_table();
        builder.push_slot(slot(2), error as i32, 0);
        builder.push_slot_always(slot(0), id);
        builder.push_slot(slot(1), should_unmap, false);
        let table = builder.end_table(table);
        self.finish(out, MessageType::RELEASE_REPLY, table);
    }

    /// How the deletion of each object ended.
    pub fn delete_reply(&mut self, out: &mut Vec<u8>, results: &[(ObjectId, PlasmaError)]) {
        let count = i32::try_from(results.len()).unwrap_or(i32::MAX);
        let errors = results.iter().map(|(_, error)| *error as i32);
        let errors = self.vector(errors);
        let ids = self.ids(results.iter().map(|(id, _)| id));
        let builder = &mut self.builder;
        let table = builder.start_table();
        builder.push_slot_always(slot(2), errors);
        builder.push_slot_always(slot(1), ids);
        builder.push_slot(slot(0), count, 0);
        let table = builder.end_table(table);
        self.finish(out, MessageType::DELETE_REPLY, table);
    }

    /// Whether an object is there.
    pub fn contains_reply(&mut self, out: &mut Vec<u8>, id: &ObjectId, has_object: bool) {
        self.id_and(out, MessageType::CONTAINS_REPLY, id, i32::from(has_object), 0);
    }

    /// How large the store is, and what it can do, if that was asked.
    pub fn connect_reply(&mut self, out: &mut Vec<u8>, memory_capacity: i64, capabilities: u64) {
        let table = self.builder.start_table();
        self.builder.push_slot(slot(1), capabilities, 0);
        self.builder.push_slot(slot(0), memory_capacity, 0);
        let table = self.builder.end_table(table);
        self.finish(out, MessageType::CONNECT_REPLY, table);
    }

    /// The debug string.
    pub fn get_debug_string_reply(&mut self, out: &mut Vec<u8>, debug_string: &str) {
        self.text(out, MessageType::GET_DEBUG_STRING_REPLY, debug_string.as_bytes());
    }

    /// Ours: the answer about the store.
    pub fn admin_reply(&mut self, out: &mut Vec<u8>, json: &str) {
        self.text(out, MessageType::ADMIN_REPLY, json.as_bytes());
    }
}

type IdVector = WIPOffset<Vector<'static, ForwardsUOffset<&'static [u8]>>>;

/// The bytes of a description of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Spec([u8; SPEC_LENGTH]);

impl Spec {
    fn of(object: &PlasmaObject) -> Self {
        let mut spec = [0; SPEC_LENGTH];
        let mut put = |at: usize, bytes: &[u8]| spec[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &object.store_fd.fd.to_le_bytes());
        put(8, &object.store_fd.unique_id.to_le_bytes());
        put(16, &object.header_offset.to_le_bytes());
        put(24, &object.data_offset.to_le_bytes());
        put(32, &object.data_size.to_le_bytes());
        put(40, &object.metadata_offset.to_le_bytes());
        put(48, &object.metadata_size.to_le_bytes());
        put(56, &object.allocated_size.to_le_bytes());
        put(64, &[u8::from(object.fallback_allocated)]);
        put(68, &object.device_num.to_le_bytes());
        put(72, &[u8::from(object.is_mutable)]);
        Self(spec)
    }
}

impl Push for Spec {
    type Output = Self;

    unsafe fn push(&self, destination: &mut [u8], _written: usize) {
        destination.copy_from_slice(&self.0);
    }

    fn size() -> usize {
        SPEC_LENGTH
    }

    fn alignment() -> PushAlignment {
        PushAlignment::new(8)
    }
}
