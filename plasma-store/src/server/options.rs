//! The command line of `plasma-store`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use log::LevelFilter;
use ray_object_manager::plasma::store::{ClientLimits, StoreConfig};

use crate::values::{
    parse_interval, parse_length, parse_part, parse_seconds, parse_size, parse_time,
};

/// A plasma store: keeps objects in shared memory for the clients of Ray and of this project.
///
/// When it is ready it prints one line on standard output. SIGTERM or SIGINT stop it; it removes its socket then. Whatever it
/// has to tell goes to standard error. It ends with 0 when it was stopped, 1 when it could not start, and 2 when the
/// command line is wrong. Of an option that is given twice, the last counts.
#[derive(Debug, Clone, Parser)]
#[command(name = "plasma-store", version, args_override_self = true)]
pub struct Options {
    /// Socket to listen on. The directory is made if it is missing; what a dead store left behind is replaced
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,

    /// Shared memory for objects: bytes, or with a unit (1GB, 512MiB)
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: u64,

    /// Where the file of the shared memory lies (it never has a name)
    #[arg(long, value_name = "DIRECTORY", default_value = "/dev/shm")]
    pub plasma_directory: PathBuf,

    /// Where objects go for which there is no memory, in files without names. Made if it is missing
    #[arg(long, value_name = "DIRECTORY", default_value = "/tmp")]
    pub fallback_directory: PathBuf,

    /// Use huge pages, of the plasma directory if it is a hugetlbfs; ordinary ones, and a warning, if there are none
    #[arg(long)]
    pub huge_pages: bool,

    /// Take all the memory at the start, instead of as it is used
    #[arg(long)]
    pub preallocate: bool,

    /// Threads that serve clients [default: one for two cores, at most four]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Serve the processes of other users as well, not only this user's and root's
    #[arg(long)]
    pub allow_other_users: bool,

    /// Answer every request through the socket, also those of clients that could share memory
    #[arg(long)]
    pub no_shared_memory: bool,

    /// How long nothing must have been spilled before an object that does not fit goes to the disk; whole seconds
    #[arg(long, value_name = "TIME", default_value = "2", value_parser = parse_seconds)]
    pub grace_period: i64,

    /// How long an object that does not fit waits until the store tries again
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = parse_interval)]
    pub retry_delay: Duration,

    /// How full the disk of the fallback directory may be, from 0 to 1, before objects that waited do not go there
    /// any more. 1: never mind; 0: it is full
    #[arg(long, value_name = "PART", default_value = "0.95", value_parser = parse_part)]
    pub disk_threshold: f64,

    /// Serve metrics for Prometheus at http://ADDRESS/metrics. Who can reach the address can read them
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics_address: Option<SocketAddr>,

    /// How much to tell: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LevelFilter,

    /// How often to write the store's numbers to the log (as info). 0: never
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = parse_time)]
    pub dump_interval: Duration,

    /// What one client may take.
    #[command(flatten)]
    pub limits: Limits,
}

/// What one client may take.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Memory of objects that one client has not sealed yet [default: all]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_unsealed: Option<u64>,

    /// Gets and creations of one client that wait
    #[arg(long, value_name = "NUMBER", default_value_t = ClientLimits::default().requests_in_flight)]
    pub max_requests: usize,

    /// Fallback files in which one client uses objects
    #[arg(long, value_name = "NUMBER", default_value_t = ClientLimits::default().descriptors)]
    pub max_descriptors: usize,

    /// Size of one message
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = parse_length)]
    pub max_message: usize,

    /// Connections of all clients together
    #[arg(long, value_name = "NUMBER", default_value_t = ClientLimits::default().connections)]
    pub max_connections: usize,
}

impl Options {
    /// How the store is to serve.
    #[must_use]
    pub fn store_config(&self) -> StoreConfig {
        let mut config = StoreConfig::new(&self.socket);
        config.delay_on_full = self.retry_delay;
        config.grace_period_s = self.grace_period;
        config.allow_other_users = self.allow_other_users;
        config.shared_memory = !self.no_shared_memory;
        config.limits = ClientLimits {
            unsealed_bytes: self.limits.max_unsealed.unwrap_or(u64::MAX),
            requests_in_flight: self.limits.max_requests,
            descriptors: self.limits.max_descriptors,
            message_bytes: self.limits.max_message,
            connections: self.limits.max_connections,
        };
        if let Some(threads) = self.threads {
            config.threads = usize::from(threads);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_stores() {
        let options =
            Options::try_parse_from(["plasma-store", "--socket=/s", "--memory=1MiB"]).unwrap();
        assert_eq!(options.memory, 1 << 20);
        assert_eq!(options.store_config(), StoreConfig::new("/s"));
    }

    #[test]
    fn every_option_arrives() {
        let line = "plasma-store --socket /s --memory 1GB --threads 3 --allow-other-users --no-shared-memory --grace-period 7 \
                    --retry-delay 3ms --max-unsealed 1KiB --max-requests 2 --max-descriptors 4 --max-message 5 \
                    --max-connections 6";
        let config = Options::try_parse_from(line.split_whitespace()).unwrap().store_config();
        let limits = ClientLimits {
            unsealed_bytes: 1024,
            requests_in_flight: 2,
            descriptors: 4,
            message_bytes: 5,
            connections: 6,
        };
        let expected = StoreConfig {
            threads: 3,
            allow_other_users: true,
            shared_memory: false,
            grace_period_s: 7,
            delay_on_full: Duration::from_millis(3),
            limits,
            ..StoreConfig::new("/s")
        };
        assert_eq!(config, expected);
    }
}
