//! The channels of a process by their ids, as Ray's `MutableObjectManager` has them: what a value is written and read between
//! acquire and release, by hand.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use ray_common::ObjectId;

use super::end::End;
use super::error::{ChannelError, Result};
use super::memory::ChannelMemory;
use super::patience::{Interrupt, Timeout};
use super::protocol::Reading;
use super::semaphores::{ChannelOptions, ChannelSemaphores};

/// Which end of a channel is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that reads.
    Reader,
    /// The one that writes.
    Writer,
}

/// What a channel of a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelStatus {
    /// It is registered and open.
    Open,
    /// It was, and is closed.
    Closed,
    /// There is none.
    NotFound,
}

/// The channels that this process has open. All methods may be called by several threads at once.
#[derive(Debug)]
pub struct MutableObjectManager<M: ChannelMemory> {
    ends: RwLock<HashMap<ObjectId, Arc<End<M>>>>,
    options: ChannelOptions,
}

impl<M: ChannelMemory> MutableObjectManager<M> {
    /// A manager without channels.
    #[must_use]
    pub fn new(options: ChannelOptions) -> Self {
        Self { ends: RwLock::new(HashMap::new()), options }
    }

    /// Opens an end of a channel. When both ends are in this process they share the memory that came first.
    ///
    /// # Errors
    /// [`ChannelError::SetUp`]; [`ChannelError::NotRegistered`] without memory, when none came before.
    pub fn register(&self, id: ObjectId, memory: Option<M>, role: Role) -> Result<()> {
        let end = {
            let mut ends = self.ends.write();
            match (ends.get(&id), memory) {
                (Some(end), _) => Arc::clone(end),
                (None, Some(memory)) => {
                    let end = Arc::new(End::new(memory));
                    ends.insert(id, Arc::clone(&end));
                    end
                }
                (None, None) => return Err(ChannelError::NotRegistered),
            }
        };
        let semaphores = end.open(self.options)?;
        let registered = match role {
            Role::Reader => &end.state().reader_registered,
            Role::Writer => &end.state().writer_registered,
        };
        if role == Role::Writer {
            super::Shared::new(end.header(), &semaphores).announces();
        }
        registered.store(true, std::sync::atomic::Ordering::Release);
        Ok(())
    }

    /// The end of a channel, if it is registered.
    #[must_use]
    pub(crate) fn end(&self, id: &ObjectId) -> Option<Arc<End<M>>> {
        self.ends.read().get(id).cloned()
    }

    fn registered(&self, id: &ObjectId) -> Result<Arc<End<M>>> {
        self.end(id).ok_or(ChannelError::NotRegistered)
    }

    /// Whether a channel is registered.
    #[must_use]
    pub fn is_registered(&self, id: &ObjectId) -> bool {
        self.ends.read().contains_key(id)
    }

    /// The ids of all channels.
    #[must_use]
    pub fn ids(&self) -> Vec<ObjectId> {
        self.ends.read().keys().copied().collect()
    }

    /// Does something with a channel's memory and what is remembered of it.
    pub fn with<R>(
        &self,
        id: &ObjectId,
        work: impl FnOnce(&M, &super::EndState) -> R,
    ) -> Option<R> {
        self.end(id).map(|end| work(end.memory(), end.state()))
    }

    /// Begins to write a value; returns where. -1 for any number of readers.
    ///
    /// # Errors
    /// Every one of [`ChannelError`] but [`ChannelError::Missed`] and [`ChannelError::Interrupted`].
    pub fn write_acquire(
        &self,
        id: &ObjectId,
        sizes: (i64, i64),
        readers: i64,
        timeout: Timeout,
    ) -> Result<*mut u8> {
        self.registered(id)?.write_acquire(sizes, readers, timeout)
    }

    /// Lets the readers have what was written.
    ///
    /// # Errors
    /// [`ChannelError::OutOfTurn`], [`ChannelError::NotRegistered`], or the channel is closed.
    pub fn write_release(&self, id: &ObjectId) -> Result<()> {
        self.registered(id)?.write_release()
    }

    /// Waits for the next value; returns where it is. It stays there until [`Self::read_release`].
    ///
    /// # Errors
    /// Every one of [`ChannelError`] that is about reading.
    pub fn read_acquire(
        &self,
        id: &ObjectId,
        timeout: Timeout,
        interrupt: Option<Interrupt<'_>>,
    ) -> Result<(*mut u8, Reading)> {
        self.registered(id)?.read_acquire(timeout, interrupt)
    }

    /// Gives the value back.
    ///
    /// # Errors
    /// [`ChannelError::OutOfTurn`], [`ChannelError::NotRegistered`], or the channel is closed.
    pub fn read_release(&self, id: &ObjectId) -> Result<()> {
        self.registered(id)?.read_release()
    }

    /// Raises the error at all ends of a channel.
    ///
    /// # Errors
    /// [`ChannelError::NotRegistered`].
    pub fn set_error(&self, id: &ObjectId) -> Result<()> {
        close(&*self.registered(id)?)
    }

    /// Raises the error at all ends of all channels.
    ///
    /// # Errors
    /// [`ChannelError::NotRegistered`] when the semaphores of one were destroyed.
    pub fn set_error_all(&self) -> Result<()> {
        let ends: Vec<Arc<End<M>>> = self.ends.read().values().cloned().collect();
        ends.iter().try_for_each(|end| close(end))
    }

    /// What a channel is doing.
    #[must_use]
    pub fn status(&self, id: &ObjectId, role: Role) -> ChannelStatus {
        let Some(end) = self.end(id) else { return ChannelStatus::NotFound };
        let registered = match role {
            Role::Reader => &end.state().reader_registered,
            Role::Writer => &end.state().writer_registered,
        };
        if registered.load(std::sync::atomic::Ordering::Acquire) || end.check().is_ok() {
            ChannelStatus::Open
        } else {
            ChannelStatus::Closed
        }
    }

    /// The semaphores of a channel, if they are open.
    #[must_use]
    pub fn semaphores(&self, id: &ObjectId) -> Option<Arc<ChannelSemaphores>> {
        self.end(id)?.semaphores()
    }

    /// Opens the semaphores of a channel that is registered, unless they are open.
    ///
    /// # Errors
    /// [`ChannelError::SetUp`], [`ChannelError::NotRegistered`].
    pub fn open_semaphores(&self, id: &ObjectId) -> Result<()> {
        self.registered(id)?.open(self.options).map(drop)
    }

    /// Lets the semaphores of a channel go and takes their names away. Its memory is not touched any more.
    pub fn destroy_semaphores(&self, id: &ObjectId) {
        if let Some(end) = self.end(id) {
            end.forget_semaphores();
        }
    }

    /// Closes every channel. Waiting calls end with an error.
    pub fn shut_down(&self) {
        let ends: Vec<Arc<End<M>>> = self.ends.read().values().cloned().collect();
        for end in ends {
            // One whose semaphores were destroyed may have no memory any more.
            if end.semaphores().is_some() {
                let _ = close(&*end);
                end.forget_semaphores();
            }
        }
    }
}

impl<M: ChannelMemory> Drop for MutableObjectManager<M> {
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn close<M: ChannelMemory>(end: &End<M>) -> Result<()> {
    use std::sync::atomic::Ordering::Release;
    if end.semaphores().is_none() {
        return Err(ChannelError::NotRegistered);
    }
    end.fail();
    end.state().reader_registered.store(false, Release);
    end.state().writer_registered.store(false, Release);
    Ok(())
}
