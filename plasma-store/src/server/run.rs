//! Starting, serving, stopping.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ray_object_manager::plasma::plasma_allocator::{
    InitError, PlasmaAllocator, PlasmaAllocatorConfig,
};
use ray_object_manager::plasma::store::disk::DiskMonitor;
use ray_object_manager::plasma::store::{render_metrics, NoHooks, PlasmaStore, StartError};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::checks::{memory_that_fits, must_be_directory, Directory};
use super::metrics::MetricsPage;
use super::options::Options;

/// How old what is known of the disk may be.
const DISK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a store may take to stop before another signal ends it at once.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory is missing, or is none.
    #[error("cannot use the directory {}: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// More memory than an allocator counts.
    #[error("{0} bytes are more than there are addresses")]
    TooMuchMemory(u64),
    /// The memory could not be set up.
    #[error(transparent)]
    Memory(#[from] InitError),
    /// The store could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is nothing to read the metrics from.
    #[error("cannot serve metrics at {address}: {source}")]
    Metrics {
        /// Where.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused something that every store needs.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs a store until a signal stops it. Says on standard output when it is ready.
///
/// # Errors
/// When it cannot start.
pub fn run(options: &Options) -> Result<(), Error> {
    let signals = stop_signals()?;
    allow_many_descriptors();
    must_be_directory(&options.plasma_directory)?;
    let _parent = parent(&options.socket).map(Directory::take_or_make).transpose()?;
    let _fallback = Directory::take_or_make(&options.fallback_directory)?;
    // Huge pages come from a pool of their own, of which a file system says nothing.
    let memory = if options.huge_pages {
        options.memory
    } else {
        memory_that_fits(options.memory, &options.plasma_directory)?
    };
    let store = Arc::new(start(options, memory)?);
    let metrics = options.metrics_address.map(|address| serve_metrics(&store, address));
    let metrics = metrics.transpose()?;
    say_ready(&ready_line(&options.socket, memory, metrics.as_ref()));
    serve(&store, &signals, options.dump_interval);
    drop(metrics);
    store.stop();
    log::info!("stopped");
    Ok(())
}

type Store = PlasmaStore<PlasmaAllocator>;

fn parent(socket: &Path) -> Option<&Path> {
    socket.parent().filter(|parent| !parent.as_os_str().is_empty())
}

/// Listens to the signals that stop a store.
fn stop_signals() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("store.signals".into()).spawn(move || {
        let mut first: Option<Instant> = None;
        for signal in signals.forever() {
            match first {
                None => {
                    first = Some(Instant::now());
                    // Fails when it has stopped already.
                    let _ = sender.send(signal);
                }
                Some(first) if first.elapsed() < PATIENCE => {}
                Some(_) => {
                    log::error!("the store does not stop: it ends as it is");
                    std::process::exit(128 + signal);
                }
            }
        }
    })?;
    Ok(receiver)
}

/// Every client is a descriptor, and every fallback file two.
fn allow_many_descriptors() {
    let now = getrlimit(Resource::Nofile);
    let most = Rlimit { current: now.maximum, maximum: now.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        log::warn!("the store has to do with {:?} descriptors: {error}", now.current);
    }
}

fn start(options: &Options, memory: u64) -> Result<Store, Error> {
    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: options.plasma_directory.clone(),
        fallback_directory: options.fallback_directory.clone(),
        footprint_limit: i64::try_from(memory).map_err(|_| Error::TooMuchMemory(memory))?,
        hugepage_enabled: options.huge_pages,
        preallocate: options.preallocate,
        exclude_from_core_dump: true,
    })?;
    let paths = vec![options.fallback_directory.clone()];
    let disk = DiskMonitor::new(paths, options.disk_threshold, DISK_INTERVAL);
    Ok(PlasmaStore::start(options.store_config(), allocator, Arc::new(NoHooks::new(disk)))?)
}

fn serve_metrics(store: &Arc<Store>, address: std::net::SocketAddr) -> Result<MetricsPage, Error> {
    if !address.ip().is_loopback() {
        log::warn!("everybody who can reach {address} can read the metrics");
    }
    let store = Arc::clone(store);
    MetricsPage::serve(address, move || render_metrics(store.snapshot()))
        .map_err(|source| Error::Metrics { address, source })
}

fn ready_line(socket: &Path, memory: u64, metrics: Option<&MetricsPage>) -> String {
    let mut line = format!("plasma-store ready: socket={} memory={memory}", socket.display());
    if let Some(metrics) = metrics {
        line += &format!(" metrics=http://{}/metrics", metrics.address());
    }
    line
}

fn say_ready(line: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        log::warn!("nobody reads standard output: {error}");
    }
    log::debug!("{line}");
}

/// Waits for a signal, and writes the store's numbers to the log now and then.
fn serve(store: &Store, signals: &Receiver<i32>, dump_interval: Duration) {
    loop {
        let signal = if dump_interval.is_zero() {
            signals.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            signals.recv_timeout(dump_interval)
        };
        match signal {
            Err(RecvTimeoutError::Timeout) => log::info!("{}", store.debug_dump()),
            Ok(signal) => {
                let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
                return log::info!("stopping because of {name}");
            }
            Err(RecvTimeoutError::Disconnected) => {
                return log::error!("stopping: nobody listens to signals any more");
            }
        }
    }
}
