//! The two stores, each in a process of its own.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::store::disk::DiskMonitor;
use ray_object_manager::plasma::store::{NoHooks, PlasmaStore, StoreConfig};
use real_peers::{RealStore, StoreOptions, Version};
use tempfile::TempDir;

use crate::Result;

/// Whose store.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Ours,
    Original(Version),
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Original(_) => "original",
        }
    }
}

/// A running store.
pub(crate) enum Store {
    Ours { child: Child, socket: PathBuf, _input: ChildStdin, _folder: TempDir },
    Original { store: Box<RealStore>, socket: PathBuf },
}

impl Store {
    pub(crate) fn start(side: Side, bytes: i64) -> Result<Self> {
        if let Side::Original(version) = side {
            let memory = bytes.unsigned_abs();
            let store = RealStore::start(&StoreOptions { memory, ..StoreOptions::of(version) })?;
            let socket = store.socket().to_path_buf();
            return Ok(Self::Original { store: Box::new(store), socket });
        }
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("plasma_store");
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(&socket)
            .arg(bytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut String::new())?;
        Ok(Self::Ours { child, socket, _input: input, _folder: folder })
    }

    pub(crate) fn socket(&self) -> &Path {
        match self {
            Self::Ours { socket, .. } | Self::Original { socket, .. } => socket,
        }
    }

    /// Of the process in which it runs.
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Ours { child, .. } => child.id(),
            Self::Original { store, .. } => store.pid(),
        }
    }

    /// Fails when the store has not survived.
    pub(crate) fn check(&mut self) -> Result<()> {
        let alive = match self {
            Self::Ours { child, .. } => child.try_wait()?.is_none(),
            Self::Original { store, .. } => store.is_alive(),
        };
        if alive {
            Ok(())
        } else {
            Err("a store has ended".into())
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Self::Ours { child, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs our store until the input ends.
pub(crate) fn serve(socket: &Path, bytes: i64) -> Result<()> {
    let folder = socket.parent().ok_or("a socket in a folder")?.to_owned();
    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: "/dev/shm".into(),
        fallback_directory: folder.clone(),
        footprint_limit: bytes,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: true,
    })?;
    let disk = DiskMonitor::new(vec![folder], 0.95, Duration::from_secs(1));
    let store =
        PlasmaStore::start(StoreConfig::new(socket), allocator, Arc::new(NoHooks::new(disk)))?;
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    store.stop();
    Ok(())
}
