//! The index of sealed objects.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{fence, Ordering};

use ray_common::ObjectId;
use ray_sys::{ReadWords, SharedWords};

use super::layout::{self, hash, id_words, index as at};
use crate::plasma::allocator::MemFd;
use crate::plasma::protocol::PlasmaObject;

/// No object.
const NONE: u32 = u32::MAX;

/// The store's side of the index.
pub(in crate::plasma) struct Index {
    words: SharedWords,
    seed: u64,
    class: usize,
    count: usize,
    version: u64,
    /// For each slot of the table in use, the number that the caller gave with its object.
    objects: Vec<u32>,
    file: Option<(MemFd, i64)>,
}

impl Index {
    /// An index of no objects.
    ///
    /// # Errors
    /// When there is no memory or no descriptor.
    pub(in crate::plasma) fn new() -> io::Result<Self> {
        let words = SharedWords::create(at::WORDS)?;
        let mut seed = [0; 8];
        rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())?;
        let seed = u64::from_ne_bytes(seed);
        words.word(at::MAGIC).store(layout::MAGIC, Ordering::Relaxed);
        words.word(at::SEED).store(seed, Ordering::Relaxed);
        words.word(at::TABLE).store(1, Ordering::Release);
        let objects = vec![NONE; at::slots(0)];
        Ok(Self { words, seed, class: 0, count: 0, version: 0, objects, file: None })
    }

    /// A descriptor with which clients can read it.
    ///
    /// # Errors
    /// When there is none left.
    pub(in crate::plasma) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.words.for_reading()
    }

    /// Tells clients that nothing here holds any more.
    pub(in crate::plasma) fn close(&self) {
        self.words.word(at::TABLE).store(0, Ordering::Release);
    }

    /// Adds a sealed object, which the caller knows by a number. Does nothing when it cannot be in the index, or is.
    pub(in crate::plasma) fn publish(&mut self, id: &ObjectId, object: &PlasmaObject, number: u32) {
        let Ok(metadata_size) = u32::try_from(object.metadata_size) else { return };
        let plain = !object.is_mutable
            && !object.fallback_allocated
            && object.device_num == 0
            && object.data_offset.is_multiple_of(64)
            && object.data_size.saturating_add(object.metadata_size) > 0
            && self.is_in_file(object);
        let mut words = id_words(id);
        let start = self.first_slot(&words);
        let slots = || (0..at::WINDOW).map(|step| (start + step) & (self.objects.len() - 1));
        if !plain || slots().any(|slot| self.holds(slot, &words)) {
            return;
        }
        let Some(slot) = slots().find(|&slot| self.objects[slot] == NONE) else { return };
        words[3] |= u64::from(metadata_size) << 32;
        let place = self.place(slot);
        let write = |word: usize, value: u64| {
            self.words.word(place + word).store(value, Ordering::Relaxed);
        };
        // The version is odd or 0, and whoever reads the words sees that it is.
        fence(Ordering::Release);
        for (word, value) in (at::ID..).zip(words) {
            write(word, value);
        }
        write(at::DATA_OFFSET, object.data_offset);
        write(at::DATA_SIZE, object.data_size);
        // Never the same twice, also in a slot that was cleared: clients remember them.
        self.version += 2;
        self.words.word(place + at::VERSION).store(self.version, Ordering::Release);
        self.objects[slot] = number;
        self.count += 1;
    }

    /// Whether the object lies in the file of the others; the first decides which that is.
    fn is_in_file(&mut self, object: &PlasmaObject) -> bool {
        if let Some((fd, _)) = self.file {
            return fd == object.store_fd;
        }
        let (fd, size) = (object.store_fd, object.mmap_size);
        self.file = Some((fd, size));
        let write = |word, value: i64| {
            self.words.word(word).store(value.cast_unsigned(), Ordering::Relaxed);
        };
        write(at::FILE_FD, fd.fd.into());
        write(at::FILE_UNIQUE_ID, fd.unique_id);
        write(at::FILE_MMAP_SIZE, size);
        self.words.word(at::FILE).store(1, Ordering::Release);
        true
    }

    /// Whether objects in this file can be in the index.
    pub(in crate::plasma) fn is_of(&self, file: MemFd) -> bool {
        self.file.is_some_and(|(fd, _)| fd == file)
    }

    /// Takes objects away. When this returns, nobody who does not have one of them pinned can pin it, and every pin that
    /// counts can be seen.
    pub(in crate::plasma) fn retire<'a>(&mut self, ids: impl IntoIterator<Item = &'a ObjectId>) {
        if self.count > 0 {
            ids.into_iter().for_each(|id| self.retire_one(id));
        }
        fence(Ordering::SeqCst);
    }

    fn retire_one(&mut self, id: &ObjectId) {
        let words = id_words(id);
        let start = self.first_slot(&words);
        for step in 0..at::WINDOW {
            let slot = (start + step) & (self.objects.len() - 1);
            if self.holds(slot, &words) {
                let version = self.words.word(self.place(slot) + at::VERSION);
                version.store(version.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
                self.objects[slot] = NONE;
                self.count -= 1;
                return;
            }
        }
    }

    /// Whether another table is due: this one has become too full, or too large for the objects that the store has.
    pub(in crate::plasma) fn wants_other_table(&self, objects: usize) -> bool {
        self.other_class(objects) != self.class
    }

    fn other_class(&self, objects: usize) -> usize {
        let slots = at::slots(self.class);
        if self.count > slots / 2 && self.class + 1 < at::CLASSES {
            return self.class + 1;
        }
        // Not by what is in the table, which a new one has to fill first.
        if self.class > 0 && objects < slots / 32 {
            return self.class - 1;
        }
        self.class
    }

    /// Takes all objects away, as [`Self::retire`] does, before another table comes. What a pin names is known until then.
    pub(in crate::plasma) fn leave_table(&mut self) {
        self.words.word(at::TABLE).store(0, Ordering::Release);
        self.words.clear(at::table(self.class)..at::table(self.class + 1));
    }

    /// Goes on with an empty table of another size. Nobody has an object of the old one pinned: what was, is adopted.
    pub(in crate::plasma) fn change_table(&mut self, objects: usize) {
        self.class = self.other_class(objects);
        self.objects = vec![NONE; at::slots(self.class)];
        self.count = 0;
        self.words.word(at::TABLE).store(self.class as u64 + 1, Ordering::Release);
    }

    /// The number of the object that a pin names, unless it is not in the index any more.
    pub(in crate::plasma) fn number_of(&self, slot: usize) -> Option<u32> {
        self.objects.get(slot).copied().filter(|&number| number != NONE)
    }

    fn first_slot(&self, id: &[u64; 4]) -> usize {
        usize::try_from(hash(self.seed, id)).unwrap_or(0) & (self.objects.len() - 1)
    }

    fn place(&self, slot: usize) -> usize {
        at::table(self.class) + slot * at::SLOT
    }

    fn holds(&self, slot: usize, id: &[u64; 4]) -> bool {
        let place = self.place(slot) + at::ID;
        let same = |word: usize, mask: u64| {
            self.words.word(place + word).load(Ordering::Relaxed) & mask == id[word]
        };
        self.objects[slot] != NONE
            && same(0, u64::MAX)
            && same(1, u64::MAX)
            && same(2, u64::MAX)
            && same(3, u32::MAX.into())
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Where in the index an object was found, and with which version of its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plasma) struct Place {
    word: usize,
    pub(super) slot: usize,
    version: u64,
}

/// An object in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plasma) struct Listed {
    pub(in crate::plasma) place: Place,
    pub(in crate::plasma) data_offset: u64,
    pub(in crate::plasma) data_size: u64,
    pub(in crate::plasma) metadata_size: u64,
}

/// The index as a client sees it.
#[derive(Debug)]
pub(in crate::plasma) struct IndexReader {
    words: ReadWords,
    seed: u64,
}

impl IndexReader {
    /// # Errors
    /// When this is no index, or one of another layout.
    pub(in crate::plasma) fn map(fd: OwnedFd) -> io::Result<Self> {
        let words = ReadWords::map(fd, at::WORDS)?;
        if words.load(at::MAGIC) != layout::MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an index of another layout"));
        }
        let seed = words.load(at::SEED);
        Ok(Self { words, seed })
    }

    /// The file in which the objects lie, once there is one, and its `mmap_size`.
    pub(in crate::plasma) fn file(&self) -> Option<(MemFd, i64)> {
        if self.words.load(at::FILE) == 0 {
            return None;
        }
        fence(Ordering::Acquire);
        let signed = |word| self.words.load(word).cast_signed();
        let fd = i32::try_from(signed(at::FILE_FD)).ok()?;
        Some((MemFd { fd, unique_id: signed(at::FILE_UNIQUE_ID) }, signed(at::FILE_MMAP_SIZE)))
    }

    /// Looks an object up.
    #[inline]
    pub(in crate::plasma) fn find(&self, id: &ObjectId) -> Option<Listed> {
        let table = usize::try_from(self.words.load(at::TABLE)).ok()?;
        let class = table.checked_sub(1).filter(|&class| class < at::CLASSES)?;
        let id = id_words(id);
        let mask = at::slots(class) - 1;
        let start = usize::try_from(hash(self.seed, &id)).unwrap_or(0);
        (0..at::WINDOW).find_map(|step| self.read(class, (start + step) & mask, &id))
    }

    fn read(&self, class: usize, slot: usize, id: &[u64; 4]) -> Option<Listed> {
        let word = at::table(class) + slot * at::SLOT;
        let load = |number| self.words.load(word + number);
        let version = load(at::VERSION);
        if version == 0 || version % 2 == 1 {
            return None;
        }
        fence(Ordering::Acquire);
        let last = load(at::ID + 3);
        let same = (0..3).all(|number| load(at::ID + number) == id[number])
            && last & u64::from(u32::MAX) == id[3];
        if !same {
            return None;
        }
        let (data_offset, data_size) = (load(at::DATA_OFFSET), load(at::DATA_SIZE));
        let place = Place { word, slot, version };
        fence(Ordering::Acquire);
        self.still_holds(&place).then_some(Listed {
            place,
            data_offset,
            data_size,
            metadata_size: last >> 32,
        })
    }

    /// Whether the object that was found there has been in the index ever since.
    #[inline]
    pub(in crate::plasma) fn still_holds(&self, place: &Place) -> bool {
        self.words.load(place.word + at::VERSION) == place.version
    }
}
