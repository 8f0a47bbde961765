//! Our store inside a raylet.

use std::path::Path;
use std::sync::Arc;

use ray_object_manager::plasma::plasma_allocator::{
    InitError, PlasmaAllocator, PlasmaAllocatorConfig,
};
use ray_object_manager::plasma::store::{PlasmaStore, StoreConfig};

use crate::{Mirror, RayletArguments, Shadow};

/// A store that serves a raylet's clients.
#[derive(Debug)]
pub struct Running {
    /// The store.
    pub store: Arc<PlasmaStore<PlasmaAllocator>>,
    /// What keeps the raylet's own in step.
    pub mirror: Arc<Mirror>,
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no memory for it.
    #[error(transparent)]
    Memory(#[from] InitError),
    /// It cannot serve.
    #[error(transparent)]
    Store(#[from] ray_object_manager::plasma::store::StartError),
    /// There is no thread for the mirror.
    #[error("cannot start the mirror: {0}")]
    Thread(#[from] std::io::Error),
}

/// Starts a store as a raylet was told to, in front of the raylet's own. `preallocate` sets up all pages at once.
///
/// # Errors
/// When there is no memory, or the socket cannot be used.
pub fn start(
    arguments: &RayletArguments,
    shadow: Shadow,
    preallocate: bool,
) -> Result<Running, StartError> {
    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: arguments.plasma_directory.clone(),
        fallback_directory: arguments.fallback_directory.clone(),
        footprint_limit: memory(arguments),
        hugepage_enabled: arguments.huge_pages,
        preallocate,
        exclude_from_core_dump: true,
    })?;
    let mirror = Mirror::start(shadow)?;
    // The shadow decides how long to wait before a disk is used.
    let config = StoreConfig { grace_period_s: 0, ..StoreConfig::new(&arguments.socket) };
    let store = Arc::new(PlasmaStore::start(config, allocator, mirror.clone())?);
    let weak = Arc::downgrade(&store);
    mirror.set_evict(move |id| weak.upgrade().is_some_and(|store| store.evict(id)));
    Ok(Running { store, mirror })
}

/// What was asked for, or nine tenths of what the directory has if that is less, as Ray does it.
fn memory(arguments: &RayletArguments) -> i64 {
    if arguments.huge_pages {
        return arguments.memory;
    }
    let available = available(&arguments.plasma_directory).unwrap_or(i64::MAX) / 10 * 9;
    if arguments.memory > available {
        log::warn!(
            "{} has {available} bytes for the store, which was to have {}",
            arguments.plasma_directory.display(),
            arguments.memory
        );
    }
    arguments.memory.min(available)
}

fn available(directory: &Path) -> Option<i64> {
    let space = rustix::fs::statvfs(directory).ok()?;
    i64::try_from(space.f_bavail.checked_mul(space.f_bsize)?).ok()
}
