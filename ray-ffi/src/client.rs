//! Behind `client.h`. Errors cross as outcomes: the shell makes statuses of them.

use std::path::Path;
use std::time::Duration;

use ray_common::{NodeId, ObjectId, WorkerId};
use ray_object_manager::plasma::client::{
    Cause, ClientError, ConnectOptions, CreateOptions, Metadata, Owner, RawClient, RawObject,
    WhenFull,
};
use ray_object_manager::plasma::common::ObjectSource;

use crate::layout::CxxPlasmaObject;
use crate::logging;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    /// How a call ended, by the status that the shell returns.
    enum ClientOutcomeKind {
        Ok,
        ObjectExists,
        NotFound,
        OutOfMemory,
        OutOfDisk,
        AlreadySealed,
        Invalid,
        /// The connection broke.
        Disconnected,
        /// Something else about it is wrong; it was made before a fork, for example.
        IoError,
        Unknown,
    }

    struct ClientOutcome {
        kind: ClientOutcomeKind,
        message: String,
    }

    struct ClientSettings {
        /// How long to try to connect.
        total_wait_ms: u64,
        store_full_delay_ms: u32,
        exclude_from_core_dump: bool,
    }

    struct CreationRequest<'a> {
        object_id: [u8; 28],
        owner_node_id: &'a [u8],
        owner_ip_address: &'a [u8],
        owner_port: i32,
        owner_worker_id: &'a [u8],
        is_mutable: bool,
        data_size: u64,
        /// Whether `metadata` are the metadata; otherwise the caller writes them later.
        has_metadata: bool,
        metadata: &'a [u8],
        metadata_size: u64,
        source: i32,
        device_num: i32,
        /// Whether to wait for space.
        wait: bool,
    }

    /// An object that was asked for. Metadata follow the data.
    struct FoundObject {
        is_present: bool,
        address: usize,
        data_size: usize,
        metadata_size: usize,
    }

    extern "Rust" {
        type ClientHandle;

        fn client_connect(path: &[u8], settings: &ClientSettings) -> Result<Box<ClientHandle>>;
        fn disconnect(self: &ClientHandle);
        fn create(
            self: &ClientHandle,
            request: &CreationRequest<'_>,
            address: &mut usize,
        ) -> ClientOutcome;
        fn seal(self: &ClientHandle, id: &[u8; 28]) -> ClientOutcome;
        fn abort(self: &ClientHandle, id: &[u8; 28]) -> ClientOutcome;
        fn release(self: &ClientHandle, id: &[u8; 28]) -> ClientOutcome;
        fn contains(self: &ClientHandle, id: &[u8; 28], found: &mut bool) -> ClientOutcome;
        fn delete_objects(self: &ClientHandle, ids: &[u8]) -> ClientOutcome;
        fn get(
            self: &ClientHandle,
            ids: &[u8],
            timeout_ms: i64,
            found: &mut Vec<FoundObject>,
        ) -> ClientOutcome;
        /// Pins a channel. `object` is the address of a `plasma::PlasmaObject`, `base` of where its file is mapped.
        unsafe fn get_mutable(
            self: &ClientHandle,
            id: &[u8; 28],
            object: *mut u8,
            base: &mut usize,
        ) -> ClientOutcome;
        fn debug_string(self: &ClientHandle, text: &mut String) -> ClientOutcome;
        fn is_in_use(self: &ClientHandle, id: &[u8; 28]) -> bool;
        /// Whether one of the objects is in use by this client and not sealed.
        fn uses_unsealed(self: &ClientHandle, ids: &[u8]) -> bool;
    }
}

/// A connection of a `plasma::PlasmaClient`.
pub struct ClientHandle(RawClient);

/// The longest pause between two tries to connect: a store needs a moment to start, not a second.
const PAUSE_MS: u64 = 100;

fn client_connect(
    path: &[u8],
    settings: &ffi::ClientSettings,
) -> Result<Box<ClientHandle>, ClientError> {
    use std::os::unix::ffi::OsStrExt;
    logging::connect();
    let options = ConnectOptions {
        retries: u32::try_from(settings.total_wait_ms.div_ceil(PAUSE_MS)).unwrap_or(u32::MAX),
        retry_interval: Duration::from_millis(PAUSE_MS),
        store_full_delay: Duration::from_millis(settings.store_full_delay_ms.into()),
        exclude_from_core_dump: settings.exclude_from_core_dump,
        ..ConnectOptions::default()
    };
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    Ok(Box::new(ClientHandle(RawClient::connect(path, &options)?)))
}

fn kind_of(cause: &Cause) -> ffi::ClientOutcomeKind {
    match cause {
        Cause::ObjectExists => ffi::ClientOutcomeKind::ObjectExists,
        Cause::NotFound | Cause::NotMutable => ffi::ClientOutcomeKind::NotFound,
        Cause::OutOfMemory => ffi::ClientOutcomeKind::OutOfMemory,
        Cause::OutOfDisk => ffi::ClientOutcomeKind::OutOfDisk,
        Cause::AlreadySealed => ffi::ClientOutcomeKind::AlreadySealed,
        Cause::NotSealed | Cause::InUse | Cause::WrongSize { .. } => {
            ffi::ClientOutcomeKind::Invalid
        }
        Cause::Disconnected { .. } => ffi::ClientOutcomeKind::Disconnected,
        Cause::Protocol(_) | Cause::Forked { .. } | Cause::Io(_) | Cause::Timeout => {
            ffi::ClientOutcomeKind::IoError
        }
        _ => ffi::ClientOutcomeKind::Unknown,
    }
}

fn outcome(result: Result<(), ClientError>) -> ffi::ClientOutcome {
    match result {
        Ok(()) => ffi::ClientOutcome { kind: ffi::ClientOutcomeKind::Ok, message: String::new() },
        Err(error) => {
            ffi::ClientOutcome { kind: kind_of(&error.cause), message: error.to_string() }
        }
    }
}

fn invalid(message: impl Into<String>) -> ffi::ClientOutcome {
    ffi::ClientOutcome { kind: ffi::ClientOutcomeKind::Invalid, message: message.into() }
}

fn ids_from(bytes: &[u8]) -> Vec<ObjectId> {
    let (ids, _) = bytes.as_chunks::<{ ObjectId::LENGTH }>();
    ids.iter().copied().map(ObjectId::from_bytes).collect()
}

fn found_object(object: Option<RawObject>) -> ffi::FoundObject {
    match object {
        None => ffi::FoundObject { is_present: false, address: 0, data_size: 0, metadata_size: 0 },
        Some(object) => ffi::FoundObject {
            is_present: true,
            address: object.data_ptr().as_ptr() as usize,
            data_size: object.data_size(),
            metadata_size: object.metadata_size(),
        },
    }
}

impl ClientHandle {
    fn disconnect(&self) {
        self.0.disconnect();
    }

    fn create(
        &self,
        request: &ffi::CreationRequest<'_>,
        address: &mut usize,
    ) -> ffi::ClientOutcome {
        let owner = (
            NodeId::from_binary(request.owner_node_id),
            WorkerId::from_binary(request.owner_worker_id),
        );
        let (Ok(node_id), Ok(worker_id)) = owner else {
            return invalid("the owner of the object has an id that is none");
        };
        let created = self.0.create(&CreateOptions {
            id: ObjectId::from_bytes(request.object_id),
            data_size: request.data_size,
            metadata: match request.has_metadata {
                true => Metadata::Bytes(request.metadata),
                false => Metadata::Later(request.metadata_size),
            },
            is_mutable: request.is_mutable,
            owner: Owner {
                node_id,
                worker_id,
                ip_address: request.owner_ip_address,
                port: request.owner_port,
            },
            source: ObjectSource(request.source),
            when_full: if request.wait { WhenFull::Wait } else { WhenFull::Fail },
            device_num: request.device_num,
        });
        outcome(created.map(|object| *address = object.data_ptr().as_ptr() as usize))
    }

    fn seal(&self, id: &[u8; 28]) -> ffi::ClientOutcome {
        outcome(self.0.seal(&ObjectId::from_bytes(*id)))
    }

    fn abort(&self, id: &[u8; 28]) -> ffi::ClientOutcome {
        outcome(self.0.abort(&ObjectId::from_bytes(*id)))
    }

    fn release(&self, id: &[u8; 28]) -> ffi::ClientOutcome {
        outcome(self.0.release(&ObjectId::from_bytes(*id)))
    }

    fn contains(&self, id: &[u8; 28], found: &mut bool) -> ffi::ClientOutcome {
        outcome(self.0.contains(&ObjectId::from_bytes(*id)).map(|contained| *found = contained))
    }

    fn delete_objects(&self, ids: &[u8]) -> ffi::ClientOutcome {
        outcome(self.0.delete(&ids_from(ids)).map(drop))
    }

    fn get(
        &self,
        ids: &[u8],
        timeout_ms: i64,
        found: &mut Vec<ffi::FoundObject>,
    ) -> ffi::ClientOutcome {
        let got = self.0.get(&ids_from(ids), timeout_ms);
        outcome(got.map(|objects| found.extend(objects.into_iter().map(found_object))))
    }

    unsafe fn get_mutable(
        &self,
        id: &[u8; 28],
        object: *mut u8,
        base: &mut usize,
    ) -> ffi::ClientOutcome {
        let id = ObjectId::from_bytes(*id);
        let got = match self.0.get(&[id], 0) {
            Ok(got) => got.into_iter().flatten().next(),
            Err(error) => return outcome(Err(error)),
        };
        let Some(got) = got else {
            return invalid(format!("the local store has no channel {id}"));
        };
        if !got.is_mutable() {
            let released = outcome(self.0.release(&id));
            let message = format!("{id} is an object and no channel");
            return match released.kind {
                ffi::ClientOutcomeKind::Ok => {
                    ffi::ClientOutcome { kind: ffi::ClientOutcomeKind::NotFound, message }
                }
                _ => released,
            };
        }
        let description = CxxPlasmaObject::from(*got.description());
        let offset = description.data_offset.cast_unsigned();
        *base = (got.data_ptr().as_ptr() as usize).wrapping_sub(offset);
        // SAFETY: the shell passes a `plasma::PlasmaObject`.
        unsafe { object.cast::<CxxPlasmaObject>().write(description) };
        // The reference that the get brought stays, and pins the channel.
        outcome(Ok(()))
    }

    fn debug_string(&self, text: &mut String) -> ffi::ClientOutcome {
        outcome(self.0.debug_string().map(|told| *text = told))
    }

    fn is_in_use(&self, id: &[u8; 28]) -> bool {
        self.0.in_use(&ObjectId::from_bytes(*id)).is_some()
    }

    fn uses_unsealed(&self, ids: &[u8]) -> bool {
        let unsealed = |id| self.0.in_use(&id).is_some_and(|in_use| !in_use.sealed);
        ids_from(ids).into_iter().any(unsealed)
    }
}
