//! The plasma store behind a table.

use std::future::{poll_fn, Future};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::{
    AsyncPlasmaClient, Buffer, Cause, ConnectOptions, CreateOptions, Deletion, Owner, PlasmaClient,
    Timeout,
};

use crate::core::{Border, Core, Lock};
use crate::engine::{Engine, Mode};
use crate::error::{Result, StoreError};
use crate::object_store::NewObject;
use crate::table::{Table, Unshared};

/// What is nested in an object that others still use, and which this process has deleted.
#[derive(Debug)]
struct Lingering {
    id: ObjectId,
    nested: Vec<ObjectId>,
}

#[derive(Debug)]
struct Connection {
    path: PathBuf,
    options: ConnectOptions,
    client: PlasmaClient,
    /// For gets that wait; connected when there is the first.
    asynchronous: Mutex<Option<AsyncPlasmaClient>>,
}

/// A plasma store, or none.
#[derive(Debug)]
pub(crate) struct PlasmaLink {
    connection: Option<Connection>,
    threshold: usize,
    lingering: Mutex<Vec<Lingering>>,
}

/// How often it is looked whether an object has gone that others used when it was freed. It only takes longer the longer it lasts.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LAST_LOOK: Duration = Duration::from_millis(500);

impl PlasmaLink {
    pub(crate) fn none() -> Self {
        Self { connection: None, threshold: usize::MAX, lingering: Mutex::default() }
    }

    /// Connects. Objects of at least so many bytes are to lie there.
    pub(crate) fn connect(path: &Path, options: ConnectOptions, threshold: usize) -> Result<Self> {
        let client = PlasmaClient::connect(path, options.clone())?;
        let path = path.to_owned();
        let connection = Connection { path, options, client, asynchronous: Mutex::default() };
        Ok(Self { connection: Some(connection), threshold, lingering: Mutex::default() })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub(crate) fn takes(&self, size: usize) -> bool {
        self.is_connected() && size >= self.threshold
    }

    pub(crate) fn lingering(&self) -> usize {
        self.lingering.lock().len()
    }

    fn client(&self) -> Option<&PlasmaClient> {
        self.connection.as_ref().map(|connection| &connection.client)
    }

    pub(crate) async fn asynchronous(&self) -> Result<AsyncPlasmaClient> {
        let Some(connection) = &self.connection else { return std::future::pending().await };
        let known = connection.asynchronous.lock().clone();
        if let Some(client) = known {
            return Ok(client);
        }
        let options = ConnectOptions { read_only: true, ..connection.options.clone() };
        let client = AsyncPlasmaClient::connect(&connection.path, options).await?;
        // Who was faster has it.
        Ok(connection.asynchronous.lock().get_or_insert(client).clone())
    }

    /// Creates an object, writes it where it will lie, and keeps it.
    pub(crate) fn create(&self, object: &NewObject<'_>) -> Result<Buffer> {
        let Some(client) = self.client() else { return Err(StoreError::NotFound(object.id)) };
        let mut options =
            CreateOptions::new(object.id, object.data.len() as u64).metadata(object.metadata);
        if let Some(owner) = object.owner {
            options.owner = Owner {
                node_id: owner.node_id,
                worker_id: owner.worker_id,
                ip_address: owner.ip_address.as_bytes(),
                port: owner.port,
            };
        }
        let mut buffer = client.create(&options).map_err(|error| match error.cause {
            Cause::ObjectExists => StoreError::Exists(object.id),
            _ => error.into(),
        })?;
        buffer.data_mut().copy_from_slice(object.data);
        Ok(buffer.seal_and_keep()?)
    }

    /// Those of the objects that are there.
    pub(crate) fn get(&self, ids: &[ObjectId]) -> Result<Vec<Option<Buffer>>> {
        match self.client() {
            Some(client) => Ok(client.get(ids, Timeout::Immediate)?),
            None => Ok(vec![None; ids.len()]),
        }
    }

    pub(crate) fn contains(&self, id: ObjectId) -> Result<bool> {
        self.client().map_or(Ok(false), |client| Ok(client.contains(id)?))
    }

    /// Deletes an object, or has it deleted when nobody uses it any more. Returns whether it was there.
    pub(crate) fn delete(&self, id: ObjectId) -> Result<bool> {
        let Some(client) = self.client() else { return Ok(false) };
        let deletions = client.delete(&[id])?;
        Ok(deletions.iter().any(|deletion| !matches!(deletion, Deletion::NotFound)))
    }

    /// Whether the object is used by another process, which is to read what is nested in it.
    fn is_used(&self, id: ObjectId) -> bool {
        // A store that has gone has no users.
        self.contains(id).unwrap_or(false)
    }

    /// Releases what was nested in objects that have gone meanwhile.
    fn look_after<L: Lock<Table<Buffer>> + 'static>(core: &Weak<Core<L, Self>>) {
        let mut pause = FIRST_LOOK;
        loop {
            std::thread::sleep(pause);
            let Some(core) = core.upgrade() else { return };
            let all: Vec<ObjectId> =
                core.border.lingering.lock().iter().map(|lingering| lingering.id).collect();
            let gone: Vec<_> = all.into_iter().filter(|id| !core.border.is_used(*id)).collect();
            let (ended, is_over) = {
                let mut lingering = core.border.lingering.lock();
                let (ended, left) = std::mem::take(&mut *lingering)
                    .into_iter()
                    .partition::<Vec<_>, _>(|lingering| gone.contains(&lingering.id));
                *lingering = left;
                (ended, lingering.is_empty())
            };
            pause = if ended.is_empty() { (pause * 2).min(LAST_LOOK) } else { FIRST_LOOK };
            for id in ended.iter().flat_map(|lingering| &lingering.nested) {
                core.release(id);
            }
            if is_over {
                return;
            }
        }
    }
}

impl Border for PlasmaLink {
    type Held = Buffer;

    fn let_go<L: Lock<Table<Buffer>> + 'static>(
        &self,
        core: &Arc<Core<L, Self>>,
        unshared: Unshared<Buffer>,
    ) -> Vec<ObjectId> {
        let Unshared { id, held, delete, nested } = unshared;
        if delete {
            // When the store has gone, so have its objects.
            let _ = self.delete(id);
        }
        drop(held);
        if nested.is_empty() || !self.is_used(id) {
            return nested;
        }
        let mut lingering = self.lingering.lock();
        lingering.push(Lingering { id, nested });
        if lingering.len() == 1 {
            let core = Arc::downgrade(core);
            let name = "object-store".to_owned();
            let thread = std::thread::Builder::new().name(name);
            // Without a thread it stays until the store does.
            let _ = thread.spawn(move || Self::look_after(&core));
        }
        Vec::new()
    }
}

/// Waits for each of the objects by itself.
pub(crate) async fn watch_each(
    engine: &Arc<Engine>,
    client: &AsyncPlasmaClient,
    ids: &[ObjectId],
) -> Result<()> {
    type Wait<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
    let wait = |id: ObjectId| -> Wait<'_> {
        Box::pin(async move {
            let came = client.get(&[id], Timeout::Never).await?;
            engine.fetch_as(Mode::Async, &[id]).await?;
            drop(came);
            Ok(())
        })
    };
    let mut waits: Vec<Wait<'_>> = ids.iter().map(|id| wait(*id)).collect();
    poll_fn(|context| {
        let mut failed = None;
        waits.retain_mut(|wait| match wait.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                failed = failed.take().or(result.err());
                false
            }
        });
        failed.map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
    })
    .await
}
