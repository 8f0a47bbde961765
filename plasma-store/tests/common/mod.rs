//! The program `plasma-store`, running.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a module of tests, none of which needs all of it"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient};
use rustix::process::{kill_process, Pid, Signal};
use tempfile::TempDir;

/// A store in a directory of its own; killed when it is dropped.
#[derive(Debug)]
pub struct Store {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    /// What it printed when it was ready.
    pub ready: String,
    pub socket: PathBuf,
    directory: TempDir,
}

/// The command of a store with 10 MB, and everything in a directory.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plasma-store"));
    command.arg("--socket").arg(directory.join("store"));
    command.args(["--memory", "10000000"]);
    command.arg("--plasma-directory").arg(directory);
    command.arg("--fallback-directory").arg(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command that ends by itself.
pub fn output(mut command: Command) -> Output {
    command.output().unwrap()
}

impl Store {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    /// An argument takes the place of that of [`command`].
    pub fn start_in(directory: TempDir, arguments: &[&str]) -> Self {
        let mut command = command(directory.path());
        command.args(arguments);
        Self::spawn(directory, command)
    }

    pub fn spawn(directory: TempDir, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let socket = directory.path().join("store");
        let mut store =
            Self { child, stdout, stderr, ready: ready.trim_end().to_owned(), socket, directory };
        if store.ready.is_empty() {
            let (status, _, stderr) = store.end();
            panic!("the store ended with {status}: {stderr}");
        }
        store
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; returns how it ended, and what it printed on standard output and error since.
    pub fn end(&mut self) -> (ExitStatus, String, String) {
        let (mut out, mut log) = (String::new(), String::new());
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "the store does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        self.stdout.read_to_string(&mut out).unwrap();
        self.stderr.read_to_string(&mut log).unwrap();
        (status, out, log)
    }

    /// Ends it in good order.
    pub fn stop(&mut self) -> (ExitStatus, String, String) {
        self.signal(Signal::TERM);
        self.end()
    }

    /// The names in its directory.
    pub fn files(&self) -> Vec<String> {
        files(self.directory.path())
    }
}

/// Does not wait for a store.
pub const ONCE: ConnectOptions = ConnectOptions {
    retries: 0,
    retry_interval: Duration::ZERO,
    store_full_delay: Duration::from_millis(10),
    read_only: false,
    exclude_from_core_dump: true,
    idle_connections: 4,
    shared_memory: true,
};

/// A client of a store that runs.
pub fn connect(socket: &Path) -> PlasmaClient {
    PlasmaClient::connect(socket, ONCE).unwrap()
}

/// The program `plasma`, for a store.
pub fn plasma(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plasma"));
    command.env("PLASMA_STORE_SOCKET", socket).args(arguments).stdin(Stdio::null());
    command
}

/// What `plasma` prints, when all is well.
pub fn says(socket: &Path, arguments: &[&str]) -> String {
    let output = output(plasma(socket, arguments));
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `plasma --json` prints, when all is well.
pub fn says_json(socket: &Path, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&says(socket, &[&["--json"], arguments].concat())).unwrap()
}

/// What `plasma` complains about, and its exit code.
pub fn complains(socket: &Path, arguments: &[&str]) -> (i32, String) {
    let output = output(plasma(socket, arguments));
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Runs a command with this on its standard input, and returns what it printed.
pub fn fed(mut command: Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    child.wait_with_output().unwrap()
}

/// The names in a directory.
pub fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
