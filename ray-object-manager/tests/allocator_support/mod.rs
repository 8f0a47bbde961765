//! What the allocator's tests share.

use std::fs;
use std::path::Path;

use ray_object_manager::plasma::allocator::Allocation;
use ray_object_manager::plasma::plasma_allocator::PlasmaAllocatorConfig;

pub const MIB: usize = 1 << 20;

/// `Footprint limit` under which Ray's own test expects two objects of 1 MiB.
pub const TWO_MIB_AND_A_BIT: i64 = 2 * (1 << 20) + 2048;

pub fn config(directory: &Path, footprint_limit: i64) -> PlasmaAllocatorConfig {
    PlasmaAllocatorConfig {
        plasma_directory: directory.to_owned(),
        fallback_directory: directory.to_owned(),
        footprint_limit,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: true,
    }
}

/// Writes all bytes of an allocation, which fails loudly if there is no space behind them.
pub fn fill(allocation: &Allocation, byte: u8) {
    let size = usize::try_from(allocation.size).unwrap();
    // SAFETY: a live allocation is writable memory of that size, and no reference into it exists.
    unsafe { allocation.address.write_bytes(byte, size) };
}

/// Whether all bytes of an allocation are `byte`.
pub fn is_filled(allocation: &Allocation, byte: u8) -> bool {
    let size = usize::try_from(allocation.size).unwrap();
    // SAFETY: a live allocation is readable memory of that size, and nobody writes it meanwhile.
    let bytes = unsafe { std::slice::from_raw_parts(allocation.address, size) };
    bytes.iter().all(|&found| found == byte)
}

/// The kernel's flags of the mapping in which an address lies.
pub fn vm_flags(address: usize) -> Vec<String> {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in smaps.lines() {
        let range = line.split(' ').next().unwrap().split_once('-');
        let bound = |text| usize::from_str_radix(text, 16).ok();
        if let Some((Some(from), Some(to))) = range.map(|(from, to)| (bound(from), bound(to))) {
            inside = (from..to).contains(&address);
        } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
            return flags.split_whitespace().map(str::to_owned).collect();
        }
    }
    panic!("no mapping holds {address:#x}");
}

/// Whether a descriptor closes on exec.
pub fn closes_on_exec(fd: i32) -> bool {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000 != 0
}
