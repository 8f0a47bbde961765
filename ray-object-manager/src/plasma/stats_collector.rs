//! How many objects and bytes are in which state, kept up to date with every change.

use std::fmt;

use super::common::{ObjectFacts, ObjectSource};
use super::object_store::ObjectTable;
use crate::check::check;

/// What is told of every change to an object. Stands for the virtual part of Ray's `ObjectStatsCollector`.
pub trait StatsCollector<T: ObjectTable> {
    /// After an object was created.
    fn on_object_created(&mut self, table: &T, object: T::Ref);
    /// After it was sealed.
    fn on_object_sealed(&mut self, table: &T, object: T::Ref);
    /// Before it is deleted.
    fn on_object_deleting(&mut self, table: &T, object: T::Ref);
    /// After it got one reference more.
    fn on_object_ref_increased(&mut self, table: &T, object: T::Ref);
    /// After it got one reference less.
    fn on_object_ref_decreased(&mut self, table: &T, object: T::Ref);
}

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tally {
    /// How many objects.
    pub objects: i64,
    /// How many bytes they have.
    pub bytes: i64,
}

impl Tally {
    #[inline]
    fn add(&mut self, bytes: i64) {
        self.objects += 1;
        self.bytes = self.bytes.wrapping_add(bytes);
    }

    #[inline]
    fn take(&mut self, bytes: i64) {
        self.objects -= 1;
        self.bytes = self.bytes.wrapping_sub(bytes);
    }
}

/// The counters. Plain data: C++ reads them in place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ObjectStatsCollector {
    /// Sealed, made by a worker, exactly one reference.
    pub spillable: Tally,
    /// Still being written.
    pub unsealed: Tally,
    /// With references.
    pub in_use: Tally,
    /// Sealed, without references.
    pub evictable: Tally,
    /// Present, by source.
    pub created_by_worker: Tally,
    /// Present, by source.
    pub restored: Tally,
    /// Present, by source.
    pub received: Tally,
    /// Present, by source.
    pub errored: Tally,
    /// Ever created.
    pub created_total: Tally,
    /// Bytes present: unsealed and sealed in the primary region, unsealed and sealed in fallback files.
    pub bytes_by_location: [i64; 4],
}

impl ObjectStatsCollector {
    /// Bytes present in one place and state.
    pub fn bytes_at(&self, fallback_allocated: bool, sealed: bool) -> i64 {
        self.bytes_by_location[location(fallback_allocated, sealed)]
    }

    /// Bytes of all objects that are present, of a known source.
    pub fn num_bytes_created_current(&self) -> i64 {
        self.created_by_worker.bytes
            + self.restored.bytes
            + self.received.bytes
            + self.errored.bytes
    }

    #[inline]
    fn by_source(&mut self, source: ObjectSource) -> Option<&mut Tally> {
        match source {
            ObjectSource::CREATED_BY_WORKER => Some(&mut self.created_by_worker),
            ObjectSource::RESTORED_FROM_STORAGE => Some(&mut self.restored),
            ObjectSource::RECEIVED_FROM_REMOTE_RAYLET => Some(&mut self.received),
            ObjectSource::ERROR_STORED_BY_RAYLET => Some(&mut self.errored),
            _ => None,
        }
    }

    #[inline]
    fn take_bytes_at(&mut self, object: ObjectFacts) {
        let bytes = &mut self.bytes_by_location[location(object.fallback_allocated, object.sealed)];
        *bytes -= object.size;
        check!(*bytes >= 0, "fewer than no bytes in one place: {bytes}");
    }
}

fn location(fallback_allocated: bool, sealed: bool) -> usize {
    usize::from(fallback_allocated) * 2 + usize::from(sealed)
}

fn from_worker(object: ObjectFacts) -> bool {
    object.source == ObjectSource::CREATED_BY_WORKER
}

impl ObjectStatsCollector {
    /// An object was created.
    ///
    /// # Panics
    /// When it is sealed.
    #[inline(always)]
    pub fn created(&mut self, object: ObjectFacts) {
        check!(!object.sealed, "a new object is not sealed");
        self.bytes_by_location[location(object.fallback_allocated, false)] += object.size;
        self.created_total.add(object.size);
        if let Some(tally) = self.by_source(object.source) {
            tally.add(object.size);
        }
        self.unsealed.add(object.size);
    }

    /// An object was sealed.
    ///
    /// # Panics
    /// When it is not, or was never counted.
    #[inline(always)]
    pub fn sealed(&mut self, object: ObjectFacts) {
        check!(object.sealed, "a sealed object is sealed");
        self.take_bytes_at(ObjectFacts { sealed: false, ..object });
        self.bytes_by_location[location(object.fallback_allocated, true)] += object.size;
        self.unsealed.take(object.size);
        if object.ref_count == 1 && from_worker(object) {
            self.spillable.add(object.size);
        }
        if object.ref_count == 0 {
            self.evictable.add(object.size);
        }
    }

    /// An object is about to be deleted.
    ///
    /// # Panics
    /// When it was never counted.
    #[inline(always)]
    pub fn deleting(&mut self, object: ObjectFacts) {
        self.take_bytes_at(object);
        if let Some(tally) = self.by_source(object.source) {
            tally.take(object.size);
        }
        if object.ref_count > 0 {
            self.in_use.take(object.size);
        }
        if !object.sealed {
            self.unsealed.take(object.size);
            return;
        }
        if object.ref_count == 1 && from_worker(object) {
            self.spillable.take(object.size);
        }
        if object.ref_count == 0 {
            self.evictable.take(object.size);
        }
    }

    /// An object has a reference more, and so many then as it says.
    #[inline(always)]
    pub fn reference_added(&mut self, object: ObjectFacts) {
        let spillable = object.sealed && from_worker(object);
        match object.ref_count {
            1 => {
                self.in_use.add(object.size);
                if spillable {
                    self.spillable.add(object.size);
                }
                if object.sealed {
                    self.evictable.take(object.size);
                }
            }
            2 if spillable => self.spillable.take(object.size),
            _ => {}
        }
    }

    /// An object has a reference less, and so many then as it says.
    #[inline(always)]
    pub fn reference_removed(&mut self, object: ObjectFacts) {
        let spillable = object.sealed && from_worker(object);
        match object.ref_count {
            1 if spillable => self.spillable.add(object.size),
            0 => {
                self.in_use.take(object.size);
                if spillable {
                    self.spillable.take(object.size);
                }
                if object.sealed {
                    self.evictable.add(object.size);
                }
            }
            _ => {}
        }
    }
}

impl<T: ObjectTable> StatsCollector<T> for ObjectStatsCollector {
    #[inline]
    fn on_object_created(&mut self, table: &T, object: T::Ref) {
        self.created(table.facts(object));
    }

    #[inline]
    fn on_object_sealed(&mut self, table: &T, object: T::Ref) {
        self.sealed(table.facts(object));
    }

    #[inline]
    fn on_object_deleting(&mut self, table: &T, object: T::Ref) {
        self.deleting(table.facts(object));
    }

    #[inline]
    fn on_object_ref_increased(&mut self, table: &T, object: T::Ref) {
        self.reference_added(table.facts(object));
    }

    #[inline]
    fn on_object_ref_decreased(&mut self, table: &T, object: T::Ref) {
        self.reference_removed(table.facts(object));
    }
}

/// The lines that Ray's store shows in its debug dump.
impl fmt::Display for ObjectStatsCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states = [
            ("spillable", self.spillable),
            ("unsealed", self.unsealed),
            ("in use", self.in_use),
            ("evictable", self.evictable),
        ];
        let sources = [
            ("created by worker", self.created_by_worker),
            ("restored", self.restored),
            ("received", self.received),
            ("errored", self.errored),
        ];
        write_tallies(f, &states)?;
        writeln!(f)?;
        write_tallies(f, &sources)
    }
}

fn write_tallies(f: &mut fmt::Formatter<'_>, tallies: &[(&str, Tally)]) -> fmt::Result {
    tallies.iter().try_for_each(|(name, tally)| {
        writeln!(f, "- objects {name}: {}\n- bytes {name}: {}", tally.objects, tally.bytes)
    })
}
