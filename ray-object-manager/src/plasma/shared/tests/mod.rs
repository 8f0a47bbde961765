//! Tests of what is shared.

mod index;
mod offers;
mod pins;
mod rings;
mod stress;

use ray_common::ObjectId;
use ray_sys::SharedWords;

use super::index::{Index, IndexReader};
use super::layout::page;
use super::page::{ClientPage, StorePage};
use crate::plasma::allocator::MemFd;
use crate::plasma::protocol::PlasmaObject;

const FILE: MemFd = MemFd { fd: 5, unique_id: 9 };
const MMAP_SIZE: i64 = 1 << 30;

fn id(number: u32) -> ObjectId {
    let mut bytes = [0x5a; ObjectId::LENGTH];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    ObjectId::from_bytes(bytes)
}

/// An object at a place of its own, of a size of its own.
fn object(number: u32) -> PlasmaObject {
    PlasmaObject {
        store_fd: FILE,
        data_offset: u64::from(number) * 64,
        data_size: u64::from(number) + 1,
        metadata_size: u64::from(number % 7),
        mmap_size: MMAP_SIZE,
        ..PlasmaObject::ZERO
    }
}

fn index() -> (Index, IndexReader) {
    let index = Index::new().unwrap();
    let reader = IndexReader::map(index.descriptor().unwrap()).unwrap();
    (index, reader)
}

fn publish(index: &mut Index, number: u32) {
    index.publish(&id(number), &object(number), number);
}

/// Whether an object is found; if so, as it was published.
fn finds(index: &Index, reader: &IndexReader, number: u32) -> bool {
    let Some(listed) = reader.find(&id(number)) else { return false };
    let object = object(number);
    assert_eq!(
        (listed.data_offset, listed.data_size, listed.metadata_size),
        (object.data_offset, object.data_size, object.metadata_size)
    );
    assert!(reader.still_holds(&listed.place));
    assert_eq!(index.number_of(listed.place.slot), Some(number));
    true
}

/// A page as the store and as the client see it, and its words.
fn pages(index: &Index) -> (StorePage, ClientPage, SharedWords) {
    let (store, descriptor) = StorePage::new().unwrap();
    let doorbell = store.doorbell().try_clone_to_owned().unwrap();
    let again = descriptor.try_clone().unwrap();
    let client = ClientPage::new(index.descriptor().unwrap(), descriptor, doorbell).unwrap();
    let words = SharedWords::map(again, page::WORDS).unwrap();
    (store, client, words)
}
