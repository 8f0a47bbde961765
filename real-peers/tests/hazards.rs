//! Ray's store dies of each hazard, in every version; a bad cookie is none.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use real_peers::wire::{kind, Event, Message, RawClient};
use real_peers::{hazards, RealStore, StoreOptions, Version};

#[test]
fn each_ends_the_raylet() {
    for (hazard, version) in
        hazards::ALL.iter().flat_map(|hazard| Version::ALL.map(|v| (hazard, v)))
    {
        let mut store = RealStore::start(&StoreOptions::of(version)).unwrap();
        let _open = hazard.inflict(&store.socket());
        let started = Instant::now();
        while store.is_alive() {
            assert!(started.elapsed() < Duration::from_secs(20), "{version} bears {}", hazard.name);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_bad_cookie_closes_only_its_connection() {
    let mut store = RealStore::start(&StoreOptions::default()).unwrap();
    let mut client = RawClient::connect(&store.socket()).unwrap();
    client.stream().write_all(&[0; 24]).unwrap();
    assert!(matches!(client.next_event().unwrap(), Event::Closed));
    let mut other = RawClient::connect(&store.socket()).unwrap();
    other.send(&Message::empty(kind::CONNECT)).unwrap();
    assert!(matches!(other.next_event().unwrap(), Event::Message(_)));
    assert!(store.is_alive());
}
