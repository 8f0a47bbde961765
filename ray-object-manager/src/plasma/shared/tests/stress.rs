//! Who pins and who takes away, at the same time: nobody ever sees a place that was given to another object.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{id, index, object, pages};
use crate::plasma::shared::{ClientPage, StorePage};

const PLACES: usize = 8;
const PLACE_WORDS: usize = 8;
const READERS: usize = 3;
/// So often the store wants each place for another object, and so often a reader has to have read at least.
const ROUNDS: u32 = 5_000;
const READS: usize = 2_000;

/// Memory, and which object lies where, as somebody might tell a reader.
struct World {
    memory: [[AtomicU64; PLACE_WORDS]; PLACES],
    rumours: [AtomicU64; PLACES],
    over: AtomicBool,
}

impl World {
    fn write(&self, place: usize, number: u32) {
        self.memory[place].iter().for_each(|word| word.store(number.into(), Ordering::Relaxed));
    }

    fn is_all(&self, place: usize, number: u32) -> bool {
        self.memory[place].iter().all(|word| word.load(Ordering::Relaxed) == u64::from(number))
    }
}

fn read(world: &World, client: &ClientPage, reader: usize) {
    let (mut reads, mut turn) = (0, reader);
    while reads < READS || !world.over.load(Ordering::Relaxed) {
        turn += 1;
        let rumour = world.rumours[turn % PLACES].load(Ordering::Relaxed);
        let number = u32::try_from(rumour).unwrap();
        let Some((pin, listed)) = client.pin(&id(number)) else { continue };
        let place = usize::try_from(listed.data_offset / 64).unwrap();
        assert!(world.is_all(place, number), "at once");
        if turn % 5 == 0 {
            thread::yield_now();
        }
        assert!(world.is_all(place, number), "until it lets go");
        client.unpin(&pin);
        reads += 1;
    }
}

#[test]
fn no_reader_sees_a_place_that_was_freed() {
    let (mut index, _) = index();
    let world = World {
        memory: Default::default(),
        rumours: Default::default(),
        over: AtomicBool::new(false),
    };
    let at = |place: usize, number: u32| {
        let mut object = object(1);
        object.data_offset = place as u64 * 64;
        (id(number), object)
    };
    let (stores, clients): (Vec<StorePage>, Vec<ClientPage>) = (0..READERS)
        .map(|_| {
            let (store, client, _) = pages(&index);
            (store, client)
        })
        .unzip();
    let mut kept = 0;
    thread::scope(|scope| {
        for (number, client) in clients.iter().enumerate() {
            let world = &world;
            scope.spawn(move || read(world, client, number));
        }
        let mut next = 1;
        let mut lies = [0_u32; PLACES];
        for round in 0..ROUNDS * u32::try_from(PLACES).unwrap() {
            let place = round as usize % PLACES;
            let (old, object) = at(place, lies[place]);
            index.retire([&old]);
            let used = stores.iter().any(|store| store.has_pinned(object.data_offset));
            if used {
                kept += 1;
            } else {
                lies[place] = next;
                next += 1;
                world.write(place, u32::MAX);
                world.write(place, lies[place]);
            }
            let (new, object) = at(place, lies[place]);
            index.publish(&new, &object, lies[place]);
            world.rumours[place].store(lies[place].into(), Ordering::Relaxed);
        }
        world.over.store(true, Ordering::Relaxed);
    });
    assert!(kept > 0, "nobody was in anybody's way");
    assert!(stores.iter().all(|store| store.pins().count() == 0));
}
