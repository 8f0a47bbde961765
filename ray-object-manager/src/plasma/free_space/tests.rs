//! The free space against a model that keeps live pieces in a sorted map and knows nothing else.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::check::Piece;
use super::records::NIL;
use super::{FreeSpace, Taken, GRANULE};

/// splitmix64, so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}

/// Live pieces by offset: size in granules, and bytes asked for.
#[derive(Default)]
struct Model {
    live: BTreeMap<u64, (u64, usize)>,
    offsets: Vec<u64>,
    used: u64,
    touched: u64,
}

impl Model {
    fn insert(&mut self, offset: u64, bytes: usize, granules: u64) {
        let size = (bytes.div_ceil(GRANULE) as u64).max(1);
        assert!(offset + size <= granules, "beyond the region");
        if let Some((before, (len, _))) = self.live.range(..=offset).next_back() {
            assert!(before + len <= offset, "overlaps the one before");
        }
        if let Some((after, _)) = self.live.range(offset..).next() {
            assert!(offset + size <= *after, "overlaps the one after");
        }
        self.live.insert(offset, (size, bytes));
        self.offsets.push(offset);
        self.used += size;
        self.touched = self.touched.max(offset + size);
    }

    fn remove(&mut self, at: usize) -> (u64, usize) {
        let offset = self.offsets.swap_remove(at);
        let (size, bytes) = self.live.remove(&offset).unwrap();
        self.used -= size;
        (offset, bytes)
    }

    /// The gaps that are not at the end, as they are between live pieces and quick ones (offsets and sizes): the
    /// least score of those with at least `wanted` granules.
    fn best_gap(&self, space: &FreeSpace, quick: &[(u64, u64)], wanted: u64) -> Option<u64> {
        let mut used: BTreeMap<u64, u64> = quick.iter().copied().collect();
        used.extend(self.live.iter().map(|(offset, (size, _))| (*offset, *size)));
        let mut at = 0;
        let mut best = None;
        for (offset, size) in used {
            let gap = offset - at;
            if gap >= wanted {
                let score = space.zones.score(at, gap);
                best = Some(best.map_or(score, |best: u64| best.min(score)));
            }
            at = offset + size;
        }
        best
    }
}

/// Where `bytes` are now.
fn allocate(space: &mut FreeSpace, bytes: usize) -> Option<u64> {
    allocate_numbered(space, bytes).map(|taken| taken.offset)
}

fn allocate_numbered(space: &mut FreeSpace, bytes: usize) -> Option<Taken> {
    space.take_quick(bytes).or_else(|| {
        let fit = space.find(bytes)?;
        let taken = space.take(fit, bytes);
        assert_eq!(taken.offset, fit.offset);
        Some(taken)
    })
}

/// Every free piece that is merged is shown once, if it is large enough, and nothing else.
fn shows_free_pieces(space: &FreeSpace, least: u64, stop: usize) {
    let quick: HashMap<u64, u64> = space.quick_pieces().into_iter().collect();
    let mut free = BTreeMap::new();
    let mut at = 0;
    // Merged pieces lie between what is live or quick.
    let live = space.pieces().filter(|piece| piece.live).map(|piece| (piece.offset, piece.size));
    let mut used: Vec<(u64, u64)> = live.chain(quick).collect();
    used.push((space.granules, 0));
    used.sort_unstable();
    for (offset, size) in used {
        if offset - at >= least && offset > at {
            free.insert(at, offset - at);
        }
        at = offset + size;
    }
    let mut shown = BTreeMap::new();
    space.visit_free(least, |offset, size| {
        assert_eq!(shown.insert(offset, size), None, "shown twice");
        ControlFlow::Continue(())
    });
    assert_eq!(shown, free);
    let mut count = 0;
    space.visit_free(least, |_, _| {
        count += 1;
        if count == stop {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(count, stop.min(free.len()));
}

fn whole(space: &FreeSpace, granules: u64) {
    space.check().unwrap();
    let pieces: Vec<Piece> = space.pieces().collect();
    assert_eq!(pieces, [Piece { offset: 0, size: granules, live: false }], "all merged again");
    assert_eq!((space.free_granules(), space.num_live()), (granules, 0));
}

/// Sizes in bytes, of many shapes.
fn size(random: &mut Random, largest: u64) -> usize {
    let bytes = match random.below(8) {
        0 => random.below(3),
        1..=3 => random.below(300),
        4 => 64 * random.below(1 + largest / 64),
        5 => 1 << random.below(u64::from(largest.ilog2()) + 1),
        _ => {
            let bits = random.below(u64::from(largest.ilog2()) + 1);
            random.below(1 << bits)
        }
    };
    usize::try_from(bytes).unwrap()
}

fn run(seed: u64, granules: u64, largest: u64, operations: usize) -> usize {
    let mut random = Random(seed);
    let (mut space, mut model) = (FreeSpace::new(granules), Model::default());
    let mut refused = 0;
    // What a piece was called when it was given out, and is as long as it is live.
    let mut numbers = HashMap::new();
    for step in 0..operations {
        // Waves: mostly allocating, then mostly freeing.
        let adding = random.below(100) < if step / 4096 % 2 == 0 { 60 } else { 42 };
        if adding || model.offsets.is_empty() {
            let bytes = size(&mut random, largest);
            match allocate_numbered(&mut space, bytes) {
                Some(Taken { offset, number }) => {
                    numbers.insert(offset, number);
                    model.insert(offset, bytes, granules);
                }
                None => {
                    refused += 1;
                    let wanted = (bytes.div_ceil(GRANULE) as u64).max(1);
                    assert!(space.largest_free() < wanted, "refused although there is room");
                }
            }
        } else {
            let (offset, bytes) = model.remove(random.index(model.offsets.len()));
            let number = match random.below(8) {
                0 => NIL,
                1 => u32::MAX,
                // Another piece's, mostly.
                2 => u32::try_from(random.below(numbers.len() as u64 + 2)).unwrap(),
                _ => numbers[&offset],
            };
            let piece = Taken { offset, number };
            assert_eq!(space.release_numbered(piece), Some(bytes), "seed {seed}, step {step}");
            assert_eq!(space.release_numbered(piece), None, "a second time");
        }
        assert_eq!(space.free_granules(), granules - model.used);
        assert_eq!(space.num_live(), model.live.len());
        if step % 10_000 == 0 {
            space.check().unwrap_or_else(|wrong| panic!("seed {seed}, step {step}: {wrong}"));
            let live = space.pieces().filter(|piece| piece.live);
            assert!(live.map(|piece| piece.offset).eq(model.live.keys().copied()));
            shows_free_pieces(&space, 1 << random.below(18), 1 + random.index(9));
        }
    }
    space.check().unwrap();
    while !model.offsets.is_empty() {
        let (offset, bytes) = model.remove(random.index(model.offsets.len()));
        assert_eq!(space.release(offset), Some(bytes));
    }
    whole(&space, granules);
    refused
}

#[test]
fn a_million_random_operations_agree_with_the_model() {
    let mut refused = 0;
    for (seed, granules, largest) in [
        (1, 1 << 10, 1 << 12), // a tiny region, nearly always full
        (2, 1 << 16, 1 << 17), // 4 MiB of small pieces
        (3, 1 << 22, 1 << 26), // 256 MiB, pieces on both sides of the largest list
        (4, 1 << 24, 1 << 28), // 1 GiB, mostly large pieces
        (5, 1 << 40, 1 << 42), // 64 TiB, sizes of up to 42 bits
        (6, (1 << 20) - 7, 1 << 22),
    ] {
        refused += run(seed, granules, largest, 200_000);
    }
    assert!(refused > 1000, "a full region was met only {refused} times");
}

#[test]
fn the_best_gap_is_taken_and_the_top_last() {
    // From far below to far above the border between lists and tries; the last one over all zones.
    let mut zones = [0; 8];
    for (seed, largest) in [(11, 1 << 12), (12, 1 << 25), (13, 1 << 36), (14, 1 << 39)] {
        let mut random = Random(seed);
        let granules = 1 << 40;
        let (mut space, mut model) = (FreeSpace::new(granules), Model::default());
        for step in 0..6000 {
            if random.below(100) < if step < 1500 { 80 } else { 50 } {
                let bytes = size(&mut random, largest);
                let wanted = (bytes.div_ceil(GRANULE) as u64).max(1);
                if let Some(Taken { offset, .. }) = space.take_quick(bytes) {
                    model.insert(offset, bytes, granules);
                    continue;
                }
                let fit = space.find(bytes).unwrap();
                let piece = space.records.at(fit.index).size;
                match model.best_gap(&space, &space.quick_pieces(), wanted) {
                    Some(best) => {
                        let score = space.zones.score(fit.offset, piece);
                        assert_eq!(score, best, "seed {seed}, step {step}");
                        zones[space.zones.number(fit.offset)] += 1;
                    }
                    None => {
                        let end = model.live.last_key_value().map_or(0, |(at, live)| at + live.0);
                        assert_eq!(fit.offset, end, "the top is cut from its low end");
                    }
                }
                space.take(fit, bytes);
                model.insert(fit.offset, bytes, granules);
            } else if !model.offsets.is_empty() {
                let (offset, _) = model.remove(random.index(model.offsets.len()));
                space.release(offset).unwrap();
            }
        }
        space.check().unwrap();
    }
    assert!(zones.iter().filter(|&&taken| taken > 10).count() > 2, "{zones:?}");
}

#[test]
fn a_piece_farther_from_the_start_must_be_that_much_better() {
    // A zone has 2^17 granules, and a step is 8 of them.
    for (low, high, wins) in [(120, 110, 1 << 17), (120, 112, 1000), (120, 116, 1000)] {
        let mut space = FreeSpace::new(1 << 20);
        for granules in [1000, low, 880 - low, (1 << 17) - 1880, high, 40] {
            allocate(&mut space, granules * GRANULE).unwrap();
        }
        space.release(1000).unwrap();
        space.release(1 << 17).unwrap();
        assert_eq!(allocate(&mut space, 90 * GRANULE), Some(wins), "{low} or {high}");
        space.check().unwrap();
    }
}

#[test]
fn small_pieces_are_reused_before_they_merge_and_merge_before_a_refusal() {
    let mut space = FreeSpace::new(4096);
    let offsets: Vec<u64> = (0..64).map(|_| allocate(&mut space, 128).unwrap()).collect();
    for &offset in &offsets[..10] {
        assert_eq!(space.release(offset), Some(128));
        assert_eq!(space.release(offset), None, "a second time");
    }
    assert_eq!((space.num_live(), space.free_granules()), (54, 4096 - 108));
    space.check().unwrap();
    // The last one freed is the first one given out.
    assert_eq!(allocate(&mut space, 100), Some(offsets[9]));
    assert_eq!(space.release(offsets[9]), Some(100));
    // They count as one piece, and become one when it is needed.
    assert_eq!(space.largest_free(), 4096 - 128);
    let top = allocate(&mut space, (4096 - 128) * 64).unwrap();
    assert_eq!(top, 128);
    assert_eq!(allocate(&mut space, 21 * 64), None);
    assert_eq!(allocate(&mut space, 20 * 64), Some(0));
    space.check().unwrap();
}

#[test]
fn unused_memory_stays_unused_as_long_as_used_memory_is_enough() {
    let mut space = FreeSpace::new(1 << 20);
    let mut offsets = Vec::new();
    for _ in 0..1000 {
        offsets.push(allocate(&mut space, 6400).unwrap());
    }
    let mut random = Random(7);
    for _ in 0..10_000 {
        let at = random.index(offsets.len());
        space.release(offsets[at]).unwrap();
        offsets[at] = allocate(&mut space, 6400).unwrap();
        assert!(offsets[at] + 100 <= 100_000, "went on to memory never used before");
    }
}

#[test]
fn a_table_of_offsets_is_made_when_it_is_needed_and_given_up_when_it_is_not() {
    let mut space = FreeSpace::new(1 << 20);
    // Too large for quick lists.
    let bytes = 64 * GRANULE;
    let mut pieces: Vec<Taken> =
        (0..5000).map(|_| allocate_numbered(&mut space, bytes).unwrap()).collect();
    let mut random = Random(3);
    for round in 0..3 {
        assert!(space.by_offset.is_none(), "round {round}");
        assert_eq!(space.release(pieces.pop().unwrap().offset), Some(bytes));
        // As many releases by number as there are pieces, and one more, make it superfluous.
        let live = space.num_live();
        for release in 0..=live {
            assert!(space.by_offset.is_some(), "{release} of {live}");
            let at = random.index(pieces.len());
            assert_eq!(space.release_numbered(pieces[at]), Some(bytes));
            pieces[at] = allocate_numbered(&mut space, bytes).unwrap();
            if release % 1000 == 0 {
                space.check().unwrap();
            }
        }
        space.release_numbered(pieces.pop().unwrap()).unwrap();
    }
    // Numbers hold in between, whatever becomes of the others.
    let (gone, stay) = pieces.split_at(4000);
    for &piece in gone.iter().chain(stay) {
        assert_eq!(space.release_numbered(piece), Some(bytes));
        assert!(space.by_offset.is_none(), "no number was wrong");
    }
    whole(&space, 1 << 20);
}

#[test]
fn an_address_that_does_not_begin_a_live_piece_is_refused() {
    let mut space = FreeSpace::new(100);
    assert_eq!(allocate(&mut space, 640), Some(0));
    for offset in (1..200).chain([u64::MAX, 1 << 40]) {
        assert_eq!(space.release(offset), None);
    }
    space.check().unwrap();
    assert_eq!(space.release(0), Some(640));
    assert_eq!(space.release(0), None);
    whole(&space, 100);
}

#[test]
fn sizes_at_the_borders() {
    let mut space = FreeSpace::new(64);
    assert!(space.find(64 * 64 + 1).is_none());
    assert!(space.find(usize::MAX).is_none());
    for (bytes, granules) in [(0, 1), (1, 1), (63, 1), (64, 1), (65, 2), (64 * 64, 64)] {
        assert_eq!(allocate(&mut space, bytes), Some(0));
        assert_eq!(space.free_granules(), 64 - granules);
        assert_eq!(space.release(0), Some(bytes));
    }
}

#[test]
fn bookkeeping_memory_is_given_back() {
    let mut space = FreeSpace::new(1 << 30);
    let mut random = Random(21);
    let small = space.footprint();
    let mut offsets = Vec::new();
    for _ in 0..300_000 {
        let bytes = size(&mut random, 1 << 16);
        offsets.push(allocate(&mut space, bytes).unwrap());
    }
    let full = space.footprint();
    assert!(full > 300_000 * 32);
    let mut kept = HashMap::new();
    while offsets.len() > 100 {
        let at = random.index(offsets.len());
        let offset = offsets.swap_remove(at);
        let bytes = space.release(offset).unwrap();
        if kept.len() < 50 && offsets.len() % 50 == 0 {
            kept.insert(allocate(&mut space, bytes).unwrap(), bytes);
        }
        if offsets.len() % 20_000 == 0 {
            space.check().unwrap();
        }
    }
    let now = space.footprint();
    // 150 pieces, as many in quick lists and what is free between them have records in nearly as many pages. A few pages are kept, so
    // that a store that is filled again and again does not ask for them each time.
    assert!(now < full / 4, "{now} bytes are left of {full}, {small} at the start");
    for (offset, bytes) in kept {
        assert_eq!(space.release(offset), Some(bytes));
    }
    assert!(offsets.iter().all(|&offset| space.release(offset).is_some()));
    whole(&space, 1 << 30);
    assert!(space.footprint() < full / 20, "{} bytes are left of {full}", space.footprint());
}

#[test]
fn occupancy_shows_where_pieces_are() {
    let mut space = FreeSpace::new(1000);
    for bytes in [6400, 6400, 6400] {
        allocate(&mut space, bytes).unwrap();
    }
    space.release(100).unwrap();
    assert_eq!(space.occupancy(10), [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(space.occupancy(1), [0.2]);
    assert_eq!(space.occupancy(0), [0.0; 0]);
    let many = space.occupancy(3000);
    assert_eq!(many.len(), 3000);
    assert!((many.iter().sum::<f64>() - 600.0).abs() < 1e-9);
    assert_eq!(space.largest_free(), 700);
}

#[test]
fn what_is_freed_in_a_row_is_listed_once_and_found_at_once() {
    let mut space = FreeSpace::new(10_000);
    let offsets: Vec<u64> = (0..100).map(|_| allocate(&mut space, 64 * 64).unwrap()).collect();
    let barrier = allocate(&mut space, 64 * 64).unwrap();
    for (freed, offset) in (1..).zip(&offsets[10..]) {
        space.release(*offset).unwrap();
        space.check().unwrap();
        let lists = |space: &FreeSpace| space.zones.best_fit(&space.records, 1);
        assert_eq!(lists(&space), None, "{freed} pieces are one that is in no list");
        let mut shown = Vec::new();
        space.visit_free(1, |offset, size| {
            shown.push((offset, size));
            ControlFlow::Continue(())
        });
        assert!(shown.contains(&(offsets[10], freed * 64)), "{shown:?}");
    }
    // One elsewhere: the first is listed now.
    space.release(offsets[3]).unwrap();
    space.check().unwrap();
    assert!(space.zones.best_fit(&space.records, 1).is_some());
    assert_eq!(allocate(&mut space, 90 * 64 * 64), Some(offsets[10]));
    assert_eq!(allocate(&mut space, 64 * 64), Some(offsets[3]));
    space.check().unwrap();
    for offset in [offsets[10], offsets[3], barrier]
        .into_iter()
        .chain(offsets[..3].to_vec())
        .chain(offsets[4..10].to_vec())
    {
        space.release(offset).unwrap();
        space.check().unwrap();
    }
    whole(&space, 10_000);
}
