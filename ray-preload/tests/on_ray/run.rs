//! A Python program on a Ray from pip.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A run of the program, as it is set up.
pub(crate) struct Run {
    python: PathBuf,
    ours: bool,
    arguments: Vec<String>,
}

/// What came of it.
#[derive(Debug)]
#[allow(dead_code, reason = "what is not looked at is printed when a test fails")]
pub(crate) struct Outcome {
    /// Section and digest.
    pub(crate) digests: Vec<(String, String)>,
    /// Section, Ray's figures, and those of our store if it is ours.
    pub(crate) figures: Vec<(String, Value, Option<Value>)>,
    /// What the raylet printed to its standard error.
    pub(crate) store_log: String,
    /// Files that are there after the program's end, and should not.
    pub(crate) left_behind: Vec<String>,
    /// All that the program printed.
    pub(crate) output: String,
}

impl Run {
    /// On Ray's own store.
    pub(crate) fn new(version: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/ray-venv.sh");
        let output = Command::new(script).arg(version).stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success(),
            "tools/ray-venv.sh {version} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let folder = String::from_utf8(output.stdout).unwrap();
        let python = Path::new(folder.trim_end()).join("bin/python");
        Self { python, ours: false, arguments: Vec::new() }
    }

    /// On ours.
    pub(crate) fn on_our_store(mut self) -> Self {
        self.ours = true;
        self
    }

    fn command(&self, temporary: &Path, plasma: &Path) -> Command {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/on_ray/program.py");
        let mut command = if self.ours {
            let mut command = Command::new(env!("CARGO_BIN_EXE_plasma-ray"));
            command.arg("--library").arg(library()).arg(&self.python);
            command
        } else {
            Command::new(&self.python)
        };
        command.args([program, "--figures", "--temporary"]).arg(temporary);
        command.arg("--plasma").arg(plasma).args(&self.arguments);
        command.env_remove("RAY_ADDRESS").env("RAY_AUTH_MODE", "disabled");
        // A busy machine takes its time.
        command.env("RAY_USAGE_STATS_ENABLED", "0").env("RAY_raylet_start_wait_time_s", "300");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn go(self) -> Outcome {
        // Short, for the paths of sockets; and the memory's folder is nobody else's, so that what stays there is seen.
        let temporary = tempfile::Builder::new().prefix("r").tempdir_in("/tmp").unwrap();
        let plasma = TempDir::new_in("/dev/shm").unwrap();
        let errors = tempfile::tempfile().unwrap();
        let mut command = self.command(temporary.path(), plasma.path());
        let mut child = command.stderr(errors.try_clone().unwrap()).spawn().unwrap();
        let mut outcome = Outcome {
            digests: Vec::new(),
            figures: Vec::new(),
            store_log: String::new(),
            left_behind: Vec::new(),
            output: String::new(),
        };
        let session = self.listen(&mut child, &mut outcome);
        let status = child.wait().unwrap();
        let mut errors = errors;
        let mut text = String::new();
        std::io::Seek::rewind(&mut errors).unwrap();
        errors.read_to_string(&mut text).unwrap();
        outcome.output.push_str(&text);
        let session = session.unwrap_or_else(|| panic!("{status}: {}", outcome.output));
        outcome.store_log =
            std::fs::read_to_string(session.join("logs/raylet.err")).unwrap_or_default();
        assert!(status.success(), "{status}: {}\n{}", outcome.output, outcome.store_log);
        for folder in
            [plasma.path().to_owned(), session.join("sockets"), temporary.path().join("spill")]
        {
            outcome.left_behind.extend(files_in(&folder));
        }
        outcome
    }

    /// Reads what the program prints, and answers. Returns the folder of Ray's session.
    fn listen(&self, child: &mut Child, outcome: &mut Outcome) -> Option<PathBuf> {
        let mut input = child.stdin.take().unwrap();
        let mut session = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            outcome.output.push_str(&line);
            outcome.output.push('\n');
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "session" => session = Some(PathBuf::from(rest)),
                "digest" => {
                    let (section, digest) = rest.split_once(' ').unwrap();
                    outcome.digests.push((section.to_owned(), digest.to_owned()));
                }
                "figures" => {
                    let rays: Value = serde_json::from_str(rest).unwrap();
                    let socket = Path::new(rays["socket"].as_str().unwrap());
                    let ours = self.ours.then(|| crate::store::stat(socket));
                    outcome.figures.push((rays["at"].as_str().unwrap().to_owned(), rays, ours));
                    // The program's death is seen by its end.
                    let _ = input.write_all(b"\n");
                }
                _ => {}
            }
        }
        session
    }
}

/// Cargo leaves it beside the tests.
fn library() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("libray_preload.so")
}

/// Every file in a folder and in those in it.
fn files_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path.display().to_string());
        }
    }
    files
}
