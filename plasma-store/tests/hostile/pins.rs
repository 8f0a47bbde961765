//! Pins that say nothing true, and pins of what others use.

use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient, Timeout};

use crate::bytes::rand_like::Random;
use crate::harness::{delete, get, id, release, Watched};
use crate::model::scaled;
use crate::shared::{made, place, sharer, stands, ONE};
use crate::sharer::PINS;

#[test]
fn pins_everywhere() {
    let mut store = Watched::start(&[]);
    let mut random = Random(9);
    for _ in 0..scaled(500) {
        let one = sharer(&store);
        PINS.for_each(|word| one.store(word, random.next() | 1));
        let client = PlasmaClient::connect(store.socket(), ConnectOptions::default()).unwrap();
        for number in 0..40 {
            let data = vec![random.byte(); 500_000];
            client.put(id(number), &data, b"").unwrap();
            let object = client.get_one(id(number), Timeout::Immediate).unwrap();
            assert_eq!(object.data(), &data[..]);
            PINS.step_by(7).for_each(|word| one.store(word, random.next() | 1));
        }
        client.delete(&(0..40).map(id).collect::<Vec<_>>()).unwrap();
        store.stat();
    }
    store.is_as_before();
}

/// A pin of another's object is as a reference would be, whatever slot it names.
#[test]
fn a_pin_keeps_no_more_than_a_reference() {
    let mut store = Watched::start(&[]);
    for slot in [0, 5, 0xff_fffe] {
        let one = sharer(&store);
        let mut other = store.talker();
        made(&store, ONE);
        let at = place(&other.ask(&get(&[ONE], 0)));
        let pin = one.pin(at, slot);
        other.say(&release(ONE, false));
        assert_eq!(other.ask(&delete(&[ONE])).error(), 5, "in use");
        assert_eq!(store.stat()["references"], 1);
        one.store(pin, 0);
        assert_eq!(store.stat()["references"], 1, "it has not said that it lets go");
        assert_eq!(store.stat()["objects"], 1);
        drop(one);
        store.until(|stat| stat["objects"] == 0);
    }
    store.is_as_before();
}

/// A thread of a client lets an object go, another pins it, somebody deletes it, and then the store hears of the first.
#[test]
fn who_has_pinned_again_keeps_the_object() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    let mut other = store.talker();
    made(&store, ONE);
    let at = place(&one.ask(&get(&[ONE], 0)));
    let pin = one.pin(at, 0);
    assert_eq!(other.ask(&delete(&[ONE])).error(), 5, "in use");
    one.say(&release(ONE, false));
    assert!(stands(&mut one));
    assert_eq!(store.stat()["objects"], 1, "it is pinned");
    assert_eq!(store.stat()["references"], 1);
    one.store(pin, 0);
    one.say(&release(ONE, false));
    assert!(stands(&mut one));
    assert_eq!(store.stat()["objects"], 0);
    drop((one, other));
    store.is_as_before();
}
