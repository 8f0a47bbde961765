//! Requests and replies on one connection.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use ray_sys::send_fd;

use super::{file, id, lane, object, reply, FILE};
use crate::plasma::client::error::Cause;
use crate::plasma::common::PlasmaError;
use crate::plasma::protocol::PlasmaObject;

#[test]
fn a_reply_may_come_in_pieces() {
    let (mut lane, mut there) = lane();
    let bytes = reply(|e, out| e.contains_reply(out, &id(1), true));
    let sender = thread::spawn(move || {
        for byte in bytes.chunks(7) {
            there.write_all(byte).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        there
    });
    assert!(lane.contains(&id(1)).unwrap());
    drop(sender.join().unwrap());
    assert!(matches!(lane.contains(&id(1)), Err(Cause::Disconnected { .. })));
}

#[test]
fn replies_longer_than_the_buffer_and_files_come_in_their_order() {
    let (mut lane, mut there) = lane();
    let ids: Vec<_> = (0..100).map(id).collect();
    let objects: Vec<_> = ids.iter().map(|id| (*id, object())).collect();
    let files = [(FILE, 1), (FILE, 2)];
    let (first, second) = (file(), file());
    there.write_all(&reply(|e, out| e.get_reply(out, &objects, &files))).unwrap();
    send_fd(&there, first.as_fd(), b"f").unwrap();
    send_fd(&there, second.as_fd(), b"f").unwrap();
    lane.ask(&ids, 0).unwrap();
    let got = lane.receive_get(&ids).unwrap();
    assert!(got.objects.len() == 100 && got.files == files);
    for expected in [first, second] {
        let received = std::fs::File::from(lane.receive_fd().unwrap());
        assert_eq!(received.metadata().unwrap().ino(), expected.metadata().unwrap().ino());
    }
    there.write_all(&reply(|e, out| e.contains_reply(out, &id(1), false))).unwrap();
    assert!(!lane.contains(&id(1)).unwrap());
}

#[test]
fn what_the_store_refuses_leaves_the_lane_usable() {
    let (mut lane, mut there) = lane();
    let refused = Err(PlasmaError::OutOfMemory);
    there.write_all(&reply(|e, out| e.create_reply(out, &id(1), refused))).unwrap();
    let created = lane.receive_create(&id(1)).unwrap();
    assert_eq!(created.result, Some(Err(PlasmaError::OutOfMemory)));
    there.write_all(&reply(|e, out| e.unfinished_create_reply(out, &id(1), 8))).unwrap();
    let created = lane.receive_create(&id(1)).unwrap();
    assert_eq!((created.result, created.retry_with_request_id), (None, 8));
    there.write_all(&reply(|e, out| e.seal_reply(out, &id(1), PlasmaError::ObjectSealed))).unwrap();
    let error = lane.receive_seal(&id(1)).unwrap_err();
    assert!(matches!(error, Cause::AlreadySealed) && !error.ends_session());
    there.write_all(&reply(|e, out| e.release_reply(out, &id(1), true, PlasmaError::Ok))).unwrap();
    assert!(lane.receive_release(&id(1)).unwrap());
    let deleted = [(id(1), PlasmaError::ObjectInUse)];
    there.write_all(&reply(|e, out| e.delete_reply(out, &deleted))).unwrap();
    assert_eq!(lane.receive_delete(&[id(1)]).unwrap(), [PlasmaError::ObjectInUse]);
    there.write_all(&reply(|e, out| e.connect_reply(out, 7, 2))).unwrap();
    assert_eq!(lane.connect(2).unwrap(), (7, 2));
}

#[test]
fn what_nobody_asked_for_stops_the_next_request() {
    let (mut lane, mut there) = lane();
    let missing = [(id(1), PlasmaObject::MISSING)];
    there.write_all(&reply(|e, out| e.get_reply(out, &missing, &[]))).unwrap();
    there.write_all(b"x").unwrap();
    lane.ask(&[id(1)], 0).unwrap();
    lane.receive_get(&[id(1)]).unwrap();
    let error = lane.ask(&[id(1)], 0).unwrap_err();
    assert!(matches!(error, Cause::Protocol(_)) && error.ends_session());
}
