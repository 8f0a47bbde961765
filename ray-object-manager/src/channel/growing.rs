//! A channel that grows: a value that does not fit moves the channel to a larger object, and the old one is given back.

use std::num::NonZeroU32;

use ray_common::ObjectId;

use super::error::{ChannelError, Result};
use super::memory::ChannelMemory;
use super::patience::Timeout;
use super::semaphores::ChannelOptions;
use super::typed::{ChannelReader, ChannelWriter, ReadBuffer};
use crate::plasma::client::{CreateOptions, MutableObject, PlasmaClient};

/// Where objects for channels come from and go to.
pub trait ChannelStore {
    /// The memory of a channel.
    type Memory: ChannelMemory;

    /// Makes a channel for values of so many bytes.
    ///
    /// # Errors
    /// When there is no room.
    fn create(&self, capacity: usize) -> Result<(ObjectId, Self::Memory)>;

    /// A channel that somebody made.
    ///
    /// # Errors
    /// When it is not there.
    fn open(&self, id: ObjectId) -> Result<Self::Memory>;

    /// Gives a channel up. Its memory is free when nobody has it open any more.
    fn delete(&self, id: ObjectId);
}

impl ChannelStore for PlasmaClient {
    type Memory = MutableObject;

    fn create(&self, capacity: usize) -> Result<(ObjectId, MutableObject)> {
        let id = ObjectId::random();
        let options = CreateOptions::new(id, capacity as u64).mutable();
        let made = PlasmaClient::create(self, &options).and_then(|object| object.seal());
        made.map_err(std::io::Error::other)?;
        Ok((id, ChannelStore::open(self, id)?))
    }

    fn open(&self, id: ObjectId) -> Result<MutableObject> {
        Ok(self.get_mutable(id).map_err(std::io::Error::other)?)
    }

    fn delete(&self, id: ObjectId) {
        if let Err(error) = PlasmaClient::delete(self, &[id]) {
            log::warn!("channel {id} stays in the store: {error}");
        }
    }
}

/// Metadata of a value that is no value but says where the channel has moved.
const MOVED: &[u8] = b"plasma-rs: the channel has moved";

/// The writing end of a channel that grows.
#[derive(Debug)]
pub struct GrowingWriter<S: ChannelStore> {
    store: S,
    id: ObjectId,
    readers: NonZeroU32,
    options: ChannelOptions,
    writer: Option<ChannelWriter<S::Memory>>,
}

impl<S: ChannelStore> GrowingWriter<S> {
    /// Makes a channel, at first for values of so many bytes with their metadata.
    ///
    /// # Errors
    /// As [`ChannelStore::create`] and [`ChannelWriter::open`].
    pub fn create(
        store: S,
        capacity: usize,
        readers: NonZeroU32,
        options: ChannelOptions,
    ) -> Result<Self> {
        let capacity = capacity.max(ObjectId::LENGTH + MOVED.len());
        let (id, memory) = store.create(capacity)?;
        let writer = Some(ChannelWriter::open(memory, readers, options)?);
        Ok(Self { store, id, readers, options, writer })
    }

    /// The object in which the channel is now. Readers begin with the first one.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Bytes that a value can have now, with its metadata.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.writer.as_ref().map_or(0, ChannelWriter::capacity)
    }

    /// Writes a value. If it does not fit, the channel moves first, which waits until the readers have given the last value
    /// back and have followed.
    ///
    /// # Errors
    /// As [`ChannelWriter::write`] and [`ChannelStore::create`].
    pub fn write(&mut self, data: &[u8], metadata: &[u8], timeout: Timeout) -> Result<()> {
        let size = data.len().saturating_add(metadata.len());
        if size > self.capacity() {
            self.grow(size, timeout)?;
        }
        self.writer.as_mut().ok_or(ChannelError::Closed)?.write(data, metadata, timeout)
    }

    fn grow(&mut self, size: usize, timeout: Timeout) -> Result<()> {
        // Twice as large, so that a value that grows slowly moves the channel rarely.
        let capacity = size.max(self.capacity().saturating_mul(2));
        let mut old = self.writer.take().ok_or(ChannelError::Closed)?;
        let (id, memory) = match self.store.create(capacity) {
            Ok(made) => made,
            Err(error) => {
                self.writer = Some(old);
                return Err(error);
            }
        };
        let moved = ChannelWriter::open(memory, self.readers, self.options)
            .and_then(|new| old.write(id.as_bytes(), MOVED, timeout).map(|()| new));
        match moved {
            Ok(new) => {
                let old_id = std::mem::replace(&mut self.id, id);
                // A reader gives this value back when it has the new channel open.
                let finished = old.finish(timeout);
                self.store.delete(old_id);
                finished?;
                self.writer = Some(new);
                Ok(())
            }
            Err(error) => {
                self.store.delete(id);
                self.writer = Some(old);
                Err(error)
            }
        }
    }

    /// Waits until every reader has given the last value back, closes the channel and gives it up.
    ///
    /// # Errors
    /// As [`ChannelWriter::finish`].
    pub fn finish(mut self, timeout: Timeout) -> Result<()> {
        self.writer.take().map_or(Ok(()), |writer| writer.finish(timeout))
    }
}

impl<S: ChannelStore> Drop for GrowingWriter<S> {
    fn drop(&mut self) {
        self.writer = None;
        self.store.delete(self.id);
    }
}

/// A reading end of a channel that grows.
#[derive(Debug)]
pub struct GrowingReader<S: ChannelStore> {
    store: S,
    options: ChannelOptions,
    reader: ChannelReader<S::Memory>,
}

impl<S: ChannelStore> GrowingReader<S> {
    /// Opens a reading end, in the object in which the channel begins.
    ///
    /// # Errors
    /// As [`ChannelStore::open`] and [`ChannelReader::open`].
    pub fn open(store: S, id: ObjectId, options: ChannelOptions) -> Result<Self> {
        let reader = ChannelReader::open(store.open(id)?, options)?;
        Ok(Self { store, options, reader })
    }

    /// Waits for the next value, and follows the channel where it has moved.
    ///
    /// # Errors
    /// As [`ChannelReader::read`].
    pub fn read(&mut self, timeout: Timeout) -> Result<ReadBuffer<S::Memory>> {
        loop {
            let value = self.reader.read(timeout)?;
            if value.metadata() != MOVED {
                return Ok(value);
            }
            let id = ObjectId::from_binary(value.data());
            let id = id.map_err(|_| ChannelError::Broken("the channel has moved to no place"))?;
            let next = ChannelReader::open(self.store.open(id)?, self.options)?;
            // The old object is free when the last reader gives this back and lets go.
            drop(value);
            std::mem::replace(&mut self.reader, next).leave();
        }
    }
}
