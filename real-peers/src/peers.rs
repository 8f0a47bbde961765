//! Where Ray's programs are.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::str::FromStr;

/// A version of Ray whose wheels are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// 2.55.1
    V2_55_1,
    /// 2.60.0
    V2_60_0,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Version; 2] = [Version::V2_55_1, Version::V2_60_0];
    /// The newest.
    pub const NEWEST: Version = Version::V2_60_0;

    /// The number, as the package registry has it.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Version::V2_55_1 => "2.55.1",
            Version::V2_60_0 => "2.60.0",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl FromStr for Version {
    type Err = io::Error;

    fn from_str(number: &str) -> io::Result<Version> {
        let found = Version::ALL.into_iter().find(|version| version.number() == number);
        found.ok_or_else(|| io::Error::other(format!("not a version that is used: {number}")))
    }
}

/// Ray's programs and library, of one version.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Which version they are.
    pub version: Version,
    /// The program that holds the store.
    pub raylet: PathBuf,
    /// The program that a raylet cannot be without.
    pub gcs_server: PathBuf,
    /// The library that holds the client.
    pub ray_api: PathBuf,
}

impl Peers {
    /// Finds them in the cache, where `tools/real-peers.sh` puts them if they are not there yet. Safe to call from many
    /// processes at once: the script locks.
    ///
    /// # Errors
    /// When the script fails, as it does without a network; the error says what it printed.
    pub fn fetch(version: Version) -> io::Result<Peers> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/real-peers.sh");
        let output =
            Command::new(script).arg(version.number()).stdin(Stdio::null()).output().map_err(
                |error| io::Error::new(error.kind(), format!("cannot run {script}: {error}")),
            )?;
        if !output.status.success() {
            return Err(io::Error::other(format!(
                "tools/real-peers.sh {version} failed ({}), run it to fetch Ray's programs: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            )));
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let folder = PathBuf::from(printed.trim_end());
        Ok(Peers {
            version,
            raylet: folder.join("raylet"),
            gcs_server: folder.join("gcs_server"),
            ray_api: folder.join("libray_api.so"),
        })
    }
}
