//! Objects that are held: sealed, being written, and mutable.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use ray_common::ObjectId;

use super::error::{Cause, Operation, Result};
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
        // There is nobody to tell; what can fail is the connection, and with it goes the reference.
        let _ = self.session.release(&self.id);
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

/// A new object, to be filled in place and sealed. Nobody else sees it before; dropped unsealed, it never was.
///
/// What it holds at first is what lay there before: memory is not cleared between objects.
#[derive(Debug)]
pub struct MutableBuffer {
    session: Arc<Session>,
    id: ObjectId,
    object: RawObject,
    over: bool,
}

impl MutableBuffer {
    pub(super) fn new(session: Arc<Session>, id: ObjectId, object: RawObject) -> Self {
        Self { session, id, object, over: false }
    }

    /// The object's id.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
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
        // SAFETY: this client created the object and has not sealed it, so the bytes are its alone; `&mut self` sees to
        // it that there is one reference in it.
        unsafe { self.object.contents_mut() }
    }

    /// Whether the object lies in a file of its own, on disk.
    #[must_use]
    pub fn is_fallback_allocated(&self) -> bool {
        self.object.is_fallback_allocated()
    }

    /// Seals the object: now everybody sees it, and nobody changes it again. The store may evict it when it needs the
    /// memory.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like; the object is lost then.
    pub fn seal(mut self) -> Result<ObjectId> {
        let id = self.id;
        self.over = true;
        self.session.seal_and_release(&id).map_err(|cause| cause.at(Operation::Seal, id))?;
        Ok(id)
    }

    /// Seals the object and keeps it.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_and_keep(mut self) -> Result<Buffer> {
        let id = self.id;
        self.over = true;
        self.session.seal(&id).map_err(|cause| cause.at(Operation::Seal, id))?;
        Ok(Buffer::new(Arc::clone(&self.session), id, self.object.clone()))
    }

    /// Gives the object up, as if it had never been created. Dropping it does the same.
    ///
    /// # Errors
    /// [`Cause::Disconnected`] and the like; the object is gone then too.
    pub fn abort(mut self) -> Result<()> {
        self.over = true;
        self.session.abort(&self.id).map_err(|cause| cause.at(Operation::Abort, self.id))
    }
}

impl Drop for MutableBuffer {
    fn drop(&mut self) {
        if !self.over {
            // There is nobody to tell; what can fail is the connection, and with it goes the object.
            let _ = self.session.abort(&self.id);
        }
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
    ) -> std::result::Result<Self, Cause> {
        let reference = Reference { session, id, object };
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
