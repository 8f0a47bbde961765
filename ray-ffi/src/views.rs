//! The `plasma::LocalObject`s that C++ looks at. The table keeps less of an object, and in another form; what C++ asks for is
//! made then.

use std::collections::VecDeque;
use std::mem::MaybeUninit;

use ray_object_manager::plasma::local_object::{LocalObject, ObjectViews};

use crate::layout::{CxxLocalObject, CxxObjectInfo};

/// So many views of objects that are sealed and unused are kept. They could be evicted by the next creation, so nobody can
/// rely on them for longer; a view of any other object stays as long as it is such.
const KEPT_IDLE: usize = 12 * 1024;

/// Views of objects, each at an address of its own for as long as it is there.
#[derive(Default)]
pub struct CxxViews {
    // Boxed, for entries do not move while the vector grows.
    #[allow(clippy::vec_box)]
    entries: Vec<Box<Entry>>,
    /// The number in its table of each entry's object; [`NOBODY`] in an entry that is not live. Most questions are about
    /// objects whose view was given up, and need to look at nothing else.
    numbers: Vec<u32>,
    free: Vec<u32>,
    /// Views of objects that became idle, the first first: which, and when. It may have changed since.
    idle: VecDeque<(u32, u32)>,
    num_idle: usize,
    clock: u32,
}

/// The number of no object.
const NOBODY: u32 = u32::MAX;

struct Entry {
    /// Made with the first object of the entry; the next one of the same owner takes over what was made for that.
    object: MaybeUninit<CxxLocalObject>,
    /// The serial number of the owner for which it was made; 0 when it was not.
    owner: u64,
    /// When the object became idle; 0 when it is not.
    idle_since: u32,
}

impl Entry {
    fn make(&mut self, object: LocalObject<'_, CxxObjectInfo>) {
        let owner = object.owner().serial();
        if self.owner != owner {
            self.unmake();
            // SAFETY: nothing is there that needs dropping.
            unsafe { CxxLocalObject::create_at(self.object.as_mut_ptr(), object.owner()) };
            self.owner = owner;
        }
        // SAFETY: it was made, now or before.
        unsafe { self.object.assume_init_mut() }.describe(object);
    }

    fn unmake(&mut self) {
        if std::mem::take(&mut self.owner) != 0 {
            // SAFETY: it was made, and is not any more.
            unsafe { self.object.assume_init_drop() };
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.unmake();
    }
}

impl CxxViews {
    /// The entry of an object's view, if it has one.
    #[inline]
    fn find(&mut self, slot: u32, number: u32) -> Option<(u32, &mut Entry)> {
        let at = slot.checked_sub(1)?;
        (self.numbers[at as usize] == number).then(|| (at, &mut *self.entries[at as usize]))
    }

    /// The view of an object, made if there is none. Returns what the table has to note, and the address.
    pub(crate) fn show(
        &mut self,
        number: u32,
        slot: u32,
        object: LocalObject<'_, CxxObjectInfo>,
    ) -> (u32, *const u8) {
        if let Some((_, entry)) = self.find(slot, number) {
            return (slot, entry.object.as_ptr().cast());
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Box::new(Entry {
                object: MaybeUninit::uninit(),
                owner: 0,
                idle_since: 0,
            }));
            self.numbers.push(NOBODY);
            u32::try_from(self.entries.len() - 1).expect("fewer views than objects")
        });
        let entry = &mut self.entries[at as usize];
        entry.make(object);
        self.numbers[at as usize] = number;
        let address = entry.object.as_ptr().cast();
        if object.sealed() && object.ref_count() == 0 {
            self.becomes_idle(at);
        }
        (at + 1, address)
    }

    /// Gives up views of idle objects if there are too many. Those that were idle longest go first.
    pub(crate) fn forget_idle(&mut self) {
        // Two for each that is made: so the number goes down again after C++ has looked at all objects at once.
        let mut most = 2;
        while self.num_idle >= KEPT_IDLE && most > 0 {
            let Some((at, since)) = self.idle.pop_front() else { return };
            let entry = &self.entries[at as usize];
            if entry.idle_since != since {
                continue;
            }
            // SAFETY: what has become idle was made.
            let used = unsafe { entry.object.assume_init_ref() }.facts().ref_count != 0;
            if used {
                // A manager over parts from C++ counts in the view, of which the table does not hear.
                self.is_used(at);
            } else {
                self.forget(at);
                most -= 1;
            }
        }
    }

    fn becomes_idle(&mut self, at: u32) {
        self.is_used(at);
        // 0 is never.
        self.clock = self.clock.wrapping_add(1).max(1);
        self.entries[at as usize].idle_since = self.clock;
        self.num_idle += 1;
        self.idle.push_back((at, self.clock));
        if self.idle.len() > 2 * self.num_idle.max(KEPT_IDLE) {
            let entries = &self.entries;
            self.idle.retain(|&(at, since)| entries[at as usize].idle_since == since);
        }
    }

    fn is_used(&mut self, at: u32) {
        let entry = &mut self.entries[at as usize];
        if std::mem::take(&mut entry.idle_since) != 0 {
            self.num_idle -= 1;
        }
    }

    fn forget(&mut self, at: u32) {
        self.is_used(at);
        self.numbers[at as usize] = NOBODY;
        self.free.push(at);
    }
}

impl ObjectViews for CxxViews {
    type Slot = u32;

    #[inline]
    fn sealed(&mut self, slot: u32, number: u32, construct_duration: i64) {
        let Some((at, entry)) = self.find(slot, number) else { return };
        // SAFETY: `find` returns entries that were made.
        let object = unsafe { entry.object.assume_init_mut() };
        object.seal(construct_duration);
        if object.facts().ref_count == 0 {
            self.becomes_idle(at);
        }
    }

    #[inline]
    fn referenced(&mut self, slot: u32, number: u32, ref_count: i32) {
        let Some((at, entry)) = self.find(slot, number) else { return };
        // SAFETY: `find` returns entries that were made.
        let object = unsafe { entry.object.assume_init_mut() };
        object.set_ref_count(ref_count);
        if ref_count != 0 {
            self.is_used(at);
        } else if object.facts().sealed {
            self.becomes_idle(at);
        }
    }

    #[inline]
    fn deleted(&mut self, slot: u32, number: u32) {
        if let Some((at, _)) = self.find(slot, number) {
            self.forget(at);
        }
    }
}
