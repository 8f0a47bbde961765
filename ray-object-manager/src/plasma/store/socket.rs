//! The socket on which a store listens.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A listening socket in the file system, which goes when this is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: OwnedFd,
    path: PathBuf,
    /// Tells our file from another's that has taken its place.
    identity: (u64, u64),
}

impl Listener {
    /// Listens. The file can be used by its owner only, from its first moment. One that nobody listens on any
    /// more is replaced.
    ///
    /// # Errors
    /// When somebody listens there, or the path cannot be used.
    pub(super) fn bind(path: &Path, private: bool) -> io::Result<Self> {
        remove_stale(path)?;
        // It gets its name when it has its permissions.
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{:x}", std::process::id()));
        let hidden = PathBuf::from(name);
        let _ = fs::remove_file(&hidden);
        // A path near the limit of a socket's has no room for a second name.
        let (listener, at) = match UnixListener::bind(&hidden) {
            Ok(listener) => (listener, hidden.as_path()),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                (UnixListener::bind(path)?, path)
            }
            Err(error) => return Err(error),
        };
        let ready = || {
            let mode = if private { 0o600 } else { 0o666 };
            fs::set_permissions(at, fs::Permissions::from_mode(mode))?;
            if at != path {
                fs::rename(at, path)?;
            }
            listener.set_nonblocking(true)?;
            let file = fs::symlink_metadata(path)?;
            Ok((file.dev(), file.ino()))
        };
        match ready() {
            Ok(identity) => Ok(Self { socket: listener.into(), path: path.to_owned(), identity }),
            Err(error) => {
                let _ = fs::remove_file(at);
                Err(error)
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.identity);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("a store listens on {} already", path.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // So it is with any other file, too: binding there fails then.
            match fs::symlink_metadata(path) {
                Ok(file) if file.file_type().is_socket() => fs::remove_file(path),
                _ => Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    format!("{} is there, and is no socket", path.display()),
                )),
            }
        }
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_private_replaced_when_dead_and_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dead store's");
        let listener = Listener::bind(&path, true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        let error = Listener::bind(&path, true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_has_taken_its_place_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let listener = Listener::bind(&path, false).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(listener);
        let error = Listener::bind(&path, true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"another's");
    }
}
