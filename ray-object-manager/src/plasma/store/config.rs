//! What a store is made from.

use std::path::PathBuf;
use std::time::Duration;

use crate::plasma::protocol::MAX_BODY_LENGTH;

/// How a store serves its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The socket. One that a dead store left behind is replaced.
    pub socket: PathBuf,
    /// How long the head of the creation queue waits before it is tried again. Ray's
    /// `object_store_full_delay_ms`.
    pub delay_on_full: Duration,
    /// Seconds for which nothing was spilled before an object gets a file of its own. Ray's `oom_grace_period_s`.
    pub grace_period_s: i64,
    /// Threads that serve clients; at least one.
    pub threads: usize,
    /// Whether processes of other users may connect. Without it only this user's and root's may.
    pub allow_other_users: bool,
    /// Whether clients that ask for it share memory with the store, so that most of what they ask needs no system call.
    /// Hooks that want whole lives of objects cannot have it.
    pub shared_memory: bool,
    /// What one client may take.
    pub limits: ClientLimits,
}

impl StoreConfig {
    /// Ray's delays, a thread for every two cores (four at most), this user only.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            socket: socket.into(),
            delay_on_full: Duration::from_millis(10),
            grace_period_s: 2,
            threads: (cores / 2).clamp(1, 4),
            allow_other_users: false,
            shared_memory: true,
            limits: ClientLimits::default(),
        }
    }
}

/// What one client may take. Beyond it a creation gets OutOfMemory; what has no answer to say so ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Bytes of objects that it made and has not sealed.
    pub unsealed_bytes: u64,
    /// Gets and creations that wait.
    pub requests_in_flight: usize,
    /// Files of its own kind (fallback files) in which it uses objects: so many descriptors it is sent.
    pub descriptors: usize,
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Connections, of all clients together.
    pub connections: usize,
}

impl Default for ClientLimits {
    /// No limit of memory; the rest is what no honest client reaches.
    fn default() -> Self {
        Self {
            unsealed_bytes: u64::MAX,
            requests_in_flight: 10_000,
            descriptors: 10_000,
            message_bytes: MAX_BODY_LENGTH / 8,
            connections: 10_000,
        }
    }
}
