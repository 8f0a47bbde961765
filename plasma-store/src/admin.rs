//! Asking a store about itself. Only a store of this project answers; Ray's has no such messages.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ray_object_manager::plasma::protocol::{
    capabilities, Encoder, Header, ProtocolError, Reply, HEADER_LENGTH, MAX_BODY_LENGTH,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a store may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens there.
    #[error("no store answers at {}: {source}", socket.display())]
    Connect {
        /// Where.
        socket: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store does not answer such questions.
    #[error(
        "the store at {} tells nothing about itself: it is Ray's own. `ls`, `stat`, `clients`, `watch` and abbreviated ids \
         need a `plasma-store`; everything else works",
        .0.display()
    )]
    NotOurs(PathBuf),
    /// The connection broke.
    #[error("the store does not answer any more: {}", why(.0))]
    Connection(#[from] io::Error),
    /// What came is no answer.
    #[error("the store broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// What came is no answer to this.
    #[error("the answer of the store makes no sense: {0}")]
    Answer(String),
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it has closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

/// A connection to a store that answers questions about itself.
#[derive(Debug)]
pub struct Admin {
    stream: UnixStream,
    encoder: Encoder,
    bytes: Vec<u8>,
}

impl Admin {
    /// Connects.
    ///
    /// # Errors
    /// [`AdminError::NotOurs`] when it is Ray's own store.
    pub fn connect(socket: &Path) -> Result<Self, AdminError> {
        let stream = UnixStream::connect(socket)
            .map_err(|source| AdminError::Connect { socket: socket.to_owned(), source })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut admin = Self { stream, encoder: Encoder::default(), bytes: Vec::new() };
        let known = admin.ask(
            |encoder, out| encoder.connect_request(out, capabilities::ADMIN),
            |reply| match reply {
                Reply::Connect { capabilities, .. } => Some(*capabilities),
                _ => None,
            },
        )?;
        if known & capabilities::ADMIN == 0 {
            return Err(AdminError::NotOurs(socket.to_owned()));
        }
        Ok(admin)
    }

    /// Asks `stat`, `ls` or `clients`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn query(&mut self, query: &str) -> Result<Value, AdminError> {
        let json = self.ask(
            |encoder, out| encoder.admin_request(out, query),
            |reply| match reply {
                Reply::Admin { json } => Some(json.to_vec()),
                _ => None,
            },
        )?;
        let answer: Value = serde_json::from_slice(&json).map_err(nonsense)?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(AdminError::Answer(error.to_owned())),
            None => Ok(answer),
        }
    }

    /// The store's numbers.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn stat(&mut self) -> Result<Stat, AdminError> {
        read(self.query("stat")?)
    }

    /// What is in the store.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn objects(&mut self) -> Result<Objects, AdminError> {
        read(self.query("ls")?)
    }

    /// Who uses the store, this connection among them.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn clients(&mut self) -> Result<Vec<Client>, AdminError> {
        Ok(read::<Clients>(self.query("clients")?)?.clients)
    }

    fn ask<T>(
        &mut self,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
        read: impl FnOnce(&Reply<'_>) -> Option<T>,
    ) -> Result<T, AdminError> {
        self.bytes.clear();
        write(&mut self.encoder, &mut self.bytes);
        self.stream.write_all(&self.bytes)?;
        let mut header = [0; HEADER_LENGTH];
        self.stream.read_exact(&mut header)?;
        let header = Header::decode(&header, MAX_BODY_LENGTH)?;
        self.bytes.resize(header.length, 0);
        self.stream.read_exact(&mut self.bytes)?;
        let reply = Reply::decode(header.kind, &self.bytes)?;
        read(&reply).ok_or_else(|| AdminError::Answer(format!("{reply:?}")))
    }
}

fn nonsense(error: impl std::fmt::Display) -> AdminError {
    AdminError::Answer(error.to_string())
}

/// Reads an answer.
///
/// # Errors
/// When something is missing in it.
pub fn read<T: DeserializeOwned>(answer: Value) -> Result<T, AdminError> {
    serde_json::from_value(answer).map_err(nonsense)
}

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Tally {
    pub objects: i64,
    pub bytes: i64,
}

/// The store's numbers; see `StoreSnapshot`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Stat {
    pub capacity: i64,
    pub allocated: i64,
    pub fallback_allocated: i64,
    pub objects: u64,
    pub clients: u64,
    pub references: u64,
    pub pending_creates: u64,
    pub pending_create_bytes: u64,
    pub pending_gets: u64,
    pub states: States,
    pub sources: BTreeMap<String, Tally>,
    pub created_total: Tally,
    /// How often what was asked.
    pub requests: BTreeMap<String, u64>,
    pub get_hits: u64,
    pub get_misses: u64,
    pub objects_gone: u64,
    pub clients_total: u64,
    pub clients_expelled: u64,
}

/// What objects are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct States {
    pub sealed_bytes: i64,
    pub unsealed: Tally,
    /// Unsealed ones among them: their creators use them.
    pub in_use: Tally,
    pub evictable: Tally,
    pub spillable: Tally,
}

/// The objects of a store, or the first of many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objects {
    /// In no order.
    pub objects: Vec<Object>,
    /// How many there are.
    pub total: u64,
}

/// An object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Object {
    pub id: String,
    pub data_size: i64,
    pub metadata_size: i64,
    pub sealed: bool,
    pub references: i64,
    pub fallback: bool,
    pub mutable: bool,
    /// 0 created by a worker, 1 restored, 2 received, 3 an error.
    pub source: i32,
    /// Seconds since 1970.
    pub created: i64,
    pub offset: i64,
}

/// A connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Client {
    pub id: u64,
    pub pid: i64,
    pub uid: u32,
    pub references: u64,
    pub unsealed_bytes: u64,
    pub requests_in_flight: u64,
    pub descriptors: u64,
}

#[derive(Deserialize)]
struct Clients {
    clients: Vec<Client>,
}
