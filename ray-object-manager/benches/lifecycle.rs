//! What the life of an object costs in Rust, without the border to C++: the rows of `benches/cpp/bench_rows.cc`, with the
//! same definitions (`docs/benchmarks.md`).
//!
//! The real allocator lies underneath. Every object has an owner's address of 8 letters, which Rust keeps on the heap
//! and C++ within the object.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main, Criterion, SamplingMode, Throughput};
use ray_common::ObjectId;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource};
use ray_object_manager::plasma::obj_lifecycle_mgr::PlasmaLifecycle;
use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};

/// Counts the bytes that are in use.
struct CountingHeap;

static HEAP: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is done by the system's allocator.
unsafe impl GlobalAlloc for CountingHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HEAP.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: CountingHeap = CountingHeap;

const GIB: i64 = 1 << 30;
const MILLION: u32 = 1_000_000;

type Manager = PlasmaLifecycle<PlasmaAllocator>;

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn id(&mut self) -> ObjectId {
        let mut bytes = [0; 28];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
        ObjectId::from_bytes(bytes)
    }

    fn info(&mut self, size: i64) -> ObjectInfo {
        ObjectInfo {
            owner_ip_address: "10.0.0.1".to_owned(),
            owner_port: 1234,
            ..ObjectInfo::new(self.id(), size, 0)
        }
    }
}

fn manager(limit: i64) -> Manager {
    let shm = Path::new("/dev/shm");
    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() },
        fallback_directory: std::env::temp_dir(),
        footprint_limit: limit,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: true,
    });
    Manager::over_allocator(allocator.unwrap())
}

fn create(manager: &mut Manager, info: &ObjectInfo) {
    manager.create_object(info, ObjectSource::CREATED_BY_WORKER, false).unwrap();
}

/// Leaves an object sealed and unused.
fn put(manager: &mut Manager, info: &ObjectInfo) {
    create(manager, info);
    let id = &info.object_id;
    assert!(manager.add_reference(id));
    assert!(manager.seal_object(id).is_some());
    assert!(manager.remove_reference(id));
}

fn filled(objects: u32, random: &mut Random) -> (Manager, Vec<ObjectId>) {
    let mut manager = manager(4 * GIB);
    let ids = (0..objects).map(|_| {
        let info = random.info(64);
        put(&mut manager, &info);
        info.object_id
    });
    let ids = ids.collect();
    (manager, ids)
}

/// As whoever runs a manager does after each call.
fn take_deleted(manager: &mut Manager) -> u32 {
    let mut count = 0;
    while let Some(id) = manager.next_deleted() {
        black_box(id);
        count += 1;
    }
    count
}

fn cycle(manager: &mut Manager, info: &ObjectInfo) {
    let id = &info.object_id;
    create(manager, info);
    assert!(manager.seal_object(id).is_some());
    assert!(manager.add_reference(id));
    assert!(manager.remove_reference(id));
    assert_eq!(manager.delete_object(id), Ok(()));
    assert_eq!(take_deleted(manager), 1);
}

fn lifecycle(c: &mut Criterion) {
    for (name, objects) in [("lifecycle_10k", 10_000), ("lifecycle_1m", MILLION)] {
        let mut random = Random(1);
        let (mut manager, _) = filled(objects, &mut random);
        let infos: Vec<ObjectInfo> = (0..50_000).map(|_| random.info(1024)).collect();
        let mut next = infos.iter().cycle();
        c.bench_function(name, |b| b.iter(|| cycle(&mut manager, next.next().unwrap())));
    }
}

fn lookup(c: &mut Criterion) {
    for (name, objects) in [("lookup_10k", 10_000), ("lookup_1m", MILLION)] {
        let mut random = Random(1);
        let (manager, ids) = filled(objects, &mut random);
        let plan: Vec<ObjectId> = (0..200_000)
            .map(|_| ids[usize::try_from(random.next() % u64::from(objects)).unwrap()])
            .collect();
        let mut next = plan.iter().cycle();
        c.bench_function(name, |b| {
            b.iter(|| assert!(manager.get_object(next.next().unwrap()).is_some()));
        });
    }
}

fn evict(c: &mut Criterion) {
    let mut group = c.benchmark_group("evict");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(1));
    for (name, objects) in [("100k", 100_000), ("1m", MILLION)] {
        group.throughput(Throughput::Elements(objects.into()));
        let (mut random, mut manager) = (Random(1), manager(4 * GIB));
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                (0..rounds).map(|_| evict_all(objects, &mut manager, &mut random)).sum()
            });
        });
    }
    group.finish();
}

fn evict_all(objects: u32, manager: &mut Manager, random: &mut Random) -> Duration {
    for _ in 0..objects {
        put(manager, &random.info(64));
    }
    let start = Instant::now();
    assert_eq!(manager.require_space(64 * i64::from(objects)), 64 * i64::from(objects));
    assert_eq!(take_deleted(manager), objects);
    start.elapsed()
}

fn stall(c: &mut Criterion) {
    let mut group = c.benchmark_group("evict_stall_1m");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(1));
    let (mut random, mut manager) = (Random(1), manager(i64::from(MILLION) * 1024 + (1 << 20)));
    group.bench_function("create", |b| {
        b.iter_custom(|rounds| (0..rounds).map(|_| next_stall(&mut manager, &mut random)).sum());
    });
    group.finish();
}

/// Fills until a create evicts, and returns what that one took.
fn next_stall(manager: &mut Manager, random: &mut Random) -> Duration {
    loop {
        let info = random.info(1000);
        let start = Instant::now();
        create(manager, &info);
        let evicted = take_deleted(manager);
        let time = start.elapsed();
        let id = &info.object_id;
        manager.add_reference(id);
        manager.seal_object(id);
        manager.remove_reference(id);
        if evicted > 0 {
            return time;
        }
    }
}

/// Anonymous resident memory: the pages of the store are not counted.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: Vec<usize> = statm.split(' ').take(3).map(|field| field.parse().unwrap()).collect();
    (pages[1] - pages[2]) * rustix::param::page_size()
}

/// No times: bytes on the heap for each of a million objects, and what is left when they are gone.
fn memory(_: &mut Criterion) {
    let mut random = Random(1);
    let infos: Vec<ObjectInfo> = (0..MILLION).map(|_| random.info(64)).collect();
    let (mut manager, ids) = filled(2000, &mut random);
    for id in &ids {
        manager.delete_object(id).unwrap();
        take_deleted(&mut manager);
    }
    let before = (HEAP.load(Ordering::Relaxed), resident());
    for info in &infos {
        put(&mut manager, info);
    }
    let bytes = HEAP.load(Ordering::Relaxed) - before.0;
    println!("heap_per_object         {} bytes", bytes / infos.len());
    for info in &infos {
        manager.delete_object(&info.object_id).unwrap();
        take_deleted(&mut manager);
    }
    println!("heap_after_delete       {} bytes", HEAP.load(Ordering::Relaxed) - before.0);
    println!("  resident              {} bytes", resident().saturating_sub(before.1));
}

criterion_group!(benches, memory, lookup, lifecycle, evict, stall);
criterion_main!(benches);
