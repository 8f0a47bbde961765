//! Memory that is shared with the store, written at will.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ray_common::ObjectId;
use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient};
use ray_object_manager::plasma::protocol::{capabilities, Header, MessageType, Reply};
use ray_sys::{ReadWords, SharedWords};
use real_peers::wire::{kind, Message};

use crate::bytes::rand_like::Random;
use crate::harness::{
    admin, contains, create, creation, delete, get, id, release, seal, Came, Talker, Watched,
};
use crate::model::scaled;
use crate::sharer::{
    elsewhere, granted, seal_quietly, set_aside, share, Sharer, CLIENT_BED, FIGURES, LET_GO,
    REPLIES_LENGTH, REPLY_TAIL, REQUESTS, REQUESTS_LENGTH, REQUEST_HEAD, REQUEST_TAIL,
    STORE_SLEEPS, WORDS,
};

pub(crate) const ONE: ObjectId = ObjectId::from_bytes([1; ObjectId::LENGTH]);
const TWO: ObjectId = ObjectId::from_bytes([2; ObjectId::LENGTH]);

pub(crate) fn sharer(store: &Watched) -> Sharer {
    Sharer::to(store.socket())
}

/// Whether it still gets an answer, in shared memory.
pub(crate) fn stands(sharer: &mut Sharer) -> bool {
    sharer.ask(&contains(TWO)).kind() == kind::CONTAINS_REPLY
}

/// Where an object lies that is in a get's reply.
pub(crate) fn place(came: &Came) -> u64 {
    let Came::Message(message) = came else { panic!("{came:?}") };
    match Reply::decode(MessageType(message.kind), &message.body).unwrap() {
        Reply::Get(reply) => reply.objects[0].data_offset,
        other => panic!("{other:?}"),
    }
}

/// Where an object lies that a creation's answer names.
pub(crate) fn created_at(message: &Message) -> u64 {
    match Reply::decode(MessageType(message.kind), &message.body).unwrap() {
        Reply::Create(reply) => reply.result.unwrap().unwrap().data_offset,
        other => panic!("{other:?}"),
    }
}

/// Another client makes a sealed object that nobody uses.
pub(crate) fn made(store: &Watched, id: ObjectId) {
    let client = PlasmaClient::connect(store.socket(), ConnectOptions::default()).unwrap();
    client.put(id, &[7; 1000], b"").unwrap();
}

#[test]
fn one_that_does_as_it_should() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    for _ in 0..500 {
        assert_eq!(one.ask(&create(&creation(ONE, 1000))).error(), 0);
        assert_eq!(one.ask(&seal(ONE)).error(), 0);
        one.say(&release(ONE, false));
        assert_eq!(one.ask(&delete(&[ONE])).error(), 0);
    }
    assert!(stands(&mut one));
    drop(one);
    store.is_as_before();
}

#[test]
fn nonsense_all_over_the_page() {
    let mut store = Watched::start(&[]);
    let mut random = Random(7);
    for round in 0..scaled(500) {
        let others: Vec<Sharer> = (0..3).map(|_| sharer(&store)).collect();
        for other in &others {
            // Some of it at the heads, where it matters most; small numbers get further.
            let words = if round % 2 == 0 { 0..WORDS } else { 0..64 };
            let mask = if round % 3 == 0 { 0xfff } else { u64::MAX };
            words.for_each(|word| other.store(word, random.next() & mask));
            other.ring();
        }
        // A small number is a pin of what lies at the start of the memory, until its writer is gone.
        let deleted = store.neighbour.deletes();
        store.stat();
        drop(others);
        store.is_as_before();
        assert!(!store.neighbour.has(deleted));
    }
}

#[test]
fn random_words_while_it_works() {
    let mut store = Watched::start(&[]);
    let mut random = Random(8);
    for _ in 0..scaled(2000) {
        let mut one = sharer(&store);
        let own = id(1);
        let messages = [
            create(&creation(own, 500)),
            seal_quietly(own),
            get(&[own], 0),
            release(own, false),
            delete(&[own]),
            elsewhere(random.next() % 100),
        ];
        for _ in 0..random.below(8) {
            one.whisper(&[messages[random.below(messages.len())].clone()]);
        }
        for _ in 0..random.below(4) {
            let limit = if random.below(2) == 0 { LET_GO } else { WORDS };
            let word = random.below(limit);
            one.store(word, one.load(word) ^ (1 << random.below(64)));
        }
        one.ring();
        if random.below(4) == 0 {
            store.neighbour.works();
        }
    }
    store.is_as_before();
}

/// Each number alone: what ends the connection, and what is harmless.
#[test]
fn numbers_that_make_no_sense() {
    let mut store = Watched::start(&[]);
    let wild = [1, 3, 2049, 12_345, 1 << 63, u64::MAX, u64::MAX - 2048];
    for value in wild {
        for word in [REQUEST_TAIL, STORE_SLEEPS, CLIENT_BED].into_iter().chain(FIGURES) {
            let mut one = sharer(&store);
            one.store(word, value);
            one.ring();
            store.neighbour.works();
            assert!(stands(&mut one), "word {word} is {value}");
            // The one before may be with the other thread, which hears of its end when it has a core.
            store.until(|stat| stat["clients"] == 3);
        }
        let mut one = sharer(&store);
        one.store(REQUEST_HEAD, value);
        one.ring();
        assert!(matches!(one.talker.hear(), Came::Closed), "head {value}");
        let mut one = sharer(&store);
        one.write(&contains(ONE));
        one.store(REQUESTS + 2, value);
        one.whisper(&[]);
        one.ring();
        assert!(matches!(one.talker.hear(), Came::Closed), "length {value}");
    }
    for value in [12_345, 1 << 63, u64::MAX - REPLIES_LENGTH as u64] {
        let mut one = sharer(&store);
        assert!(stands(&mut one));
        // The store looks there when it has no more room as far as it knows.
        for _ in 1..REPLIES_LENGTH / one.heard() {
            one.store(REPLY_TAIL, value);
            assert!(stands(&mut one));
        }
        one.store(REPLY_TAIL, value);
        one.say(&contains(ONE));
        assert!(matches!(one.talker.hear(), Came::Closed), "tail {value}");
    }
    store.is_as_before();
}

#[test]
fn what_is_for_shared_memory_only() {
    let mut store = Watched::start(&[]);
    for message in [seal_quietly(ONE), elsewhere(10), elsewhere(0), set_aside(1)] {
        let mut talker = store.talker();
        talker.say(&[create(&creation(ONE, 10)), message].concat());
        assert!(!talker.stands().0);
        store.is_as_before();
    }
    let mut one = sharer(&store);
    one.talker.say(&elsewhere(10));
    assert!(matches!(one.talker.hear(), Came::Closed));
    drop(one);
    // What is unknown, sealed or another's can be sealed without an answer, as with one.
    let mut one = sharer(&store);
    let mut other = store.talker();
    other.ask(&create(&creation(ONE, 10)));
    for _ in 0..3 {
        one.say(&seal_quietly(ONE));
        one.say(&seal_quietly(TWO));
    }
    assert!(stands(&mut one));
    assert_eq!(other.ask(&seal(ONE)).error(), 7, "it is sealed");
    drop((one, other));
    store.is_as_before();
}

#[test]
fn messages_that_never_come() {
    let mut store = Watched::start(&[]);
    made(&store, TWO);
    for count in [1, 24, 100, u64::MAX] {
        let mut one = sharer(&store);
        one.whisper(&[elsewhere(count), contains(ONE), seal_quietly(ONE)]);
        one.ring();
        store.neighbour.works();
        store.stat();
        // They come all the same, where it said that they would.
        one.talker.say(&contains(TWO));
        assert_eq!(one.hear().kind(), kind::CONTAINS_REPLY);
        drop(one);
    }
    store.is_as_before();
}

#[test]
fn answers_that_are_never_read() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    let question = contains(ONE);
    for _ in 0..20 {
        while one.room() > 2 * question.len() / 8 {
            one.say(&question);
        }
        store.neighbour.works();
    }
    let mut other = sharer(&store);
    other.whisper(&vec![get(&[ONE], 0); 30]);
    for _ in 0..100 {
        other.talker.say(&admin("stat"));
    }
    store.neighbour.works();
    drop((one, other));
    store.is_as_before();
}

#[test]
fn a_doorbell_that_is_rung_for_nothing() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    for round in 0..100_000 {
        one.ring();
        if round % 10_000 == 0 {
            store.neighbour.works();
        }
    }
    assert!(stands(&mut one));
    drop(one);
    store.is_as_before();
}

/// What it asked for without a word is heard of when somebody wants to know.
#[test]
fn a_doorbell_that_is_never_rung() {
    let mut store = Watched::start(&[]);
    for round in 0..50 {
        let mut one = sharer(&store);
        let own = id(round);
        one.ask(&create(&creation(own, 100)));
        // The store looks on for a while after it was asked something.
        one.whisper(&[seal_quietly(own), release(own, false)]);
        let mut other = store.talker();
        match round % 3 {
            0 => assert!(place(&other.ask(&get(&[own], 0))).is_multiple_of(64)),
            1 => assert_eq!(other.ask(&delete(&[own])).error(), 0),
            _ => assert_eq!(other.ask(&create(&creation(own, 1))).error(), 1),
        }
    }
    store.is_as_before();
}

/// Requests that need no answer, without end, at all threads: others get their turn all the same.
#[test]
fn requests_without_end() {
    let mut store = Watched::start(&[]);
    let mut message = release(ONE, false);
    message.resize(16 * 8, 0);
    let header = Header::encode(MessageType(kind::RELEASE), message.len() - 24);
    message[..24].copy_from_slice(&header);
    let floods: Vec<Sharer> = (0..2).map(|_| sharer(&store)).collect();
    for flood in &floods {
        for at in (0..REQUESTS_LENGTH).step_by(16) {
            for (word, bytes) in message.chunks(8).enumerate() {
                flood.store(REQUESTS + at + word, u64::from_ne_bytes(bytes.try_into().unwrap()));
            }
        }
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for flood in &floods {
                    flood.store(REQUEST_HEAD, flood.load(REQUEST_TAIL) + REQUESTS_LENGTH as u64);
                    if flood.load(STORE_SLEEPS) != 0 {
                        flood.ring();
                    }
                }
            }
        });
        for _ in 0..20 {
            store.neighbour.works();
            assert_eq!(store.stat()["clients"], 4, "they have done nothing wrong");
        }
        over.store(true, Ordering::Relaxed);
    });
    drop(floods);
    store.is_as_before();
}

#[test]
fn files_keep_their_length_and_the_index_is_not_written() {
    let mut store = Watched::start(&[]);
    let one = sharer(&store);
    let length =
        |fd: &std::os::fd::OwnedFd| File::from(fd.try_clone().unwrap()).metadata().unwrap().len();
    for fd in [&one.index, &one.page] {
        let file = File::from(fd.try_clone().unwrap());
        for wanted in [0, 8, length(fd) - 1, length(fd) + 1, 1 << 40] {
            assert!(file.set_len(wanted).is_err(), "{wanted}");
        }
    }
    let count = usize::try_from(length(&one.index) / 8).unwrap();
    assert!(SharedWords::map(one.index.try_clone().unwrap(), count).is_err());
    assert!(rustix::io::write(&one.index, &[1]).is_err());
    assert!(rustix::io::pwrite(&one.index, &[1], 0).is_err());
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    assert!(rustix::fs::fallocate(&one.index, flags, 0, 4096).is_err());
    assert!(ReadWords::map(one.index.try_clone().unwrap(), count).is_ok());
    assert_eq!(length(&one.page), WORDS as u64 * 8);
    drop(one);
    store.is_as_before();
}

#[test]
fn to_ask_twice_changes_nothing() {
    let mut store = Watched::start(&[]);
    let mut one = sharer(&store);
    for _ in 0..3 {
        let Came::Message(again) = one.ask(&share()) else { panic!("no answer") };
        assert_eq!(granted(&again) & capabilities::SHARED, 0, "there is one page");
    }
    one.talker.say(&[share(), share(), contains(ONE)].concat());
    let kinds = [(); 3].map(|()| one.hear().kind());
    assert_eq!(kinds, [kind::CONNECT_REPLY, kind::CONNECT_REPLY, kind::CONTAINS_REPLY]);
    assert!(stands(&mut one));
    drop(one);
    // Goodbye, or a mistake, in the same breath.
    for last in [&[0_u8; 24][..], &Header::encode(MessageType(0), 0)[..], &elsewhere(1)] {
        let mut talker = store.talker();
        talker.say(&[&share(), last].concat());
        while !matches!(talker.hear(), Came::Closed) {}
        drop(talker);
        store.is_as_before();
    }
}

#[test]
fn a_thousand_that_share() {
    crate::crowd::allow_many_descriptors();
    let mut store = Watched::start(&[]);
    let mut all: Vec<Sharer> = (0..1000).map(|_| sharer(&store)).collect();
    for (number, one) in (0..).zip(&mut all) {
        assert_eq!(one.ask(&create(&creation(id(number), 100))).error(), 0);
        one.say(&seal_quietly(id(number)));
        if number % 3 == 0 {
            one.say(&release(id(number), false));
        }
    }
    assert_eq!(store.stat()["clients"], 1002);
    assert_eq!(store.stat()["objects"], 1000);
    assert_eq!(store.stat()["references"], 666);
    store.neighbour.works();
    drop(all);
    store.is_as_before();
}

/// One goes at every step, and leaves nothing.
#[test]
fn whoever_goes_takes_everything_along() {
    let mut store = Watched::start(&[]);
    for step in 0..14 {
        for _ in 0..5 {
            if step == 0 {
                Talker::to(store.socket()).say(&share());
                continue;
            }
            let mut one = sharer(&store);
            go_to(step, &mut one);
        }
        store.is_as_before();
    }
}

/// How far one goes that is to end then.
pub(crate) fn go_to(step: usize, one: &mut Sharer) {
    let own = id(2_000_000 + std::process::id());
    let made = [create(&creation(own, 1000)), seal_quietly(own)];
    match step {
        1 => one.write(&seal_quietly(own)),
        2 => {
            one.ask(&made[0]);
        }
        3 => one.whisper(&made),
        4 => {
            one.ask(&made[0]);
            one.whisper(&made[1..]);
        }
        5 => {
            one.whisper(&made);
            one.ring();
            one.hear();
            let at = place(&one.ask(&get(&[own], 0)));
            one.whisper(&[release(own, false)]);
            one.pin(at, 1);
            one.ring();
        }
        6 => one.say(&elsewhere(100)),
        7 => {
            one.say(&elsewhere(100));
            one.talker.say(&create(&creation(own, 1000))[..50]);
        }
        8 => {
            one.ask(&create(&creation(own, 12_000_000)));
            one.whisper(&made[1..]);
        }
        9 => drop(crate::offers::offered(one)),
        10 => drop(crate::offers::take(one)),
        11 => {
            let offer = crate::offers::take(one);
            one.whisper(&[set_aside(offer)]);
        }
        12 => {
            let offer = crate::offers::take(one);
            one.whisper(&[set_aside(offer), create(&creation(own, 50_000))]);
        }
        _ => one.say(&get(&[own], -1)),
    }
}
