//! What the store really takes from the allocator: never more than the limit, little more than the data, and nothing in the
//! end. One test, so that nothing else allocates meanwhile.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ray_object_store::{EvictionPolicy, MemoryConfig, MemoryStore, ObjectRef, Store};

/// Counts what the program has allocated.
struct Counting {
    all: AtomicUsize,
    large: AtomicUsize,
    most_large: AtomicUsize,
}

/// Only data have so many bytes in these tests.
const LARGE: std::ops::RangeInclusive<usize> = 15_000..=40_100;

// SAFETY: it counts, and leaves everything else to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size();
        self.all.fetch_add(size, Ordering::Relaxed);
        if LARGE.contains(&size) {
            let now = self.large.fetch_add(size, Ordering::SeqCst) + size;
            self.most_large.fetch_max(now, Ordering::SeqCst);
        }
        // SAFETY: the caller's promises are the system's allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let size = layout.size();
        self.all.fetch_sub(size, Ordering::Relaxed);
        if LARGE.contains(&size) {
            self.large.fetch_sub(size, Ordering::SeqCst);
        }
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting {
    all: AtomicUsize::new(0),
    large: AtomicUsize::new(0),
    most_large: AtomicUsize::new(0),
};

fn allocated() -> usize {
    COUNTING.all.load(Ordering::Relaxed)
}

fn store(limit: usize, policy: EvictionPolicy) -> Store {
    Store::new(MemoryStore::new(MemoryConfig { limit, policy }))
}

/// Bytes an object beside its data, of so many objects of this size.
fn overhead(policy: EvictionPolicy, count: usize, size: usize, detach: bool) -> usize {
    let data = vec![7u8; size];
    let mut references: Vec<ObjectRef<[u8]>> = Vec::with_capacity(count);
    let store = store(usize::MAX / 2, policy);
    let before = allocated();
    for _ in 0..count {
        let object = store.put_slice(&data).unwrap();
        if detach {
            object.detach();
        } else {
            references.push(object);
        }
    }
    (allocated() - before) / count - size
}

fn overhead_is_small() {
    for policy in [EvictionPolicy::Lru, EvictionPolicy::Fifo, EvictionPolicy::Lfu] {
        for detach in [false, true] {
            // Before and after the index has grown.
            let counts: &[usize] =
                if policy == EvictionPolicy::Lru { &[3500, 4000, 7000, 7200] } else { &[3600] };
            for count in counts.iter().copied() {
                let overhead = overhead(policy, count, 1024, detach);
                println!("{policy:?}, {count} of 1 KB, detached {detach}: {overhead} bytes each");
                assert!(overhead * 10 < 1024, "{overhead}");
                // What is counted against the limit is no less.
                assert!(overhead <= ray_object_store::OBJECT_OVERHEAD, "{overhead}");
            }
        }
    }
}

fn the_limit_is_the_allocators() {
    let limit = 1_000_000;
    let store = store(limit, EvictionPolicy::Lru);
    // Larger than what counts.
    let data = vec![7u8; 50_000];
    COUNTING.large.store(0, Ordering::SeqCst);
    COUNTING.most_large.store(0, Ordering::SeqCst);
    std::thread::scope(|scope| {
        for seed in 0..6usize {
            let (store, data) = (&store, &data);
            scope.spawn(move || {
                let mut kept = std::collections::VecDeque::new();
                for number in 0..1000 {
                    let size = 15_000 + (number * 7919 + seed * 104_729) % 25_000;
                    if let Ok(object) = store.put_slice(&data[..size]) {
                        if number % 3 == 0 {
                            // A reader that outlives its object's other references.
                            kept.push_back(object.view().unwrap());
                        } else {
                            object.detach();
                        }
                    }
                    if kept.len() > number % 4 {
                        kept.pop_front();
                    }
                }
            });
        }
    });
    let most = COUNTING.most_large.load(Ordering::SeqCst);
    println!("at most {most} bytes of data at once, of {limit}");
    assert!(most <= limit && most > limit / 2, "{most}");
    drop(store);
    assert_eq!(COUNTING.large.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_taken_is_what_is_counted() {
    overhead_is_small();
    the_limit_is_the_allocators();
    let before = allocated();
    for policy in [EvictionPolicy::Lru, EvictionPolicy::Fifo, EvictionPolicy::Lfu] {
        let store = store(4 << 20, policy);
        let ids: Vec<_> =
            (0..5000).map(|_| store.put_slice(&[0u8; 400]).unwrap().detach()).collect();
        assert!(ids.iter().all(|id| store.delete(*id).unwrap()));
        assert!(store.stats().is_idle());
        drop(ids);
        let left = allocated() - before;
        assert!(left < 4096, "{left} bytes are left in an empty store");
    }
    let left = allocated().saturating_sub(before);
    assert!(left < 4096, "{left} bytes are left without a store");
}
