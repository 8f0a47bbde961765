//! Channels between Ray's own code and ours, each in a process of its own, both ways.

use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::time::Duration;

use ray_object_manager::channel::{
    ChannelError, ChannelFile, ChannelOptions, ChannelReader, ChannelWriter, Timeout,
};
use real_peers::channel::{Outcome, Role};
use real_peers::{Peers, RealChannelEnd, Version};

/// Who waits longer than this hangs.
const BOUND: Timeout = Timeout::After(Duration::from_secs(60));

/// A channel, and where another process finds it.
fn channel(size: usize) -> (ChannelFile, PathBuf) {
    let file = ChannelFile::create("/dev/shm".as_ref(), size).unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_fd().as_raw_fd());
    (file, path.into())
}

/// A value as Ray's end writes and expects it.
fn fill(value: &mut [u8], number: u64) {
    // Nobody looks at the times here.
    value[..8].fill(0);
    value[8..].fill(u8::try_from(number % 251).unwrap());
}

fn is_whole(value: &[u8], number: u64) -> bool {
    value[8..].iter().all(|&byte| u64::from(byte) == number % 251)
}

fn each_version(test: impl Fn(&Peers)) {
    for version in Version::ALL {
        test(&Peers::fetch(version).unwrap());
    }
}

#[test]
fn rays_writer_and_our_reader() {
    each_version(|peers| {
        for (size, count) in [(1000, 3000), (200_000, 200)] {
            let (file, path) = channel(size);
            // Who is first makes the semaphores; here Ray's.
            let role = Role::Write { readers: 1, pause: Duration::ZERO };
            let mut writer = RealChannelEnd::start(peers, role, &path, size, count).unwrap();
            let reader = ChannelReader::open(file, ChannelOptions::default()).unwrap();
            writer.go().unwrap();
            for number in 1..=count {
                let value = reader.read(BOUND).unwrap();
                assert_eq!((value.len(), value.metadata().len()), (size, 0));
                assert!(is_whole(&value, number), "value {number}");
            }
            assert!(matches!(writer.outcome().unwrap(), Outcome::Done { .. }));
        }
    });
}

#[test]
fn our_writer_and_rays_readers() {
    each_version(|peers| {
        for readers in [1, 3] {
            let (size, count) = (1000, 1000);
            let (file, path) = channel(size);
            let number_of = NonZeroU32::new(readers).unwrap();
            let mut writer =
                ChannelWriter::open(file, number_of, ChannelOptions::default()).unwrap();
            let mut ends: Vec<RealChannelEnd> = (0..readers)
                .map(|_| RealChannelEnd::start(peers, Role::Read, &path, size, count).unwrap())
                .collect();
            for end in &mut ends {
                end.go().unwrap();
            }
            for number in 1..=count {
                let mut value = writer.begin(size, 0, BOUND).unwrap();
                fill(&mut value, number);
                value.send().unwrap();
            }
            for end in ends {
                assert!(matches!(end.outcome().unwrap(), Outcome::Done { .. }));
            }
            writer.finish(BOUND).unwrap();
        }
    });
}

#[test]
fn rays_readers_beside_ours() {
    let peers = Peers::fetch(Version::NEWEST).unwrap();
    let (size, count) = (1000, 500);
    let (file, path) = channel(size);
    let file = std::sync::Arc::new(file);
    let role = Role::Write { readers: 3, pause: Duration::ZERO };
    let mut ends = vec![
        RealChannelEnd::start(&peers, role, &path, size, count).unwrap(),
        RealChannelEnd::start(&peers, Role::Read, &path, size, count).unwrap(),
    ];
    let readers: Vec<_> = (0..2)
        .map(|_| ChannelReader::open(file.clone(), ChannelOptions::default()).unwrap())
        .collect();
    for end in &mut ends {
        end.go().unwrap();
    }
    std::thread::scope(|scope| {
        for reader in &readers {
            scope.spawn(|| {
                for number in 1..=count {
                    assert!(is_whole(&reader.read(BOUND).unwrap(), number));
                }
            });
        }
    });
    for end in ends {
        assert!(matches!(end.outcome().unwrap(), Outcome::Done { .. }));
    }
}

#[test]
fn our_error_ends_rays_waits() {
    each_version(|peers| {
        let (file, path) = channel(1000);
        let mut end = RealChannelEnd::start(peers, Role::Read, &path, 1000, 10).unwrap();
        let writer = ChannelWriter::open(file, NonZeroU32::MIN, ChannelOptions::default()).unwrap();
        end.go().unwrap();
        writer.fail();
        assert_eq!(end.outcome().unwrap(), Outcome::Closed(0));
    });
}

/// Ray's process is on no list of ours; it is noticed by what it has mapped, once we have waited for a moment.
#[test]
fn a_killed_process_of_rays_is_noticed() {
    let peers = Peers::fetch(Version::NEWEST).unwrap();
    let (file, path) = channel(1000);
    let role = Role::Write { readers: 1, pause: Duration::ZERO };
    let mut writer = RealChannelEnd::start(&peers, role, &path, 1000, 1000).unwrap();
    let reader = ChannelReader::open(file, ChannelOptions::default()).unwrap();
    let pid = writer.pid();
    // Ours has to see it alive, for which it waits.
    let waited = reader.read(Timeout::After(Duration::from_millis(300)));
    assert!(matches!(waited, Err(ChannelError::TimedOut)));
    writer.kill().unwrap();
    let error = reader.read(BOUND).unwrap_err();
    assert!(matches!(error, ChannelError::PeerDied { pid: dead } if dead == pid), "{error}");
}
