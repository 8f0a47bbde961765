//! What `plasma` does. A module a command; [`args`] is the command line, [`run`] what leads from one to the other.

pub mod args;
pub mod bench;
pub mod clients;
mod describe;
pub mod get;
pub mod ids;
pub mod ls;
mod progress;
pub mod put;
pub mod stat;
mod table;
pub mod watch;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ray_object_manager::plasma::client::{Cause, ClientError, ConnectOptions, PlasmaClient};
use serde_json::Value;

use crate::admin::AdminError;
use args::{Args, Command};

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// Nobody listens there.
    #[error("no store answers at {}: {why}", socket.display())]
    Connect {
        /// Where.
        socket: PathBuf,
        /// Why.
        why: String,
    },
    /// The store does not answer a question about itself.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The store refused.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Some of what was asked for is not there. It has been said which.
    #[error("{0}")]
    Missing(String),
    /// A file cannot be read or written.
    #[error("{what}: {source}")]
    File {
        /// Which.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is to be told cannot be.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// What a program ends with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            // As if the signal had ended it, which every other program takes.
            _ if self.is_closed_pipe() => 141,
            _ => 1,
        }
    }

    /// Whether nobody reads any more what this program writes.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn file(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::File { what, source }
    }
}

/// How to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// JSON instead of text for people.
    pub json: bool,
    /// Ids with all their digits.
    pub full_ids: bool,
}

/// Does what the command line says.
///
/// # Errors
/// When that cannot be done.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Error> {
    let style = Style { json: args.json, full_ids: args.full_ids };
    let Some(socket) = args.socket.as_deref() else {
        return Err(Error::Usage(
            "which store? Give --socket PATH, or set PLASMA_STORE_SOCKET".to_owned(),
        ));
    };
    match &args.command {
        Command::Put(put) => put::run(put, socket, style, out),
        Command::Get(get) => get::run(get, socket, style, out),
        Command::Contains { ids } => describe::contains(ids, socket, style, out),
        Command::Delete { ids } => describe::delete(ids, socket, style, out),
        Command::Ls(ls) => ls::run(ls, socket, style, out),
        Command::Stat => stat::run(socket, style, out),
        Command::Clients => clients::run(socket, style, out),
        Command::Watch(watch) => watch::run(watch, socket, style, out),
        Command::Bench(bench) => bench::run(bench, socket, style, out),
        Command::Debug => describe::debug(socket, style, out),
    }?;
    Ok(out.flush()?)
}

fn connect(socket: &Path) -> Result<PlasmaClient, Error> {
    let options = ConnectOptions { retries: 0, ..ConnectOptions::default() };
    PlasmaClient::connect(socket, options).map_err(|error| {
        let why = match error.cause {
            Cause::Disconnected { why } => why,
            other => other.to_string(),
        };
        Error::Connect { socket: socket.to_owned(), why }
    })
}

/// JSON, indented for people too.
fn write_json(out: &mut dyn Write, value: &Value) -> Result<(), Error> {
    writeln!(out, "{value:#}")?;
    Ok(())
}
