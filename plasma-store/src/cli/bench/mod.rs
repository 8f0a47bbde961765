//! `plasma bench`: a quick look at how fast a store is, on this machine, at this moment.
//!
//! It uses at most half of the memory that is free, and deletes what it has made.

mod cases;
mod sample;

use std::io::Write;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use indicatif::ProgressBar;
use ray_object_manager::plasma::client::PlasmaClient;
use serde_json::{json, Value};

use self::cases::{Case, CASES};
use self::sample::Sample;
use super::args::Bench;
use super::table::Table;
use super::{connect, progress, write_json, Error, Style};
use crate::admin::{Admin, AdminError};
use crate::values::human_size;

/// Measures, and tells.
pub(super) fn run(
    args: &Bench,
    socket: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let wanted = |case: &&Case| {
        args.only.is_empty() || args.only.iter().any(|text| case.name.contains(text.as_str()))
    };
    let cases: Vec<&Case> = CASES.iter().filter(wanted).collect();
    if cases.is_empty() {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        return Err(Error::Usage(format!("nothing has that name; there are {}", names.join(", "))));
    }
    let room = room(socket)? / u64::from(args.clients);
    let results: Vec<(&Case, Option<Sample>)> = cases
        .into_iter()
        .map(|case| Ok((case, measure(case, args, socket, room)?)))
        .collect::<Result<_, Error>>()?;
    if style.json {
        let results: Vec<Value> =
            results.iter().map(|(case, sample)| json(case, *sample)).collect();
        return write_json(out, &json!({ "clients": args.clients, "results": results }));
    }
    Ok(table(&results, room).write(out)?)
}

/// Half of what is free; of Ray's store only its size is known.
fn room(socket: &Path) -> Result<u64, Error> {
    let free = match Admin::connect(socket).and_then(|mut admin| admin.stat()) {
        Ok(stat) => stat.capacity - (stat.allocated - stat.fallback_allocated),
        Err(AdminError::NotOurs(_)) => connect(socket)?.memory_capacity(),
        Err(error) => return Err(error.into()),
    };
    Ok(u64::try_from(free).unwrap_or(0) / 2)
}

/// `None` when there is no room.
fn measure(case: &Case, args: &Bench, socket: &Path, room: u64) -> Result<Option<Sample>, Error> {
    let Some(count) = case.count(args.operations, room) else {
        return Ok(None);
    };
    let bar = progress::steps(u64::from(count) * u64::from(args.clients), case.name);
    let start = Barrier::new(usize::from(args.clients));
    let one = || -> Result<Vec<u64>, Error> {
        // A client of its own, whose mapping nobody has touched.
        let client = connect(socket);
        start.wait();
        let times = (case.run)(&client?, case, count, &bar)?;
        Ok(times)
    };
    let samples: Vec<Vec<u64>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..args.clients).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<_, _>>()
    })?;
    bar.finish_and_clear();
    Ok(Sample::of(&samples))
}

/// How a case is run: so often, with a bar that goes on by one each time. Returns nanoseconds.
type Run = fn(&PlasmaClient, &Case, u32, &ProgressBar) -> Result<Vec<u64>, Error>;

fn json(case: &Case, sample: Option<Sample>) -> Value {
    match sample {
        None => json!({ "name": case.name, "skipped": "no room" }),
        Some(sample) => json!({
            "name": case.name,
            "count": sample.count,
            "p50_ns": sample.p50,
            "p99_ns": sample.p99,
            "per_second": sample.per_second,
            "bytes_per_second": case.bytes_per_second(&sample),
        }),
    }
}

fn table(results: &[(&Case, Option<Sample>)], room: u64) -> Table {
    let headings = ["OPERATION", "COUNT", "P50", "P99", "A SECOND", "THROUGHPUT"];
    let mut table = Table::new(&headings, &[false, true, true, true, true, true]);
    for (case, sample) in results {
        let name = case.name.to_owned();
        table.row(match sample {
            None => {
                vec![name, format!("needs more than the {} there are", human_size(room))]
            }
            Some(sample) => vec![
                name,
                sample.count.to_string(),
                time(sample.p50),
                time(sample.p99),
                format!("{:.0}", sample.per_second),
                case.bytes_per_second(sample).map_or_else(String::new, throughput),
            ],
        });
    }
    table
}

fn throughput(bytes_per_second: f64) -> String {
    if bytes_per_second < 1e9 {
        format!("{:.0} MB/s", bytes_per_second / 1e6)
    } else {
        format!("{:.1} GB/s", bytes_per_second / 1e9)
    }
}

/// A time with three digits or so.
fn time(nanoseconds: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let microseconds = nanoseconds as f64 / 1e3;
    match nanoseconds {
        0..100_000 => format!("{microseconds:.1} µs"),
        100_000..1_000_000 => format!("{microseconds:.0} µs"),
        _ => format!("{:.2} ms", microseconds / 1e3),
    }
}
