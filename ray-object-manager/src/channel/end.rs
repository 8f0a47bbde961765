//! One end of a channel in this process, with all that it remembers. What it is asked in which order is up to
//! [`ChannelWriter`](super::ChannelWriter), [`ChannelReader`](super::ChannelReader) or the manager.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, RwLock};

use super::error::{ChannelError, Result};
use super::memory::ChannelMemory;
use super::patience::{Interrupt, Timeout};
use super::protocol::{self, Field, Gate, Reading, World};
use super::semaphores::{ChannelOptions, ChannelSemaphores};
use super::world::Shared;
use crate::plasma::object_header::PlasmaObjectHeader;

/// What an end remembers. C++ sees this, too.
#[derive(Debug)]
#[repr(C)]
pub struct EndState {
    /// The version that is read next.
    pub next_version_to_read: AtomicI64,
    /// Whether a value is being written.
    pub written: AtomicBool,
    /// Whether a value is being read.
    pub reading: AtomicBool,
    /// Whether a reader has registered.
    pub reader_registered: AtomicBool,
    /// Whether a writer has registered.
    pub writer_registered: AtomicBool,
}

/// One end, or a writing and a reading one together.
#[derive(Debug)]
pub(crate) struct End<M> {
    memory: M,
    semaphores: RwLock<Option<Arc<ChannelSemaphores>>>,
    state: EndState,
    /// Whether a value is being read: one at a time.
    turn: Mutex<bool>,
    turn_over: Condvar,
}

impl<M: ChannelMemory> End<M> {
    /// An end without semaphores yet.
    pub(crate) fn new(memory: M) -> Self {
        Self {
            memory,
            semaphores: RwLock::new(None),
            state: EndState {
                next_version_to_read: AtomicI64::new(1),
                written: AtomicBool::new(false),
                reading: AtomicBool::new(false),
                reader_registered: AtomicBool::new(false),
                writer_registered: AtomicBool::new(false),
            },
            turn: Mutex::new(false),
            turn_over: Condvar::new(),
        }
    }

    /// What it remembers.
    pub(crate) fn state(&self) -> &EndState {
        &self.state
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// The header in that memory.
    pub(crate) fn header(&self) -> &PlasmaObjectHeader {
        // SAFETY: that is what the memory promises.
        unsafe { PlasmaObjectHeader::at(self.memory.header()) }
    }

    /// Opens the semaphores, once.
    ///
    /// # Errors
    /// As [`ChannelSemaphores::open`].
    pub(crate) fn open(&self, options: ChannelOptions) -> Result<Arc<ChannelSemaphores>> {
        let mut semaphores = self.semaphores.write();
        if let Some(open) = &*semaphores {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(ChannelSemaphores::open(self.header(), options)?);
        *semaphores = Some(Arc::clone(&open));
        Ok(open)
    }

    /// The semaphores, if they are open.
    pub(crate) fn semaphores(&self) -> Option<Arc<ChannelSemaphores>> {
        self.semaphores.read().clone()
    }

    /// Lets the semaphores go and takes their names away. The memory is not touched.
    pub(crate) fn forget_semaphores(&self) -> Option<Arc<ChannelSemaphores>> {
        let semaphores = self.semaphores.write().take();
        if let Some(semaphores) = &semaphores {
            semaphores.unlink();
        }
        semaphores
    }

    fn opened(&self) -> Result<Arc<ChannelSemaphores>> {
        self.semaphores().ok_or(ChannelError::NotRegistered)
    }

    /// An error if the channel is closed.
    pub(crate) fn check(&self) -> Result<()> {
        let semaphores = self.semaphores().ok_or(ChannelError::Closed)?;
        let shared = Shared::new(self.header(), &semaphores);
        protocol::check(&shared).map_err(|failure| shared.error(failure))
    }

    /// Begins to write a value; returns where. `Ok` means that [`Self::write_release`] is next.
    pub(crate) fn write_acquire(
        &self,
        sizes: (i64, i64),
        readers: i64,
        timeout: Timeout,
    ) -> Result<*mut u8> {
        let semaphores = self.opened()?;
        let shared = Shared::new(self.header(), &semaphores);
        let capacity = self.memory.capacity();
        let fits = |total: i64| usize::try_from(total).is_ok_and(|total| total <= capacity);
        let (data_size, metadata_size) = sizes;
        if data_size < 0
            || metadata_size < 0
            || !data_size.checked_add(metadata_size).is_some_and(fits)
        {
            return Err(ChannelError::TooLarge { data_size, metadata_size, capacity });
        }
        protocol::check(&shared).map_err(|failure| shared.error(failure))?;
        if readers == 0 || readers < -1 {
            return Err(ChannelError::NoReaders(readers));
        }
        if self.state.written.load(Ordering::Acquire) {
            return Err(ChannelError::OutOfTurn(
                "You must call WriteRelease() before WriteAcquire()",
            ));
        }
        shared.announces();
        let mut patience = shared.patience(timeout, None);
        protocol::write_acquire(&shared, sizes, readers, &mut patience)
            .map_err(|failure| shared.error(failure))?;
        self.state.written.store(true, Ordering::Release);
        Ok(self.memory.data().as_ptr())
    }

    /// Lets the readers have what was written.
    pub(crate) fn write_release(&self) -> Result<()> {
        let semaphores = self.opened()?;
        let shared = Shared::new(self.header(), &semaphores);
        protocol::check(&shared).map_err(|failure| shared.error(failure))?;
        if !self.state.written.load(Ordering::Acquire) {
            return Err(ChannelError::OutOfTurn(
                "You must call WriteAcquire() before WriteRelease()",
            ));
        }
        protocol::write_release(&shared).map_err(|failure| shared.error(failure))?;
        self.state.written.store(false, Ordering::Release);
        Ok(())
    }

    /// Waits for the next value and begins to read it.
    pub(crate) fn read_acquire(
        &self,
        timeout: Timeout,
        interrupt: Option<Interrupt<'_>>,
    ) -> Result<(*mut u8, Reading)> {
        let semaphores = self.opened()?;
        let shared = Shared::new(self.header(), &semaphores);
        let mut patience = shared.patience(timeout, interrupt);
        self.take_turn(&shared, &mut patience)?;
        self.state.reading.store(true, Ordering::Release);
        let wanted = self.state.next_version_to_read.load(Ordering::Acquire);
        let read = protocol::read_acquire(&shared, wanted, &mut patience)
            .map_err(|failure| shared.error(failure))
            .and_then(|reading| self.checked(&shared, reading));
        match read {
            Ok(reading) => Ok((self.memory.data().as_ptr(), reading)),
            Err(error) => {
                self.end_turn();
                Err(error)
            }
        }
    }

    /// Nobody may make us read beyond the memory.
    fn checked(&self, shared: &Shared<'_>, reading: Reading) -> Result<Reading> {
        let total = reading.data_size.checked_add(reading.metadata_size);
        let total = total.and_then(|total| usize::try_from(total).ok());
        let is_whole = reading.data_size >= 0 && reading.metadata_size >= 0;
        if is_whole && total.is_some_and(|total| total <= self.memory.capacity()) {
            return Ok(reading);
        }
        protocol::raise_error(shared);
        Err(ChannelError::Broken("a value is larger than the channel"))
    }

    /// Has read the value.
    pub(crate) fn read_release(&self) -> Result<()> {
        let semaphores = self.opened()?;
        let shared = Shared::new(self.header(), &semaphores);
        let is_closed = protocol::check(&shared);
        if !self.state.reading.load(Ordering::Acquire) {
            is_closed.map_err(|failure| shared.error(failure))?;
            return Err(ChannelError::OutOfTurn(
                "Must call ReadAcquire() on the channel before ReadRelease()",
            ));
        }
        let version = self.state.next_version_to_read.load(Ordering::Acquire);
        let released = protocol::read_release(&shared, version);
        if released.is_ok() {
            self.state.next_version_to_read.store(version + 1, Ordering::Release);
        }
        self.end_turn();
        released.map_err(|failure| shared.error(failure))
    }

    /// Waits until no other thread of this process reads.
    fn take_turn<'a>(
        &self,
        shared: &Shared<'a>,
        patience: &mut <Shared<'a> as World>::Patience,
    ) -> Result<()> {
        let mut is_taken = self.turn.lock();
        loop {
            protocol::check(shared).map_err(|failure| shared.error(failure))?;
            if !*is_taken {
                *is_taken = true;
                return Ok(());
            }
            self.turn_over.wait_until(&mut is_taken, patience.slice());
            if *is_taken {
                shared.go_on(patience).map_err(|failure| shared.error(failure))?;
            }
        }
    }

    fn end_turn(&self) {
        let mut is_taken = self.turn.lock();
        self.state.reading.store(false, Ordering::Release);
        *is_taken = false;
        drop(is_taken);
        self.turn_over.notify_one();
    }

    /// Waits until all readers have finished with the last value; then nothing can be written any more.
    pub(crate) fn finish(&self, timeout: Timeout) -> Result<()> {
        let semaphores = self.opened()?;
        let shared = Shared::new(self.header(), &semaphores);
        let mut patience = shared.patience(timeout, None);
        match protocol::take(&shared, Gate::Object, &mut patience) {
            Ok(()) => {
                self.fail();
                Ok(())
            }
            Err(failure) => match shared.error(failure) {
                // The last reader may go as soon as it has given the last value back.
                ChannelError::Closed if shared.get(Field::ReleasesLeft) == 0 => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Raises the error at all ends.
    pub(crate) fn fail(&self) {
        if let Some(semaphores) = self.semaphores() {
            protocol::raise_error(&Shared::new(self.header(), &semaphores));
            self.turn_over.notify_all();
        }
    }
}
