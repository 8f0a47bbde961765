//! A running store of Ray's.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use ray_common::NodeId;
use tempfile::TempDir;

use crate::server::Server;
use crate::{Peers, Version};

/// How a [`RealStore`] is set up.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Which Ray.
    pub version: Version,
    /// Bytes of shared memory. Ray takes pages only as objects are written.
    pub memory: u64,
    /// Where the file of the shared memory is made (and unlinked at once).
    pub plasma_directory: PathBuf,
    /// Where files for what does not fit are made; a private folder if it is not given.
    pub fallback_directory: Option<PathBuf>,
    /// Ray's settings by name, without the `RAY_` of their environment variables: `("oom_grace_period_s", "0")`.
    pub settings: Vec<(String, String)>,
}

impl Default for StoreOptions {
    /// 100 MB in `/dev/shm`, of the newest version.
    fn default() -> Self {
        StoreOptions {
            version: Version::NEWEST,
            memory: 100_000_000,
            plasma_directory: "/dev/shm".into(),
            fallback_directory: None,
            settings: Vec::new(),
        }
    }
}

impl StoreOptions {
    /// The defaults, of a version.
    #[must_use]
    pub fn of(version: Version) -> Self {
        StoreOptions { version, ..StoreOptions::default() }
    }

    /// The same with a setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }
}

/// A raylet with a store, and the GCS server it needs, in a session folder of their own.
///
/// They are killed and the folder is removed when it is dropped; if this process dies instead, they are killed and
/// the folder stays.
#[derive(Debug)]
pub struct RealStore {
    // Dropped in this order: raylet, server, folder.
    raylet: Server,
    _gcs: Server,
    session: TempDir,
}

impl RealStore {
    /// Starts a store and waits until it answers.
    ///
    /// # Errors
    /// When Ray's programs cannot be fetched, or one of them ends or is not ready in time; the error ends with what it
    /// printed last.
    pub fn start(options: &StoreOptions) -> io::Result<RealStore> {
        let peers = Peers::fetch(options.version)?;
        let session = tempfile::Builder::new().prefix("real-store-").tempdir()?;
        let node = NodeId::random().to_string();
        let fallback = match &options.fallback_directory {
            Some(folder) => folder.clone(),
            None => session.path().join("fallback"),
        };
        fs::create_dir_all(&fallback)?;

        let mut gcs = options.command(&peers.gcs_server, session.path());
        gcs.args(["--gcs_server_port=0", "--node_ip_address=127.0.0.1", "--metrics_agent_port=-1"]);
        gcs.arg("--config_list=e30=").arg(flag("node_id", &node)); // {} in base 64
        let mut gcs = Server::spawn(gcs, session.path().join("gcs_server.log"))?;
        let port_file = session.path().join(format!("gcs_server_port_{node}"));
        let port: u16 =
            gcs.wait_for(|| fs::read_to_string(&port_file).ok()?.trim().parse().ok())?;

        // Both agents must live as long as the raylet; `cat` ends when the raylet does, since its input then ends.
        let mut raylet = options.command(&peers.raylet, session.path());
        raylet.args(["--object_manager_port=0", "--node_manager_port=0", "--head"]);
        raylet.args(["--min_worker_port=0", "--max_worker_port=0", "--metrics_export_port=1"]);
        raylet.args(["--metrics_agent_port=-1", "--runtime_env_agent_port=1"]);
        raylet.args(["--dashboard_agent_listen_port=1", "--maximum_startup_concurrency=1"]);
        raylet.args(["--python_worker_command=true", "--dashboard_agent_command=cat"]);
        raylet.args(["--runtime_env_agent_command=cat", "--node_ip_address=127.0.0.1"]);
        raylet.args([
            flag("gcs_address", &format!("127.0.0.1:{port}")),
            flag("node_id", &node),
            flag("cluster_id", &NodeId::random().to_string()),
            flag("object_store_memory", &options.memory.to_string()),
            flag("static_resource_list", &format!("CPU,0,object_store_memory,{}", options.memory)),
            flag_path("plasma_directory", &options.plasma_directory),
            flag_path("fallback_directory", &fallback),
            flag_path("store_socket_name", &session.path().join("plasma_store")),
            flag_path("raylet_socket_name", &session.path().join("raylet")),
            flag_path("temp_dir", session.path()),
            flag_path("resource_dir", session.path()),
        ]);
        let raylet = Server::spawn(raylet, session.path().join("raylet.log"))?;
        let mut store = RealStore { raylet, _gcs: gcs, session };
        // The store answers before the raylet is complete, but would call its missing part for a create that has to
        // wait, and crash. It is complete when it opens its other socket.
        let raylet_socket = store.session.path().join("raylet");
        store.raylet.wait_for(|| raylet_socket.exists().then_some(()))?;
        let socket = store.socket();
        store.raylet.wait_for(|| UnixStream::connect(&socket).ok())?;
        Ok(store)
    }

    /// The socket that the store listens on.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.session.path().join("plasma_store")
    }

    /// The process that holds the store.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.raylet.pid()
    }

    /// How the raylet ended, if it did: a signal means that a check of its failed.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.raylet.ended()
    }

    /// Whether the raylet still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.ended(), Ok(None))
    }

    /// What the raylet printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.raylet.output()
    }

    /// The folder where everything of this store is, the files of objects aside.
    #[must_use]
    pub fn session_folder(&self) -> &Path {
        self.session.path()
    }
}

impl StoreOptions {
    fn command(&self, program: &Path, session: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(session); // for a core file
        command.env("RAY_enable_cluster_auth", "0");
        for (name, value) in &self.settings {
            command.env(format!("RAY_{name}"), value);
        }
        command.args(["--session_name=real-store"]);
        command.arg(flag_path("session_dir", session)).arg(flag_path("log_dir", session));
        command
    }
}

fn flag(name: &str, value: &str) -> String {
    format!("--{name}={value}")
}

fn flag_path(name: &str, value: &Path) -> String {
    flag(name, value.to_str().expect("folders of tests have printable names"))
}
