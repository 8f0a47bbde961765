//! Behind `ray/object_manager/common.h` (the header of a mutable object) and the headers of the channels' manager and provider.

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cxx::UniquePtr;
use ray_common::ObjectId;
use ray_object_manager::channel::manager::{ChannelStatus, MutableObjectManager, Role};
use ray_object_manager::channel::protocol::{self, Failure, Gate};
use ray_object_manager::channel::{
    ChannelError, ChannelMemory, ChannelOptions, ChannelSemaphores, Incoming, Interrupt, Piece,
    Shared, Timeout,
};
use ray_object_manager::plasma::object_header::PlasmaObjectHeader;
use ray_sys::Semaphore;

use crate::logging;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    /// How a call ended, by the status that the shell returns.
    enum ChannelOutcomeKind {
        Ok,
        /// The channel is closed or not registered, or cannot be opened.
        ChannelError,
        TimedOut,
        Invalid,
        InvalidArgument,
        /// The signal check has the status.
        Interrupted,
        /// Ray ends the process.
        OutOfTurn,
    }

    struct ChannelOutcome {
        kind: ChannelOutcomeKind,
        message: String,
    }

    /// A `PlasmaObjectHeader` and its semaphores, by their addresses.
    struct HeaderAddress {
        header: usize,
        object_semaphore: usize,
        header_semaphore: usize,
    }

    /// A value that is being read.
    struct ValueRead {
        version: i64,
        data_size: i64,
        metadata_size: i64,
    }

    /// A piece of a value from another node.
    struct PieceReceived<'a> {
        writer: [u8; 28],
        total_data_size: u64,
        total_metadata_size: u64,
        offset: u64,
        data: &'a [u8],
        metadata: &'a [u8],
    }

    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");

        type ChannelObject;
        fn header(self: &ChannelObject) -> usize;
        fn data(self: &ChannelObject) -> usize;
        fn capacity(self: &ChannelObject) -> usize;

        type SignalCheck;
        fn interval_ms(self: &SignalCheck) -> i64;
        fn wants_to_stop(self: &SignalCheck) -> bool;
    }

    extern "Rust" {
        // Timeouts of headers are in nanoseconds; -1 waits for ever.
        unsafe fn header_initialize(header: usize);
        unsafe fn header_describe(header: usize) -> String;
        unsafe fn header_write_acquire(
            header: &HeaderAddress,
            data_size: i64,
            metadata_size: i64,
            readers: i64,
            timeout_ns: i64,
        ) -> ChannelOutcome;
        unsafe fn header_write_release(header: &HeaderAddress) -> ChannelOutcome;
        unsafe fn header_read_acquire(
            header: &HeaderAddress,
            version: i64,
            timeout_ns: i64,
            check: &SignalCheck,
            read: &mut ValueRead,
        ) -> ChannelOutcome;
        unsafe fn header_read_release(header: &HeaderAddress, version: i64) -> ChannelOutcome;
        unsafe fn header_set_error(header: &HeaderAddress);
        unsafe fn header_check(header: usize) -> ChannelOutcome;
        /// Takes the object semaphore of the three addresses, whichever that is.
        unsafe fn header_take(
            header: &HeaderAddress,
            timeout_ns: i64,
            check: &SignalCheck,
        ) -> ChannelOutcome;

        type ChannelManagerHandle;

        fn channel_manager_new() -> Box<ChannelManagerHandle>;
        /// `object` may be null when the channel is registered.
        fn register_channel(
            self: &ChannelManagerHandle,
            id: &[u8; 28],
            object: UniquePtr<ChannelObject>,
            reader: bool,
        ) -> ChannelOutcome;
        /// Where the state is that `MutableObjectManager::Channel` shows; 0 without a channel.
        fn state(self: &ChannelManagerHandle, id: &[u8; 28]) -> usize;
        /// The address of the object of a channel; 0 without a channel.
        fn object(self: &ChannelManagerHandle, id: &[u8; 28]) -> usize;
        fn write_acquire(
            self: &ChannelManagerHandle,
            id: &[u8; 28],
            data_size: i64,
            metadata_size: i64,
            readers: i64,
            timeout_ms: i64,
        ) -> ChannelOutcome;
        fn write_release(self: &ChannelManagerHandle, id: &[u8; 28]) -> ChannelOutcome;
        fn read_acquire(
            self: &ChannelManagerHandle,
            id: &[u8; 28],
            timeout_ms: i64,
            check: &SignalCheck,
            read: &mut ValueRead,
        ) -> ChannelOutcome;
        fn read_release(self: &ChannelManagerHandle, id: &[u8; 28]) -> ChannelOutcome;
        fn set_error(self: &ChannelManagerHandle, id: &[u8; 28]) -> ChannelOutcome;
        fn set_error_all(self: &ChannelManagerHandle) -> ChannelOutcome;
        /// 0: open, 1: closed, 2: there is none.
        fn status(self: &ChannelManagerHandle, id: &[u8; 28], reader: bool) -> i32;
        fn open_semaphores(self: &ChannelManagerHandle, id: &[u8; 28]) -> ChannelOutcome;
        fn semaphores(
            self: &ChannelManagerHandle,
            id: &[u8; 28],
            object_semaphore: &mut usize,
            header_semaphore: &mut usize,
        ) -> bool;
        fn destroy_semaphores(self: &ChannelManagerHandle, id: &[u8; 28]);

        type IncomingHandle;

        fn incoming_new() -> Box<IncomingHandle>;
        /// `false` when the writer is followed already.
        fn follow(
            self: &IncomingHandle,
            writer: &[u8; 28],
            readers: i64,
            reader: &[u8; 28],
        ) -> bool;
        fn push(
            self: &IncomingHandle,
            manager: &ChannelManagerHandle,
            piece: &PieceReceived<'_>,
            done: &mut bool,
        ) -> ChannelOutcome;
    }
}

use ffi::{ChannelOutcome, ChannelOutcomeKind};

fn outcome(result: Result<(), ChannelError>) -> ChannelOutcome {
    let Err(error) = result else {
        return ChannelOutcome { kind: ChannelOutcomeKind::Ok, message: String::new() };
    };
    let kind = match &error {
        ChannelError::TimedOut => ChannelOutcomeKind::TimedOut,
        ChannelError::Missed => ChannelOutcomeKind::Invalid,
        ChannelError::TooLarge { .. } | ChannelError::NoReaders(_) => {
            ChannelOutcomeKind::InvalidArgument
        }
        ChannelError::Interrupted => ChannelOutcomeKind::Interrupted,
        ChannelError::OutOfTurn(_) => ChannelOutcomeKind::OutOfTurn,
        _ => ChannelOutcomeKind::ChannelError,
    };
    ChannelOutcome { kind, message: error.to_string() }
}

/// The semaphores that managers of this process have open, by the address of the header's: functions of the header itself get
/// nothing but that.
fn open_ones() -> &'static parking_lot::RwLock<HashMap<usize, Arc<ChannelSemaphores>>> {
    static OPEN: OnceLock<parking_lot::RwLock<HashMap<usize, Arc<ChannelSemaphores>>>> =
        OnceLock::new();
    OPEN.get_or_init(parking_lot::RwLock::default)
}

fn timeout_from_ns(ns: i64) -> Timeout {
    match u64::try_from(ns) {
        Err(_) => Timeout::Never,
        Ok(0) => Timeout::Immediate,
        Ok(ns) => Timeout::After(Duration::from_nanos(ns)),
    }
}

/// How to ask C++ whether to go on.
fn interrupt_of<'a>(
    check: &'a ffi::SignalCheck,
    ask: &'a (dyn Fn() -> bool + 'a),
) -> Option<Interrupt<'a>> {
    let interval = u64::try_from(check.interval_ms()).ok().filter(|&ms| ms > 0)?;
    Some((Duration::from_millis(interval), ask))
}

/// Works on a channel that C++ has opened.
///
/// # Safety
/// The addresses are those of a header and its semaphores, which live as long as the call.
unsafe fn with_header<R>(
    address: &ffi::HeaderAddress,
    work: impl FnOnce(&Shared<'_>) -> Result<R, Failure>,
) -> Result<R, ChannelError> {
    // SAFETY: the caller vouches for it.
    let header = unsafe { header_at(address.header) };
    let open = open_ones().read().get(&address.header_semaphore).cloned();
    let shared = match &open {
        Some(open) if open.object().as_ptr() as usize == address.object_semaphore => {
            Shared::new(header, open)
        }
        _ => {
            // SAFETY: as above.
            let semaphore = |address: usize| unsafe { Semaphore::from_ptr(address as *mut u8) };
            let (object, own) =
                (semaphore(address.object_semaphore), semaphore(address.header_semaphore));
            Shared::over(header, object, own)
        }
    };
    work(&shared).map_err(|failure| shared.error(failure))
}

/// # Safety
/// A header is there as long as the reference is used.
unsafe fn header_at<'a>(address: usize) -> &'a PlasmaObjectHeader {
    let place = NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling());
    // SAFETY: the caller vouches for it.
    unsafe { PlasmaObjectHeader::at(place) }
}

unsafe fn header_initialize(header: usize) {
    // SAFETY: the shell passes the address of a header that nobody uses yet.
    unsafe { PlasmaObjectHeader::initialize(header as *mut PlasmaObjectHeader) }
}

unsafe fn header_describe(header: usize) -> String {
    // SAFETY: the shell passes the address of a header.
    unsafe { header_at(header) }.describe()
}

unsafe fn header_write_acquire(
    header: &ffi::HeaderAddress,
    data_size: i64,
    metadata_size: i64,
    readers: i64,
    timeout_ns: i64,
) -> ChannelOutcome {
    let work = |shared: &Shared<'_>| {
        shared.announces();
        let mut patience = shared.patience(timeout_from_ns(timeout_ns), None);
        protocol::write_acquire(shared, (data_size, metadata_size), readers, &mut patience)
    };
    // SAFETY: the shell passes addresses of a live channel.
    outcome(unsafe { with_header(header, work) })
}

unsafe fn header_write_release(header: &ffi::HeaderAddress) -> ChannelOutcome {
    // SAFETY: the shell passes addresses of a live channel.
    outcome(unsafe { with_header(header, |shared| protocol::write_release(shared)) })
}

unsafe fn header_read_acquire(
    header: &ffi::HeaderAddress,
    version: i64,
    timeout_ns: i64,
    check: &ffi::SignalCheck,
    read: &mut ffi::ValueRead,
) -> ChannelOutcome {
    let ask = || check.wants_to_stop();
    let work = |shared: &Shared<'_>| {
        let interrupt = interrupt_of(check, &ask);
        let mut patience = shared.patience(timeout_from_ns(timeout_ns), interrupt);
        protocol::read_acquire(shared, version, &mut patience)
    };
    // SAFETY: the shell passes addresses of a live channel.
    outcome(unsafe { with_header(header, work) }.map(|reading| read.fill(reading)))
}

unsafe fn header_read_release(header: &ffi::HeaderAddress, version: i64) -> ChannelOutcome {
    // SAFETY: the shell passes addresses of a live channel.
    outcome(unsafe { with_header(header, |shared| protocol::read_release(shared, version)) })
}

unsafe fn header_set_error(header: &ffi::HeaderAddress) {
    let work = |shared: &Shared<'_>| {
        protocol::raise_error(shared);
        Ok(())
    };
    // SAFETY: the shell passes addresses of a live channel.
    let _ = unsafe { with_header(header, work) };
}

unsafe fn header_check(header: usize) -> ChannelOutcome {
    // SAFETY: the shell passes the address of a header.
    let is_closed = unsafe { header_at(header) }.is_closed();
    outcome(if is_closed { Err(ChannelError::Closed) } else { Ok(()) })
}

unsafe fn header_take(
    header: &ffi::HeaderAddress,
    timeout_ns: i64,
    check: &ffi::SignalCheck,
) -> ChannelOutcome {
    let ask = || check.wants_to_stop();
    let work = |shared: &Shared<'_>| {
        let interrupt = interrupt_of(check, &ask);
        let mut patience = shared.patience(timeout_from_ns(timeout_ns), interrupt);
        protocol::take(shared, Gate::Object, &mut patience)
    };
    // SAFETY: the shell passes addresses of a live channel.
    outcome(unsafe { with_header(header, work) })
}

impl ffi::ValueRead {
    fn fill(&mut self, reading: protocol::Reading) {
        self.version = reading.version;
        self.data_size = reading.data_size;
        self.metadata_size = reading.metadata_size;
    }
}

/// The object of a channel, which C++ keeps.
pub struct CxxMemory(UniquePtr<ffi::ChannelObject>);

// SAFETY: it holds a `plasma::MutableObject`, which is read only here, from any thread, and may be destroyed by any.
unsafe impl Send for CxxMemory {}
// SAFETY: as above.
unsafe impl Sync for CxxMemory {}

fn pointer(address: usize) -> NonNull<u8> {
    NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling())
}

// SAFETY: a `plasma::MutableObject` has a header and as many bytes as it says, and its buffer keeps them.
unsafe impl ChannelMemory for CxxMemory {
    fn header(&self) -> NonNull<u8> {
        pointer(self.0.header())
    }

    fn data(&self) -> NonNull<u8> {
        pointer(self.0.data())
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

/// A `MutableObjectManager`.
pub struct ChannelManagerHandle {
    manager: MutableObjectManager<CxxMemory>,
    /// Who is inside of a call holds it for reading: the manager goes when everybody is out.
    inside: parking_lot::RwLock<()>,
}

fn channel_manager_new() -> Box<ChannelManagerHandle> {
    logging::connect();
    let manager = MutableObjectManager::new(ChannelOptions::default());
    Box::new(ChannelManagerHandle { manager, inside: parking_lot::RwLock::new(()) })
}

fn id_of(id: &[u8; 28]) -> ObjectId {
    ObjectId::from_bytes(*id)
}

fn role(reader: bool) -> Role {
    if reader {
        Role::Reader
    } else {
        Role::Writer
    }
}

impl ChannelManagerHandle {
    fn register_channel(
        &self,
        id: &[u8; 28],
        object: UniquePtr<ffi::ChannelObject>,
        reader: bool,
    ) -> ChannelOutcome {
        let _inside = self.inside.read();
        let memory = if object.is_null() { None } else { Some(CxxMemory(object)) };
        let registered = self.manager.register(id_of(id), memory, role(reader));
        outcome(registered.map(|()| self.remember(id)))
    }

    /// Lets functions of the header find what belongs to its semaphores.
    fn remember(&self, id: &[u8; 28]) {
        if let Some(open) = self.manager.semaphores(&id_of(id)) {
            open_ones().write().insert(open.header().as_ptr() as usize, open);
        }
    }

    fn forget(&self, id: &ObjectId) {
        if let Some(open) = self.manager.semaphores(id) {
            open_ones().write().remove(&(open.header().as_ptr() as usize));
        }
    }

    fn state(&self, id: &[u8; 28]) -> usize {
        let state = self.manager.with(&id_of(id), |_, state| std::ptr::from_ref(state) as usize);
        state.unwrap_or(0)
    }

    fn object(&self, id: &[u8; 28]) -> usize {
        self.manager.with(&id_of(id), |memory, _| memory.0.as_ptr() as usize).unwrap_or(0)
    }

    fn write_acquire(
        &self,
        id: &[u8; 28],
        data_size: i64,
        metadata_size: i64,
        readers: i64,
        timeout_ms: i64,
    ) -> ChannelOutcome {
        let _inside = self.inside.read();
        let (sizes, timeout) = ((data_size, metadata_size), Timeout::from_ms(timeout_ms));
        outcome(self.manager.write_acquire(&id_of(id), sizes, readers, timeout).map(drop))
    }

    fn write_release(&self, id: &[u8; 28]) -> ChannelOutcome {
        let _inside = self.inside.read();
        outcome(self.manager.write_release(&id_of(id)))
    }

    fn read_acquire(
        &self,
        id: &[u8; 28],
        timeout_ms: i64,
        check: &ffi::SignalCheck,
        read: &mut ffi::ValueRead,
    ) -> ChannelOutcome {
        let _inside = self.inside.read();
        let ask = || check.wants_to_stop();
        let interrupt = interrupt_of(check, &ask);
        let timeout = Timeout::from_ms(timeout_ms);
        let reading = self.manager.read_acquire(&id_of(id), timeout, interrupt);
        outcome(reading.map(|(_, reading)| read.fill(reading)))
    }

    fn read_release(&self, id: &[u8; 28]) -> ChannelOutcome {
        let _inside = self.inside.read();
        outcome(self.manager.read_release(&id_of(id)))
    }

    fn set_error(&self, id: &[u8; 28]) -> ChannelOutcome {
        outcome(self.manager.set_error(&id_of(id)))
    }

    fn set_error_all(&self) -> ChannelOutcome {
        outcome(self.manager.set_error_all())
    }

    fn status(&self, id: &[u8; 28], reader: bool) -> i32 {
        match self.manager.status(&id_of(id), role(reader)) {
            ChannelStatus::Open => 0,
            ChannelStatus::Closed => 1,
            ChannelStatus::NotFound => 2,
        }
    }

    fn open_semaphores(&self, id: &[u8; 28]) -> ChannelOutcome {
        outcome(self.manager.open_semaphores(&id_of(id)).map(|()| self.remember(id)))
    }

    fn semaphores(
        &self,
        id: &[u8; 28],
        object_semaphore: &mut usize,
        header_semaphore: &mut usize,
    ) -> bool {
        let Some(open) = self.manager.semaphores(&id_of(id)) else { return false };
        *object_semaphore = open.object().as_ptr() as usize;
        *header_semaphore = open.header().as_ptr() as usize;
        true
    }

    fn destroy_semaphores(&self, id: &[u8; 28]) {
        self.forget(&id_of(id));
        self.manager.destroy_semaphores(&id_of(id));
    }
}

impl Drop for ChannelManagerHandle {
    fn drop(&mut self) {
        for id in self.manager.ids() {
            self.forget(&id);
        }
        self.manager.shut_down();
        // Who was woken by that is still on the way out.
        drop(self.inside.write());
    }
}

/// What a `MutableObjectProvider` receives from other nodes.
pub struct IncomingHandle(Incoming);

fn incoming_new() -> Box<IncomingHandle> {
    Box::new(IncomingHandle(Incoming::default()))
}

impl IncomingHandle {
    fn follow(&self, writer: &[u8; 28], readers: i64, reader: &[u8; 28]) -> bool {
        self.0.follow(id_of(writer), id_of(reader), readers)
    }

    fn push(
        &self,
        manager: &ChannelManagerHandle,
        piece: &ffi::PieceReceived<'_>,
        done: &mut bool,
    ) -> ChannelOutcome {
        let _inside = manager.inside.read();
        let piece = Piece {
            writer: id_of(&piece.writer),
            total_data_size: piece.total_data_size,
            total_metadata_size: piece.total_metadata_size,
            offset: piece.offset,
            data: piece.data,
            metadata: piece.metadata,
        };
        outcome(self.0.push(&manager.manager, &piece).map(|complete| *done = complete))
    }
}
