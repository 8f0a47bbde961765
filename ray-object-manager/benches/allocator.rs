//! What an allocation costs, and how full a region gets. The original is measured with the same rows.
//!
//! * `alloc_random_*`: 10,000 live objects of half to one and a half times the nominal size; one at random is freed
//!   and another one allocated.
//! * `alloc_lifo`: one object of 1 KiB comes and goes; in `_fb1000` out of a hole of 1 MiB in a full region, while 1000
//!   fallback files are mapped.
//! * `pack_*`: a region of 1 GiB is filled with objects of 1 KiB to 4 MiB until the first refusal; then 20,000 times one at
//!   random goes and the filling goes on (`churned`); then 20 % go and it is filled again (`end`). Printed is how full it is.
//!
//! Where the region is larger than 1 GiB it is made of addresses only: the allocator never touches it anyway.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{criterion_group, criterion_main, Criterion};
use ray_object_manager::plasma::allocator::{Allocation, Allocator};
use ray_object_manager::plasma::plasma_allocator::{
    AddressesOnly, PlasmaAllocator, PlasmaAllocatorConfig,
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

fn random(c: &mut Criterion) {
    const LIVE: usize = 10_000;
    for (name, size) in [("100B", 100), ("1KB", 1 << 10), ("100KB", 100 << 10), ("1MB", 1 << 20)] {
        let mut random = Random(1);
        let sized = |random: &mut Random| size / 2 + random.below(size + 1);
        let mut allocator = of_addresses(16 << 30);
        let mut live: Vec<Option<Allocation>> =
            (0..LIVE).map(|_| allocator.allocate(sized(&mut random)).ok()).collect();
        let steps: Vec<(usize, usize)> =
            (0..1 << 17).map(|_| (random.below(LIVE), sized(&mut random))).collect();
        let mut at = 0;
        c.bench_function(&format!("alloc_random_{name}"), |b| {
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
}

fn pair(c: &mut Criterion, name: &str, allocator: &mut impl Allocator) {
    c.bench_function(name, |b| {
        b.iter(|| {
            let allocation = black_box(allocator.allocate(black_box(1 << 10)).unwrap());
            allocator.free(allocation).unwrap();
        });
    });
}

fn lifo(c: &mut Criterion) {
    pair(c, "alloc_lifo", &mut of_file(1 << 30));

    let mut allocator = of_file(64 << 20);
    let hole = allocator.allocate(1 << 20).unwrap();
    let mut kept = Vec::new();
    for size in [1 << 20, 64 << 10, 4 << 10, 1 << 10, 64] {
        while let Ok(allocation) = allocator.allocate(size) {
            kept.push(allocation);
        }
    }
    for _ in 0..1000 {
        let allocation = allocator.fallback_allocate(4096).unwrap();
        assert!(allocation.fallback_allocated);
        kept.push(allocation);
    }
    allocator.free(hole).unwrap();
    pair(c, "alloc_lifo_fb1000", &mut allocator);
}

const REGION: usize = 1 << 30;

/// A region, what lives in it, and where the next sizes come from.
struct Store {
    allocator: PlasmaAllocator<AddressesOnly>,
    live: Vec<Allocation>,
    random: Random,
    size: fn(&mut Random) -> usize,
}

impl Store {
    fn fill(&mut self) {
        while let Ok(allocation) = self.allocator.allocate((self.size)(&mut self.random)) {
            self.live.push(allocation);
        }
    }

    fn remove(&mut self) {
        let gone = self.live.swap_remove(self.random.below(self.live.len()));
        self.allocator.free(gone).unwrap();
    }

    #[allow(clippy::cast_precision_loss)]
    fn percent(&self) -> f64 {
        self.allocator.allocated() as f64 * 100.0 / REGION as f64
    }
}

/// How full the region is after filling, after the churn, and after 20 % were replaced.
fn pack(seed: u64, size: fn(&mut Random) -> usize, churn: usize) -> [f64; 3] {
    let allocator = of_addresses(REGION);
    let mut store = Store { allocator, live: Vec::new(), random: Random(seed * 7919), size };
    store.fill();
    let filled = store.percent();
    for _ in 0..churn {
        store.remove();
        store.fill();
    }
    let churned = store.percent();
    while store.percent() > 80.0 {
        store.remove();
    }
    store.fill();
    [filled, churned, store.percent()]
}

fn uniform(random: &mut Random) -> usize {
    1024 + random.below((4 << 20) - 1024 + 1)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn log_uniform(random: &mut Random) -> usize {
    (1024_f64.ln() + random.unit() * 4096_f64.ln()).exp() as usize
}

fn packing(c: &mut Criterion) {
    let rows = [("pack_uniform", uniform as fn(&mut Random) -> usize), ("pack_log", log_uniform)];
    for (name, size) in rows {
        let runs: Vec<[f64; 3]> = (1..=10).map(|seed| pack(seed, size, 20_000)).collect();
        let mean = |at: usize| runs.iter().map(|run| run[at]).sum::<f64>() / 10.0;
        let worst = runs.iter().map(|run| run[2]).fold(100.0, f64::min);
        let (filled, churned, end) = (mean(0), mean(1), mean(2));
        println!("{name}: filled {filled:.2} churned {churned:.2} end {end:.2} worst {worst:.2} %");
        c.bench_function(&format!("{name}_churn_1000"), |b| {
            b.iter(|| black_box(pack(1, size, 1000)));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = lifo, random, packing
}
criterion_main!(benches);
