//! What a raylet's command line says about its store.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What a raylet was told about its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RayletArguments {
    /// Where clients look for the store.
    pub socket: PathBuf,
    /// Bytes of shared memory.
    pub memory: i64,
    /// Where its file is made.
    pub plasma_directory: PathBuf,
    /// Where files for what does not fit are made.
    pub fallback_directory: PathBuf,
    /// Whether to use huge pages.
    pub huge_pages: bool,
}

/// Why a command line is none of a raylet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// A raylet has this.
    #[error("the raylet's command line has no --{0}")]
    Missing(&'static str),
    /// It is not what it should be.
    #[error("the raylet's command line has --{name}={value}, which is no {expected}")]
    Wrong {
        /// Which.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl RayletArguments {
    /// Reads a command line, without the program's name. A flag has one or two dashes, and its value behind `=` or
    /// as the next argument; the last of a name counts.
    ///
    /// # Errors
    /// When it is none of a raylet.
    pub fn parse(arguments: &[OsString]) -> Result<Self, ArgumentError> {
        let directory = |name: &'static str, default: &str| match value_of(arguments, name) {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => PathBuf::from(default),
        };
        let required =
            |name: &'static str| value_of(arguments, name).ok_or(ArgumentError::Missing(name));
        let memory = required("object_store_memory")?;
        let memory = memory.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
            ArgumentError::Wrong {
                name: "object_store_memory",
                value: memory.to_string_lossy().into_owned(),
                expected: "number of bytes",
            }
        })?;
        Ok(Self {
            socket: required("store_socket_name")?.into(),
            memory,
            plasma_directory: directory("plasma_directory", "/dev/shm"),
            fallback_directory: directory("fallback_directory", "/tmp"),
            huge_pages: is_set(arguments, "huge_pages"),
        })
    }
}

/// A flag's name, and its value if that stands with it.
fn flag(argument: &OsStr) -> Option<(&[u8], Option<&[u8]>)> {
    let text = argument.as_bytes().strip_prefix(b"-")?;
    let text = text.strip_prefix(b"-").unwrap_or(text);
    match text.iter().position(|byte| *byte == b'=') {
        Some(at) => Some((&text[..at], Some(&text[at + 1..]))),
        None => Some((text, None)),
    }
}

fn value_of<'a>(arguments: &'a [OsString], wanted: &str) -> Option<&'a OsStr> {
    let mut found = None;
    for (at, argument) in arguments.iter().enumerate() {
        match flag(argument) {
            Some((name, value)) if name == wanted.as_bytes() => {
                let next = || arguments.get(at + 1).map(OsString::as_os_str);
                found = value.map(OsStr::from_bytes).or_else(next);
            }
            _ => {}
        }
    }
    found
}

fn is_set(arguments: &[OsString], wanted: &str) -> bool {
    let negated = format!("no{wanted}");
    let mut set = false;
    for argument in arguments {
        match flag(argument) {
            Some((name, value)) if name == wanted.as_bytes() => {
                set = !matches!(value, Some(b"false" | b"0" | b"f" | b"n" | b"no"));
            }
            Some((name, None)) if name == negated.as_bytes() => set = false,
            _ => {}
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<RayletArguments, ArgumentError> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        RayletArguments::parse(&arguments)
    }

    #[test]
    fn what_ray_writes() {
        let arguments = parse(
            "--raylet_socket_name=/s/raylet --store_socket_name=/s/plasma_store --object_store_memory=1000000 \
             --plasma_directory=/dev/shm --fallback_directory=/s/spill --head --huge_pages",
        );
        let expected = RayletArguments {
            socket: "/s/plasma_store".into(),
            memory: 1_000_000,
            plasma_directory: "/dev/shm".into(),
            fallback_directory: "/s/spill".into(),
            huge_pages: true,
        };
        assert_eq!(arguments, Ok(expected));
    }

    #[test]
    fn other_ways_to_write_it() {
        let arguments = parse(
            "-store_socket_name /a --store_socket_name=/b --object_store_memory=7 --huge_pages=true --nohuge_pages",
        )
        .unwrap();
        assert_eq!(arguments.socket, PathBuf::from("/b"));
        assert_eq!(arguments.fallback_directory, PathBuf::from("/tmp"));
        assert!(!arguments.huge_pages);
        assert!(
            !parse("--store_socket_name=/b --object_store_memory=7 --huge_pages=false")
                .unwrap()
                .huge_pages
        );
    }

    #[test]
    fn no_raylet() {
        assert_eq!(parse("driver.py"), Err(ArgumentError::Missing("object_store_memory")));
        assert_eq!(
            parse("--object_store_memory=1"),
            Err(ArgumentError::Missing("store_socket_name"))
        );
        let error = parse("--object_store_memory=much").unwrap_err();
        assert!(error.to_string().contains("=much, which is no number of bytes"));
    }
}
