//! Tests of the parts of a client.

mod lane;
mod table;
mod waiters;

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use ray_common::ObjectId;

use super::lane::{Lane, SMALL_BUFFER};
use crate::plasma::allocator::{MemFd, MMAP_REGIONS_GAP};
use crate::plasma::protocol::{Encoder, PlasmaObject};

fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 28])
}

/// A file as stores have them.
fn file() -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(4096).unwrap();
    file
}

const FILE: MemFd = MemFd { fd: 5, unique_id: 9 };

/// An object in such a file.
fn object() -> PlasmaObject {
    PlasmaObject {
        store_fd: FILE,
        data_size: 10,
        metadata_offset: 10,
        allocated_size: 10,
        mmap_size: 4096 + MMAP_REGIONS_GAP,
        ..PlasmaObject::ZERO
    }
}

/// A connection, and the store's side of it.
fn lane() -> (Lane, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    (Lane::new(Arc::new(here), SMALL_BUFFER), there)
}

fn reply(write: impl FnOnce(&mut Encoder, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Encoder::default(), &mut out);
    out
}
