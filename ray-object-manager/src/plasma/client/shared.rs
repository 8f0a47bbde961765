//! What all copies of a client share.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use ray_common::ObjectId;

use super::options::ConnectOptions;
use super::session::Session;

/// The session of a client, which another one follows when it connects again.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) options: ConnectOptions,
    session: RwLock<Arc<Session>>,
}

impl Shared {
    pub(super) fn new(path: PathBuf, options: ConnectOptions, session: Arc<Session>) -> Arc<Self> {
        Arc::new(Self { path, options, session: RwLock::new(session) })
    }

    pub(super) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.read())
    }

    pub(super) fn disconnect(&self) {
        self.session().end("this client has disconnected".to_owned());
    }

    /// Somebody else may have connected again meanwhile; the last one counts.
    pub(super) fn replace(&self, session: Arc<Session>) {
        let old = std::mem::replace(&mut *self.session.write(), session);
        old.end("this client has connected again".to_owned());
    }
}

/// The id that an operation is about, when it is about a single one.
pub(super) fn only(ids: &[ObjectId]) -> Option<ObjectId> {
    if let [id] = ids {
        return Some(*id);
    }
    None
}
