//! Taking clients in: who may come, and what happens when there is no descriptor for another one.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::super::client::ClientId;
use super::super::connection::{peer_of, Connection, Peer};
use super::super::server::{spare_descriptor, watch, FIRST_CLIENT, LISTENER};
use super::super::timers::Due;
use super::Worker;
use crate::plasma::allocator::Allocator;

/// How long no clients are taken in when that has failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

impl<A: Allocator + Send + 'static> Worker<A> {
    pub(super) fn accept(&self) {
        loop {
            let listener = self.shared.listener.lock();
            let Some(listener) = listener.as_ref() else {
                return;
            };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::accept_with(&listener.socket, flags) {
                Ok(socket) => self.admit(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                Err(Errno::MFILE | Errno::NFILE) => match self.turn_away(&listener.socket) {
                    Ok(()) => log::warn!("a client is turned away: no descriptor is left for it"),
                    Err(Errno::AGAIN) => return,
                    Err(error) => return self.pause(&listener.socket, error),
                },
                Err(error) => return self.pause(&listener.socket, error),
            }
        }
    }

    /// Takes a client in the place of the spare descriptor, and ends its connection. Without a free descriptor the
    /// operating system does not even say that nobody waits.
    fn turn_away(&self, listener: &OwnedFd) -> Result<(), Errno> {
        let mut reserve = self.shared.reserve.lock();
        drop(reserve.take());
        let turned_away = rustix::net::accept_with(listener, SocketFlags::CLOEXEC).map(drop);
        *reserve = spare_descriptor();
        turned_away
    }

    /// Nobody can be taken in at present: looks again later, and not all the time.
    fn pause(&self, listener: &OwnedFd, error: Errno) {
        log::error!("the store can take no clients in at present: {error}");
        let data = epoll::EventData::new_u64(LISTENER);
        match epoll::modify(&self.shared.epolls[0], listener, data, epoll::EventFlags::empty()) {
            Ok(()) => {
                self.shared.core.lock().timers.add(Instant::now() + ACCEPT_PAUSE, Due::Accept)
            }
            Err(error) => log::error!("the listening socket cannot be left alone: {error}"),
        }
    }

    pub(super) fn resume(&self) {
        if let Some(listener) = self.shared.listener.lock().as_ref() {
            let data = epoll::EventData::new_u64(LISTENER);
            let flags = epoll::EventFlags::IN;
            if let Err(error) = epoll::modify(&self.shared.epolls[0], &listener.socket, data, flags)
            {
                log::error!("the listening socket cannot be watched: {error}");
            }
        }
    }

    fn admit(&self, socket: OwnedFd) {
        let shared = &self.shared;
        let peer = match peer_of(&socket) {
            Ok(peer) => peer,
            Err(error) => return log::warn!("cannot see who a client is: {error}"),
        };
        if !self.may_connect(peer) {
            return log::warn!("process {} of user {} may not use this store", peer.pid, peer.uid);
        }
        let mut connections = shared.connections.lock();
        if connections.len() >= shared.config.limits.connections {
            return log::warn!(
                "{} clients are enough; process {} is turned away",
                connections.len(),
                peer.pid
            );
        }
        let id = ClientId(shared.next_client.fetch_add(1, Ordering::Relaxed));
        let thread = usize::try_from(id.0).unwrap_or(0) % shared.epolls.len();
        let connection = Arc::new(Connection::new(id, peer, thread, socket));
        connections.insert(id, Arc::clone(&connection));
        drop(connections);
        shared.core.lock().add_client(Arc::clone(&connection));
        if let Err(error) = watch(&shared.epolls[thread], connection.fd(), id.0 + FIRST_CLIENT) {
            log::error!("cannot serve process {}: {error}", peer.pid);
            self.forget(id, &connection);
        }
    }

    fn may_connect(&self, peer: Peer) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.shared.config.allow_other_users || peer.uid == own || peer.uid == 0
    }
}
