//! The `plasma::LocalObject`s that C++ looks at. The table keeps less of an object, and in another form; what C++ asks for is
//! made then.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use ray_object_manager::plasma::local_object::{LocalObject, ObjectViews};
use ray_sys::{prefetch, ZeroedArray};

use crate::layout::{CxxLocalObject, CxxObjectInfo, CxxOwner};

/// So many views of objects that are sealed and unused are kept. They could be evicted by the next creation, so nobody can
/// rely on them for longer; a view of any other object stays as long as it is such.
const KEPT_IDLE: u32 = 12 * 1024;

/// Entries that are looked at, from where the last look ended, for one that can be used again. Entries are made in the
/// order in which they become idle, mostly, so that the first is the one.
const LOOKS: u32 = 8;

/// Views of objects, each at an address of its own for as long as it is there.
#[derive(Default)]
pub struct CxxViews {
    entries: Entries,
    states: Vec<State>,
    free: Vec<u32>,
    /// Where the next look for an idle view begins.
    hand: u32,
    /// How often a view has become idle.
    clock: u32,
}

/// What is known of an entry without a look at it. Most questions are about objects whose view was given up.
#[derive(Clone, Copy)]
struct State {
    /// The number in its table of the entry's object; [`NOBODY`] when the entry is not live.
    number: u32,
    /// When the object became idle, by [`CxxViews::clock`]; 0 when it is not.
    idle_since: u32,
}

/// The number of no object.
const NOBODY: u32 = u32::MAX;

struct Entry {
    /// The serial number of the owner for which the object was made; 0 when it was not.
    owner: u64,
    /// Made with the first object of the entry; the next one of the same owner takes over what was made for that.
    object: MaybeUninit<CxxLocalObject>,
}

impl Entry {
    fn make(&mut self, object: LocalObject<'_, CxxObjectInfo>) {
        let owner = object.owner().serial();
        if self.owner != owner {
            self.make_for(object.owner());
        }
        // SAFETY: it was made, now or before.
        unsafe { self.object.assume_init_mut() }.describe(object);
    }

    #[cold]
    #[inline(never)]
    fn make_for(&mut self, owner: &CxxOwner) {
        self.unmake();
        // SAFETY: nothing is there that needs dropping.
        unsafe { CxxLocalObject::create_at(self.object.as_mut_ptr(), owner) };
        self.owner = owner.serial();
    }

    fn unmake(&mut self) {
        if std::mem::take(&mut self.owner) != 0 {
            // SAFETY: it was made, and is not any more.
            unsafe { self.object.assume_init_drop() };
        }
    }

    fn address(&self) -> *const u8 {
        self.object.as_ptr().cast()
    }
}

/// Entries that do not move while more come. They lie in pages of their own: they stay for long, and the heap could give
/// nothing back of what lies below them.
#[derive(Default)]
struct Entries {
    chunks: Vec<Chunk>,
}

/// So many entries, which are zero at the start: not made.
struct Chunk {
    start: NonNull<Entry>,
    _pages: ZeroedArray<u64>,
}

const IN_CHUNK: usize = 1 << CHUNK_SHIFT;
const CHUNK_SHIFT: u32 = 9;

const _: () = assert!(align_of::<Entry>() <= align_of::<u64>());

// SAFETY: a chunk owns its entries, like a vector. They hold what may be sent to another thread.
unsafe impl Send for Chunk {}

impl Chunk {
    fn new() -> Self {
        let words = IN_CHUNK * size_of::<Entry>() / size_of::<u64>();
        let mut pages = ZeroedArray::zeroed(words).expect("memory for what C++ sees of objects");
        let start = NonNull::from(&mut *pages).cast();
        Self { start, _pages: pages }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        for at in 0..IN_CHUNK {
            // SAFETY: so many entries lie there, each zero, which is one that was not made, or made.
            unsafe { self.start.add(at).as_mut() }.unmake();
        }
    }
}

impl Entries {
    #[inline]
    fn place(&self, at: u32) -> NonNull<Entry> {
        let chunk = &self.chunks[(at >> CHUNK_SHIFT) as usize];
        // SAFETY: less than a chunk.
        unsafe { chunk.start.add(at as usize & (IN_CHUNK - 1)) }
    }

    #[inline]
    fn get(&self, at: u32) -> &Entry {
        // SAFETY: an entry is zero or made, both valid, and lives as long as we do.
        unsafe { self.place(at).as_ref() }
    }

    #[inline]
    fn get_mut(&mut self, at: u32) -> &mut Entry {
        // SAFETY: as above, and nobody else in Rust has a reference to it.
        unsafe { self.place(at).as_mut() }
    }

    /// Has the processor fetch an entry that is the next to be made.
    #[inline]
    fn prefetch(&self, at: u32) {
        let start = self.place(at).as_ptr().cast::<u64>();
        for line in 0..size_of::<Entry>().div_ceil(64) {
            prefetch(start.wrapping_add(8 * line));
        }
    }

    fn grow_to(&mut self, entries: usize) {
        while self.chunks.len() * IN_CHUNK < entries {
            self.chunks.push(Chunk::new());
        }
    }
}

impl CxxViews {
    /// The entry of an object's view, if it has one.
    #[inline]
    fn find(&self, slot: u32, number: u32) -> Option<u32> {
        let at = slot.checked_sub(1)?;
        (self.states[at as usize].number == number).then_some(at)
    }

    /// The address of an object's view, if it has one.
    #[inline]
    pub(crate) fn address(&self, slot: u32, number: u32) -> Option<*const u8> {
        self.find(slot, number).map(|at| self.entries.get(at).address())
    }

    /// Makes a view of an object that has none. Returns what the table has to note, and the address.
    pub(crate) fn show(
        &mut self,
        number: u32,
        object: LocalObject<'_, CxxObjectInfo>,
    ) -> (u32, *const u8) {
        let at = self.place();
        self.show_at(at, number, object)
    }

    /// As [`Self::show`], but gives no other view up: for who looks at many objects together.
    pub(crate) fn show_beside_others(
        &mut self,
        number: u32,
        object: LocalObject<'_, CxxObjectInfo>,
    ) -> (u32, *const u8) {
        let at = self.free.pop().unwrap_or_else(|| self.add_entry());
        self.show_at(at, number, object)
    }

    #[inline]
    fn show_at(
        &mut self,
        at: u32,
        number: u32,
        object: LocalObject<'_, CxxObjectInfo>,
    ) -> (u32, *const u8) {
        let entry = self.entries.get_mut(at);
        entry.make(object);
        let address = entry.address();
        let mut idle_since = 0;
        if object.sealed() && object.ref_count() == 0 {
            idle_since = self.tick();
        }
        self.states[at as usize] = State { number, idle_since };
        (at + 1, address)
    }

    /// An entry for another view.
    #[inline]
    fn place(&mut self) -> u32 {
        match self.free.pop().or_else(|| self.forget_idle()) {
            Some(at) => at,
            None => self.add_entry(),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_entry(&mut self) -> u32 {
        let at = u32::try_from(self.states.len()).expect("fewer views than objects");
        self.entries.grow_to(self.states.len() + 1);
        self.states.push(State { number: NOBODY, idle_since: 0 });
        at
    }

    /// Gives up a view that is not among those which became idle last.
    #[inline]
    fn forget_idle(&mut self) -> Option<u32> {
        if self.states.len() < KEPT_IDLE as usize {
            return None;
        }
        match self.look() {
            Some(at) => Some(at),
            None => self.look_on(),
        }
    }

    #[cold]
    #[inline(never)]
    fn look_on(&mut self) -> Option<u32> {
        (1..LOOKS).find_map(|_| self.look())
    }

    /// Gives up the view of the next entry, if that may be.
    #[inline]
    fn look(&mut self) -> Option<u32> {
        let at = self.hand;
        self.hand = if at as usize + 1 < self.states.len() { at + 1 } else { 0 };
        let state = &mut self.states[at as usize];
        if state.idle_since == 0 || self.clock.wrapping_sub(state.idle_since) < KEPT_IDLE {
            return None;
        }
        state.idle_since = 0;
        // SAFETY: what has become idle was made.
        let object = unsafe { self.entries.get(at).object.assume_init_ref() };
        // A manager over parts from C++ counts in the view, of which the table does not hear.
        if object.facts().ref_count != 0 {
            return None;
        }
        state.number = NOBODY;
        self.entries.prefetch(self.hand);
        Some(at)
    }

    #[inline]
    fn becomes_idle(&mut self, at: u32) {
        self.states[at as usize].idle_since = self.tick();
    }

    /// The number of an event; 0 is never.
    #[inline]
    fn tick(&mut self) -> u32 {
        self.clock = self.clock.wrapping_add(1).max(1);
        self.clock
    }

    #[inline]
    fn is_used(&mut self, at: u32) {
        self.states[at as usize].idle_since = 0;
    }
}

impl ObjectViews for CxxViews {
    type Slot = u32;

    #[inline]
    fn sealed(&mut self, slot: u32, number: u32, construct_duration: i64) {
        let Some(at) = self.find(slot, number) else { return };
        // SAFETY: `find` returns entries that were made.
        let object = unsafe { self.entries.get_mut(at).object.assume_init_mut() };
        object.seal(construct_duration);
        if object.facts().ref_count == 0 {
            self.becomes_idle(at);
        }
    }

    #[inline]
    fn referenced(&mut self, slot: u32, number: u32, ref_count: i32) {
        let Some(at) = self.find(slot, number) else { return };
        // SAFETY: `find` returns entries that were made.
        let object = unsafe { self.entries.get_mut(at).object.assume_init_mut() };
        object.set_ref_count(ref_count);
        if ref_count != 0 {
            self.is_used(at);
        } else if object.facts().sealed {
            self.becomes_idle(at);
        }
    }

    #[inline]
    fn deleted(&mut self, slot: u32, number: u32) {
        if let Some(at) = self.find(slot, number) {
            self.states[at as usize] = State { number: NOBODY, idle_since: 0 };
            self.free.push(at);
        }
    }
}
