//! Values that a writer on another node sends in pieces, and that are written to a channel here.

use std::collections::HashMap;

use parking_lot::Mutex;
use ray_common::ObjectId;

use super::error::{ChannelError, Result};
use super::manager::MutableObjectManager;
use super::memory::ChannelMemory;
use super::patience::Timeout;

/// A piece of a value. What is in it comes from another node.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The writer's channel there.
    pub writer: ObjectId,
    /// Bytes of data of the whole value.
    pub total_data_size: u64,
    /// Bytes of metadata of the whole value.
    pub total_metadata_size: u64,
    /// Where in the data this piece belongs.
    pub offset: u64,
    /// The piece.
    pub data: &'a [u8],
    /// All the metadata; looked at with the last piece.
    pub metadata: &'a [u8],
}

#[derive(Debug)]
struct Local {
    reader: ObjectId,
    readers: i64,
    /// What there is of a value that has begun.
    begun: Option<Begun>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    sizes: (u64, u64),
    written: u64,
    first: usize,
}

/// Which channel here follows which channel elsewhere.
#[derive(Debug, Default)]
pub struct Incoming {
    locals: Mutex<HashMap<ObjectId, std::sync::Arc<Mutex<Local>>>>,
}

impl Incoming {
    /// Lets a channel here have what is written to one elsewhere, for so many readers. `false` when that one is followed already.
    pub fn follow(&self, writer: ObjectId, reader: ObjectId, readers: i64) -> bool {
        let mut locals = self.locals.lock();
        if locals.contains_key(&writer) {
            return false;
        }
        let local = Local { reader, readers, begun: None };
        locals.insert(writer, std::sync::Arc::new(Mutex::new(local)));
        true
    }

    /// Writes a piece. Returns whether the value is complete; readers have it then.
    ///
    /// # Errors
    /// What a write to the channel returns; [`ChannelError::Broken`] for a piece that belongs to no value, and the channel is
    /// closed then.
    pub fn push<M: ChannelMemory>(
        &self,
        manager: &MutableObjectManager<M>,
        piece: &Piece<'_>,
    ) -> Result<bool> {
        let local = self.locals.lock().get(&piece.writer).cloned();
        let local = local.ok_or(ChannelError::NotRegistered)?;
        let mut local = local.lock();
        let reader = local.reader;
        let pushed = local.push(manager, piece);
        if pushed.is_err() {
            local.begun = None;
            // Nobody sends the rest of this value again.
            let _ = manager.set_error(&reader);
        }
        pushed
    }
}

const NO_PART: ChannelError = ChannelError::Broken("a piece that is no part of the value");

impl Local {
    fn push<M: ChannelMemory>(
        &mut self,
        manager: &MutableObjectManager<M>,
        piece: &Piece<'_>,
    ) -> Result<bool> {
        let sizes = (piece.total_data_size, piece.total_metadata_size);
        let begun = match self.begun {
            Some(begun) => begun,
            None => {
                let whole = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
                let signed = (whole(sizes.0), whole(sizes.1));
                let first =
                    manager.write_acquire(&self.reader, signed, self.readers, Timeout::Never)?;
                Begun { sizes, written: 0, first: first as usize }
            }
        };
        let length = piece.data.len() as u64;
        let end = piece.offset.checked_add(length).filter(|&end| end <= sizes.0);
        let written = begun.written.checked_add(length).filter(|&all| all <= sizes.0);
        let (Some(_), Some(written), true) = (end, written, begun.sizes == sizes) else {
            return Err(NO_PART);
        };
        copy(&begun, piece.offset, piece.data)?;
        if written < sizes.0 {
            self.begun = Some(Begun { written, ..begun });
            return Ok(false);
        }
        if piece.metadata.len() as u64 != sizes.1 {
            return Err(NO_PART);
        }
        copy(&begun, sizes.0, piece.metadata)?;
        self.begun = None;
        manager.write_release(&self.reader)?;
        Ok(true)
    }
}

/// Copies to a place in the value; the caller has checked that it lies there.
fn copy(begun: &Begun, offset: u64, bytes: &[u8]) -> Result<()> {
    let offset = usize::try_from(offset).map_err(|_| NO_PART)?;
    let to = (begun.first as *mut u8).wrapping_add(offset);
    // SAFETY: the value was begun with these sizes, which fit into the channel, and nobody else writes it.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(())
}
