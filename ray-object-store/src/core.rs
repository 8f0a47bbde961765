//! The table under its lock, and what takes several steps: puts, reads, references, waits.
//!
//! It is written over the lock and over what lies behind it, so that the model (`model.rs`) runs this very code under loom.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use ray_common::ObjectId;

use crate::table::{Effects, Found, Keep, Place, Refusal, State, Table, Unshared};

/// A lock, held for one change.
pub(crate) trait Lock<T>: Send + Sync {
    fn new(value: T) -> Self;
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R;
}

impl<T: Send> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.lock())
    }
}

/// What lies behind the table: a plasma store, or nothing.
pub(crate) trait Border: Send + Sync + Sized + 'static {
    /// What holds an object there.
    type Held: Clone + Send + Sync + 'static;

    /// Lets go of an object there, and returns what it kept alive; unless somebody elsewhere still reads it, who needs
    /// that: then it is the border's to release it later.
    fn let_go<L: Lock<Table<Self::Held>> + 'static>(
        &self,
        core: &Arc<Core<L, Self>>,
        unshared: Unshared<Self::Held>,
    ) -> Vec<ObjectId>;
}

#[derive(Debug)]
pub(crate) struct Core<L, B> {
    table: L,
    pub(crate) border: B,
}

/// The content of a new object in memory.
pub(crate) struct Content<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) metadata: &'a [u8],
    pub(crate) nested: &'a [ObjectId],
    pub(crate) keep: Keep,
}

impl<L: Lock<Table<B::Held>> + 'static, B: Border> Core<L, B> {
    pub(crate) fn new(table: Table<B::Held>, border: B) -> Arc<Self> {
        Arc::new(Self { table: L::new(table), border })
    }

    /// Looks something up.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut Table<B::Held>) -> R) -> R {
        self.table.with(look)
    }

    /// Changes the table, and does what follows from it without the lock.
    pub(crate) fn change<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Table<B::Held>, &mut Effects<B::Held>) -> R,
    ) -> R {
        let mut effects = Effects::default();
        let result = self.table.with(|table| change(table, &mut effects));
        let mut released = Vec::new();
        loop {
            for waker in effects.wakers.drain(..) {
                waker.wake();
            }
            for unshared in effects.unshared.drain(..) {
                released.extend(self.border.let_go(self, unshared));
            }
            if released.is_empty() {
                return result;
            }
            self.table.with(|table| {
                for id in released.drain(..) {
                    table.release(&id, &mut effects);
                }
            });
        }
    }

    /// Puts an object into memory. Its bytes are reserved before they are allocated, so the limit holds at any moment.
    pub(crate) fn put(
        self: &Arc<Self>,
        id: &ObjectId,
        content: &Content<'_>,
    ) -> Result<(), Refusal> {
        let Content { data, metadata, nested, keep } = *content;
        let charge = Table::<B::Held>::charge(data.len(), metadata.len());
        self.change(|table, effects| table.begin(id, Some(charge), effects))?;
        let data = Arc::from(data);
        self.change(|table, effects| {
            table.finish(id, Place::Memory(data), metadata, nested, keep, effects);
        });
        Ok(())
    }

    /// One reference more.
    #[cfg(test)]
    pub(crate) fn retain(&self, id: &ObjectId) -> State {
        self.look(|table| table.retain(id))
    }

    /// One reference less.
    pub(crate) fn release(self: &Arc<Self>, id: &ObjectId) {
        self.change(|table, effects| table.release(id, effects));
    }

    /// What a get finds now.
    pub(crate) fn read(self: &Arc<Self>, id: &ObjectId, count: bool) -> Read<B::Held> {
        match self.look(|table| table.get(id, count)) {
            Found::Memory { data, metadata } => {
                let reader = Reader { core: Arc::clone(self), id: *id, data: Some(data) };
                Read::Memory {
                    data: Bytes::from_owner(reader),
                    metadata: Bytes::from_owner(metadata),
                }
            }
            Found::Shared(held) => Read::Shared(held),
            Found::Nothing(state) => Read::Nothing(state),
        }
    }

    /// Sleeps until so many of the objects are there or will never be.
    pub(crate) fn arrival(self: &Arc<Self>, ids: Vec<ObjectId>, needed: usize) -> Arrival<L, B> {
        let number = self.look(Table::waiters);
        Arrival { core: Arc::clone(self), ids, needed, number, registered: false }
    }

    /// References that end with what is returned.
    pub(crate) fn retain_all(self: &Arc<Self>, ids: Vec<ObjectId>) -> Retained<L, B> {
        self.look(|table| {
            for id in &ids {
                table.retain(id);
            }
        });
        Retained { core: Arc::clone(self), ids }
    }
}

/// What was read.
pub(crate) enum Read<P> {
    Memory { data: Bytes, metadata: Bytes },
    Shared(P),
    Nothing(Option<State>),
}

/// Somebody who reads an object in memory. It counts as a reference.
struct Reader<L: Lock<Table<B::Held>> + 'static, B: Border> {
    core: Arc<Core<L, B>>,
    id: ObjectId,
    data: Option<Arc<[u8]>>,
}

impl<L: Lock<Table<B::Held>> + 'static, B: Border> AsRef<[u8]> for Reader<L, B> {
    fn as_ref(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }
}

impl<L: Lock<Table<B::Held>> + 'static, B: Border> Drop for Reader<L, B> {
    fn drop(&mut self) {
        // First the bytes: what nobody refers to has no reader.
        self.data = None;
        self.core.release(&self.id);
    }
}

/// References to several objects.
pub(crate) struct Retained<L: Lock<Table<B::Held>> + 'static, B: Border> {
    core: Arc<Core<L, B>>,
    ids: Vec<ObjectId>,
}

impl<L: Lock<Table<B::Held>> + 'static, B: Border> Retained<L, B> {
    /// The references are somebody else's from now on.
    pub(crate) fn forget(mut self) {
        self.ids.clear();
    }
}

impl<L: Lock<Table<B::Held>> + 'static, B: Border> Drop for Retained<L, B> {
    fn drop(&mut self) {
        let ids = std::mem::take(&mut self.ids);
        if ids.is_empty() {
            return;
        }
        self.core.change(|table, effects| ids.iter().for_each(|id| table.release(id, effects)));
    }
}

/// Completes when so many objects are there or will never be.
pub(crate) struct Arrival<L: Lock<Table<B::Held>> + 'static, B: Border> {
    core: Arc<Core<L, B>>,
    ids: Vec<ObjectId>,
    needed: usize,
    number: u64,
    registered: bool,
}

impl<L: Lock<Table<B::Held>> + 'static, B: Border> Future for Arrival<L, B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { core, ids, needed, number, .. } = &mut *self;
        // To look and to register is one step: who puts comes before it, and is seen, or after it, and wakes.
        let is_over = core.look(|table| {
            if ids.iter().filter(|id| table.is_over(id)).count() >= *needed {
                return true;
            }
            for id in ids.iter().filter(|id| !table.is_over(id)).copied().collect::<Vec<_>>() {
                table.register(id, *number, context.waker());
            }
            false
        });
        self.registered = !is_over || self.registered;
        if is_over {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<L: Lock<Table<B::Held>> + 'static, B: Border> Drop for Arrival<L, B> {
    fn drop(&mut self) {
        if self.registered {
            let Self { core, ids, number, .. } = self;
            core.look(|table| ids.iter().for_each(|id| table.unregister(id, *number)));
        }
    }
}
