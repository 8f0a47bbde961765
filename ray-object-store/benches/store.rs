//! The figures of `docs/object-store-api.md`: `cargo bench -p ray-object-store`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use ray_object_store::{Store, Timeout};
use support::Plasma;

/// Microseconds an operation: the median and the 99th percentile of single ones.
fn measure(name: &str, count: usize, mut operation: impl FnMut()) {
    for _ in 0..count / 10 {
        operation();
    }
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let begin = Instant::now();
            operation();
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let (median, slow) = (micros(times[count / 2]), micros(times[count * 99 / 100]));
    println!("{name:<46} {median:>9.2} {slow:>9.2}");
}

fn of_store(name: &str, store: &Store) {
    for (size, count) in [(8, 20_000), (1 << 10, 20_000), (100 << 10, 2000), (1_000_000, 500)] {
        let data = vec![7u8; size];
        measure(&format!("{name}: put {size} B of plain values, drop"), count, || {
            drop(black_box(store.put_slice(&data).unwrap()));
        });
        let object = store.put_slice(&data).unwrap();
        measure(&format!("{name}: get {size} B of plain values"), count, || {
            black_box(object.view().unwrap());
        });
    }
    let words: Vec<String> = (0..1000).map(|number| format!("word {number}")).collect();
    measure(&format!("{name}: put 1000 strings, drop"), 2000, || {
        drop(black_box(store.put(&words).unwrap()));
    });
    let object = store.put(&words).unwrap();
    measure(&format!("{name}: get 1000 strings"), 2000, || {
        black_box(object.get().unwrap());
    });
    let copied = store.put(&1).unwrap();
    measure(&format!("{name}: copy a reference, drop"), 100_000, || {
        drop(black_box(copied.clone()));
    });
    let (late, _promise) = store.promise::<i32>();
    measure(&format!("{name}: a get that finds nothing"), 20_000, || {
        drop(black_box(late.get_within(Timeout::Immediate)));
    });
}

fn main() {
    println!("{:<46} {:>9} {:>9}", "microseconds", "median", "99 %");
    of_store("memory", &support::memory(1 << 30));
    let plasma = Plasma::start(256 << 20);
    of_store("plasma", &plasma.plasma());
    of_store("both", &plasma.tiered(1 << 30));
    let full = support::memory(10 << 20);
    let data = vec![7u8; 1000];
    measure("memory: put 1000 B, evicting", 20_000, || {
        full.put_slice(&data).unwrap().detach();
    });
}
