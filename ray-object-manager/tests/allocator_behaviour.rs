//! What `PlasmaAllocator` promises, in one process.

#[allow(dead_code, unreachable_pub)]
mod allocator_support;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use allocator_support::{
    closes_on_exec, config, fill, is_filled, vm_flags, MIB, TWO_MIB_AND_A_BIT,
};
use ray_object_manager::plasma::allocator::{
    AllocError, Allocation, Allocator, FreeError, MemFd, ALIGNMENT, MMAP_REGIONS_GAP,
};
use ray_object_manager::plasma::mappings::{self, MmapRecord};
use ray_object_manager::plasma::plasma_allocator::{
    AddressesOnly, InitError, PlasmaAllocator, PlasmaAllocatorConfig, Region,
};

fn at(address: *mut u8) -> Allocation {
    Allocation {
        address,
        size: 0,
        fd: MemFd::INVALID,
        offset: 0,
        device_num: 0,
        mmap_size: 0,
        fallback_allocated: false,
        number: 0,
    }
}

fn small() -> (tempfile::TempDir, PlasmaAllocator) {
    let directory = tempfile::tempdir().unwrap();
    let allocator = PlasmaAllocator::new(config(directory.path(), TWO_MIB_AND_A_BIT)).unwrap();
    (directory, allocator)
}

fn whole(allocator: &PlasmaAllocator) {
    allocator.check_invariants().unwrap();
    let limit = usize::try_from(allocator.footprint_limit()).unwrap() / ALIGNMENT * ALIGNMENT;
    assert_eq!((allocator.free_bytes(), allocator.largest_free_block()), (limit, limit));
    assert_eq!((allocator.allocated(), allocator.fallback_allocated()), (0, 0));
    assert_eq!(allocator.num_live(), 0);
}

#[test]
fn two_objects_fit_where_ray_expects_two_and_a_third_falls_back() {
    let (_directory, mut allocator) = small();
    assert_eq!(allocator.footprint_limit(), TWO_MIB_AND_A_BIT);
    let first = allocator.allocate(MIB).unwrap();
    let second = allocator.fallback_allocate(MIB).unwrap();
    assert!(!first.fallback_allocated && !second.fallback_allocated, "the region has room");
    assert_eq!(first.fd, second.fd);
    assert!(matches!(allocator.allocate(MIB), Err(AllocError::OutOfMemory { requested: MIB })));
    assert_eq!((allocator.allocated(), allocator.fallback_allocated()), (2 << 20, 0));

    let third = allocator.fallback_allocate(MIB).unwrap();
    let fourth = allocator.fallback_allocate(MIB).unwrap();
    assert!(third.fallback_allocated && fourth.fallback_allocated);
    assert!(third.fd.unique_id != fourth.fd.unique_id && third.fd.fd != fourth.fd.fd);
    assert!(first.fd.unique_id > 0 && first.fd.unique_id < third.fd.unique_id);
    assert_eq!((third.offset, third.mmap_size), (0, (1 << 20) + MMAP_REGIONS_GAP));
    assert_eq!((allocator.allocated(), allocator.fallback_allocated()), (4 << 20, 2 << 20));
    let counter = allocator.fallback_counter();
    assert_eq!(counter.load(Ordering::Relaxed), 2 << 20);
    for (allocation, byte) in [(&first, 1), (&second, 2), (&third, 3), (&fourth, 4)] {
        fill(allocation, byte);
    }
    for (allocation, byte) in [(&first, 1), (&second, 2), (&third, 3), (&fourth, 4)] {
        assert!(is_filled(allocation, byte));
    }
    allocator.check_invariants().unwrap();

    allocator.free(third).unwrap();
    assert_eq!((allocator.allocated(), counter.load(Ordering::Relaxed)), (3 << 20, 1 << 20));
    allocator.free(second).unwrap();
    let again = allocator.allocate(MIB).unwrap();
    for allocation in [first, fourth, again] {
        allocator.free(allocation).unwrap();
    }
    whole(&allocator);
}

#[test]
fn allocations_tell_where_they_lie() {
    let (_directory, mut allocator) = small();
    let mmap_size = TWO_MIB_AND_A_BIT + MMAP_REGIONS_GAP;
    let mut end = 0;
    for size in [0, 1, 63, 64, 65, 1000] {
        let allocation = allocator.allocate(size).unwrap();
        assert_eq!(allocation.address as usize % ALIGNMENT, 0);
        assert_eq!(allocation.offset, end, "neighbours in a fresh region");
        assert_eq!(allocation.size, i64::try_from(size).unwrap());
        assert_eq!((allocation.mmap_size, allocation.device_num), (mmap_size, 0));
        let (base, record) = mappings::find(allocation.address as usize).unwrap();
        assert_eq!(base + usize::try_from(end).unwrap(), allocation.address as usize);
        assert_eq!((record.fd, record.size), (allocation.fd, mmap_size));
        end += isize::try_from(size.div_ceil(ALIGNMENT).max(1) * ALIGNMENT).unwrap();
    }
}

#[test]
fn what_is_larger_than_the_region_or_any_mapping_is_refused() {
    let (_directory, mut allocator) = small();
    let limit = usize::try_from(TWO_MIB_AND_A_BIT).unwrap();
    let all = allocator.allocate(limit).unwrap();
    assert!(allocator.allocate(0).is_err(), "full to the last byte");
    fill(&all, 9);
    allocator.free(all).unwrap();
    assert!(matches!(allocator.allocate(limit + 1), Err(AllocError::OutOfMemory { .. })));
    for size in [isize::MAX.unsigned_abs(), 1 << 63, usize::MAX, usize::MAX - 63, (1 << 63) - 4096]
    {
        for result in [allocator.allocate(size), allocator.fallback_allocate(size)] {
            let too_large =
                |error| matches!(error, AllocError::TooLarge { requested } if requested == size);
            assert!(result.is_err_and(too_large), "{size}");
        }
    }
    // Mappings could be as large as this, but no disk has the space.
    for size in [1 << 62, 1 << 50] {
        assert!(matches!(allocator.allocate(size), Err(AllocError::OutOfMemory { .. })));
        let error = allocator.fallback_allocate(size).unwrap_err();
        assert!(matches!(error, AllocError::OutOfSpace { .. }), "{error}");
    }
    whole(&allocator);
}

#[test]
fn a_full_region_still_gives_an_address_for_nothing() {
    let (_directory, mut allocator) = small();
    let all = allocator.allocate(usize::try_from(TWO_MIB_AND_A_BIT).unwrap()).unwrap();
    let nothing = allocator.fallback_allocate(0).unwrap();
    assert!(nothing.fallback_allocated && nothing.address != all.address);
    assert_eq!((nothing.size, allocator.fallback_allocated()), (0, 0));
    allocator.free(nothing).unwrap();
    allocator.free(all).unwrap();
    let zeros = [allocator.allocate(0).unwrap(), allocator.allocate(0).unwrap()];
    assert_ne!(zeros[0].address, zeros[1].address);
    zeros.into_iter().for_each(|zero| allocator.free(zero).unwrap());
    whole(&allocator);
}

#[test]
fn only_the_start_of_a_live_allocation_can_be_freed_and_only_once() {
    let (_directory, mut allocator) = small();
    let (_other_directory, mut other) = small();
    let mut byte = 0_u8;
    let foreign = other.allocate(100).unwrap();
    let primary = allocator.allocate(1000).unwrap();
    let fallback = allocator.fallback_allocate(3 * MIB).unwrap();
    assert_eq!(allocator.free(at(std::ptr::null_mut())), Err(FreeError::Null));
    let (first, file) = (primary.address, fallback.address);
    for address in [
        foreign.address,
        &raw mut byte,
        first.wrapping_add(1),
        first.wrapping_add(64),
        first.wrapping_add(960),
        first.wrapping_add(1024),
        first.wrapping_sub(64),
        file.wrapping_add(64),
        file.wrapping_add(4096),
        usize::MAX as *mut u8,
        64 as *mut u8,
    ] {
        let before = (allocator.allocated(), allocator.free_bytes());
        let refused = Err(FreeError::NotAllocated(address as usize));
        assert_eq!(allocator.free(at(address)), refused);
        assert_eq!((allocator.allocated(), allocator.free_bytes()), before);
        allocator.check_invariants().unwrap();
    }
    // The size that the caller names does not matter.
    allocator.free(Allocation { size: 1 << 40, ..at(first) }).unwrap();
    assert_eq!(allocator.allocated(), 3 << 20);
    assert_eq!(allocator.free(at(first)), Err(FreeError::NotAllocated(first as usize)));
    allocator.free(at(file)).unwrap();
    assert_eq!(allocator.free(at(file)), Err(FreeError::NotAllocated(file as usize)));
    whole(&allocator);
    other.free(foreign).unwrap();
    whole(&other);
}

#[test]
fn limits_that_are_too_small_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for limit in [i64::MIN, -1, 0, 1, 2047, 2048] {
        let error = PlasmaAllocator::new(config(directory.path(), limit)).unwrap_err();
        assert!(matches!(error, InitError::LimitTooSmall { limit: named } if named == limit));
        assert!(error.to_string().contains("greater than 2048"), "{error}");
        assert!(error.to_string().contains(&limit.to_string()), "{error}");
    }
    let allocator = PlasmaAllocator::new(config(directory.path(), 2049)).unwrap();
    assert_eq!((allocator.footprint_limit(), allocator.free_bytes()), (2049, 2048));
}

#[test]
fn directories_that_do_not_serve_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for (bad, limit) in [
        (directory.path().join("missing"), 1 << 20),
        (file, 1 << 20),
        ("/proc".into(), 1 << 20),
        ("/sys".into(), 1 << 20),
        (directory.path().to_owned(), i64::MAX),
        (directory.path().to_owned(), i64::MAX - (1 << 40)),
    ] {
        for hugepage_enabled in [false, true] {
            let config = PlasmaAllocatorConfig { hugepage_enabled, ..config(&bad, limit) };
            let known_directory = bad.starts_with("/proc") || bad.starts_with("/sys");
            if hugepage_enabled && known_directory {
                continue; // An anonymous file of huge pages needs no directory.
            }
            let error = PlasmaAllocator::new(config).unwrap_err().to_string();
            assert!(error.contains(bad.to_str().unwrap()), "{error}");
            assert!(error.contains(&limit.to_string()), "{error}");
        }
    }
    let limit = TWO_MIB_AND_A_BIT;
    let fallback_directory = directory.path().join("missing");
    let lazily = PlasmaAllocatorConfig { fallback_directory, ..config(directory.path(), limit) };
    let mut allocator = PlasmaAllocator::new(lazily).unwrap();
    let error = allocator.fallback_allocate(3 * MIB).unwrap_err();
    assert!(
        matches!(&error, AllocError::OutOfSpace { directory, .. } if directory.ends_with("missing"))
    );
    whole(&allocator);
}

#[test]
fn files_have_no_name_close_on_exec_and_stay_out_of_core_dumps() {
    let (directory, mut allocator) = small();
    let primary = allocator.allocate(10).unwrap();
    let fallback = allocator.fallback_allocate(3 * MIB).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "a crash leaves nothing behind");
    for allocation in [&primary, &fallback] {
        assert!(closes_on_exec(allocation.fd.fd));
        let flags = vm_flags(allocation.address as usize);
        assert!(flags.iter().any(|flag| flag == "dd"), "{flags:?}");
        assert!(flags.iter().any(|flag| flag == "sh"), "shared: {flags:?}");
    }
    let dumped = PlasmaAllocatorConfig {
        exclude_from_core_dump: false,
        ..config(directory.path(), TWO_MIB_AND_A_BIT)
    };
    let mut dumped = PlasmaAllocator::new(dumped).unwrap();
    for allocation in [dumped.allocate(10).unwrap(), dumped.fallback_allocate(3 * MIB).unwrap()] {
        assert!(!vm_flags(allocation.address as usize).iter().any(|flag| flag == "dd"));
    }
}

#[test]
fn what_is_freed_or_dropped_is_closed_unmapped_and_unregistered() {
    let (_directory, mut allocator) = small();
    let name = |fd: i32| fs::read_link(format!("/proc/self/fd/{fd}")).ok();
    let ids = || mappings::all().into_iter().map(|(_, record)| record.fd.unique_id);
    let primary = allocator.allocate(10).unwrap();
    let gone = allocator.fallback_allocate(3 * MIB).unwrap();
    let kept = allocator.fallback_allocate(3 * MIB).unwrap();
    let fds = [gone.fd, kept.fd, primary.fd];
    let names = fds.map(|fd| name(fd.fd));
    assert!(names.iter().all(Option::is_some));
    assert!(fds.iter().all(|fd| ids().any(|id| id == fd.unique_id)));
    allocator.free(gone).unwrap();
    assert!(name(fds[0].fd) != names[0] && ids().all(|id| id != fds[0].unique_id));
    assert!(name(fds[1].fd) == names[1] && ids().any(|id| id == fds[1].unique_id));
    drop(allocator);
    assert!((0..3).all(|at| name(fds[at].fd) != names[at]), "closed");
    assert!(fds.iter().all(|fd| ids().all(|id| id != fd.unique_id)), "unregistered");
}

#[test]
fn space_is_reserved_as_it_is_promised() {
    let directory = tempfile::tempdir().unwrap();
    let (limit, limit_bytes) = (300 << 20, 300 * MIB);
    let mut allocator = PlasmaAllocator::new(config(directory.path(), limit)).unwrap();
    assert_eq!(allocator.reserved_bytes(), 0);
    let blocks = |allocator: &PlasmaAllocator| {
        rustix::fs::fstat(allocator.region().mapping()).unwrap().st_blocks * 512
    };
    assert_eq!(blocks(&allocator), 0, "sparse at the start");
    let mut promised = 0;
    for size in [100, 5 * MIB, 1000, 20 * MIB, MIB] {
        promised += size;
        allocator.allocate(size).unwrap();
        let reserved = allocator.reserved_bytes();
        assert!(reserved >= promised);
        assert!(blocks(&allocator) >= i64::try_from(reserved).unwrap());
        assert!(reserved <= promised + limit_bytes / 8 + 3 * MIB, "not far ahead");
    }
    // Without anybody asking for more, what comes next is made ready.
    while allocator.reserved_bytes() < promised + limit_bytes / 16 {
        std::thread::yield_now();
    }
    let small = config(directory.path(), 8 << 20);
    let all = PlasmaAllocator::new(PlasmaAllocatorConfig { preallocate: true, ..small }).unwrap();
    assert_eq!(all.reserved_bytes(), 8 << 20);
    assert!(blocks(&all) >= 8 << 20);
}

/// Addresses of which only some have space.
struct Short {
    addresses: AddressesOnly,
    has: usize,
}

impl Region for Short {
    fn base(&self) -> *mut u8 {
        self.addresses.base()
    }
    fn usable(&self) -> usize {
        self.addresses.usable()
    }
    fn record(&self) -> MmapRecord {
        self.addresses.record()
    }
    fn reserved(&self) -> usize {
        self.has
    }
    fn reserve_to(&mut self, end: usize) -> io::Result<()> {
        if end <= self.has {
            Ok(())
        } else {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    fn directory(&self) -> &Path {
        Path::new("/short")
    }
}

#[test]
fn a_refused_reservation_changes_nothing() {
    let region = Short { addresses: AddressesOnly::new(64 * MIB), has: 4 * MIB };
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path(), 64 << 20);
    let mut allocator = PlasmaAllocator::with_region(region, config).unwrap();
    let first = allocator.allocate(3 * MIB).unwrap();
    for _ in 0..100 {
        let error = allocator.allocate(2 * MIB).unwrap_err();
        let named = matches!(&error, AllocError::OutOfSpace { requested, directory, source }
            if *requested == 2 * MIB && directory == "/short" && source.kind() == io::ErrorKind::StorageFull);
        assert!(named, "{error}");
        assert_eq!((allocator.allocated(), allocator.num_live()), (3 << 20, 1));
        assert_eq!(allocator.free_bytes(), 61 * MIB);
        allocator.check_invariants().unwrap();
    }
    let rest = allocator.allocate(MIB).unwrap();
    let on_disk = allocator.fallback_allocate(2 * MIB).unwrap();
    assert!(on_disk.fallback_allocated && !rest.fallback_allocated);
    for allocation in [first, rest, on_disk] {
        allocator.free(allocation).unwrap();
    }
    assert_eq!(allocator.largest_free_block(), 64 * MIB);
}

#[test]
fn without_huge_pages_ordinary_ones_serve() {
    let directory = tempfile::tempdir().unwrap();
    let wished = PlasmaAllocatorConfig {
        hugepage_enabled: true,
        ..config(directory.path(), TWO_MIB_AND_A_BIT)
    };
    let mut allocator = PlasmaAllocator::new(wished).unwrap();
    let both = [allocator.allocate(MIB).unwrap(), allocator.allocate(MIB).unwrap()];
    assert!(allocator.allocate(MIB).is_err());
    both.iter().for_each(|allocation| fill(allocation, 7));
    let mapped = usize::try_from(both[0].mmap_size - MMAP_REGIONS_GAP).unwrap();
    let mapping = allocator.region().mapping();
    assert!(mapped <= mapping.len());
    if mapping.is_huge() {
        assert_eq!(mapped % mapping.page_size(), 0, "clients can unmap only whole pages");
    }
    both.into_iter().for_each(|allocation| allocator.free(allocation).unwrap());
    whole(&allocator);
}

#[test]
fn random_operations_on_real_memory_keep_every_byte_and_counter() {
    let (_directory, mut allocator) = small();
    let mut seed = 42_u64;
    let mut below = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % bound
    };
    let mut live: Vec<(Allocation, u8)> = Vec::new();
    let (mut sum, mut fallback_sum, mut fallbacks) = (0, 0, 0);
    let mut by_file: HashMap<i64, usize> = HashMap::new();
    for step in 0..20_000 {
        if below(100) < 55 {
            let size = if below(4) == 0 { below(200_000) } else { below(3000) };
            let asked = if step % 8 == 0 {
                allocator.fallback_allocate(size)
            } else {
                allocator.allocate(size)
            };
            let Ok(allocation) = asked else { continue };
            let byte = u8::try_from(below(256)).unwrap();
            fill(&allocation, byte);
            sum += allocation.size;
            if allocation.fallback_allocated {
                fallback_sum += allocation.size;
                fallbacks += 1;
            }
            *by_file.entry(allocation.fd.unique_id).or_default() += 1;
            live.push((allocation, byte));
        } else if !live.is_empty() {
            let (allocation, byte) = live.swap_remove(below(live.len()));
            assert!(is_filled(&allocation, byte), "step {step}: somebody wrote there");
            sum -= allocation.size;
            fallback_sum -= if allocation.fallback_allocated { allocation.size } else { 0 };
            allocator.free(allocation).unwrap();
        }
        assert_eq!((allocator.allocated(), allocator.fallback_allocated()), (sum, fallback_sum));
        assert!(sum - fallback_sum <= TWO_MIB_AND_A_BIT, "above the limit");
        assert_eq!(allocator.num_live(), live.len());
    }
    allocator.check_invariants().unwrap();
    assert!(fallbacks > 10, "only {fallbacks} fallback files");
    assert_eq!(by_file.values().filter(|&&count| count == 1).count(), fallbacks, "a file each");
    for (allocation, byte) in live {
        assert!(is_filled(&allocation, byte));
        allocator.free(allocation).unwrap();
    }
    whole(&allocator);
}

#[test]
fn occupancy_is_a_picture_of_the_region() {
    let directory = tempfile::tempdir().unwrap();
    let mut allocator = PlasmaAllocator::new(config(directory.path(), 1 << 20)).unwrap();
    let first = allocator.allocate(MIB / 4).unwrap();
    allocator.allocate(MIB / 8).unwrap();
    assert_eq!(allocator.occupancy(4), [1.0, 0.5, 0.0, 0.0]);
    allocator.free(first).unwrap();
    assert_eq!(allocator.occupancy(4), [0.0, 0.5, 0.0, 0.0]);
    assert!(allocator.bookkeeping_bytes() < 8192);
}

/// Bytes of memory behind a file of which a descriptor is open.
fn space_of(fd: MemFd) -> i64 {
    let data = fs::metadata(format!("/proc/self/fd/{}", fd.fd)).unwrap();
    i64::try_from(std::os::unix::fs::MetadataExt::blocks(&data)).unwrap() * 512
}

#[test]
fn free_pieces_are_used_together_and_never_more_than_the_limit() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let limit = 64 << 20;
    let mut allocator = PlasmaAllocator::new(config(directory.path(), limit)).unwrap();
    let mut live: Vec<(Allocation, u8)> = (0..1023)
        .map(|number: usize| {
            let allocation = allocator.allocate(64 << 10).unwrap();
            fill(&allocation, number.to_le_bytes()[0]);
            (allocation, number.to_le_bytes()[0])
        })
        .collect();
    for at in (0..511).rev() {
        allocator.free(live.swap_remove(2 * at + 1).0).unwrap();
    }
    assert!(allocator.largest_free_block() < 1 << 18);
    let primary = allocator.region().record().fd;
    // Ray's own would have to evict, or go to the disk.
    for size in [MIB + 1, 16 * MIB, 14 * MIB] {
        let large = allocator.allocate(size).unwrap();
        assert!(!large.fallback_allocated && large.fd.unique_id > primary.unique_id);
        assert_eq!(mappings::find(large.address as usize).unwrap().1.fd, large.fd);
        fill(&large, 200);
        live.push((large, 200));
        allocator.check_invariants().unwrap();
        let annex = live.last().unwrap().0.fd;
        assert!(space_of(primary) + space_of(annex) <= limit);
        assert!(closes_on_exec(annex.fd));
    }
    assert!(allocator.annex_bytes() >= 31 * MIB);
    assert!(matches!(allocator.allocate(2 * MIB), Err(AllocError::OutOfMemory { .. })));
    assert!(live.iter().all(|(allocation, byte)| is_filled(allocation, *byte)));
    // Small ones find their space again where it was lent.
    let (large, _) = live.swap_remove(live.len() - 2);
    let annex = large.fd;
    allocator.free(large).unwrap();
    for _ in 0..200 {
        let small = allocator.allocate(64 << 10).unwrap();
        assert_eq!(small.fd, primary);
        fill(&small, 77);
        live.push((small, 77));
        assert!(space_of(primary) + space_of(annex) <= limit);
    }
    allocator.check_invariants().unwrap();
    assert!(live.iter().all(|(allocation, byte)| is_filled(allocation, *byte)));
    live.into_iter().for_each(|(allocation, _)| allocator.free(allocation).unwrap());
    whole(&allocator);
    let all = allocator.allocate(usize::try_from(limit).unwrap()).unwrap();
    assert_eq!(all.fd, primary);
    fill(&all, 1);
    assert!(space_of(primary) + space_of(annex) <= limit);
    allocator.free(all).unwrap();
    whole(&allocator);
}

#[test]
fn random_operations_near_the_limit_keep_every_byte() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let limit = 32 << 20;
    let mut allocator = PlasmaAllocator::new(config(directory.path(), limit)).unwrap();
    let mut seed = 7_u64;
    let mut below = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % bound
    };
    let mut live: Vec<(Allocation, u8)> = Vec::new();
    let primary = allocator.region().record().fd;
    let (mut in_annex, mut least_used) = (0, i64::MAX);
    for step in 0..6000 {
        let size = 1024 << below(11);
        let size = size + below(size);
        let byte = u8::try_from(below(256)).unwrap();
        match allocator.allocate(size) {
            Ok(allocation) => {
                fill(&allocation, byte);
                in_annex += usize::from(allocation.fd != primary);
                live.push((allocation, byte));
            }
            Err(AllocError::OutOfMemory { .. }) => {
                least_used = least_used.min(allocator.allocated() + i64::try_from(size).unwrap());
                for _ in 0..1 + below(8) {
                    let (allocation, byte) = live.swap_remove(below(live.len()));
                    assert!(is_filled(&allocation, byte), "step {step}: somebody wrote there");
                    allocator.free(allocation).unwrap();
                }
            }
            Err(other) => panic!("{other}"),
        }
        if step % 400 == 0 {
            allocator.check_invariants().unwrap();
            let annex = live.iter().find(|(allocation, _)| allocation.fd != primary);
            let annex = annex.map_or(0, |(allocation, _)| space_of(allocation.fd));
            assert!(space_of(primary) + annex <= limit);
        }
    }
    assert!(in_annex > 100, "{in_annex} found no room in one piece");
    assert!(least_used > limit / 100 * 95, "refused with {least_used} of {limit}");
    for (allocation, byte) in live {
        assert!(is_filled(&allocation, byte));
        allocator.free(allocation).unwrap();
    }
    whole(&allocator);
}
