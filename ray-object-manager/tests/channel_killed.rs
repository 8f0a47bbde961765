//! Ends of a channel in processes of their own that are killed: at every step of the protocol, and at any time. The end that
//! lives sees values that are whole, and then an error, within a bound; and nothing stays behind.
//!
//! `PLASMA_RS_TEST_SCALE=full` runs thousands of rounds.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ray_object_manager::channel::protocol::{self, Failure, Field, Gate, World};
use ray_object_manager::channel::{
    sweep_leftovers, ChannelError, ChannelFile, ChannelMemory, ChannelOptions, ChannelReader,
    ChannelSemaphores, ChannelWriter, Patience, Shared, Timeout,
};
use ray_object_manager::plasma::object_header::PlasmaObjectHeader;

const CAPACITY: usize = 3 * 4096;
const OPTIONS: ChannelOptions = ChannelOptions {
    look_every: Duration::from_millis(2),
    set_up_within: Duration::from_millis(100),
};
/// Who waits longer than this hangs.
const BOUND: Timeout = Timeout::After(Duration::from_secs(20));

/// Each test looks at what is open in the whole process.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn rounds(few: u64, full: u64) -> u64 {
    if std::env::var_os("PLASMA_RS_TEST_SCALE").is_some_and(|scale| scale == "full") {
        full
    } else {
        few
    }
}

/// The child's part: it is this test, started again with a task in its environment.
#[test]
fn child() {
    let Ok(task) = std::env::var("CHANNEL_CHILD") else { return };
    let mut words = task.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (role, file, step) = (word(), word(), word().parse().unwrap());
    let memory = if file.is_empty() || file == "-" {
        ChannelFile::create("/dev/shm".as_ref(), CAPACITY).unwrap()
    } else {
        let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
        ChannelFile::open(file.into(), CAPACITY).unwrap()
    };
    // SAFETY: the memory has a header.
    let header = unsafe { PlasmaObjectHeader::at(memory.header()) };
    let semaphores = ChannelSemaphores::open(header, OPTIONS).unwrap();
    std::io::stdout().write_all(b"\nopen\n").unwrap();
    std::io::stdout().flush().unwrap();
    let world = Stepping { inner: Shared::new(header, &semaphores), left: Cell::new(step) };
    world.inner.announces();
    for version in 1.. {
        let go_on = match role.as_str() {
            "writer" => write(&world, &memory, version),
            "reader" => read(&world, &memory, version),
            _ => write(&world, &memory, version).and_then(|()| read(&world, &memory, version)),
        };
        if go_on.is_err() {
            break;
        }
    }
    // The parent has closed the channel, or the other child was killed.
    protocol::raise_error(&world.inner);
}

fn write(world: &Stepping<'_>, memory: &ChannelFile, version: i64) -> Result<(), Failure> {
    let sizes = (i64::try_from(CAPACITY).unwrap(), 0);
    let mut patience = world.inner.patience(BOUND, None);
    protocol::write_acquire(world, sizes, 1, &mut patience)?;
    for page in 0..3 {
        world.step();
        // SAFETY: the value is ours between acquire and release.
        unsafe { memory.data().add(page * 4096).write_bytes(fill(version), 4096) };
    }
    protocol::write_release(world)
}

fn read(world: &Stepping<'_>, memory: &ChannelFile, version: i64) -> Result<(), Failure> {
    let mut patience = world.inner.patience(BOUND, None);
    protocol::read_acquire(world, version, &mut patience)?;
    // SAFETY: nobody writes the value between acquire and release.
    let value = unsafe { std::slice::from_raw_parts(memory.data().as_ptr(), CAPACITY) };
    assert!(value.iter().all(|&byte| byte == fill(version)), "a torn read");
    world.step();
    protocol::read_release(world, version)
}

fn fill(version: i64) -> u8 {
    u8::try_from(version % 251).unwrap()
}

/// A channel whose end is killed after so many steps.
struct Stepping<'a> {
    inner: Shared<'a>,
    left: Cell<u64>,
}

impl Stepping<'_> {
    fn step(&self) {
        match self.left.get() {
            0 => {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
                std::thread::sleep(Duration::MAX);
            }
            left => self.left.set(left - 1),
        }
    }
}

impl<'a> World for Stepping<'a> {
    type Patience = Patience<'a>;

    fn get(&self, field: Field) -> i64 {
        self.inner.get(field)
    }
    fn set(&self, field: Field, value: i64) {
        self.step();
        self.inner.set(field, value);
    }
    fn has_error(&self) -> bool {
        self.inner.has_error()
    }
    fn raise_error(&self) {
        self.step();
        self.inner.raise_error();
    }
    fn take(&self, gate: Gate, patience: &mut Self::Patience) -> bool {
        self.step();
        self.inner.take(gate, patience)
    }
    fn give(&self, gate: Gate) {
        self.step();
        self.inner.give(gate);
    }
    fn generation(&self) -> u32 {
        self.inner.generation()
    }
    fn announce(&self) {
        self.step();
        self.inner.announce();
    }
    fn sleep(&self, seen: u32, wanted: i64, patience: &mut Self::Patience) {
        self.inner.sleep(seen, wanted, patience);
    }
    fn go_on(&self, patience: &mut Self::Patience) -> Result<(), Failure> {
        self.inner.go_on(patience)
    }
    fn short(&self) -> Self::Patience {
        self.inner.short()
    }
}

/// A child that has a task. Killed and waited for at the end, whatever happens.
struct Peer(Child);

impl Peer {
    fn start(role: &str, file: &str, step: u64) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env("CHANNEL_CHILD", format!("{role} {file} {step}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
    }

    /// Kills it and waits until it is dead, which on a busy machine takes a while. It is still to be waited for.
    fn kill_dead(&mut self) {
        use rustix::process::{waitid, Pid, WaitId, WaitIdOptions};

        self.kill();
        let child = WaitId::Pid(Pid::from_child(&self.0));
        waitid(child, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    }

    /// Waits for its end. Returns whether it had opened the channel.
    fn ended(mut self) -> bool {
        let (mut said, mut complained) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut complained).unwrap();
        self.0.wait().unwrap();
        assert!(!complained.contains("torn"), "{complained}");
        said.contains("\nopen\n")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn path_of(file: &ChannelFile) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_fd().as_raw_fd())
}

fn name_of(file: &ChannelFile) -> String {
    // SAFETY: the memory has a header.
    unsafe { PlasmaObjectHeader::at(file.header()) }.name().unwrap()
}

fn names_like(part: &str) -> usize {
    let names = std::fs::read_dir("/dev/shm").unwrap();
    names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().contains(part)).count()
}

fn open_things() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let shared = maps.lines().filter(|line| line.contains("/dev/shm")).count();
    (std::fs::read_dir("/proc/self/fd").unwrap().count(), shared)
}

/// The living end until the error. Returns the error and how many values there were.
fn live(mine: Living) -> (ChannelError, i64) {
    for version in 1.. {
        let done = match &mine {
            Living::Reader(reader) => reader.read(BOUND).map(|value| {
                assert_eq!(value.version(), version);
                assert!(value.iter().all(|&byte| byte == fill(version)), "a torn read");
            }),
            Living::Writer(writer) => {
                writer.borrow_mut().write(&vec![fill(version); CAPACITY], b"", BOUND)
            }
        };
        if let Err(error) = done {
            return (error, version - 1);
        }
    }
    unreachable!()
}

enum Living {
    Reader(ChannelReader<ChannelFile>),
    Writer(std::cell::RefCell<ChannelWriter<ChannelFile>>),
}

fn living(peer: &str, file: ChannelFile) -> Living {
    if peer == "writer" {
        Living::Reader(ChannelReader::open(file, OPTIONS).unwrap())
    } else {
        let one = std::num::NonZeroU32::MIN;
        Living::Writer(ChannelWriter::open(file, one, OPTIONS).unwrap().into())
    }
}

#[test]
fn killed_at_every_step() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for peer in ["writer", "reader"] {
        // Every step of the first values, and then some later ones.
        let steps = rounds(45, 1200);
        let mut most = 0;
        for step in 0..steps {
            let file = ChannelFile::create("/dev/shm".as_ref(), CAPACITY).unwrap();
            let name = name_of(&file);
            let mut child = Peer::start(peer, &path_of(&file), step);
            if step == 0 {
                // What follows measures its own descriptors.
                child.kill();
            }
            let mine = living(peer, file);
            if step == 0 {
                continue;
            }
            let pid = child.0.id();
            let (error, values) = live(mine);
            assert!(
                matches!(error, ChannelError::PeerDied { pid: dead } if dead == pid),
                "{peer} killed at step {step}: {error}"
            );
            assert!(child.ended());
            assert_eq!(names_like(&name), 0, "{peer} killed at step {step}");
            most = most.max(values);
        }
        assert!(most > 1, "the steps are not reached");
    }
}

#[test]
fn killed_at_any_time() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut random = 88_172_645_463_325_252_u64;
    let before = open_things();
    for round in 0..rounds(40, 3000) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let peer = if random & 1 == 0 { "writer" } else { "reader" };
        let file = ChannelFile::create("/dev/shm".as_ref(), CAPACITY).unwrap();
        let name = name_of(&file);
        let mut child = Peer::start(peer, &path_of(&file), u64::MAX);
        let pid = child.0.id();
        let (first, pause) = (random & 2 == 0, Duration::from_micros((random >> 8) % 8000));
        let killed = AtomicBool::new(false);
        let seen = &killed;
        let killer = std::thread::scope(|scope| {
            let kills = scope.spawn(move || {
                std::thread::sleep(pause);
                child.kill_dead();
                seen.store(true, Ordering::SeqCst);
                child
            });
            if first {
                // Opening its end may find that the child died while it made the semaphores.
                std::thread::sleep(pause / 2);
            }
            let opened = match peer {
                "writer" => ChannelReader::open(file, OPTIONS).map(Living::Reader),
                _ => ChannelWriter::open(file, std::num::NonZeroU32::MIN, OPTIONS)
                    .map(|writer| Living::Writer(writer.into())),
            };
            let outcome = opened.map(|mine| live_until_closed(&mine, &killed));
            (outcome, kills.join().unwrap())
        });
        let (outcome, child) = killer;
        let had_opened = child.ended();
        match outcome {
            Ok(ChannelError::PeerDied { pid: dead }) => assert_eq!(dead, pid, "round {round}"),
            Ok(ChannelError::TimedOut) => assert!(!had_opened, "round {round}: a hang"),
            Ok(error) => panic!("round {round}: {error}"),
            Err(ChannelError::SetUp(_)) => {}
            Err(error) => panic!("round {round}: {error}"),
        }
        assert_eq!(names_like(&name), 0, "round {round}");
    }
    assert_eq!(open_things(), before);
}

/// As [`live`], but of somebody who may never come: from the death on three short waits are enough.
fn live_until_closed(mine: &Living, killed: &AtomicBool) -> ChannelError {
    let patience = Timeout::After(Duration::from_millis(60));
    let (mut version, mut tries) = (1, 0);
    loop {
        let is_killed = killed.load(Ordering::SeqCst);
        let done = match mine {
            Living::Reader(reader) => reader.read(patience).map(|value| {
                assert!(value.iter().all(|&byte| byte == fill(version)), "a torn read");
            }),
            Living::Writer(writer) => {
                writer.borrow_mut().write(&vec![fill(version); CAPACITY], b"", patience)
            }
        };
        match done {
            Ok(()) => version += 1,
            Err(ChannelError::TimedOut) if tries < 3 => tries += u32::from(is_killed),
            Err(error) => return error,
        }
    }
}

#[test]
fn what_is_killed_together_is_swept_up() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut left = 0;
    for round in 0..rounds(6, 200) {
        let mut child = Peer::start("both", "-", 20 + round % 60);
        let mark = format!("{}-", child.0.id());
        let mut said = [0; 1];
        // The first byte is the test runner's; the steps end it.
        let _ = child.0.stdout.as_mut().unwrap().read(&mut said).unwrap();
        child.0.wait().unwrap();
        left += names_like(&mark);
        drop(child);
        sweep_leftovers(Duration::ZERO);
        assert_eq!(names_like(&mark), 0, "round {round}");
    }
    assert!(left > 0, "nothing was left behind that could be swept up");
}
