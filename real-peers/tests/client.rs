//! Ray's client with Ray's store, every version with every other.

use std::thread;
use std::time::Duration;

use ray_common::ObjectId;
use real_peers::client::{checksum, pattern, ClientError, Creation, Got, Timed};
use real_peers::{RealClient, RealStore, StoreOptions, Version};

fn everything(store: Version, client: Version) {
    let store = RealStore::start(&StoreOptions::of(store)).unwrap();
    let mut writer = RealClient::connected(client, &store.socket()).unwrap();
    let mut reader = RealClient::connected(client, &store.socket()).unwrap();
    let [first, second, third, absent] = [(); 4].map(|()| ObjectId::random());

    writer.create(&first, 5_000, b"about", Creation::Queued).unwrap();
    assert!(writer.contains(&first).unwrap(), "a client has what it holds");
    assert!(!reader.contains(&first).unwrap());
    assert_eq!(reader.get(&[first], 0).unwrap(), [None]);
    writer.fill(&first, 42).unwrap();
    writer.write(&first, 4_998, &[1, 2]).unwrap();
    let status = writer.write(&first, 4_999, &[1, 2]).unwrap_err();
    assert!(status.to_string().contains("beyond"), "{status}");
    writer.seal(&first).unwrap();

    let content = || pattern(42).take(4_998).chain([1, 2]);
    let got = Got { size: 5_000, checksum: checksum(content()), metadata: b"about".into() };
    assert_eq!(
        reader.get(&[first, absent, first], 0).unwrap(),
        [Some(got.clone()), None, Some(got)]
    );
    assert!(reader.read(&first, 0, 5_000).unwrap().into_iter().eq(content()));
    assert_eq!(reader.look(&[first, absent], 50).unwrap(), [Some(5_000), None]);

    let status = writer.create(&first, 1, &[], Creation::Immediate).unwrap_err();
    assert!(status.is("ObjectExists"), "{status}");
    let status = writer.seal(&first).unwrap_err();
    assert!(matches!(status, ClientError::Status(_)), "{status}");

    reader.delete(&[first]).unwrap();
    for held in 0..3 {
        assert!(reader.contains(&first).unwrap(), "held {held} times");
        reader.release(&first).unwrap();
    }
    writer.release(&first).unwrap();
    assert!(!writer.contains(&first).unwrap(), "deleted at the last release");
    assert!(writer.release(&first).is_err());

    writer.create(&second, 100, &[], Creation::Immediate).unwrap();
    writer.abort(&second).unwrap();
    writer.put(&second, 100, 1).unwrap();
    assert_eq!(reader.look(&[second], 0).unwrap(), [Some(100)]);

    writer.create(&third, 64, &[7], Creation::Mutable).unwrap();
    writer.seal(&third).unwrap();
    let (size, header) = reader.mutable(&third).unwrap();
    assert_eq!((size, header.len()), (65, 96));
    assert!(writer.mutable(&second).unwrap_err().is("ObjectNotFound"));

    assert!(reader.usage().unwrap().starts_with("- objects spillable: "));
    for what in [Timed::Put(1_000), Timed::Get, Timed::Contains] {
        assert!(writer.time(what, 10, 0).unwrap() > Duration::ZERO);
    }
    assert_eq!(reader.look(&[second], -1).unwrap(), [Some(100)]);
    writer.disconnect().unwrap();
    assert!(writer.contains(&second).is_err());
    writer.connect(&store.socket()).unwrap();
    assert!(writer.contains(&second).unwrap());
}

#[test]
fn newest_store_and_client() {
    everything(Version::V2_60_0, Version::V2_60_0);
}

#[test]
fn oldest_store_and_client() {
    everything(Version::V2_55_1, Version::V2_55_1);
}

#[test]
fn old_store_and_new_client() {
    everything(Version::V2_55_1, Version::V2_60_0);
}

#[test]
fn new_store_and_old_client() {
    everything(Version::V2_60_0, Version::V2_55_1);
}

#[test]
fn a_get_waits() {
    let store = RealStore::start(&StoreOptions::default()).unwrap();
    let id = ObjectId::random();
    let mut reader = RealClient::connected(Version::NEWEST, &store.socket()).unwrap();
    let waiting = thread::spawn(move || reader.look(&[id], -1).unwrap());
    let mut writer = RealClient::connected(Version::NEWEST, &store.socket()).unwrap();
    writer.create(&id, 1, &[], Creation::Queued).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert!(!waiting.is_finished());
    writer.seal(&id).unwrap();
    assert_eq!(waiting.join().unwrap(), [Some(1)]);
}

#[test]
fn fallback_objects_come_and_go() {
    let options = StoreOptions { memory: 10_000_000, ..StoreOptions::default() };
    let store = RealStore::start(&options.setting("oom_grace_period_s", 0)).unwrap();
    let mut writer = RealClient::connected(Version::NEWEST, &store.socket()).unwrap();
    let mut reader = RealClient::connected(Version::NEWEST, &store.socket()).unwrap();
    let expected = checksum(pattern(9).take(12_000_000));
    for _ in 0..3 {
        let id = ObjectId::random();
        writer.put(&id, 12_000_000, 9).unwrap();
        assert_eq!(reader.get(&[id], 0).unwrap()[0].as_ref().unwrap().checksum, expected);
        writer.release(&id).unwrap();
        reader.release(&id).unwrap();
        reader.delete(&[id]).unwrap();
    }
}

#[test]
fn a_failed_check_of_the_client_is_told() {
    let store = RealStore::start(&StoreOptions::default()).unwrap();
    let mut client = RealClient::connected(Version::NEWEST, &store.socket()).unwrap();
    let id = ObjectId::random();
    client.create(&id, 8, &[], Creation::Queued).unwrap();
    let error = client.look(&[id], -1).unwrap_err();
    assert!(matches!(error, ClientError::Process(_)) && error.to_string().contains("Check failed"));
}
