//! Files on disk, one for each allocation that found no room in the primary region.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

use ray_sys::{FileMapping, MappingOptions};

use crate::plasma::allocator::{Allocation, MMAP_REGIONS_GAP};
use crate::plasma::mappings::Registration;

#[derive(Debug)]
struct FallbackFile {
    // Leaves before the mapping does.
    _registration: Registration,
    _mapping: FileMapping,
    size: i64,
}

/// The fallback files of an allocator, by address.
#[derive(Debug)]
pub(super) struct FallbackFiles {
    directory: PathBuf,
    exclude_from_core_dump: bool,
    files: HashMap<usize, FallbackFile>,
    allocated: Arc<AtomicI64>,
}

impl FallbackFiles {
    pub(super) fn new(directory: PathBuf, exclude_from_core_dump: bool) -> Self {
        let (files, allocated) = (HashMap::new(), Arc::default());
        Self { directory, exclude_from_core_dump, files, allocated }
    }

    /// Creates a file of its own for `bytes`.
    pub(super) fn allocate(&mut self, bytes: usize) -> io::Result<Allocation> {
        let options = MappingOptions {
            reserve: true,
            exclude_from_core_dump: self.exclude_from_core_dump,
            ..MappingOptions::default()
        };
        let mapping = FileMapping::create(&self.directory, bytes.max(1), options)?;
        let size = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mapped = i64::try_from(mapping.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let address = mapping.base().as_ptr();
        let registration = Registration::new(address as usize, mapping.raw_fd(), mapped);
        let allocation = Allocation {
            address,
            size,
            fd: registration.record().fd,
            offset: 0,
            device_num: 0,
            mmap_size: mapped + MMAP_REGIONS_GAP,
            fallback_allocated: true,
            number: 0,
        };
        let file = FallbackFile { _registration: registration, _mapping: mapping, size };
        self.files.insert(address as usize, file);
        self.allocated.fetch_add(size, Ordering::Relaxed);
        Ok(allocation)
    }

    /// Unmaps and closes the file that begins at `address`. The bytes that it was made for, or
    /// nothing if there is no such file.
    pub(super) fn free(&mut self, address: usize) -> Option<i64> {
        let size = self.files.remove(&address)?.size;
        self.allocated.fetch_sub(size, Ordering::Relaxed);
        Some(size)
    }

    pub(super) fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    pub(super) fn allocated(&self) -> &Arc<AtomicI64> {
        &self.allocated
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether the counter is the sum over the files.
    pub(super) fn check(&self) -> Result<(), String> {
        let sum: i64 = self.files.values().map(|file| file.size).sum();
        let counted = self.allocated.load(Ordering::Relaxed);
        if sum == counted {
            Ok(())
        } else {
            Err(format!("fallback files hold {sum} bytes, {counted} are counted"))
        }
    }
}
