//! The two ends of a channel, for Rust.

use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::end::End;
use super::error::Result;
use super::memory::ChannelMemory;
use super::patience::Timeout;
use super::protocol::Reading;
use super::semaphores::ChannelOptions;

fn open<M: ChannelMemory>(memory: M, options: ChannelOptions) -> Result<Arc<End<M>>> {
    let end = End::new(memory);
    end.open(options)?;
    Ok(Arc::new(end))
}

/// Closes the channel: what nobody has read by then is lost.
fn close<M: ChannelMemory>(end: &End<M>) {
    end.fail();
    end.forget_semaphores();
}

/// The writing end. Dropping it closes the channel for all; [`Self::finish`] lets the readers have the last value first.
///
/// ```
/// use std::num::NonZeroU32;
/// use std::sync::Arc;
///
/// use ray_object_manager::channel::{ChannelFile, ChannelOptions, ChannelReader, ChannelWriter, Timeout};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Between processes the file's descriptor is sent; here both ends are in one.
/// let file = Arc::new(ChannelFile::create("/dev/shm".as_ref(), 1000)?);
/// let mut writer = ChannelWriter::open(file.clone(), NonZeroU32::MIN, ChannelOptions::default())?;
/// let reader = ChannelReader::open(file, ChannelOptions::default())?;
/// writer.write(b"a value", b"its metadata", Timeout::Never)?;
/// let value = reader.read(Timeout::Never)?;
/// assert_eq!((value.data(), value.metadata()), (&b"a value"[..], &b"its metadata"[..]));
/// drop(value); // the writer may write the next one
/// writer.finish(Timeout::Never)?;
/// assert!(reader.read(Timeout::Never).unwrap_err().is_closed());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ChannelWriter<M: ChannelMemory> {
    end: Arc<End<M>>,
    readers: NonZeroU32,
}

impl<M: ChannelMemory> ChannelWriter<M> {
    /// Opens the writing end of a channel whose values each of so many readers reads once.
    ///
    /// # Errors
    /// [`super::ChannelError::SetUp`].
    pub fn open(memory: M, readers: NonZeroU32, options: ChannelOptions) -> Result<Self> {
        Ok(Self { end: open(memory, options)?, readers })
    }

    /// Begins a value, when all readers have given the last one back. The bytes are what was there before; write all of them.
    ///
    /// # Errors
    /// [`super::ChannelError::TooLarge`], [`super::ChannelError::TimedOut`], or the channel is closed.
    pub fn begin(
        &mut self,
        data_size: usize,
        metadata_size: usize,
        timeout: Timeout,
    ) -> Result<WriteBuffer<'_, M>> {
        let whole = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let sizes = (whole(data_size), whole(metadata_size));
        let readers = i64::from(self.readers.get());
        let first = self.end.write_acquire(sizes, readers, timeout)?;
        Ok(WriteBuffer { writer: self, first, data_size, size: data_size + metadata_size })
    }

    /// Writes a value.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn write(&mut self, data: &[u8], metadata: &[u8], timeout: Timeout) -> Result<()> {
        let mut buffer = self.begin(data.len(), metadata.len(), timeout)?;
        let (to_data, to_metadata) = buffer.parts_mut();
        ray_sys::copy(to_data, data, 1);
        to_metadata.copy_from_slice(metadata);
        buffer.send()
    }

    /// Bytes that a value can have, with its metadata.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.end.memory().capacity()
    }

    /// Waits until every reader has given the last value back, and closes the channel.
    ///
    /// # Errors
    /// [`super::ChannelError::TimedOut`]; then the channel is closed at once. Or it was closed before.
    pub fn finish(self, timeout: Timeout) -> Result<()> {
        self.end.finish(timeout)
    }

    /// Raises an error at all ends, and closes the channel.
    pub fn fail(self) {}
}

impl<M: ChannelMemory> Drop for ChannelWriter<M> {
    fn drop(&mut self) {
        close(&self.end);
    }
}

/// A value that is being written, in its place. Dropping it without [`Self::send`] closes the channel, for there is no way back.
#[derive(Debug)]
pub struct WriteBuffer<'a, M: ChannelMemory> {
    writer: &'a mut ChannelWriter<M>,
    first: *mut u8,
    data_size: usize,
    size: usize,
}

// SAFETY: the pointer leads into memory that the writer holds and that belongs to no thread; this value is the only way there.
unsafe impl<M: ChannelMemory> Send for WriteBuffer<'_, M> {}

impl<M: ChannelMemory> WriteBuffer<'_, M> {
    /// Data and metadata.
    #[must_use]
    pub fn parts_mut(&mut self) -> (&mut [u8], &mut [u8]) {
        let data_size = self.data_size;
        self.deref_mut().split_at_mut(data_size)
    }

    /// Lets the readers have the value.
    ///
    /// # Errors
    /// The channel is closed.
    pub fn send(self) -> Result<()> {
        self.writer.end.write_release()
    }
}

impl<M: ChannelMemory> Drop for WriteBuffer<'_, M> {
    fn drop(&mut self) {
        let state = self.writer.end.state();
        if state.written.load(std::sync::atomic::Ordering::Acquire) {
            self.writer.end.fail();
        }
    }
}

impl<M: ChannelMemory> Deref for WriteBuffer<'_, M> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the size was checked against the memory, and between acquire and release nobody else accesses it.
        unsafe { std::slice::from_raw_parts(self.first, self.size) }
    }
}

impl<M: ChannelMemory> DerefMut for WriteBuffer<'_, M> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this is the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.size) }
    }
}

/// A reading end. Dropping it closes the channel for all: the writer waits for every reader.
#[derive(Debug)]
pub struct ChannelReader<M: ChannelMemory> {
    end: Arc<End<M>>,
    closes: bool,
}

impl<M: ChannelMemory> ChannelReader<M> {
    /// Opens a reading end. Each end reads every value once; it must be open before a second one is written.
    ///
    /// # Errors
    /// [`super::ChannelError::SetUp`].
    pub fn open(memory: M, options: ChannelOptions) -> Result<Self> {
        Ok(Self { end: open(memory, options)?, closes: true })
    }

    /// Waits for the next value. While a value of this end is not dropped yet, that is waited for first.
    ///
    /// # Errors
    /// [`super::ChannelError::TimedOut`], [`super::ChannelError::Missed`], or the channel is closed.
    pub fn read(&self, timeout: Timeout) -> Result<ReadBuffer<M>> {
        let (first, reading) = self.end.read_acquire(timeout, None)?;
        Ok(ReadBuffer { end: Arc::clone(&self.end), first, reading })
    }

    /// Raises an error at all ends, and closes the channel.
    pub fn fail(self) {}
}

impl<M: ChannelMemory> ChannelReader<M> {
    /// Lets this end go without closing the channel. Only for a reader of whom no value is waited for any more.
    pub fn leave(mut self) {
        self.closes = false;
    }
}

impl<M: ChannelMemory> Drop for ChannelReader<M> {
    fn drop(&mut self) {
        if self.closes {
            close(&self.end);
        }
    }
}

/// A value in its place. It stays as it is until this is dropped, also after the channel was closed.
#[derive(Debug)]
pub struct ReadBuffer<M: ChannelMemory> {
    end: Arc<End<M>>,
    first: *mut u8,
    reading: Reading,
}

// SAFETY: the pointer leads into memory that the end holds and that belongs to no thread.
unsafe impl<M: ChannelMemory> Send for ReadBuffer<M> {}
// SAFETY: as above; nothing is written through it.
unsafe impl<M: ChannelMemory> Sync for ReadBuffer<M> {}

impl<M: ChannelMemory> ReadBuffer<M> {
    fn part(&self, skipped: i64, size: i64) -> &[u8] {
        let (skipped, size) = (usize::try_from(skipped), usize::try_from(size));
        let (Ok(skipped), Ok(size)) = (skipped, size) else { return &[] };
        // SAFETY: the sizes were checked against the memory, and nobody writes until the value is given back.
        unsafe { std::slice::from_raw_parts(self.first.add(skipped), size) }
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.part(0, self.reading.data_size)
    }

    /// Copies the data, what is large with this reader's share of the processors, so that the value can be given back sooner.
    ///
    /// # Panics
    /// When `to` has another length.
    pub fn copy_to(&self, to: &mut [u8]) {
        let readers = self.end.header().num_readers.load(std::sync::atomic::Ordering::Relaxed);
        ray_sys::copy(to, self.data(), usize::try_from(readers).unwrap_or(1));
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        self.part(self.reading.data_size, self.reading.metadata_size)
    }

    /// Which value of the channel this is; the first is 1.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.reading.version
    }
}

impl<M: ChannelMemory> Deref for ReadBuffer<M> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.data()
    }
}

impl<M: ChannelMemory> Drop for ReadBuffer<M> {
    fn drop(&mut self) {
        // Of a closed channel nothing has to be given back.
        let _ = self.end.read_release();
    }
}
