//! Counts words: a task for each part of a text, and one that adds up, which wait for each other by references.
//!
//!     cargo run -p ray-object-store --example word_count [FILE]

use std::collections::BTreeMap;
use std::thread;

use ray_object_store::{MemoryConfig, MemoryStore, ObjectRef, Result, Store};

type Counts = BTreeMap<String, usize>;

const TEXT: &str =
    "the store keeps an object as long as the program keeps a reference to the object\n\
    and a reference in an object keeps the object that it refers to\n";

/// Runs something on a thread, and returns a reference to what will come of it at once.
fn task<T: serde::Serialize + 'static>(
    store: &Store,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> ObjectRef<T> {
    let (result, promise) = store.promise();
    thread::spawn(move || {
        // Without a value the promise is broken, and whoever waits gets an error.
        if let Ok(value) = work() {
            let _ = promise.fulfil(&value);
        }
    });
    result
}

fn count(part: &str) -> Counts {
    let mut counts = Counts::new();
    for word in part.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
    {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    counts
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let text = match std::env::args_os().nth(1) {
        Some(file) => std::fs::read_to_string(file)?,
        None => TEXT.to_owned(),
    };
    let store = Store::new(MemoryStore::new(MemoryConfig::new(256 << 20)));
    let lines: Vec<&str> = text.lines().collect();
    let parts =
        lines.chunks(lines.len().div_ceil(8).max(1)).map(|part| store.put(&part.join("\n")));
    let parts = parts.collect::<Result<Vec<ObjectRef<String>>>>()?;
    let counted: Vec<ObjectRef<Counts>> =
        parts.into_iter().map(|part| task(&store, move || Ok(count(&part.get()?)))).collect();
    // The references themselves are an object, which keeps what they refer to.
    let all = store.put(&counted)?;
    drop(counted);
    let sum = task(&store, move || {
        let mut sum = Counts::new();
        for counts in all.get()? {
            for (word, count) in counts.get()? {
                *sum.entry(word).or_default() += count;
            }
        }
        Ok(sum)
    });
    let mut words: Vec<(String, usize)> = sum.get()?.into_iter().collect();
    words.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    for (word, count) in words.iter().take(10) {
        println!("{count:>6} {word}");
    }
    Ok(())
}
