//! What an allocation costs, and how full a region gets.
//!
//! `alloc_random_*`: 10,000 live objects, one at random is freed and another one allocated, of the same size or
//! (`_vary`) of half to one and a half times the size. `alloc_lifo_*`: one object comes and goes; in `_fb1000` out of a hole of
//! 60 MiB while 1000 fallback mappings live. `pack_*`: 50,000 objects of 1 KiB to 4 MiB pass through a region of 1 GiB that
//! is 80 % full, then it is filled until the first refusal; printed is how full it is then.
//!
//! Where the region is larger than 1 GiB it is made of addresses only: the allocator does not touch it anyway.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{criterion_group, criterion_main, Criterion};
use ray_object_manager::plasma::allocator::{Allocation, Allocator};
use ray_object_manager::plasma::plasma_allocator::{
    AddressesOnly, PlasmaAllocator, PlasmaAllocatorConfig, Region,
};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    #[allow(clippy::cast_precision_loss)]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn config(limit: usize) -> PlasmaAllocatorConfig {
    let shm = Path::new("/dev/shm");
    PlasmaAllocatorConfig {
        plasma_directory: if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() },
        fallback_directory: std::env::temp_dir(),
        footprint_limit: i64::try_from(limit).unwrap(),
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: true,
    }
}

fn of_file(limit: usize) -> PlasmaAllocator {
    PlasmaAllocator::new(config(limit)).unwrap()
}

fn of_addresses(limit: usize) -> PlasmaAllocator<AddressesOnly> {
    let config = PlasmaAllocatorConfig { fallback_directory: PathBuf::new(), ..config(limit) };
    PlasmaAllocator::with_region(AddressesOnly::new(limit), config).unwrap()
}

fn replace<R: Region>(
    c: &mut Criterion,
    name: &str,
    size: usize,
    vary: bool,
    new: impl Fn(usize) -> PlasmaAllocator<R>,
) {
    const LIVE: usize = 10_000;
    let mut random = Random(1);
    let mut sized = || if vary { size / 2 + random.below(size) } else { size };
    let mut allocator = new((size * 13 / 10 + 256) * LIVE + (64 << 20));
    let mut live: Vec<Option<Allocation>> =
        (0..LIVE).map(|_| allocator.allocate(sized()).ok()).collect();
    let sizes: Vec<usize> = (0..1 << 17).map(|_| sized()).collect();
    let steps: Vec<(usize, usize)> =
        sizes.into_iter().map(|size| (random.below(LIVE), size)).collect();
    let mut at = 0;
    c.bench_function(name, |b| {
        b.iter(|| {
            let (slot, size) = steps[at % steps.len()];
            at += 1;
            allocator.free(live[slot].take().unwrap()).unwrap();
            live[slot] = Some(allocator.allocate(size).unwrap());
        });
    });
    live.into_iter().flatten().for_each(|allocation| allocator.free(allocation).unwrap());
    allocator.check_invariants().unwrap();
}

fn random(c: &mut Criterion) {
    for (suffix, vary) in [("", false), ("_vary", true)] {
        replace(c, &format!("alloc_random_100B{suffix}"), 100, vary, of_file);
        replace(c, &format!("alloc_random_1KB{suffix}"), 1 << 10, vary, of_file);
        replace(c, &format!("alloc_random_100KB{suffix}"), 100 << 10, vary, of_addresses);
        replace(c, &format!("alloc_random_1MB{suffix}"), 1 << 20, vary, of_addresses);
    }
}

fn pair(c: &mut Criterion, name: &str, size: usize, allocator: &mut impl Allocator) {
    c.bench_function(name, |b| {
        b.iter(|| {
            let allocation = black_box(allocator.allocate(black_box(size)).unwrap());
            allocator.free(allocation).unwrap();
        });
    });
}

fn lifo(c: &mut Criterion) {
    pair(c, "alloc_lifo_1KB", 1 << 10, &mut of_file(1 << 30));
    pair(c, "alloc_lifo_1MB", 1 << 20, &mut of_file(1 << 30));

    let mut allocator = of_file(64 << 20);
    let big = allocator.allocate(60 << 20).unwrap();
    let mut kept = Vec::new();
    for size in [1 << 20, 1 << 18, 1 << 16, 1 << 14, 1 << 12, 1 << 10, 256, 64] {
        while let Ok(allocation) = allocator.allocate(size) {
            kept.push(allocation);
        }
    }
    for _ in 0..1000 {
        let allocation = allocator.fallback_allocate(100 << 10).unwrap();
        assert!(allocation.fallback_allocated);
        kept.push(allocation);
    }
    allocator.free(big).unwrap();
    pair(c, "alloc_lifo_fb1000", 1 << 10, &mut allocator);
}

const REGION: usize = 1 << 30;
const STEPS: usize = 50_000;

/// How full the region was at the first refusal, and how often something had to go although 20 % were free.
fn pack(seed: u64, size: impl Fn(&mut Random) -> usize) -> (f64, usize) {
    let mut random = Random(seed * 7919);
    let mut allocator = of_addresses(REGION);
    let mut live: Vec<Allocation> = Vec::new();
    let mut refused = 0;
    let used = |allocator: &PlasmaAllocator<_>| usize::try_from(allocator.allocated()).unwrap();
    for _ in 0..STEPS {
        let size = size(&mut random);
        let mut full = used(&allocator) + size > REGION * 8 / 10;
        loop {
            if full {
                let gone = live.swap_remove(random.below(live.len()));
                allocator.free(gone).unwrap();
                full = used(&allocator) + size > REGION * 8 / 10;
            } else if let Ok(allocation) = allocator.allocate(size) {
                live.push(allocation);
                break;
            } else {
                (refused, full) = (refused + 1, true);
            }
        }
    }
    while let Ok(allocation) = allocator.allocate(size(&mut random)) {
        live.push(allocation);
    }
    #[allow(clippy::cast_precision_loss)]
    (used(&allocator) as f64 / REGION as f64, refused)
}

fn uniform(random: &mut Random) -> usize {
    1024 + random.below((4 << 20) - 1024)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn log_uniform(random: &mut Random) -> usize {
    (1024_f64.ln() + random.unit() * 4096_f64.ln()).exp() as usize
}

fn packing(c: &mut Criterion) {
    for (name, size) in
        [("pack_uniform", uniform as fn(&mut Random) -> usize), ("pack_log", log_uniform)]
    {
        let (full, refused): (Vec<f64>, Vec<usize>) = (1..=20).map(|seed| pack(seed, size)).unzip();
        let mean = full.iter().sum::<f64>() / 20.0;
        let (least, most) =
            full.iter().fold((1.0_f64, 0.0_f64), |(l, m), f| (l.min(*f), m.max(*f)));
        let refused: usize = refused.iter().sum();
        println!(
            "{name}: full to {mean:.4} (from {least:.4} to {most:.4}), {refused} early refusals"
        );
        c.bench_function(&format!("{name}_50000"), |b| b.iter(|| black_box(pack(1, size))));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = lifo, random, packing
}
criterion_main!(benches);
