//! The stores: in memory, in plasma, and both together.

use std::path::Path;
use std::sync::Arc;

use async_io::block_on;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::{ConnectOptions, Timeout};

use crate::config::{MemoryConfig, DEFAULT_THRESHOLD};
use crate::engine::{Engine, Mode};
use crate::error::{Result, StoreError};
use crate::metadata::ObjectMetadata;
use crate::object_store::{elsewhere, BoxFuture, NewObject, ObjectStore, RayObject};
use crate::plasma_link::PlasmaLink;
use crate::stats::Stats;

/// Objects in the memory of this process.
///
/// ```
/// use ray_object_store::{MemoryConfig, MemoryStore, Store};
///
/// let store = Store::new(MemoryStore::new(MemoryConfig::new(1 << 20)));
/// let greeting = store.put(&"hello".to_owned())?;
/// assert_eq!(greeting.get()?, "hello");
/// drop(greeting);
/// assert!(store.stats().is_idle());
/// # Ok::<(), ray_object_store::StoreError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryStore {
    engine: Arc<Engine>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self { engine: Engine::start(config, PlasmaLink::none()) }
    }
}

/// Objects in a plasma store, ours or Ray's, readable by every process that is connected to it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ray-object-manager/tests/doc_store/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let _store = start_store(folder.path(), 64 << 20, 0);
/// # let socket = folder.path().join("store");
/// use ray_object_store::{ObjectRef, PlasmaStore, Store};
///
/// let here = Store::new(PlasmaStore::connect(&socket)?);
/// let numbers = here.put_slice(&[1.0f64, 2.0, 3.0])?;
///
/// // In another process:
/// let there = Store::new(PlasmaStore::connect(&socket)?);
/// let borrowed: ObjectRef<[f64]> = there.reference(numbers.id())?;
/// assert_eq!(*borrowed.view()?, [1.0, 2.0, 3.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PlasmaStore {
    engine: Arc<Engine>,
}

impl PlasmaStore {
    /// Connects to the store that listens at `path`.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Self> {
        Self::connect_with(path, ConnectOptions::default())
    }

    /// The same with these options.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub fn connect_with(path: impl AsRef<Path>, options: ConnectOptions) -> Result<Self> {
        let link = PlasmaLink::connect(path.as_ref(), options, 0)?;
        Ok(Self { engine: Engine::start(MemoryConfig::new(0), link) })
    }
}

/// Small objects in the memory of this process, large ones in a plasma store.
///
/// A small one goes to the plasma store, too, when memory is full of what cannot go, and when another process is to read it: because an
/// object there refers to it, or by [`ObjectStore::share`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ray-object-manager/tests/doc_store/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let _store = start_store(folder.path(), 64 << 20, 0);
/// # let socket = folder.path().join("store");
/// use ray_object_store::{Store, TieredStore};
///
/// let store = Store::new(TieredStore::connect(&socket)?);
/// let small = store.put(&7)?;
/// let large = store.put_slice(&[0u8; 1 << 20])?;
/// let stats = store.stats();
/// assert_eq!((stats.memory().objects, stats.shared), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TieredStore {
    engine: Arc<Engine>,
}

impl TieredStore {
    /// Connects to the plasma store that listens at `path`; what has less than [`DEFAULT_THRESHOLD`] stays in memory.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Self> {
        let options = ConnectOptions::default();
        Self::connect_with(path, options, MemoryConfig::default(), DEFAULT_THRESHOLD)
    }

    /// The same with these options. Objects with at least `threshold` bytes of data and metadata go to the plasma store.
    ///
    /// # Errors
    /// [`StoreError::Plasma`].
    pub fn connect_with(
        path: impl AsRef<Path>,
        options: ConnectOptions,
        memory: MemoryConfig,
        threshold: usize,
    ) -> Result<Self> {
        let link = PlasmaLink::connect(path.as_ref(), options, threshold)?;
        Ok(Self { engine: Engine::start(memory, link) })
    }
}

macro_rules! object_store {
    ($($store:ty),*) => {$(
        impl ObjectStore for $store {
            fn put_raw(&self, object: &NewObject<'_>) -> Result<()> {
                self.engine.put_object(object)
            }

            fn put_raw_async(&self, object: &NewObject<'_>) -> BoxFuture<'static, Result<()>> {
                put_async(&self.engine, object)
            }

            fn get_raw(
                &self,
                ids: &[ObjectId],
                timeout: Timeout,
            ) -> Result<Vec<Option<RayObject>>> {
                block_on(self.engine.get_objects(ids, timeout, Mode::Blocking))
            }

            fn get_raw_async<'a>(
                &'a self,
                ids: &'a [ObjectId],
                timeout: Timeout,
            ) -> BoxFuture<'a, Result<Vec<Option<RayObject>>>> {
                Box::pin(self.engine.get_objects(ids, timeout, Mode::Async))
            }

            fn wait(&self, ids: &[ObjectId], count: usize, timeout: Timeout) -> Result<Vec<bool>> {
                block_on(self.engine.wait_for(ids, count, timeout, Mode::Blocking))
            }

            fn wait_async<'a>(
                &'a self,
                ids: &'a [ObjectId],
                count: usize,
                timeout: Timeout,
            ) -> BoxFuture<'a, Result<Vec<bool>>> {
                Box::pin(self.engine.wait_for(ids, count, timeout, Mode::Async))
            }

            fn exists(&self, id: ObjectId) -> Result<bool> {
                self.engine.contains(&id)
            }

            fn metadata(&self, id: ObjectId) -> Result<Option<(ObjectMetadata, usize)>> {
                self.engine.describe(id)
            }

            fn pin(&self, id: ObjectId) -> Result<()> {
                self.engine.pin_object(id)
            }

            fn unpin(&self, id: ObjectId) -> Result<()> {
                self.engine.unpin_object(id)
            }

            fn delete(&self, id: ObjectId) -> Result<bool> {
                self.engine.delete_object(id)
            }

            fn stats(&self) -> Stats {
                self.engine.all_stats()
            }

            fn retain(&self, ids: &[ObjectId]) -> Result<()> {
                self.engine.retain_objects(ids)
            }

            fn retain_again(&self, id: ObjectId) {
                self.engine.look(|table| table.retain(&id));
            }

            fn release(&self, id: ObjectId) {
                Engine::release(&self.engine, &id);
            }

            fn disown(&self, id: ObjectId) {
                self.engine.look(|table| table.disown(&id));
            }

            fn promise(&self, id: ObjectId) {
                self.engine.look(|table| table.promise(&id));
            }

            fn break_promise(&self, id: ObjectId) {
                self.engine.break_promise(id);
            }

            fn share(&self, id: ObjectId) -> Result<()> {
                self.engine.share_object(id)
            }

            fn identity(&self) -> usize {
                Arc::as_ptr(&self.engine).addr()
            }
        }
    )*};
}

object_store!(MemoryStore, PlasmaStore, TieredStore);

/// In memory a put never waits. What is to go to the plasma store waits there for room, on another thread.
fn put_async(engine: &Arc<Engine>, object: &NewObject<'_>) -> BoxFuture<'static, Result<()>> {
    if !engine.is_for_plasma(object) {
        match engine.put_memory(object) {
            Err(StoreError::OutOfMemory { .. }) if engine.border.is_connected() => {}
            done => return Box::pin(std::future::ready(done)),
        }
    }
    let engine = Arc::clone(engine);
    let (id, keep, owner) = (object.id, object.keep, object.owner.cloned());
    let (data, metadata) = (object.data.to_vec(), object.metadata.to_vec());
    let nested = object.nested.to_vec();
    // What a nested object lives by must not end before the other one holds it.
    let retained = engine.retain_all(nested.clone());
    Box::pin(elsewhere(move || {
        let (data, metadata, nested) = (&data[..], &metadata[..], &nested[..]);
        let object = NewObject { id, data, metadata, nested, keep, owner: owner.as_ref() };
        let put = engine.put_shared(&object);
        drop(retained);
        put
    }))
}
