//! An error travels along references: what fails puts an error in the place of its value, and whoever needs the value gets the
//! error, with all that caused it.
//!
//!     cargo run -p ray-object-store --example errors

use std::thread;

use ray_object_store::{
    ErrorObject, ErrorType, MemoryConfig, MemoryStore, ObjectRef, Store, StoreError,
};

/// Runs something on a thread. If it fails, so does whoever reads the result.
fn task<T: serde::Serialize + 'static, E: std::error::Error + 'static>(
    store: &Store,
    what: &'static str,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> ObjectRef<T> {
    let (result, promise) = store.promise();
    thread::spawn(move || match work() {
        Ok(value) => promise.fulfil(&value),
        Err(error) => {
            let failed = ErrorObject::new(ErrorType::TASK_EXECUTION_EXCEPTION, what);
            promise.fail(failed.caused_by(&error))
        }
    });
    result
}

fn main() {
    let store = Store::new(MemoryStore::new(MemoryConfig::new(1 << 20)));
    let number = task(&store, "reading a number", || "4x2".parse::<i32>());
    let doubled =
        task(&store, "doubling it", move || -> Result<i32, StoreError> { Ok(number.get()? * 2) });
    let error = doubled.get().expect_err("4x2 is no number");
    let object = error.object().expect("an error object");
    println!("{}", object.report());
    assert_eq!(object.error_type(), ErrorType::TASK_EXECUTION_EXCEPTION);
    assert_eq!(object.causes().last().map(String::as_str), Some("invalid digit found in string"));

    // A producer that disappears is an error, too, and nobody waits for ever.
    let (orphan, promise) = store.promise::<i32>();
    drop(promise);
    println!("{}", orphan.get().expect_err("nobody puts it"));
}
