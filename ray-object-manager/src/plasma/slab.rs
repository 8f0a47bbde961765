//! Where the objects of a table lie: at addresses that never change, in chunks that are given back.

use std::mem::MaybeUninit;

use super::common::LocalObject;
use super::lru_list::{Link, Links};

const SLOTS_IN_CHUNK: usize = 128;
const SHIFT: u32 = SLOTS_IN_CHUNK.trailing_zeros();

struct Slot<I> {
    object: MaybeUninit<LocalObject<I>>,
    link: Link,
    in_lru: bool,
}

fn new_chunk<I>() -> Box<[Slot<I>]> {
    let empty = || Slot { object: MaybeUninit::uninit(), link: Link::OUT, in_lru: false };
    std::iter::repeat_with(empty).take(SLOTS_IN_CHUNK).collect()
}

/// So many chunks without objects are kept, so that objects that come and go do not cost chunks each time.
const KEPT_CHUNKS: usize = 64;

struct Place<I> {
    /// A bit for each slot with an object.
    used: u128,
    /// Empty when the chunk was given back.
    chunk: Box<[Slot<I>]>,
    /// Whether this place is on the stack of places with room.
    stacked: bool,
}

impl<I> Place<I> {
    fn check(&self, number: usize) {
        assert!(self.used & (1 << number) != 0, "no object in this slot");
    }
}

/// Objects by number. A number is used again after its object is gone.
pub(super) struct Slab<I> {
    places: Vec<Place<I>>,
    with_room: Vec<u32>,
    without_chunk: Vec<u32>,
    empty_chunks: usize,
}

impl<I> Slab<I> {
    pub(super) fn new() -> Self {
        Self {
            places: Vec::new(),
            with_room: Vec::new(),
            without_chunk: Vec::new(),
            empty_chunks: 0,
        }
    }

    /// Adds an object that `create` writes to the place it is given.
    ///
    /// # Safety
    /// `create` leaves a complete object at that place.
    pub(super) unsafe fn insert(&mut self, create: impl FnOnce(*mut LocalObject<I>)) -> u32 {
        let place_number = self.place_with_room();
        let place = &mut self.places[place_number as usize];
        let number = place.used.trailing_ones();
        if place.used == 0 {
            self.empty_chunks -= 1;
        }
        place.used |= 1 << number;
        create(place.chunk[number as usize].object.as_mut_ptr());
        if place.used == u128::MAX {
            place.stacked = false;
            self.with_room.pop();
        }
        (place_number << SHIFT) | number
    }

    /// Drops an object.
    pub(super) fn remove(&mut self, index: u32) {
        let (place_number, number) = split(index);
        let place = &mut self.places[place_number];
        place.check(number);
        place.used &= !(1 << number);
        // SAFETY: the bit said that an object is there, and it is cleared now.
        unsafe { place.chunk[number].object.assume_init_drop() };
        if !place.stacked {
            place.stacked = true;
            self.with_room.push(u32_of(place_number));
        }
        if place.used == 0 {
            self.empty_chunks += 1;
            if self.empty_chunks > KEPT_CHUNKS {
                self.empty_chunks -= 1;
                place.chunk = Box::default();
                self.without_chunk.push(u32_of(place_number));
            }
        }
    }

    pub(super) fn get(&self, index: u32) -> &LocalObject<I> {
        let slot = self.slot(index);
        // SAFETY: `slot` has checked that there is an object.
        unsafe { slot.object.assume_init_ref() }
    }

    /// The object of a number that may not be one.
    pub(super) fn find(&self, index: u32) -> Option<&LocalObject<I>> {
        let (place_number, number) = split(index);
        let place = self.places.get(place_number)?;
        (place.used & (1 << number) != 0).then(|| self.get(index))
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut LocalObject<I> {
        let slot = self.slot_mut(index);
        // SAFETY: `slot_mut` has checked that there is an object.
        unsafe { slot.object.assume_init_mut() }
    }

    pub(super) fn in_lru(&mut self, index: u32) -> &mut bool {
        &mut self.slot_mut(index).in_lru
    }

    fn slot(&self, index: u32) -> &Slot<I> {
        let (place_number, number) = split(index);
        let place = &self.places[place_number];
        place.check(number);
        &place.chunk[number]
    }

    fn slot_mut(&mut self, index: u32) -> &mut Slot<I> {
        let (place_number, number) = split(index);
        let place = &mut self.places[place_number];
        place.check(number);
        &mut place.chunk[number]
    }

    fn place_with_room(&mut self) -> u32 {
        // A place whose chunk was given back may still be on the stack.
        while let Some(&top) = self.with_room.last() {
            if !self.places[top as usize].chunk.is_empty() {
                return top;
            }
            self.places[top as usize].stacked = false;
            self.with_room.pop();
        }
        let place_number = self.without_chunk.pop().unwrap_or_else(|| {
            self.places.push(Place { used: 0, chunk: Box::default(), stacked: false });
            u32_of(self.places.len() - 1)
        });
        self.places[place_number as usize] = Place { used: 0, chunk: new_chunk(), stacked: true };
        self.with_room.push(place_number);
        self.empty_chunks += 1;
        place_number
    }
}

impl<I> Drop for Slab<I> {
    fn drop(&mut self) {
        for place in &mut self.places {
            for number in (0..SLOTS_IN_CHUNK).filter(|number| place.used & (1 << number) != 0) {
                // SAFETY: the bit says that an object is there; the chunk is dropped next, without it.
                unsafe { place.chunk[number].object.assume_init_drop() };
            }
        }
    }
}

impl<I> Links for Slab<I> {
    fn link(&mut self, index: u32) -> &mut Link {
        &mut self.slot_mut(index).link
    }

    fn peek(&self, index: u32) -> Link {
        self.slot(index).link
    }
}

fn split(index: u32) -> (usize, usize) {
    ((index >> SHIFT) as usize, (index as usize) & (SLOTS_IN_CHUNK - 1))
}

fn u32_of(place_number: usize) -> u32 {
    u32::try_from(place_number)
        .ok()
        .filter(|&number| number < u32::MAX >> SHIFT)
        .expect("more objects than a table can number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plasma::allocator::{Allocation, MemFd};
    use crate::plasma::common::{ObjectInfo, ObjectSource};
    use ray_common::ObjectId;

    fn add(slab: &mut Slab<ObjectInfo>, size: i64) -> u32 {
        let allocation = Allocation {
            address: std::ptr::null_mut(),
            size,
            fd: MemFd::INVALID,
            offset: 0,
            device_num: 0,
            mmap_size: 0,
            fallback_allocated: false,
        };
        let info = ObjectInfo::new(ObjectId::random(), size, 0);
        // SAFETY: `create_at` writes a complete object.
        unsafe {
            slab.insert(|place| {
                LocalObject::create_at(
                    place,
                    allocation,
                    &info,
                    ObjectSource::CREATED_BY_WORKER,
                    0,
                );
            })
        }
    }

    #[test]
    fn addresses_stay_and_chunks_go() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..10_000).map(|size| add(&mut slab, size)).collect();
        let addresses: Vec<_> = numbers.iter().map(|&n| std::ptr::from_ref(slab.get(n))).collect();
        for (size, &number) in numbers.iter().enumerate() {
            assert_eq!(slab.get(number).info().data_size, i64::try_from(size).unwrap());
            assert_eq!(std::ptr::from_ref(slab.get(number)), addresses[size]);
        }
        for &number in &numbers {
            slab.remove(number);
        }
        let kept = slab.places.iter().filter(|place| !place.chunk.is_empty()).count();
        assert_eq!(kept, KEPT_CHUNKS);
        let again: Vec<u32> = (0..300).map(|size| add(&mut slab, size)).collect();
        assert!(again.iter().all(|number| numbers.contains(number)), "numbers are used again");
        let mut unique = again.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 300);
    }

    #[test]
    #[should_panic(expected = "no object in this slot")]
    fn a_removed_object_cannot_be_reached() {
        let mut slab = Slab::new();
        let (first, _second) = (add(&mut slab, 1), add(&mut slab, 2));
        slab.remove(first);
        slab.get(first);
    }
}
