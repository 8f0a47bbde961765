//! A thousand clients, clients that never read, clients that send a byte at a time.

use std::io::{ErrorKind, Write};
use std::thread;

use real_peers::wire::kind;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use crate::harness::{
    abort, admin, connect, contains, create, creation, delete, get, id, queued, release, retry,
    seal, Came, Talker, Watched,
};

const MANY: u32 = 1000;

pub(crate) fn allow_many_descriptors() {
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }).unwrap();
}

/// What each of many does: an object of its own, one of its neighbour's, and what goes wrong now and then.
fn work(client: &mut Talker, number: u32) {
    let (own, next) = (id(number), id((number + 1) % MANY));
    assert_eq!(client.ask(&create(&creation(own, 1000))).error(), 0);
    client.say(&get(&[own, next], -1));
    assert_eq!(client.ask(&contains(own)).kind(), kind::CONTAINS_REPLY);
    // The get may be answered before the seal.
    client.say(&seal(own));
    let mut kinds: Vec<i64> = Vec::new();
    while !kinds.contains(&kind::SEAL_REPLY) {
        kinds.push(client.hear().kind());
    }
}

#[test]
fn a_thousand_at_once() {
    allow_many_descriptors();
    let mut store = Watched::start(&[]);
    let socket = store.socket().to_owned();
    let handles: Vec<_> = (0..4)
        .map(|part| {
            let socket = socket.clone();
            thread::spawn(move || {
                let numbers = || (0..MANY).filter(move |number| number % 4 == part);
                let mut clients: Vec<_> = numbers().map(|_| Talker::to(&socket)).collect();
                for (client, number) in clients.iter_mut().zip(numbers()) {
                    work(client, number);
                }
                clients
            })
        })
        .collect();
    let mut clients: Vec<_> =
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect();
    let stat = store.until(|stat| stat["pending_gets"] == 0);
    assert_eq!(stat["clients"], MANY + 2);
    assert_eq!((&stat["objects"], &stat["references"]), (&MANY.into(), &(2 * MANY).into()));
    store.neighbour.works();
    for (at, client) in clients.iter_mut().enumerate() {
        if at % 3 == 0 {
            client.say(&release(id(0), true));
        }
    }
    drop(clients);
    store.is_as_before();
}

/// Sends without reading until the store takes no more; returns how often.
fn until_blocked(store: &mut Watched, client: &Talker, message: &[u8]) -> usize {
    client.0.stream().set_nonblocking(true).unwrap();
    let (mut sent, mut partly, mut idle) = (0, 0, 0);
    while idle < 3 {
        match client.0.stream().write(&message[partly..]) {
            Ok(length) => {
                idle = 0;
                partly += length;
                if partly == message.len() {
                    (sent, partly) = (sent + 1, 0);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                idle += 1;
                store.neighbour.works();
            }
            Err(error) => panic!("{error}"),
        }
    }
    client.0.stream().set_nonblocking(false).unwrap();
    // The rest of the last message, while somebody reads.
    if partly > 0 {
        let (mut stream, rest) =
            (client.0.stream().try_clone().unwrap(), message[partly..].to_vec());
        thread::spawn(move || stream.write_all(&rest));
        sent += 1;
    }
    sent
}

#[test]
fn who_never_reads_costs_little_and_gets_everything_in_the_end() {
    let mut store = Watched::start(&[]);
    let before = store.resident();
    let debug = crate::harness::bytes(|encoder, out| encoder.get_debug_string_request(out));
    let mut clients = Vec::new();
    for message in [&debug, &get(&[id(1)], 0), &admin("clients"), &connect()] {
        for _ in 0..4 {
            let client = store.talker();
            let sent = until_blocked(&mut store, &client, message);
            clients.push((client, sent));
        }
    }
    let grown = store.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for {} clients that do not read", clients.len());
    // One goes, the others begin to read.
    let (gone, _) = clients.pop().unwrap();
    gone.0.stream().shutdown(std::net::Shutdown::Both).unwrap();
    for (client, sent) in &mut clients {
        for _ in 0..*sent {
            assert!(matches!(client.hear(), Came::Message(_)));
        }
        assert!(client.stands().0);
    }
    drop(clients);
    store.is_as_before();
}

/// Small questions with long answers, many in one piece.
#[test]
fn who_asks_for_much_and_never_reads_costs_little() {
    let mut store = Watched::start(&[]);
    let mut maker = store.talker();
    for number in 0..2000 {
        maker.say(&[create(&creation(id(number), 0)), seal(id(number))].concat());
        while maker.hear().kind() != kind::SEAL_REPLY {}
    }
    let before = store.resident();
    let client = store.talker();
    let list = admin("ls");
    // Dozens of times half a megabyte.
    until_blocked(&mut store, &client, &list.repeat(64));
    let grown = store.resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    client.0.stream().shutdown(std::net::Shutdown::Both).unwrap();
    drop((client, maker));
    store.is_as_before();
}

#[test]
fn a_byte_at_a_time() {
    let mut store = Watched::start(&[]);
    let slow: Vec<_> = (0..50).map(|_| store.talker()).collect();
    let mut message = Vec::new();
    for part in [create(&creation(id(1), 10)), seal(id(1)), get(&[id(1)], -1), abort(id(2))] {
        message.extend(part);
    }
    let whole = message.len() - abort(id(2)).len();
    for (at, byte) in message[..whole].iter().enumerate() {
        for client in &slow {
            client.0.stream().write_all(&[*byte]).unwrap();
        }
        if at % 50 == 0 {
            store.neighbour.works();
        }
    }
    for mut client in slow {
        let mut kinds = Vec::new();
        while !kinds.contains(&kind::GET_REPLY) {
            kinds.push(client.hear().kind());
        }
        let expected = [kind::CREATE_REPLY, kind::SEAL_REPLY, kind::GET_REPLY];
        let answers = kinds.into_iter().filter(|kind| *kind >= 0);
        assert_eq!(answers.collect::<Vec<_>>(), expected);
        client.say(&message[whole..message.len() - 1]);
    }
    store.is_as_before();
}

/// Many gets of one client for the same objects, which then goes: not quadratic, or the others would wait.
#[test]
fn who_waits_for_the_same_again_and_again_goes_at_once() {
    let mut store = Watched::start(&[]);
    let mut client = store.talker();
    let ids: Vec<_> = (0..100).map(id).collect();
    client.say(&get(&ids, -1).repeat(5000));
    client.say(&get(&ids[..1], 1).repeat(400));
    assert!(client.stands().0);
    store.until(|stat| stat["pending_gets"] == 5000);
    store.neighbour.works();
    drop(client);
    store.is_as_before();
}

/// Everybody asks for what one has, and answers nothing.
#[test]
fn many_wait_for_one() {
    let mut store = Watched::start(&[]);
    let mut waiting: Vec<_> = (0..200).map(|_| store.talker()).collect();
    for client in &mut waiting {
        client.say(&[get(&[id(1)], -1), get(&[id(1), id(2)], -1), retry(id(1), 7)].concat());
    }
    store.until(|stat| stat["pending_gets"] == 400);
    waiting.truncate(150);
    store.until(|stat| stat["pending_gets"] == 300);
    let mut maker = store.talker();
    maker.say(&[create(&creation(id(1), 10)), seal(id(1)), delete(&[id(1)])].concat());
    assert_eq!(maker.stands(), (true, 5));
    let stat = store.until(|stat| stat["pending_gets"] == 150);
    assert_eq!((&stat["references"], &stat["eager_deletions"]), (&151.into(), &1.into()));
    drop((waiting, maker));
    store.is_as_before();
}

/// Whatever else is asked in the same breath, a get that is over is answered at once.
#[test]
fn who_waits_hears_at_once() {
    let mut store = Watched::start(&["--grace-period", "3600"]);
    for (number, last) in
        [admin("stat"), queued(id(9), 12_000_000), abort(id(8))].iter().enumerate()
    {
        let own = id(u32::try_from(number).unwrap());
        let mut waiting = store.talker();
        waiting.say(&get(&[own], -1));
        assert!(waiting.stands().0);
        let mut maker = store.talker();
        maker.say(&[create(&creation(own, 10)), seal(own), last.clone()].concat());
        assert_eq!(waiting.hear().kind(), kind::GET_REPLY);
        drop((waiting, maker));
        store.until(|stat| stat["clients"] == 2);
        store.is_as_before();
    }
}
