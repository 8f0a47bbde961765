//! Reads flatbuffers that anybody may have made. Nothing is trusted, nothing panics, nothing is `unsafe`.

use ray_common::id::{IdError, ID_LENGTH};
use ray_common::ObjectId;

use super::ProtocolError;

/// Ids in a message. Offsets may all point to the same, so a short message can have many; the answer to a get of so
/// many is just within [`super::MAX_BODY_LENGTH`].
const MOST_IDS: usize = 500_000;

type Result<T> = std::result::Result<T, ProtocolError>;

/// A table inside a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    buffer: &'a [u8],
    /// Where the table begins.
    start: usize,
    /// The table's list of fields: two bytes each, behind two lengths.
    fields: &'a [u8],
    /// Bytes of the table itself.
    length: usize,
}

fn u16_at(buffer: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*buffer.get(at..)?.first_chunk()?))
}

fn u32_at(buffer: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*buffer.get(at..)?.first_chunk()?))
}

fn usize_at(buffer: &[u8], at: usize) -> Option<usize> {
    u32_at(buffer, at).map(|value| value as usize)
}

impl<'a> Table<'a> {
    /// The table at the root of a buffer.
    pub(super) fn root(buffer: &'a [u8]) -> Result<Self> {
        let malformed = |what| move || ProtocolError::Malformed(what);
        let start = usize_at(buffer, 0).ok_or_else(malformed("no root"))?;
        let back = u32_at(buffer, start).ok_or_else(malformed("the root lies outside"))?;
        let outside = malformed("the list of fields lies outside");
        let vtable = i64::try_from(start).ok().map(|start| start - i64::from(back.cast_signed()));
        let vtable = vtable.and_then(|at| usize::try_from(at).ok()).ok_or_else(&outside)?;
        let vtable_length = usize::from(u16_at(buffer, vtable).ok_or_else(&outside)?);
        let length = usize::from(u16_at(buffer, vtable + 2).ok_or_else(&outside)?);
        let fields = buffer.get(vtable..).and_then(|rest| rest.get(..vtable_length));
        let fields = fields.and_then(|all| all.get(4..)).ok_or_else(&outside)?;
        if length < 4 || buffer.len() - start < length {
            return Err(ProtocolError::Malformed("the table is longer than the buffer"));
        }
        Ok(Self { buffer, start, fields, length })
    }

    /// Where a field lies, of so many bytes; `None` when it is left out.
    fn field(&self, slot: usize, size: usize) -> Result<Option<usize>> {
        match u16_at(self.fields, 2 * slot) {
            None | Some(0) => Ok(None),
            Some(offset) => {
                let offset = usize::from(offset);
                if offset + size > self.length {
                    return Err(ProtocolError::Malformed("a field lies outside its table"));
                }
                Ok(Some(self.start + offset))
            }
        }
    }

    fn scalar<const N: usize>(&self, slot: usize) -> Result<Option<[u8; N]>> {
        let at = self.field(slot, N)?;
        Ok(at.and_then(|at| self.buffer.get(at..)?.first_chunk().copied()))
    }

    pub(super) fn u64(&self, slot: usize) -> Result<u64> {
        Ok(self.scalar(slot)?.map_or(0, u64::from_le_bytes))
    }

    pub(super) fn i64(&self, slot: usize) -> Result<i64> {
        Ok(self.scalar(slot)?.map_or(0, i64::from_le_bytes))
    }

    pub(super) fn i32(&self, slot: usize) -> Result<i32> {
        Ok(self.scalar(slot)?.map_or(0, i32::from_le_bytes))
    }

    pub(super) fn bool(&self, slot: usize) -> Result<bool> {
        Ok(self.scalar::<1>(slot)?.is_some_and(|byte| byte[0] != 0))
    }

    /// The bytes of a struct that lies in the table.
    pub(super) fn inline<const N: usize>(&self, slot: usize) -> Result<Option<[u8; N]>> {
        self.scalar(slot)
    }

    /// Where what a field points to begins.
    fn target(&self, slot: usize) -> Result<Option<usize>> {
        let Some(at) = self.field(slot, 4)? else {
            return Ok(None);
        };
        let offset = usize_at(self.buffer, at).unwrap_or(usize::MAX);
        Ok(Some(at.saturating_add(offset)))
    }

    /// The bytes of a string; any bytes, since ids travel as strings.
    pub(super) fn bytes(&self, slot: usize) -> Result<Option<&'a [u8]>> {
        let Some(at) = self.target(slot)? else {
            return Ok(None);
        };
        vector(self.buffer, at, 1).map(Some)
    }

    /// The bytes of a vector of elements of `size` bytes.
    pub(super) fn vector(&self, slot: usize, size: usize) -> Result<Option<&'a [u8]>> {
        let Some(at) = self.target(slot)? else {
            return Ok(None);
        };
        vector(self.buffer, at, size).map(Some)
    }

    /// The id in a field that has to be there.
    pub(super) fn id(&self, slot: usize, field: &'static str) -> Result<ObjectId> {
        let bytes = self.bytes(slot)?.ok_or(ProtocolError::MissingField(field))?;
        object_id(bytes, field)
    }

    /// The ids in a field that has to be there.
    pub(super) fn ids(&self, slot: usize, field: &'static str) -> Result<IdList<'a>> {
        let at = self.target(slot)?.ok_or(ProtocolError::MissingField(field))?;
        let offsets = vector(self.buffer, at, 4)?;
        if offsets.len() / 4 > MOST_IDS {
            let why = format!("{} ids; at most {MOST_IDS} are allowed", offsets.len() / 4);
            return Err(ProtocolError::BadField { field, why });
        }
        let list = IdList { buffer: self.buffer, start: at + 4, offsets };
        (0..list.len()).try_for_each(|i| list.read(i, field).map(drop))?;
        Ok(list)
    }
}

/// An id as it travels.
pub(super) fn object_id(bytes: &[u8], field: &'static str) -> Result<ObjectId> {
    ObjectId::from_binary(bytes).map_err(|error| bad_id(field, &error))
}

pub(super) fn bad_id(field: &'static str, error: &IdError) -> ProtocolError {
    ProtocolError::BadField { field, why: error.to_string() }
}

/// The bytes of a vector: a length in elements, and these.
fn vector(buffer: &[u8], at: usize, size: usize) -> Result<&[u8]> {
    let outside = ProtocolError::Malformed("a vector lies outside the buffer");
    let Some(length) = usize_at(buffer, at).and_then(|length| length.checked_mul(size)) else {
        return Err(outside);
    };
    buffer.get(at + 4..).and_then(|rest| rest.get(..length)).ok_or(outside)
}

/// Ids in a message, each of them known to be well formed.
#[derive(Debug, Clone, Copy)]
pub struct IdList<'a> {
    buffer: &'a [u8],
    start: usize,
    offsets: &'a [u8],
}

impl<'a> IdList<'a> {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() / 4
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The first so many; all, if there are fewer.
    #[must_use]
    pub fn first(self, count: usize) -> Self {
        let length = count.saturating_mul(4).min(self.offsets.len());
        Self { offsets: &self.offsets[..length], ..self }
    }

    /// The ids, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ObjectId> + use<'a> {
        let list = *self;
        (0..list.len()).map(move |i| list.read(i, "object_ids").unwrap_or(ObjectId::NIL))
    }

    fn read(&self, i: usize, field: &'static str) -> Result<ObjectId> {
        let at = self.start + 4 * i;
        let offset = usize_at(self.offsets, 4 * i).unwrap_or(usize::MAX);
        let at = at.saturating_add(offset);
        // Most ids are whole: read them without the detour of a vector.
        if usize_at(self.buffer, at) == Some(ID_LENGTH) {
            if let Some(bytes) = self.buffer.get(at + 4..).and_then(|rest| rest.first_chunk()) {
                return Ok(ObjectId::from_bytes(*bytes));
            }
        }
        object_id(vector(self.buffer, at, 1)?, field)
    }
}
