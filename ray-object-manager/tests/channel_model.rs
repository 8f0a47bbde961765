//! The protocol of a channel under loom, which runs every order in which the steps of its ends can happen: with ends that stop
//! at any step, as when their process is killed, and with an error that is raised at any time.

// Loom runs its threads on stacks that it switches itself. AddressSanitizer takes a panic on one of them for a fault.
// tools/sanitize.sh gives the name.
#![allow(unexpected_cfgs)]
#![cfg(not(plasma_rs_address_sanitizer))]

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

use loom::cell::Cell;
use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use ray_object_manager::channel::protocol::{self, Failure, Field, Gate, Reading, World};

/// What the ends share.
struct Memory {
    fields: [AtomicI64; 7],
    error: AtomicBool,
    /// Both semaphores, the announcements, and whether somebody has died: under one lock, with one condition. A system's
    /// semaphores and futexes are such monitors.
    kernel: Mutex<Kernel>,
    changed: Condvar,
    generation: AtomicU32,
    /// The value. That loom finds no two accesses to it at once is what the protocol is for.
    value: loom::cell::UnsafeCell<i64>,
}

struct Kernel {
    header: u32,
    object: u32,
    dead: bool,
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            fields: std::array::from_fn(|_| AtomicI64::new(0)),
            error: AtomicBool::new(false),
            kernel: Mutex::new(Kernel { header: 1, object: 1, dead: false }),
            changed: Condvar::new(),
            generation: AtomicU32::new(0),
            value: loom::cell::UnsafeCell::new(0),
        })
    }
}

/// One end, which may have to stop after so many steps.
struct End {
    memory: Arc<Memory>,
    steps_left: Cell<u32>,
}

struct Killed;

impl End {
    fn new(memory: &Arc<Memory>) -> Self {
        Self::that_stops(memory, u32::MAX)
    }

    fn that_stops(memory: &Arc<Memory>, steps: u32) -> Self {
        Self { memory: Arc::clone(memory), steps_left: Cell::new(steps) }
    }

    fn step(&self) {
        match self.steps_left.get() {
            0 => resume_unwind(Box::new(Killed)),
            left => self.steps_left.set(left - 1),
        }
    }

    /// Runs an end; when it is stopped, the system knows that it is dead. Returns whether it came to its end.
    fn run(self, work: impl FnOnce(&Self)) -> bool {
        let is_alive = catch_unwind(AssertUnwindSafe(|| work(&self))).is_ok();
        if !is_alive {
            self.memory.kernel.lock().unwrap().dead = true;
            self.memory.changed.notify_all();
        }
        is_alive
    }

    fn write(&self, value: i64, readers: i64) -> Result<(), Failure> {
        protocol::write_acquire(self, (value, 1), readers, &mut ())?;
        self.memory.value.with_mut(|place| {
            // SAFETY: loom fails the test if anything else accesses the value meanwhile.
            unsafe { *place = value }
        });
        self.step();
        protocol::write_release(self)
    }

    fn read(&self, version: i64) -> Result<Reading, Failure> {
        let reading = protocol::read_acquire(self, version, &mut ())?;
        let value = self.memory.value.with(|place| {
            // SAFETY: as above.
            unsafe { *place }
        });
        assert_eq!((reading.version, reading.data_size), (version, value), "a torn read");
        self.step();
        protocol::read_release(self, version)?;
        Ok(reading)
    }
}

impl World for End {
    type Patience = ();

    fn get(&self, field: Field) -> i64 {
        self.memory.fields[field as usize].load(Ordering::Acquire)
    }

    fn set(&self, field: Field, value: i64) {
        self.step();
        self.memory.fields[field as usize].store(value, Ordering::Release);
    }

    fn has_error(&self) -> bool {
        self.memory.error.load(Ordering::Acquire)
    }

    fn raise_error(&self) {
        self.step();
        self.memory.error.store(true, Ordering::Release);
    }

    fn take(&self, gate: Gate, (): &mut ()) -> bool {
        self.step();
        let mut kernel = self.memory.kernel.lock().unwrap();
        loop {
            let count = match gate {
                Gate::Header => &mut kernel.header,
                Gate::Object => &mut kernel.object,
            };
            if *count > 0 {
                *count -= 1;
                return true;
            }
            if kernel.dead {
                return false;
            }
            kernel = self.memory.changed.wait(kernel).unwrap();
        }
    }

    fn give(&self, gate: Gate) {
        self.step();
        let mut kernel = self.memory.kernel.lock().unwrap();
        match gate {
            Gate::Header => kernel.header += 1,
            Gate::Object => kernel.object += 1,
        }
        drop(kernel);
        self.memory.changed.notify_all();
    }

    fn generation(&self) -> u32 {
        self.memory.generation.load(Ordering::SeqCst)
    }

    fn announce(&self) {
        self.step();
        let kernel = self.memory.kernel.lock().unwrap();
        self.memory.generation.fetch_add(1, Ordering::SeqCst);
        drop(kernel);
        self.memory.changed.notify_all();
    }

    fn sleep(&self, seen: u32, _wanted: i64, (): &mut ()) {
        let mut kernel = self.memory.kernel.lock().unwrap();
        while self.generation() == seen && !kernel.dead {
            kernel = self.memory.changed.wait(kernel).unwrap();
        }
    }

    fn go_on(&self, (): &mut ()) -> Result<(), Failure> {
        let dead = self.memory.kernel.lock().unwrap().dead;
        if dead && !self.has_error() {
            protocol::raise_error(self);
        }
        Ok(())
    }

    fn short(&self) {}
}

fn model(bound: usize, work: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    // How often a thread may lose its turn in the middle of something.
    let is_full = std::env::var_os("PLASMA_RS_TEST_SCALE").is_some_and(|scale| scale == "full");
    model.preemption_bound = Some(if is_full { bound } else { 1 });
    model.max_branches = 50_000;
    model.check(work);
}

#[test]
fn values_arrive_in_order_and_whole() {
    model(2, || {
        let memory = Memory::new();
        let (writer, reader) = (End::new(&memory), End::new(&memory));
        let reads = thread::spawn(move || {
            for version in 1..=2 {
                assert_eq!(reader.read(version).unwrap().version, version);
            }
        });
        for value in 1..=2 {
            writer.write(value, 1).unwrap();
        }
        reads.join().unwrap();
    });
}

#[test]
fn two_readers_have_each_value_and_no_third_reads_it() {
    model(2, || {
        let memory = Memory::new();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let reader = End::new(&memory);
                thread::spawn(move || reader.read(1).unwrap())
            })
            .collect();
        let writer = End::new(&memory);
        writer.write(1, 2).unwrap();
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(writer.read(1), Err(Failure::Missed));
        writer.write(2, 1).unwrap();
        writer.read(2).unwrap();
    });
}

#[test]
fn two_writers_take_turns() {
    model(2, || {
        let memory = Memory::new();
        let writers: Vec<_> = [10, 20]
            .map(|value| {
                let writer = End::new(&memory);
                thread::spawn(move || writer.write(value, 1).unwrap())
            })
            .into();
        let reader = End::new(&memory);
        let sum: i64 = (1..=2).map(|version| reader.read(version).unwrap().data_size).sum();
        assert_eq!(sum, 30);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

#[test]
fn an_error_at_any_time_ends_every_wait() {
    model(2, || {
        let memory = Memory::new();
        let (reader, writer) = (End::new(&memory), End::new(&memory));
        let reads = thread::spawn(move || {
            assert!(
                (1..=3).any(|version| is_closed(reader.read(version))),
                "three are not written"
            );
        });
        let raiser = End::new(&memory);
        let raises = thread::spawn(move || protocol::raise_error(&raiser));
        is_closed(writer.write(1, 1));
        raises.join().unwrap();
        reads.join().unwrap();
    });
}

/// An end stops at each of its steps in turn; the other one has progress or an error, never a hang, which loom would find as a
/// deadlock, and never half a value, which it would find as two accesses at once.
fn killed_at_every_step(victim: fn(&End), survivor: fn(&End)) {
    let mut steps = 0;
    loop {
        let finished = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = std::sync::Arc::clone(&finished);
        model(2, move || {
            let memory = Memory::new();
            let dying = End::that_stops(&memory, steps);
            let living = End::new(&memory);
            let dies = thread::spawn(move || dying.run(victim));
            survivor(&living);
            if dies.join().unwrap() {
                seen.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        });
        if finished.load(std::sync::atomic::Ordering::Relaxed) {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "it has more steps than {steps}");
}

fn is_closed<T>(result: Result<T, Failure>) -> bool {
    match result {
        Ok(_) => false,
        Err(Failure::Closed) => true,
        Err(failure) => panic!("{failure:?}"),
    }
}

#[test]
fn a_writer_that_is_killed_at_any_step_leaves_no_reader_waiting() {
    killed_at_every_step(
        |writer| {
            for value in 1..=2 {
                let _ = writer.write(value, 1);
            }
        },
        |reader| {
            let _ = (1..=2).any(|version| is_closed(reader.read(version)));
        },
    );
}

#[test]
fn a_reader_that_is_killed_at_any_step_leaves_no_writer_waiting() {
    killed_at_every_step(
        |reader| {
            for version in 1..=2 {
                let _ = reader.read(version);
            }
        },
        |writer| {
            let _ = (1..=3).any(|value| is_closed(writer.write(value, 1)) || value == 2);
        },
    );
}
