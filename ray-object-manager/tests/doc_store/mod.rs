// A store for tests and for the examples of the documentation, which include this file.

/// Starts a store in this process, with its socket and its disk in `folder`.
pub(crate) fn start_store(
    folder: &std::path::Path,
    memory: i64,
    grace_period_s: i64,
) -> ray_object_manager::plasma::store::PlasmaStore<
    ray_object_manager::plasma::plasma_allocator::PlasmaAllocator,
> {
    use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
    use ray_object_manager::plasma::store::disk::DiskMonitor;
    use ray_object_manager::plasma::store::{NoHooks, PlasmaStore, StoreConfig};

    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: "/dev/shm".into(),
        fallback_directory: folder.into(),
        footprint_limit: memory,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: true,
    });
    let disk = DiskMonitor::new(vec![folder.into()], 1.0, std::time::Duration::from_secs(1));
    let config = StoreConfig { grace_period_s, ..StoreConfig::new(folder.join("store")) };
    PlasmaStore::start(config, allocator.unwrap(), std::sync::Arc::new(NoHooks::new(disk))).unwrap()
}
