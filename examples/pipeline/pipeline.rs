//! Three processes pass tensors of 10 MB: a source makes them, a stage doubles every number, a sink adds them up. Between two
//! processes is a channel; nothing is copied but what a stage computes.
//!
//!     pipeline SOCKET         starts the three, over the store that listens there

use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use ray_common::ObjectId;
use ray_object_manager::channel::{ChannelOptions, ChannelReader, ChannelWriter, Timeout};
use ray_object_manager::plasma::client::{
    ConnectOptions, CreateOptions, MutableObject, PlasmaClient,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const NUMBERS: usize = 1_250_000;
const BYTES: usize = NUMBERS * 8;
const TENSORS: u64 = 50;
const BOUND: Timeout = Timeout::After(Duration::from_secs(60));

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [socket] => start(socket),
        [socket, "source", _, output] => source(writer(socket, output)?),
        [socket, "double", input, output] => {
            double(&reader(socket, input)?, writer(socket, output)?)
        }
        [socket, "sink", input, _] => sink(&reader(socket, input)?),
        _ => Err("pipeline SOCKET".into()),
    }
}

/// Makes two channels and starts the three processes.
fn start(socket: &str) -> Result<()> {
    let client = PlasmaClient::connect(Path::new(socket), ConnectOptions::default())?;
    let channels = [ObjectId::random(), ObjectId::random()];
    // Whoever has a channel open keeps it; this process does until the others have begun.
    let kept = channels.map(|id| -> Result<MutableObject> {
        client.create(&CreateOptions::new(id, BYTES as u64).mutable())?.seal()?;
        Ok(client.get_mutable(id)?)
    });
    let [first, second] = channels.map(|id| id.to_string());
    let parts =
        [("source", "-", first.as_str()), ("double", &first, &second), ("sink", &second, "-")];
    let children = parts.map(|(part, input, output)| -> Result<Child> {
        let program = std::env::current_exe()?;
        Ok(Command::new(program).args([socket, part, input, output]).spawn()?)
    });
    for child in children {
        let ended = child?.wait()?;
        if !ended.success() {
            return Err(format!("a part of the pipeline failed: {ended}").into());
        }
    }
    drop(kept);
    client.delete(&channels)?;
    Ok(())
}

fn channel(socket: &str, id: &str) -> Result<MutableObject> {
    let client = PlasmaClient::connect(Path::new(socket), ConnectOptions::default())?;
    Ok(client.get_mutable(ObjectId::from_hex(id)?)?)
}

fn writer(socket: &str, id: &str) -> Result<ChannelWriter<MutableObject>> {
    Ok(ChannelWriter::open(channel(socket, id)?, NonZeroU32::MIN, ChannelOptions::default())?)
}

fn reader(socket: &str, id: &str) -> Result<ChannelReader<MutableObject>> {
    Ok(ChannelReader::open(channel(socket, id)?, ChannelOptions::default())?)
}

fn source(mut output: ChannelWriter<MutableObject>) -> Result<()> {
    for tensor in 0..TENSORS {
        let mut value = output.begin(BYTES, 0, BOUND)?;
        for (number, place) in value.chunks_exact_mut(8).enumerate() {
            place.copy_from_slice(&(tensor + number as u64).to_le_bytes());
        }
        value.send()?;
    }
    Ok(output.finish(BOUND)?)
}

fn double(
    input: &ChannelReader<MutableObject>,
    mut output: ChannelWriter<MutableObject>,
) -> Result<()> {
    for _ in 0..TENSORS {
        let value = input.read(BOUND)?;
        let mut doubled = output.begin(BYTES, 0, BOUND)?;
        for (from, to) in value.chunks_exact(8).zip(doubled.chunks_exact_mut(8)) {
            to.copy_from_slice(&(2 * number_in(from)).to_le_bytes());
        }
        doubled.send()?;
    }
    Ok(output.finish(BOUND)?)
}

fn sink(input: &ChannelReader<MutableObject>) -> Result<()> {
    let started = Instant::now();
    for tensor in 0..TENSORS {
        let value = input.read(BOUND)?;
        let sum: u64 = value.chunks_exact(8).map(number_in).sum();
        let expected = 2 * (tensor * NUMBERS as u64 + (NUMBERS * (NUMBERS - 1) / 2) as u64);
        if sum != expected {
            return Err(format!("tensor {tensor} has the sum {sum}, not {expected}").into());
        }
    }
    let megabytes = (BYTES as u64 * TENSORS / 1_000_000) as u128;
    let taken = started.elapsed();
    println!(
        "Rust: {TENSORS} tensors of {} MB arrived whole, {} MB/s",
        BYTES / 1_000_000,
        megabytes * 1000 / taken.as_millis().max(1)
    );
    Ok(())
}

fn number_in(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap_or_default())
}
