//! What the file system has to say before a store starts.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::run::Error;
use crate::values::human_size;

/// A directory that may have been made for this store, and then goes with it if it is empty.
#[derive(Debug)]
pub struct Directory {
    made: Option<PathBuf>,
}

impl Directory {
    /// Takes a directory, or makes one that nobody but this user can enter.
    ///
    /// # Errors
    /// When it is something else, or cannot be made.
    pub fn take_or_make(path: &Path) -> Result<Self, Error> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                log::info!("made the directory {}", path.display());
                Ok(Self { made: Some(path.to_owned()) })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                must_be_directory(path)?;
                Ok(Self { made: None })
            }
            Err(source) => Err(Error::Directory { path: path.to_owned(), source }),
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            // Somebody else may keep something in it.
            let _ = fs::remove_dir(path);
        }
    }
}

/// A directory has to be there.
///
/// # Errors
/// When it is not.
pub fn must_be_directory(path: &Path) -> Result<(), Error> {
    let look = fs::metadata(path).and_then(|file| {
        if file.is_dir() {
            Ok(())
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    });
    look.map_err(|source| Error::Directory { path: path.to_owned(), source })
}

/// The memory that a store can have: as much as it is to have, but no more than nine tenths of what the file
/// system of its directory has free.
///
/// # Errors
/// When the operating system does not tell.
pub fn memory_that_fits(wanted: u64, directory: &Path) -> Result<u64, Error> {
    let space = rustix::fs::statvfs(directory)
        .map_err(|error| Error::Directory { path: directory.to_owned(), source: error.into() })?;
    let free = space.f_frsize.saturating_mul(space.f_bavail);
    Ok(limited(wanted, free, directory))
}

fn limited(wanted: u64, free: u64, directory: &Path) -> u64 {
    let most = free / 10 * 9;
    if wanted <= most {
        return wanted;
    }
    log::warn!(
        "{} has {} free, of which nine tenths can be used: the store has {} instead of {}. For more, make room there, \
         give --plasma-directory another, or in a container make its shared memory larger",
        directory.display(),
        human_size(free),
        human_size(most),
        human_size(wanted),
    );
    most
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_that_was_made_is_private_and_goes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new");
        let made = Directory::take_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let taken = Directory::take_or_make(&path).unwrap();
        drop(taken);
        assert!(path.is_dir());
        drop(made);
        assert!(!path.exists());
        fs::write(&path, "").unwrap();
        for wrong in [&path, &path.join("inside"), &place.path().join("not/there")] {
            Directory::take_or_make(wrong).unwrap_err();
            must_be_directory(wrong).unwrap_err();
        }
    }

    #[test]
    fn memory_is_limited_to_what_is_free() {
        assert_eq!(limited(90, 100, Path::new("/")), 90);
        assert_eq!(limited(91, 100, Path::new("/")), 90);
        assert_eq!(limited(1, 0, Path::new("/")), 0);
    }
}
