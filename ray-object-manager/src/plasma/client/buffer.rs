//! Objects that are held: sealed, being written, and mutable.

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use ray_common::ObjectId;

use super::error::{Cause, Operation};
use super::object::RawObject;
use super::session::Session;

/// A reference to an object, given back on drop.
#[derive(Debug)]
struct Reference {
    session: Arc<Session>,
    id: ObjectId,
    object: RawObject,
}

impl Clone for Reference {
    fn clone(&self) -> Self {
        self.session.retain(&self.id);
        Self { session: Arc::clone(&self.session), id: self.id, object: self.object.clone() }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.session.let_go(&self.id);
    }
}

/// A sealed object in shared memory. It cannot go or change while it is held, and stays readable even when the store
/// has gone. Copies share it; the last gives it back.
#[derive(Debug, Clone)]
pub struct Buffer(Reference);

impl Buffer {
    pub(super) fn new(session: Arc<Session>, id: ObjectId, object: RawObject) -> Self {
        Self(Reference { session, id, object })
    }

    /// The object's id.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.0.id
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        // SAFETY: the store sent the object as sealed, and the reference pins it while `self` lives. That nobody
        // writes to a sealed object is what all clients of a store agree on. When the store is gone, the file stays as
        // it is, because it stays mapped.
        unsafe { self.0.object.data() }
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        // SAFETY: as in `data`.
        unsafe { self.0.object.metadata() }
    }

    /// Whether the object lies in a file of its own, on disk.
    #[must_use]
    pub fn is_fallback_allocated(&self) -> bool {
        self.0.object.is_fallback_allocated()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.data()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.data()
    }
}

/// An object that was created and is given up unless it is sealed.
#[derive(Debug)]
pub(super) struct Unsealed {
    session: Arc<Session>,
    id: ObjectId,
    object: RawObject,
    /// Whether its pages are set up.
    prepared: bool,
    over: bool,
}

impl Unsealed {
    pub(super) fn new(session: Arc<Session>, id: ObjectId, object: RawObject) -> Self {
        Self { session, id, object, prepared: false, over: false }
    }

    pub(super) fn write_metadata(&self, bytes: &[u8]) -> Result<(), Cause> {
        self.object.write_metadata(bytes)
    }

    fn seal(mut self) -> Result<(), Cause> {
        self.over = true;
        self.session.seal_and_release(&self.id)
    }

    fn seal_and_keep(mut self) -> Result<Buffer, Cause> {
        self.over = true;
        // It is given back in any case: a failure leaves an object that is sealed or gone.
        let buffer = Buffer::new(Arc::clone(&self.session), self.id, self.object.clone());
        self.session.seal(&self.id).map(|()| buffer)
    }

    fn abort(mut self) -> Result<(), Cause> {
        self.over = true;
        self.session.abort(&self.id)
    }
}

impl Drop for Unsealed {
    fn drop(&mut self) {
        if !self.over {
            self.session.give_up(self.id);
        }
    }
}

/// A buffer of a [`super::PlasmaClient`].
#[derive(Debug)]
pub struct Blocking;

/// A buffer of an [`super::AsyncPlasmaClient`].
#[derive(Debug)]
pub struct Asynchronous;

/// A new object, to be filled in place and sealed. Nobody else sees it before; dropped unsealed, it never was.
///
/// What it holds at first is what lay there before: memory is not cleared between objects.
#[derive(Debug)]
pub struct MutableBuffer<Client = Blocking> {
    unsealed: Unsealed,
    client: PhantomData<Client>,
}

/// The [`MutableBuffer`] of an asynchronous client, which is sealed and given up by futures. Dropping it waits for nothing.
///
/// To seal or give up what a future has begun to is not undone when that future is dropped.
pub type AsyncMutableBuffer = MutableBuffer<Asynchronous>;

impl<Client> MutableBuffer<Client> {
    pub(super) fn new(unsealed: Unsealed) -> Self {
        Self { unsealed, client: PhantomData }
    }

    /// The object's id.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.unsealed.id
    }

    /// The data.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.contents_mut().0
    }

    /// The metadata.
    pub fn metadata_mut(&mut self) -> &mut [u8] {
        self.contents_mut().1
    }

    /// The data and the metadata.
    pub fn contents_mut(&mut self) -> (&mut [u8], &mut [u8]) {
        if !std::mem::replace(&mut self.unsealed.prepared, true) {
            self.unsealed.object.prepare();
        }
        // SAFETY: this client created the object and has not sealed it, so the bytes are its alone; `&mut self` sees to
        // it that there is one reference in it.
        unsafe { self.unsealed.object.contents_mut() }
    }

    /// Copies all data.
    pub(super) fn fill(&mut self, data: &[u8]) -> super::error::Result<()> {
        let id = self.id();
        let expected = self.unsealed.object.data_size();
        if expected != data.len() {
            let cause = Cause::WrongSize { expected, actual: data.len() };
            return Err(cause.at(Operation::Write, id));
        }
        // `&mut self` sees to it that nobody has a reference to the bytes.
        self.unsealed.object.fill(data).map_err(|cause| cause.at(Operation::Write, id))
    }

    /// Whether the object lies in a file of its own, on disk.
    #[must_use]
    pub fn is_fallback_allocated(&self) -> bool {
        self.unsealed.object.is_fallback_allocated()
    }
}

impl MutableBuffer {
    /// Seals the object: now everybody sees it, and nobody changes it again. The store may evict it when it needs the
    /// memory.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like; the object is lost then.
    pub fn seal(self) -> super::error::Result<ObjectId> {
        let id = self.id();
        self.unsealed.seal().map_err(|cause| cause.at(Operation::Seal, id))?;
        Ok(id)
    }

    /// Seals the object and keeps it.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_and_keep(self) -> super::error::Result<Buffer> {
        let id = self.id();
        self.unsealed.seal_and_keep().map_err(|cause| cause.at(Operation::Seal, id))
    }

    /// Gives the object up, as if it had never been created. Dropping it does the same.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like; the object is gone then too.
    pub fn abort(self) -> super::error::Result<()> {
        let id = self.id();
        self.unsealed.abort().map_err(|cause| cause.at(Operation::Abort, id))
    }
}

impl MutableBuffer<Asynchronous> {
    async fn end<R: Send + 'static>(
        self,
        operation: Operation,
        end: impl FnOnce(Unsealed) -> Result<R, Cause> + Send + 'static,
    ) -> super::error::Result<R> {
        let (id, session, unsealed) =
            (self.id(), Arc::clone(&self.unsealed.session), self.unsealed);
        let result = session.submit(move |_| end(unsealed)).await;
        result.map_err(|cause| cause.at(operation, id))
    }

    /// Seals the object: now everybody sees it, and nobody changes it again. The store may evict it when it needs the
    /// memory.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like; the object is lost then.
    pub async fn seal(self) -> super::error::Result<ObjectId> {
        let id = self.id();
        self.end(Operation::Seal, Unsealed::seal).await?;
        Ok(id)
    }

    /// Seals the object and keeps it.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub async fn seal_and_keep(self) -> super::error::Result<Buffer> {
        self.end(Operation::Seal, Unsealed::seal_and_keep).await
    }

    /// Gives the object up, as if it had never been created. Dropping it does the same.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like; the object is gone then too.
    pub async fn abort(self) -> super::error::Result<()> {
        self.end(Operation::Abort, Unsealed::abort).await
    }
}

/// A mutable object: a channel that is written again and again, with a header before its data by which writer and readers
/// take turns. Held as long as this lives.
#[derive(Debug, Clone)]
pub struct MutableObject {
    reference: Reference,
    header: NonNull<u8>,
}

// SAFETY: the pointer leads into a mapping that the reference keeps, and which belongs to no thread. This type never
// reads or writes through it.
unsafe impl Send for MutableObject {}
// SAFETY: as above.
unsafe impl Sync for MutableObject {}

impl MutableObject {
    pub(super) fn new(
        session: Arc<Session>,
        id: ObjectId,
        object: RawObject,
    ) -> Result<Self, Cause> {
        let reference = Reference { session, id, object };
        if reference.session.is_read_only() {
            // Readers of a channel write, too: that they have read.
            return Err(Cause::ReadOnly);
        }
        let header = reference.object.header_ptr()?;
        Ok(Self { reference, header })
    }

    /// The object's id.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.reference.id
    }

    /// The [`crate::plasma::object_header::PlasmaObjectHeader`]. It changes at any time; so does what follows.
    #[must_use]
    pub fn header(&self) -> NonNull<u8> {
        self.header
    }

    /// First byte of the data: right behind the header.
    #[must_use]
    pub fn data(&self) -> NonNull<u8> {
        let header = crate::plasma::object_header::OBJECT_HEADER_SIZE.unsigned_abs();
        let offset = usize::try_from(header).unwrap_or(0);
        // SAFETY: the data follow the header in the same mapping; that was checked when the object came.
        unsafe { self.header.add(offset) }
    }

    /// Bytes of data and metadata that the object has room for.
    #[must_use]
    pub fn allocated_size(&self) -> usize {
        self.reference.object.data_size() + self.reference.object.metadata_size()
    }
}
