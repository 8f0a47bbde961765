//! What ends Ray's store, and more of the kind.

use ray_common::ObjectId;
use ray_object_manager::plasma::common::ObjectSource;
use ray_object_manager::plasma::protocol::{capabilities, CreateRequest, Header, MessageType};
use real_peers::hazards;

use crate::harness::{
    abort, admin, bytes, connect, contains, create, creation, delete, get, id, queued, release,
    retry, seal, Talker, Watched,
};

/// What becomes of the offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its connection is closed.
    Closed,
    /// It is told so.
    Error(i32),
    /// There is nothing wrong with it here.
    Fine,
}
use End::{Closed, Error, Fine};

fn end_of(mut offender: Talker) -> End {
    match offender.stands() {
        (false, _) => Closed,
        (true, 0) => Fine,
        (true, error) => Error(error),
    }
}

#[test]
fn what_ends_rays_store_does_not_end_this() {
    let mut store = Watched::start(&[]);
    let expected = [
        Error(2),
        Error(7),
        Closed,
        Closed,
        Closed,
        Closed,
        Fine,
        Closed,
        Closed,
        Closed,
        Closed,
        Fine,
        Error(3),
    ];
    for (hazard, expected) in hazards::ALL.iter().zip(expected) {
        store.neighbour.works();
        // A store that has closed the connection by now has ended it as well.
        let end = match hazard.inflict(store.socket()) {
            Ok(Some(client)) => {
                store.neighbour.works();
                end_of(Talker(client))
            }
            Ok(None) => Fine,
            Err(_) => Closed,
        };
        assert_eq!(end, expected, "{}", hazard.name);
        store.is_as_before();
    }
}

fn message(kind: i64, body: &[u8]) -> Vec<u8> {
    let mut message = Header::encode(MessageType(kind), body.len()).to_vec();
    message.extend(body);
    message
}

/// A header that promises a body, and none.
fn header(kind: i64, length: i64) -> Vec<u8> {
    let words = [0x5241_5900_0000_0000, kind, length].map(i64::to_le_bytes);
    words.concat()
}

/// The create of an object with something changed.
fn odd(change: impl FnOnce(&mut CreateRequest<'static>)) -> Vec<u8> {
    let mut request = creation(ONE, 100);
    change(&mut request);
    create(&request)
}

/// A message in which the bytes at the end of the body, behind the last `keep`, are something else.
fn spoilt(mut message: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    message[24 + at..24 + at + with.len()].copy_from_slice(with);
    message
}

const ONE: ObjectId = ObjectId::from_bytes([1; ObjectId::LENGTH]);
const TWO: ObjectId = ObjectId::from_bytes([2; ObjectId::LENGTH]);

fn made() -> Vec<u8> {
    create(&creation(ONE, 100))
}

fn done() -> Vec<u8> {
    [made(), seal(ONE), release(ONE, false)].concat()
}

type Misdeed = (&'static str, End, Vec<u8>);

/// Mistakes in what one client does.
fn wrong_steps() -> Vec<Misdeed> {
    vec![
        ("seal twice and again", Error(7), [done(), seal(ONE), seal(ONE)].concat()),
        ("abort twice", Closed, [made(), abort(ONE), abort(ONE)].concat()),
        ("abort after release", Closed, [done(), abort(ONE)].concat()),
        ("create twice", Error(1), [made(), made()].concat()),
        ("create again what is sealed", Error(1), [done(), made()].concat()),
        ("create, abort, create, go", Fine, [made(), abort(ONE), made()].concat()),
        ("release of what is not there", Fine, release(ONE, false)),
        ("release of what is not there, with an answer", Fine, release(ONE, true)),
        ("release twice", Fine, [done(), release(ONE, false), release(ONE, true)].concat()),
        ("delete twice in one", Error(2), [done(), delete(&[ONE, ONE])].concat()),
        ("delete of what is not sealed", Error(4), [made(), delete(&[ONE, ONE])].concat()),
        ("and then abort", Error(4), [made(), delete(&[ONE]), abort(ONE)].concat()),
        ("and then seal, and go", Error(4), [made(), delete(&[ONE]), seal(ONE)].concat()),
        ("delete in use, and go", Error(5), [made(), seal(ONE), delete(&[ONE])].concat()),
        ("delete of nothing", Fine, delete(&[])),
        ("delete of many", Error(2), delete(&vec![ONE; 10_000])),
        ("retry of nothing", Error(6), retry(ONE, 0)),
        ("retry of what nobody asked for", Error(6), retry(ONE, u64::MAX)),
        ("get of nothing, for ever", Fine, get(&[], -1)),
        ("get of the same twice, and go", Fine, [made(), get(&[ONE, ONE, TWO, TWO], -1)].concat()),
        ("get with the least timeout", Fine, get(&[ONE], i64::MIN)),
        ("get with the greatest timeout", Fine, get(&[ONE], i64::MAX)),
        ("get of many, now", Fine, get(&vec![ONE; 10_000], 0)),
        ("get of many, and go", Fine, get(&(0..10_000).map(id).collect::<Vec<_>>(), -1)),
        ("release in a get that waits", Fine, {
            [made(), seal(ONE), get(&[ONE, TWO], -1), release(ONE, false), delete(&[ONE])].concat()
        }),
        ("abort in a get that waits", Fine, [made(), get(&[ONE], -1), abort(ONE)].concat()),
        ("seal in a get that waits", Fine, [made(), get(&[ONE], -1), seal(ONE)].concat()),
        ("talk after goodbye", Closed, [message(0, &[]), made(), seal(ONE)].concat()),
        ("goodbye with a body", Closed, message(0, &[9; 100])),
    ]
}

/// Sizes and other numbers that make no sense.
fn wrong_numbers() -> Vec<Misdeed> {
    let sizes = |data: u64, metadata: u64, is_mutable: bool| {
        odd(|request| {
            request.data_size = data;
            request.metadata_size = metadata;
            request.is_mutable = is_mutable;
        })
    };
    let most = i64::MAX.cast_unsigned();
    vec![
        ("2^63 bytes", Error(3), sizes(1 << 63, 0, false)),
        ("2^64 - 1 bytes", Error(3), sizes(u64::MAX, 0, false)),
        ("metadata of 2^64 - 1", Error(3), sizes(0, u64::MAX, false)),
        ("both are", Error(3), sizes(u64::MAX, u64::MAX, true)),
        ("the sum is 2^64", Error(3), sizes(1 << 63, 1 << 63, false)),
        ("the sum is 2^63", Error(3), sizes(1 << 62, 1 << 62, false)),
        ("the header makes it 2^63", Error(3), sizes(most - 95, 0, true)),
        ("2^63 - 1 bytes", Error(3), sizes(most, 0, false)),
        ("2^63 - 1 bytes with room to round", Error(3), sizes(most - 4096, 0, false)),
        ("2^62 bytes", Error(3), sizes(1 << 62, 0, false)),
        ("nothing at all", Fine, sizes(0, 0, true)),
        ("2^50 bytes, queued", Error(8), queued(ONE, 1 << 50)),
        ("2^63 bytes, queued", Error(3), queued(ONE, 1 << 63)),
        ("a device", Error(3), odd(|request| request.device_num = i32::MIN)),
        ("a source that is none", Fine, odd(|request| request.source = ObjectSource(i32::MIN))),
        ("an address that is no text", Fine, odd(|request| request.owner_ip_address = b"\xff\0")),
        ("an id that is none", Fine, odd(|request| request.object_id = ObjectId::NIL)),
    ]
}

/// What is no message.
fn wrong_bytes() -> Vec<Misdeed> {
    let count = |count: i32| {
        let mut message = delete(&[ONE]);
        let places: Vec<_> =
            (24..message.len() - 3).filter(|at| message[*at..at + 4] == [1, 0, 0, 0]).collect();
        for at in places {
            message[at..at + 4].copy_from_slice(&count.to_le_bytes());
        }
        message
    };
    vec![
        ("a body too long", Closed, header(14, (8 << 20) + 1)),
        ("a body of negative length", Closed, header(14, -1)),
        ("a body of the least length", Closed, header(14, i64::MIN)),
        ("a body of the greatest length", Closed, header(14, i64::MAX)),
        ("no body", Closed, header(14, 0)),
        ("a reply", Closed, message(3, &made()[24..])),
        ("a type below zero", Closed, message(-1, &made()[24..])),
        ("the least type", Closed, message(i64::MIN, &[])),
        ("a bad cookie", Closed, vec![0xff; 24]),
        ("an empty body for each", Closed, (1..20).flat_map(|kind| message(kind, &[])).collect()),
        ("a root outside", Closed, spoilt(contains(ONE), 0, &[0xff; 4])),
        ("a root that is itself", Closed, message(14, &[0; 64])),
        ("all ones", Closed, message(14, &[0xff; 64])),
        ("all ones, to be created", Closed, message(1, &[0xff; 200])),
        ("more ids than there are", Closed, count(i32::MAX)),
        ("fewer ids than none", Closed, count(-1)),
        ("a question without words", Closed, message(1000, &connect()[24..])),
        ("a question that is no text", Closed, {
            let mut question = admin("????");
            let at = question.windows(4).position(|word| word == b"????").unwrap();
            question[at..at + 4].copy_from_slice(&[0xff, 0xfe, 0, 0x80]);
            question
        }),
        ("a question that is none", Fine, admin("\"}]{\\\u{0}")),
        ("a long question", Fine, admin(&"ls".repeat(100_000))),
        ("all capabilities but shared memory", Fine, {
            bytes(|encoder, out| encoder.connect_request(out, !capabilities::SHARED))
        }),
        ("to create where it may only read", Error(3), {
            let mut message =
                bytes(|encoder, out| encoder.connect_request(out, capabilities::READ_ONLY));
            message.extend([queued(ONE, 1), made()].concat());
            message
        }),
    ]
}

#[test]
fn nor_does_anything_of_the_kind() {
    let mut store = Watched::start(&[]);
    let all = [wrong_steps(), wrong_numbers(), wrong_bytes()].concat();
    for (name, expected, messages) in all {
        let mut offender = store.talker();
        offender.say(&messages);
        store.neighbour.works();
        assert_eq!(end_of(offender), expected, "{name}");
        store.is_as_before();
        // The same from somebody who does not wait for what comes of it.
        let mut offender = store.talker();
        offender.say(&messages);
        drop(offender);
        store.is_as_before();
    }
}

/// What one does and what becomes of it, and the same of the other.
type Pair = (&'static str, Vec<u8>, End, Vec<u8>, End);

/// One does something to what another is at.
#[test]
fn nor_do_two_together() {
    let mut store = Watched::start(&[]);
    let cases: [Pair; 9] = [
        ("seal of another's", made(), Fine, seal(ONE), Fine),
        ("abort of another's", made(), Fine, abort(ONE), Closed),
        ("release of another's", made(), Fine, release(ONE, true), Fine),
        ("create of another's", made(), Fine, made(), Error(1)),
        ("delete of another's", made(), Fine, [delete(&[ONE]), seal(ONE)].concat(), Error(4)),
        ("get of another's, who goes", made(), Fine, get(&[ONE], -1), Fine),
        ("get and seal of another's", made(), Fine, [get(&[ONE], -1), seal(ONE)].concat(), Fine),
        ("retry of another's", queued(ONE, 1), Fine, retry(ONE, 1), Error(6)),
        (
            "delete of what another gets",
            get(&[ONE], -1),
            Fine,
            { [done(), delete(&[ONE])].concat() },
            Error(5),
        ),
    ];
    for (name, first, first_end, second, second_end) in cases {
        let (mut one, mut other) = (store.talker(), store.talker());
        one.say(&first);
        let (stands, _) = one.stands();
        assert!(stands, "{name}");
        other.say(&second);
        assert_eq!(end_of(other), second_end, "{name}, the second");
        store.neighbour.works();
        assert_eq!(end_of(one), first_end, "{name}, the first");
        store.is_as_before();
    }
}

/// A client that sends no more still gets the answers to what it has sent.
#[test]
fn who_only_stops_sending_gets_its_answers() {
    let mut store = Watched::start(&[]);
    let mut client = store.talker();
    let many = 2000;
    let mut messages = done();
    messages.extend(get(&[TWO], -1));
    messages.extend(contains(ONE).repeat(many));
    client.say(&messages);
    client.0.stream().shutdown(std::net::Shutdown::Write).unwrap();
    let mut answers = 0;
    loop {
        match client.hear().kind() {
            -2 => break,
            15 => answers += 1,
            _ => {}
        }
    }
    assert_eq!(answers, many, "all but that of the get, which ends with the client");
    drop(client);
    store.is_as_before();
}

/// A client that reads no more is gone at the first answer.
#[test]
fn who_shuts_its_ear_is_gone() {
    let mut store = Watched::start(&[]);
    let mut client = store.talker();
    client.0.stream().shutdown(std::net::Shutdown::Read).unwrap();
    client.say(&[made(), seal(ONE), contains(ONE)].concat());
    store.until(|stat| stat["clients"] == 2);
    store.is_as_before();
}
