//! A Rust static library that has nothing to do with ours, with a standard library and a panic of its own.

/// Catches a panic and counts threads; 42 if this Rust works.
#[no_mangle]
pub extern "C" fn other_rust_works() -> i32 {
    let caught = std::panic::catch_unwind(|| {
        let numbers: Vec<i32> = std::env::args().map(|_| 1).collect();
        numbers[numbers.len() + 1]
    });
    let thread = std::thread::spawn(|| 42).join();
    if caught.is_err() {
        thread.unwrap_or(0)
    } else {
        0
    }
}
