//! Channels of ours beside those of Ray's own code, by turns: how long a value of 1 KB takes from its release to a reader, and
//! how fast values of 10 MB go through, with one reader and with eight. Writers and readers are processes of their own.
//!
//! Prints a line of JSON for each figure of each run, and at the end the medians with the quarters around them, and their ratio.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use ray_object_manager::channel::{
    ChannelFile, ChannelOptions, ChannelReader, ChannelWriter, Timeout,
};
use real_peers::channel::{Outcome, Role};
use real_peers::{Peers, RealChannelEnd, Version};
use rustix::process::Pid;
use rustix::thread::{sched_setaffinity, CpuSet};
use rustix::time::{clock_gettime, ClockId};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(about = "Channels of ours beside Ray's, by turns")]
struct Arguments {
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many values a measurement has, as a part of the usual number.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Only runs whose names contain this.
    #[arg(long)]
    only: Vec<String>,
    /// Only ours.
    #[arg(long)]
    ours: bool,
    /// Each end stays on one processor, the writer on the first and the readers on all by turns, so that it is not left to
    /// chance who shares one with whom.
    #[arg(long)]
    bound: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One end of ours.
    #[command(hide = true)]
    End { role: String, file: PathBuf, size: usize, count: u64, readers: NonZeroU32, pause: u64 },
}

/// A kind of run.
struct Run {
    name: &'static str,
    /// Bytes of a value.
    size: usize,
    readers: NonZeroU32,
    values: u64,
    /// How long the writer sleeps before each value.
    pause: Duration,
}

const fn run(name: &'static str, size: usize, readers: u32, values: u64, pause: Duration) -> Run {
    let readers = NonZeroU32::new(readers).expect("a reader");
    Run { name, size, readers, values, pause }
}

const RUNS: [Run; 6] = [
    run("1KB_x1", 1000, 1, 20_000, Duration::ZERO),
    run("1KB_x8", 1000, 8, 4_000, Duration::ZERO),
    run("10MB_x1", 10_000_000, 1, 400, Duration::ZERO),
    run("10MB_x8", 10_000_000, 8, 60, Duration::ZERO),
    // Values that come slowly: what a wait costs, and how soon it ends.
    run("slow_1KB_x1", 1000, 1, 200, Duration::from_millis(1)),
    run("slow_1KB_x8", 1000, 8, 200, Duration::from_millis(1)),
];

/// What one run says, in nanoseconds.
#[derive(Clone, Copy)]
struct Figures {
    /// From release to acquire: the median of each reader, and of these the mean.
    latency: f64,
    /// From release to the last reader's acquire: the median of all values.
    last: f64,
    /// The time of the whole run for each value, until the last reader has seen its last one.
    value: f64,
    /// The processors' time of all ends for each value.
    processors: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Part::End { role, file, size, count, readers, pause }) = arguments.part {
        let run =
            Run { name: "", size, readers, values: count, pause: Duration::from_micros(pause) };
        return end(&role, &file, &run);
    }
    let peers = Peers::fetch(Version::NEWEST)?;
    let is_asked = |run: &Run| {
        arguments.only.is_empty() || arguments.only.iter().any(|part| run.name.contains(part))
    };
    let mut values: BTreeMap<(String, bool), Vec<f64>> = BTreeMap::new();
    for round in 1..=arguments.rounds {
        for run in RUNS.into_iter().filter(is_asked) {
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss
            )]
            let values_of_run = ((run.values as f64 * arguments.scale) as u64).max(10);
            let run = Run { values: values_of_run, ..run };
            // Who goes first changes with each round.
            for ours in [round % 2 == 0, round % 2 != 0] {
                if arguments.ours && !ours {
                    continue;
                }
                let peers = if ours { None } else { Some(&peers) };
                let figures = measure(peers, &run, arguments.bound)?;
                for (figure, ns) in [
                    ("latency", figures.latency),
                    ("last", figures.last),
                    ("value", figures.value),
                    ("processors", figures.processors),
                ] {
                    let row = format!("{figure}_{}", run.name);
                    let side = if ours { "ours" } else { "Ray's" };
                    println!("{}", json!({ "side": side, "round": round, "row": row, "ns": ns }));
                    values.entry((row, ours)).or_default().push(ns);
                }
            }
        }
    }
    for ((row, ours), all) in &mut values {
        all.sort_by(f64::total_cmp);
        let side = if *ours { "ours" } else { "Ray's" };
        let [first, median, third] = [1, 2, 3].map(|quarter| part(all, quarter * 25));
        println!("{}", json!({ "row": row, "side": side, "quarters": [first, median, third] }));
    }
    for ((row, ours), all) in &values {
        if let (true, Some(rays)) = (ours, values.get(&(row.clone(), false))) {
            println!("{}", json!({ "row": row, "ratio": part(rays, 50) / part(all, 50) }));
        }
    }
    Ok(())
}

/// What so many of a hundred are below, of sorted values.
fn part<T: Copy>(sorted: &[T], percent: usize) -> T {
    sorted[(sorted.len() - 1) * percent / 100]
}

fn measure(peers: Option<&Peers>, run: &Run, is_bound: bool) -> Result<Figures> {
    let &Run { size, values: count, pause, .. } = run;
    let readers = run.readers.get();
    let file = ChannelFile::create("/dev/shm".as_ref(), size)?;
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_fd().as_raw_fd());
    let start = |role: Role| -> Result<RealChannelEnd> {
        match peers {
            Some(peers) => Ok(RealChannelEnd::start(peers, role, path.as_ref(), size, count)?),
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["end", if role == Role::Read { "read" } else { "write" }, &path]);
                command.args([size.to_string(), count.to_string(), readers.to_string()]);
                command.arg(pause.as_micros().to_string());
                Ok(RealChannelEnd::over(command)?)
            }
        }
    };
    let mut ends = vec![start(Role::Write { readers, pause })?];
    for _ in 0..readers {
        ends.push(start(Role::Read)?);
    }
    if is_bound {
        let processors = std::thread::available_parallelism()?.get();
        for (number, end) in ends.iter().enumerate() {
            let mut set = CpuSet::new();
            set.set(number % processors);
            sched_setaffinity(Pid::from_raw(i32::try_from(end.pid())?), &set)?;
        }
    }
    for end in ends.iter_mut().rev() {
        end.go()?;
    }
    let (mut readings, mut processors) = (Vec::new(), 0);
    for end in ends {
        match end.outcome()? {
            Outcome::Closed(values) => {
                return Err(format!("a channel was closed after {values} values").into())
            }
            Outcome::Done { total, processor, latencies } => {
                processors += processor;
                if !latencies.is_empty() {
                    readings.push((total, latencies));
                }
            }
        }
    }
    if peers.is_some() {
        // The names of Ray's semaphores stay; opening the channel once more and closing it takes them away.
        drop(ChannelReader::open(file, ChannelOptions::default())?);
    }
    figures(&readings, processors)
}
/// From what the readers say: the time for all values, and of each value from its release to its acquire.
#[allow(clippy::cast_precision_loss)]
fn figures(readings: &[(u64, Vec<u64>)], processors: u64) -> Result<Figures> {
    let median = |mut all: Vec<u64>| {
        all.sort_unstable();
        part(&all, 50) as f64
    };
    let medians = readings.iter().map(|(_, latencies)| median(latencies.clone()));
    let latency = medians.sum::<f64>() / readings.len() as f64;
    let total = readings.iter().map(|(total, _)| *total).max().ok_or("no readers")?;
    let count = readings[0].1.len();
    let of_last = |number: usize| readings.iter().filter_map(|(_, all)| all.get(number)).max();
    let last: Vec<u64> = (0..count).filter_map(of_last).copied().collect();
    let per_value = |total: u64| total as f64 / count as f64;
    let (value, processors) = (per_value(total), per_value(processors));
    Ok(Figures { latency, last: median(last), value, processors })
}

/// Nanoseconds of a clock that the C++ side reads, too.
fn clock(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn now() -> i64 {
    clock(ClockId::Monotonic)
}

fn processor() -> i64 {
    clock(ClockId::ProcessCPUTime)
}

fn end(role: &str, file: &Path, run: &Run) -> Result<()> {
    let &Run { size, readers, values: count, pause, .. } = run;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(file)?;
    let memory = ChannelFile::open(file.into(), size)?;
    memory.populate();
    let options = ChannelOptions::default();
    let wait_to_begin = || -> Result<()> {
        println!("open");
        std::io::stdout().flush()?;
        Ok(std::io::stdin().read_exact(&mut [0])?)
    };
    if role == "write" {
        let mut writer = ChannelWriter::open(memory, readers, options)?;
        wait_to_begin()?;
        let (started, used) = (Instant::now(), processor());
        for number in 1..=count {
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
            let mut value = writer.begin(size, 0, Timeout::Never)?;
            value[8..].fill(u8::try_from(number % 251)?);
            value[..8].copy_from_slice(&now().to_le_bytes());
            value.send()?;
        }
        println!("done {} {}", started.elapsed().as_nanos(), processor() - used);
        writer.finish(Timeout::Never)?;
        return Ok(());
    }
    let reader = ChannelReader::open(memory, options)?;
    let mut latencies = Vec::new();
    let mut copy = vec![0; size];
    // Pages that were never touched would be part of the first value's time.
    copy.fill(1);
    wait_to_begin()?;
    let (started, used) = (Instant::now(), processor());
    for number in 1..=count {
        let value = reader.read(Timeout::Never)?;
        let then = i64::from_le_bytes(value[..8].try_into()?);
        latencies.push(now() - then);
        value.copy_to(&mut copy);
        drop(value);
        if u64::from(copy[8]) != number % 251 || copy[8..size - 1] != copy[9..] {
            return Err("a torn read".into());
        }
    }
    let (total, used) = (started.elapsed().as_nanos(), processor() - used);
    let latencies: Vec<String> = latencies.iter().map(i64::to_string).collect();
    println!("done {total} {used} {}", latencies.join(" "));
    std::io::stdout().flush()?;
    // The others may still read: who closes its end closes the channel, so the writer does.
    let _ = reader.read(Timeout::Never);
    Ok(())
}
