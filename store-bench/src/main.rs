//! Measures our store and Ray's own with the same client (ours), by turns.
//!
//! Every round runs every row on both stores, one after the other; who goes first changes with each round. A row on four
//! clients runs them in processes of their own. Prints a line of JSON for each measurement, for
//! `tools/plot_benchmarks.py`.

mod busy;
mod pages;
mod rows;
mod stall;
mod stores;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::{Parser, Subcommand};
use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient};
use real_peers::Version;
use serde_json::json;

use rows::Row;
use stores::{Side, Store};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(about = "The same client against our store and Ray's, by turns")]
struct Arguments {
    /// How often everything is measured.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// How many operations a measurement has, as a part of the usual number.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Only rows whose names contain this.
    #[arg(long)]
    only: Vec<String>,
    /// Only ours.
    #[arg(long)]
    ours: bool,
    /// Only how long other clients wait while a creation evicts a fifth of a store of so many objects.
    #[arg(long, value_name = "OBJECTS")]
    stall: Option<u64>,
    /// Meanwhile so many processes want a core all the time.
    #[arg(long, default_value_t = 0)]
    busy: usize,
    /// Only what new pages cost without a store, at once after others were given back and some seconds later.
    #[arg(long)]
    pages: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Runs a store until its input ends.
    #[command(hide = true)]
    Serve { socket: PathBuf, bytes: i64 },
    /// Runs a row when a byte comes, and says how long it took.
    #[command(hide = true)]
    Client { socket: PathBuf, row: String, count: usize, first: u64 },
    /// Wants a core until its input ends.
    #[command(hide = true)]
    Busy,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::Serve { socket, bytes }) => stores::serve(socket, *bytes),
        Some(Part::Client { socket, row, count, first }) => client(socket, row, *count, *first),
        Some(Part::Busy) => busy::run(),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let _busy = (0..arguments.busy).map(|_| busy::Busy::start()).collect::<Result<Vec<_>>>()?;
    let wanted = |row: &Row| {
        arguments.only.is_empty() || arguments.only.iter().any(|part| row.name().contains(part))
    };
    let rows: Vec<Row> = Row::all().filter(wanted).collect();
    let sides: &[Side] =
        if arguments.ours { &[Side::Ours] } else { &[Side::Ours, Side::Original(Version::NEWEST)] };
    if let Some(objects) = arguments.stall {
        return measure_stall(arguments.rounds, sides, objects);
    }
    if arguments.pages {
        for round in 1..=arguments.rounds {
            for result in pages::measure()? {
                println!("{}", json!({ "side": "ours", "round": round, "result": result }));
            }
        }
        return Ok(());
    }
    let mut kept =
        sides.iter().map(|side| Store::start(*side, 2 << 30)).collect::<Result<Vec<_>>>()?;
    for round in 1..=arguments.rounds {
        let load = std::fs::read_to_string("/proc/loadavg")?;
        eprintln!(
            "round {round} of {}, load {}",
            arguments.rounds,
            load.split(' ').next().unwrap_or("")
        );
        for row in &rows {
            let mut order: Vec<usize> = (0..sides.len()).collect();
            if round % 2 == 0 {
                order.reverse();
            }
            for index in order {
                // Pages that nobody has used are there in a new store only.
                let fresh =
                    if row.is_cold() { Some(Store::start(sides[index], 2 << 30)?) } else { None };
                let store = fresh.as_ref().unwrap_or(&kept[index]);
                let count = row.count(arguments.scale);
                let result = run(row, store.socket(), count)?;
                let line = json!({ "side": sides[index].name(), "round": round, "result": result });
                println!("{line}");
            }
        }
    }
    for store in &mut kept {
        store.check()?;
    }
    Ok(())
}

fn measure_stall(rounds: usize, sides: &[Side], objects: u64) -> Result<()> {
    for round in 1..=rounds {
        let mut order = sides.to_vec();
        if round % 2 == 0 {
            order.reverse();
        }
        for side in order {
            let store = Store::start(side, stall::store_bytes(objects))?;
            let result = stall::measure(&store, objects)?;
            println!("{}", json!({ "side": side.name(), "round": round, "result": result }));
        }
    }
    Ok(())
}

fn run(row: &Row, socket: &Path, count: usize) -> Result<serde_json::Value> {
    if row.clients == 1 {
        let mut times = rows::times(row, &connect(socket)?, count, rows::first_id())?;
        times.sort_unstable();
        let part = |percent: usize| times[(times.len() - 1) * percent / 100];
        return Ok(json!({
            "row": row.name(), "unit": "ns", "value": part(50), "p99": part(99), "samples": times.len(),
            "deviation": deviation(&times),
        }));
    }
    let mut children =
        (0..row.clients).map(|_| Helper::start(row, socket, count)).collect::<Result<Vec<_>>>()?;
    for child in &mut children {
        child.go()?;
    }
    let times = children.into_iter().map(Helper::time).collect::<Result<Vec<u64>>>()?;
    let slowest = times.into_iter().max().unwrap_or(1).max(1);
    let operations = count as u64 * row.clients as u64;
    // Time of the machine for each operation of any client.
    Ok(json!({ "row": row.name(), "unit": "ns", "value": slowest as f64 / operations as f64 }))
}

/// The standard deviation as a part of the mean.
fn deviation(times: &[u64]) -> f64 {
    let count = times.len() as f64;
    let mean = times.iter().sum::<u64>() as f64 / count;
    let squares = times.iter().map(|&time| (time as f64 - mean).powi(2)).sum::<f64>();
    (squares / count).sqrt() / mean
}

fn connect(socket: &Path) -> Result<PlasmaClient> {
    Ok(PlasmaClient::connect(socket, ConnectOptions::default())?)
}

/// One of several clients.
struct Helper {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Helper {
    fn start(row: &Row, socket: &Path, count: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("client")
            .arg(socket)
            .args([row.name(), count.to_string(), rows::first_id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut helper = Self { child, output: BufReader::new(output) };
        helper.line()?;
        Ok(helper)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    fn go(&mut self) -> Result<()> {
        self.child.stdin.as_mut().ok_or("no input")?.write_all(b"\n")?;
        Ok(())
    }

    fn time(mut self) -> Result<u64> {
        let time = self.line()?.trim().parse()?;
        self.child.wait()?;
        Ok(time)
    }
}

fn client(socket: &Path, row: &str, count: usize, first: u64) -> Result<()> {
    let row = Row::all().find(|one| one.name() == row).ok_or("no such row")?;
    let client = connect(socket)?;
    let data = rows::prepare(&row, &client, count, first)?;
    println!("ready");
    io::stdout().flush()?;
    io::stdin().read_exact(&mut [0])?;
    let started = std::time::Instant::now();
    rows::work(&row, &client, &data, count, first, |_: Duration| ())?;
    println!("{}", started.elapsed().as_nanos());
    Ok(())
}
