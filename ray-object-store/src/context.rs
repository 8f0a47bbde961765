//! References inside values: collected while a value is written, made while it is read.

use std::cell::RefCell;
use std::sync::Arc;

use ray_common::ObjectId;

use crate::error::{Result, StoreError};
use crate::object_store::ObjectStore;

/// What this thread is doing with a value.
enum Context {
    Writing { store: usize, nested: Vec<ObjectId>, foreign: bool },
    Reading { store: Arc<dyn ObjectStore>, nested: Vec<ObjectId> },
}

thread_local! {
    static CONTEXT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Puts back what there was before, also when a value's code panics.
struct Restore(Option<Context>);

impl Drop for Restore {
    fn drop(&mut self) {
        CONTEXT.set(self.0.take());
    }
}

fn within<R>(context: Context, work: impl FnOnce() -> R) -> (R, Option<Context>) {
    let restore = Restore(CONTEXT.replace(Some(context)));
    let result = work();
    let context = CONTEXT.take();
    drop(restore);
    (result, context)
}

/// Writes a value, and returns the objects that it refers to.
pub(crate) fn writing(store: usize, write: impl FnOnce() -> Result<()>) -> Result<Vec<ObjectId>> {
    let writing = Context::Writing { store, nested: Vec::new(), foreign: false };
    match within(writing, write) {
        (_, Some(Context::Writing { foreign: true, .. })) => Err(StoreError::ForeignReference),
        (result, Some(Context::Writing { nested, .. })) => result.map(|()| nested),
        (result, _) => result.map(|()| Vec::new()),
    }
}

/// Reads a value. The references in it are this store's, and hold what is there.
pub(crate) fn reading<R>(
    store: &Arc<dyn ObjectStore>,
    read: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let reading = Context::Reading { store: Arc::clone(store), nested: Vec::new() };
    let (result, context) = within(reading, read);
    let value = result?;
    if let Some(Context::Reading { nested, .. }) = context {
        if !nested.is_empty() {
            // Looks for all at once; the references themselves are there already.
            store.retain(&nested)?;
            nested.iter().for_each(|id| store.release(*id));
        }
    }
    Ok(value)
}

/// A reference is written. Outside of a store it is an id that keeps nothing alive.
pub(crate) fn write(store: usize, id: ObjectId) {
    CONTEXT.with_borrow_mut(|context| {
        if let Some(Context::Writing { store: own, nested, foreign }) = context {
            *foreign |= *own != store;
            if !nested.contains(&id) {
                nested.push(id);
            }
        }
    });
}

/// A reference is read; the store to which it belongs, if one is reading.
pub(crate) fn read(id: ObjectId) -> Option<Arc<dyn ObjectStore>> {
    CONTEXT.with_borrow_mut(|context| match context {
        Some(Context::Reading { store, nested }) => {
            nested.push(id);
            Some(Arc::clone(store))
        }
        _ => None,
    })
}
