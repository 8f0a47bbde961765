//! The allocator with other processes, and where the operating system has no space.
//!
//! A test that needs a process starts this program again with the test's own name and a role.

#[allow(dead_code, unreachable_pub)]
mod allocator_support;

use std::env;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use allocator_support::{closes_on_exec, config, fill, is_filled, MIB};
use ray_object_manager::plasma::allocator::{AllocError, Allocation, Allocator, MMAP_REGIONS_GAP};
use ray_object_manager::plasma::plasma_allocator::{
    InitError, PlasmaAllocator, PlasmaAllocatorConfig,
};
use ray_sys::{recv_fd, send_fd, FileMapping};
use rustix::process::{setrlimit, Resource, Rlimit};

const ROLE: &str = "ALLOCATOR_TEST_ROLE";
const DIRECTORY: &str = "ALLOCATOR_TEST_DIRECTORY";

fn role() -> Option<String> {
    env::var(ROLE).ok()
}

fn directory() -> PathBuf {
    env::var_os(DIRECTORY).expect("the parent names a directory").into()
}

/// This program, to run one test in a role; behind `wrapper`, which ends with running its arguments.
fn again(wrapper: &[&str], test: &str, role: &str, directory: &Path) -> Command {
    let program = env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command.args(["--exact", test, "--nocapture"]).env(ROLE, role).env(DIRECTORY, directory);
    command
}

fn succeed(mut command: Command) {
    let done = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{:?}\n{out}\n{err}", done.status);
    assert!(out.contains("1 passed"), "the test did not run:\n{out}");
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at * 8..][..8].try_into().unwrap())).unwrap()
}

/// A byte that depends on its place.
fn pattern(seed: usize, at: usize) -> u8 {
    (seed.wrapping_mul(31) ^ at ^ (at >> 8)).to_le_bytes()[0]
}

fn write_pattern(allocation: &Allocation, seed: usize) {
    for at in 0..usize::try_from(allocation.size).unwrap() {
        // SAFETY: the byte lies in a live allocation, and nobody else looks at it yet.
        unsafe { allocation.address.add(at).write(pattern(seed, at)) };
    }
}

#[test]
fn another_process_sees_the_same_bytes() {
    if role().is_some() {
        return look_from_another_process();
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut allocator = PlasmaAllocator::new(config(directory.path(), (4 << 20) + 12345)).unwrap();
    let mut objects = Vec::new();
    for size in [1, 100, 4096, 5000, MIB, 2 * MIB] {
        objects.push(allocator.allocate(size).unwrap());
    }
    // Up to the last byte of the region, and two files of their own.
    objects.push(allocator.allocate(allocator.largest_free_block()).unwrap());
    objects.push(allocator.fallback_allocate(3 * MIB + 1).unwrap());
    objects.push(allocator.fallback_allocate(10).unwrap());
    assert_eq!(objects.iter().filter(|object| object.fallback_allocated).count(), 2);
    objects.iter().enumerate().for_each(|(seed, object)| write_pattern(object, seed));

    let test = "another_process_sees_the_same_bytes";
    let child =
        again(&[], test, "client", directory.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stream = accept(&listener);
    for (seed, object) in objects.iter().enumerate() {
        let mut message = Vec::new();
        let words =
            [i64::try_from(seed).unwrap(), object.offset as i64, object.size, object.mmap_size];
        words.iter().for_each(|word| message.extend(word.to_le_bytes()));
        let mapping = allocator.region().mapping();
        if object.fallback_allocated {
            // SAFETY: the allocation is live, and so is its descriptor.
            let fd = unsafe { BorrowedFd::borrow_raw(object.fd.fd) };
            send_fd(&stream, fd, &message).unwrap();
        } else {
            assert_eq!(mapping.as_fd().as_raw_fd(), object.fd.fd);
            send_fd(&stream, mapping.as_fd(), &message).unwrap();
        }
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"y", "object {seed}");
        assert!(is_filled(object, 0x5a), "what the other process wrote into object {seed}");
    }
    drop(stream);
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("1 passed"));
    // The other process wrote over everything that it could; the bookkeeping does not mind.
    allocator.check_invariants().unwrap();
    objects.into_iter().for_each(|object| allocator.free(object).unwrap());
    assert_eq!(allocator.allocated(), 0);
}

/// A child that dies early must not leave its parent waiting.
fn accept(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let start = Instant::now();
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(60), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn look_from_another_process() {
    let mut stream = UnixStream::connect(directory().join("socket")).unwrap();
    let mut message = [0; 32];
    for expected in 0.. {
        let Ok((fd, len)) = recv_fd(&stream, &mut message) else {
            assert_eq!(expected, 9, "all objects were seen");
            return;
        };
        assert_eq!((len, number(&message, 0)), (32, expected));
        assert!(closes_on_exec(fd.as_raw_fd()));
        let [offset, size, mmap_size] = [1, 2, 3].map(|at| number(&message, at));
        let mapped = mmap_size - usize::try_from(MMAP_REGIONS_GAP).unwrap();
        assert!(offset + size <= mapped);
        let longer = FileMapping::from_fd(fd.try_clone().unwrap(), mapped + (1 << 20), true);
        assert!(longer.is_err(), "a mapping beyond the file would kill who touches it");
        let mapping = FileMapping::from_fd(fd, mapped, true).unwrap();
        let mut bytes = vec![0; size];
        mapping.copy_out(offset, &mut bytes).unwrap();
        let same = bytes.iter().enumerate().all(|(at, &byte)| byte == pattern(expected, at));
        mapping.copy_in(offset, &vec![0x5a; size]).unwrap();
        stream.write_all(if same { b"y" } else { b"n" }).unwrap();
    }
}

/// Runs `test` again with a file system of 5 MiB on its directory where this is permitted, else with no such
/// file system but with a limit of 4 MiB on the size of a file.
fn with_little_space(test: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let small = "mount -t tmpfs -o size=5m none \"$1\" && shift && exec \"$@\"";
    match mounting(small, path) {
        Some(wrapper) => succeed(again(&wrapper, test, "small file system", path)),
        None => with_little_file_size(test),
    }
}

/// What runs its arguments where `script` has mounted something on `path` that nobody else sees; if that is permitted.
fn mounting<'a>(script: &'a str, path: &'a Path) -> Option<Vec<&'a str>> {
    ["--mount", "--user --map-root-user --mount"].into_iter().find_map(|isolated| {
        let mut wrapper = vec!["unshare"];
        wrapper.extend(isolated.split(' '));
        wrapper.extend(["sh", "-c", script, "sh", path.to_str().unwrap()]);
        let probe = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
        probe.is_ok_and(|done| done.status.success()).then_some(wrapper)
    })
}

fn with_little_file_size(test: &str) {
    let directory = tempfile::tempdir().unwrap();
    // The signal that comes with the limit would end the process: this test wants the error.
    let wrapper = ["sh", "-c", "trap '' XFSZ && exec \"$@\"", "sh"];
    succeed(again(&wrapper, test, "small files", directory.path()));
}

/// In a child: from here on a file can have 4 MiB.
fn limit_files(role: &str) {
    if role == "small files" {
        let most = Some(4 << 20);
        setrlimit(Resource::Fsize, Rlimit { current: most, maximum: most }).unwrap();
    }
}

fn is_out_of_space(result: Result<Allocation, AllocError>, wanted: usize) {
    match result {
        Err(AllocError::OutOfSpace { requested, directory: named, .. }) => {
            assert_eq!((requested, Path::new(&named)), (wanted, directory().as_path()));
        }
        other => panic!("{other:?}"),
    }
}

fn a_full_plasma_directory(role: &str) {
    let fallback_directory = tempfile::tempdir().unwrap();
    let config = PlasmaAllocatorConfig {
        fallback_directory: fallback_directory.path().to_owned(),
        ..config(&directory(), 64 << 20)
    };
    if role == "small files" {
        return a_limit_on_the_primary_file(role);
    }
    let mut allocator = PlasmaAllocator::new(config).unwrap();
    let mut live = Vec::new();
    let error = loop {
        match allocator.allocate(600_000) {
            Ok(allocation) => {
                fill(&allocation, 1);
                live.push(allocation);
            }
            Err(error) => break Err(error),
        }
    };
    is_out_of_space(error, 600_000);
    assert_eq!(live.len(), 8, "all that 5 MiB can hold was given out");
    for _ in 0..20 {
        let before = (allocator.allocated(), allocator.free_bytes(), allocator.reserved_bytes());
        is_out_of_space(allocator.allocate(2 * MIB), 2 * MIB);
        let after = (allocator.allocated(), allocator.free_bytes(), allocator.reserved_bytes());
        assert_eq!(before, after);
        allocator.check_invariants().unwrap();
    }
    // What is reserved can still be had, and what was freed; the rest goes to disk.
    let little = allocator.allocate(100_000).unwrap();
    fill(&little, 2);
    allocator.free(live.swap_remove(2)).unwrap();
    let again = allocator.allocate(600_000).unwrap();
    fill(&again, 3);
    let on_disk = allocator.fallback_allocate(2 * MIB).unwrap();
    assert!(on_disk.fallback_allocated);
    fill(&on_disk, 4);
    assert!(live.iter().all(|allocation| is_filled(allocation, 1)));
    assert!(is_filled(&little, 2) && is_filled(&again, 3) && is_filled(&on_disk, 4));
    live.extend([little, again, on_disk]);
    live.into_iter().for_each(|allocation| allocator.free(allocation).unwrap());
    allocator.check_invariants().unwrap();
    assert_eq!((allocator.allocated(), allocator.largest_free_block()), (0, 64 << 20));
}

/// The size of a file is checked when it is set, so here there is no allocator to begin with.
fn a_limit_on_the_primary_file(role: &str) {
    limit_files(role);
    let error = PlasmaAllocator::new(config(&directory(), (4 << 20) + 4097)).unwrap_err();
    assert!(matches!(error, InitError::Directory { .. }), "{error}");
    let mut allocator = PlasmaAllocator::new(config(&directory(), 4 << 20)).unwrap();
    let all = allocator.allocate(4 * MIB).unwrap();
    fill(&all, 1);
}

#[test]
fn a_full_plasma_directory_is_an_error_and_no_signal() {
    match role() {
        Some(role) => a_full_plasma_directory(&role),
        None => with_little_space("a_full_plasma_directory_is_an_error_and_no_signal"),
    }
}

#[test]
fn a_limit_on_files_is_an_error_and_no_signal() {
    match role() {
        Some(role) => a_full_plasma_directory(&role),
        None => with_little_file_size("a_limit_on_files_is_an_error_and_no_signal"),
    }
}

fn a_full_disk(role: &str) {
    let plasma_directory = tempfile::tempdir().unwrap();
    let config = PlasmaAllocatorConfig {
        fallback_directory: directory(),
        ..config(plasma_directory.path(), 1 << 20)
    };
    let mut allocator = PlasmaAllocator::new(config).unwrap();
    limit_files(role);
    let primary = allocator.fallback_allocate(MIB).unwrap();
    assert!(!primary.fallback_allocated);
    // A limit on files is one for each of them.
    let size = if role == "small files" { 6 * MIB } else { 900_000 };
    let expected = if role == "small files" { 0 } else { 5 };
    let mut live = Vec::new();
    let error = loop {
        match allocator.fallback_allocate(size) {
            Ok(allocation) => {
                fill(&allocation, 1);
                live.push(allocation);
            }
            Err(error) => break Err(error),
        }
    };
    is_out_of_space(error, size);
    assert_eq!((live.len(), allocator.num_live()), (expected, expected + 1));
    let fallback = i64::try_from(expected * size).unwrap();
    assert_eq!(allocator.fallback_allocated(), fallback);
    assert_eq!(allocator.allocated(), (1 << 20) + fallback);
    allocator.check_invariants().unwrap();
    if let Some(allocation) = live.pop() {
        allocator.free(allocation).unwrap();
        live.push(allocator.fallback_allocate(size).unwrap());
    }
    live.push(primary);
    live.into_iter().for_each(|allocation| allocator.free(allocation).unwrap());
    assert_eq!((allocator.allocated(), allocator.fallback_allocated()), (0, 0));
}

#[test]
fn a_full_disk_is_an_error_and_no_signal() {
    match role() {
        Some(role) => a_full_disk(&role),
        None => {
            with_little_space("a_full_disk_is_an_error_and_no_signal");
            with_little_file_size("a_full_disk_is_an_error_and_no_signal");
        }
    }
}

fn no_room_to_preallocate(role: &str) {
    limit_files(role);
    let wish = PlasmaAllocatorConfig { preallocate: true, ..config(&directory(), 16 << 20) };
    let error = PlasmaAllocator::new(wish).unwrap_err();
    assert!(matches!(error, InitError::Directory { limit: 16_777_216, .. }));
    assert!(error.to_string().contains(directory().to_str().unwrap()), "{error}");
}

#[test]
fn preallocation_without_space_is_an_error() {
    match role() {
        Some(role) => no_room_to_preallocate(&role),
        None => with_little_space("preallocation_without_space_is_an_error"),
    }
}

/// To root a directory's mode is no obstacle; a file system mounted read-only is one to everybody.
#[test]
fn a_read_only_directory_is_an_error() {
    if role().is_some() {
        let error = PlasmaAllocator::new(config(&directory(), 1 << 20)).unwrap_err();
        assert!(error.to_string().contains(directory().to_str().unwrap()), "{error}");
        return;
    }
    let test = "a_read_only_directory_is_an_error";
    let directory = tempfile::tempdir().unwrap();
    let read_only = "mount -t tmpfs -o ro none \"$1\" && shift && exec \"$@\"";
    match mounting(read_only, directory.path()) {
        Some(wrapper) => succeed(again(&wrapper, test, "read-only", directory.path())),
        None => succeed(again(&[], test, "read-only", Path::new("/proc"))),
    }
}
