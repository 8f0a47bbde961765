//! Names as numbers: comparing and hashing a resource or a node costs what a number costs.

use std::hash::{DefaultHasher, Hasher};

use hashbrown::HashMap;
use parking_lot::RwLock;
use thiserror::Error;

/// Numbers for names, both ways. Names are bytes, for nothing that comes in must be text. They are never removed.
///
/// The number of a name is a hash of it, so a number that somebody made up does not meet one by chance. -1 is nobody's.
/// May be used from any thread.
#[derive(Debug, Default)]
pub struct NameTable {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    ids: HashMap<Box<[u8]>, i64, foldhash::fast::RandomState>,
    /// Boxes, for they are not moved when the table grows.
    names: HashMap<i64, Box<[u8]>, foldhash::fast::RandomState>,
}

/// The number that stands for no name.
pub const NIL: i64 = -1;

/// Why a name got no number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// A fixed number was asked for, and it or the name is in the table.
    #[error("the name {name:?} or the number {id} already has another")]
    Taken {
        /// The name, shortened.
        name: String,
        /// The number.
        id: i64,
    },
    /// Each of so many numbers has a name.
    #[error("no number is left among {0}")]
    Exhausted(u8),
}

impl NameTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a name that is in the table.
    pub fn id(&self, name: &[u8]) -> Option<i64> {
        self.state.read().ids.get(name).copied()
    }

    /// Runs `read` on the name of a number, without copying it. `read` must not come back to this table. The bytes stay where
    /// they are as long as the table lives.
    pub fn with_name<R>(&self, id: i64, read: impl FnOnce(Option<&[u8]>) -> R) -> R {
        read(self.state.read().names.get(&id).map(AsRef::as_ref))
    }

    /// The name of a number; what is not text in it is replaced.
    pub fn name(&self, id: i64) -> Option<String> {
        self.with_name(id, |name| name.map(|name| String::from_utf8_lossy(name).into_owned()))
    }

    /// The number of a name, which gets one if it has none.
    pub fn insert(&self, name: &[u8]) -> i64 {
        self.insert_hashed(name, || hash(name, 0))
    }

    /// The same; the number is `first()` if that is free. Ray's C++ takes its own hash of the name.
    pub fn insert_hashed(&self, name: &[u8], first: impl FnOnce() -> i64) -> i64 {
        if let Some(id) = self.id(name) {
            return id;
        }
        let mut state = self.state.write();
        if let Some(&id) = state.ids.get(name) {
            return id;
        }
        let mut id = first();
        let mut attempt = 0;
        while !state.is_free(id) {
            attempt += 1;
            id = hash(name, attempt);
        }
        state.put(name, id);
        id
    }

    /// The same with a number from 0 to `count` - 1, so that numbers collide: for tests. The search begins at `first`.
    ///
    /// # Errors
    ///
    /// If each of these numbers has a name.
    pub fn insert_bounded(&self, name: &[u8], first: i64, count: u8) -> Result<i64, NameError> {
        let mut state = self.state.write();
        if let Some(&id) = state.ids.get(name) {
            return Ok(id);
        }
        let first = first.rem_euclid(i64::from(count.max(1)));
        let id = (0..i64::from(count))
            .map(|step| (first + step) % i64::from(count))
            .find(|&id| state.is_free(id))
            .ok_or(NameError::Exhausted(count))?;
        state.put(name, id);
        Ok(id)
    }

    /// Gives a name a fixed number.
    ///
    /// # Errors
    ///
    /// If the name has a number, or the number a name.
    pub fn insert_as(&self, name: &[u8], id: i64) -> Result<(), NameError> {
        let mut state = self.state.write();
        if state.ids.contains_key(name) || !state.is_free(id) {
            return Err(NameError::Taken { name: super::label_syntax::shown(name), id });
        }
        state.put(name, id);
        Ok(())
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.state.read().ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl State {
    fn is_free(&self, id: i64) -> bool {
        id != NIL && !self.names.contains_key(&id)
    }

    fn put(&mut self, name: &[u8], id: i64) {
        self.ids.insert(name.into(), id);
        self.names.insert(id, name.into());
    }
}

/// The same in each run, so that what is ordered by number is as well; and costly to aim at.
fn hash(name: &[u8], attempt: u64) -> i64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.write_u64(attempt);
    hasher.finish().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let table = NameTable::new();
        let id = table.insert(b"custom");
        assert_eq!(table.insert(b"custom"), id);
        assert_eq!(table.id(b"custom"), Some(id));
        assert_eq!(table.name(id).as_deref(), Some("custom"));
        assert_eq!(table.len(), 1);
        assert_eq!(table.id(b"other"), None);
        assert_eq!(table.name(NIL), None);
    }

    #[test]
    fn colliding_names_get_different_numbers() {
        let table = NameTable::new();
        let ids: Vec<i64> =
            [b"a", b"b", b"c"].iter().map(|name| table.insert_hashed(*name, || 7)).collect();
        assert_eq!(ids[0], 7);
        assert!(ids[1] != 7 && ids[2] != 7 && ids[1] != ids[2]);
        assert_ne!(table.insert_hashed(b"nil", || NIL), NIL);
    }

    #[test]
    fn bounded_numbers_run_out() {
        let table = NameTable::new();
        let mut ids: Vec<i64> =
            (0..8).map(|name| table.insert_bounded(&[name], -3, 8).expect("one is free")).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..8).collect::<Vec<i64>>());
        assert_eq!(table.insert_bounded(b"ninth", 0, 8), Err(NameError::Exhausted(8)));
        assert_eq!(table.insert_bounded(b"ninth", 0, 0), Err(NameError::Exhausted(0)));
        assert!(table.insert_bounded(&[3], 0, 8).is_ok(), "it has one");
    }

    #[test]
    fn a_fixed_number_must_be_free() {
        let table = NameTable::new();
        table.insert_as(b"one", 1).expect("free");
        assert!(table.insert_as(b"one", 2).is_err());
        let error = table.insert_as(b"two", 1).expect_err("taken").to_string();
        assert!(error.contains("two") && error.contains('1'), "{error}");
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn names_are_any_bytes() {
        let table = NameTable::new();
        let id = table.insert(b"\xff\0");
        assert_eq!(table.insert(b"\xff\0"), id);
        table.with_name(id, |name| assert_eq!(name, Some(&b"\xff\0"[..])));
        assert_ne!(table.insert(b""), id);
    }
}
