//! The command line of `plasma`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use ray_common::ObjectId;
use ray_object_manager::plasma::client::Timeout;

use super::ids::{parse_full, parse_name, IdName};
use crate::values::{parse_interval, parse_time};

/// Looks into a plasma store, and puts objects there and gets them.
///
/// Everything works with a `plasma-store`. With Ray's own store ls, stat, clients, watch and abbreviated ids do not.
/// Ends with 0 when all went well, 1 when something is missing or fails, and 2 when the command line is wrong.
#[derive(Debug, Clone, Parser)]
#[command(name = "plasma", version, args_override_self = true)]
pub struct Args {
    /// The store's socket
    #[arg(long, short, value_name = "PATH", env = "PLASMA_STORE_SOCKET", global = true)]
    pub socket: Option<PathBuf>,

    /// Tell in JSON
    #[arg(long, global = true)]
    pub json: bool,

    /// Tell ids with all their digits
    #[arg(long, global = true)]
    pub full_ids: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Put a file, or standard input, into the store, and print the id
    ///
    /// Nobody uses the object afterwards, so the store may evict it when it needs the memory.
    Put(Put),
    /// Write objects to standard output or into files
    Get(Get),
    /// Tell whether objects are there and sealed
    Contains {
        /// The objects, with all digits or abbreviated
        #[arg(required = true, value_name = "ID", value_parser = parse_name)]
        ids: Vec<IdName>,
    },
    /// Delete objects. What is in use goes when nobody uses it any more
    Delete {
        /// The objects, with all digits or abbreviated
        #[arg(required = true, value_name = "ID", value_parser = parse_name)]
        ids: Vec<IdName>,
    },
    /// List the objects
    Ls(Ls),
    /// Tell the store's numbers
    Stat,
    /// List who is connected
    Clients,
    /// Show occupancy, clients and queues, again and again
    Watch(Watch),
    /// Measure how fast the store is
    Bench(Bench),
    /// Print what the store says for debugging; Ray's does, too
    Debug,
}

/// `plasma put`.
#[derive(Debug, Clone, clap::Args)]
pub struct Put {
    /// The file; standard input if it is missing or -
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// The id, 56 hexadecimal digits [default: a random one]
    #[arg(long, value_name = "ID", value_parser = parse_full)]
    pub id: Option<ObjectId>,

    /// Metadata that goes with it
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub metadata: String,

    /// Do not wait for room: evict, or take the disk, or fail
    #[arg(long)]
    pub immediately: bool,
}

/// `plasma get`.
#[derive(Debug, Clone, clap::Args)]
pub struct Get {
    /// The objects, with all digits or abbreviated
    #[arg(required = true, value_name = "ID", value_parser = parse_name)]
    pub ids: Vec<IdName>,

    /// Write to this file; - is standard output, a terminal too
    #[arg(long, short, value_name = "FILE", conflicts_with = "directory")]
    pub output: Option<PathBuf>,

    /// Write each to a file in this directory that has the id for a name
    #[arg(long, short, value_name = "DIRECTORY")]
    pub directory: Option<PathBuf>,

    /// Write the metadata instead of the data
    #[arg(long)]
    pub metadata: bool,

    /// How long to wait for what is not there: a number of seconds, a time with units, or "forever"
    #[arg(long, short, value_name = "TIME", default_value = "0", value_parser = parse_timeout)]
    pub timeout: Timeout,
}

/// `plasma ls`.
#[derive(Debug, Clone, clap::Args)]
pub struct Ls {
    /// What comes first
    #[arg(long, value_enum, default_value_t = Order::Oldest)]
    pub sort: Order,

    /// List so many at most
    #[arg(long, short = 'n', value_name = "NUMBER")]
    pub limit: Option<usize>,
}

/// What `plasma ls` lists first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, to users as well")]
pub enum Order {
    Oldest,
    Newest,
    Largest,
    MostUsed,
    Id,
}

/// `plasma watch`.
#[derive(Debug, Clone, clap::Args)]
pub struct Watch {
    /// How often to look
    #[arg(long, short, value_name = "TIME", default_value = "1", value_parser = parse_interval)]
    pub interval: Duration,

    /// End after so many looks
    #[arg(long, short, value_name = "NUMBER")]
    pub count: Option<u64>,
}

/// `plasma bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Bench {
    /// How many small operations to time; of large ones there are fewer
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub operations: u32,

    /// How many clients at once, each a connection and a thread
    #[arg(long, short, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub clients: u16,

    /// Measure only what has this in its name; can be given more than once
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,
}

fn parse_timeout(text: &str) -> Result<Timeout, String> {
    if text == "forever" {
        return Ok(Timeout::Never);
    }
    match parse_time(text)? {
        Duration::ZERO => Ok(Timeout::Immediate),
        time => Ok(Timeout::After(time)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn timeouts_are_times_or_for_ever() {
        assert_eq!(parse_timeout("0"), Ok(Timeout::Immediate));
        assert_eq!(parse_timeout("forever"), Ok(Timeout::Never));
        assert_eq!(parse_timeout("5ms"), Ok(Timeout::After(Duration::from_millis(5))));
        assert!(parse_timeout("-1").is_err());
    }
}
