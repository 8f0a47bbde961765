//! What one client may take, and a process that has no more descriptors.

use std::process::Command;

use real_peers::wire::{kind, Layout};

use crate::harness::{
    contains, create, creation, get, id, queued, release, retry, seal, Came, Talker, Watched,
};

fn waits(came: &Came) -> bool {
    let Came::Message(message) = came else { panic!("{came:?}") };
    let layout = Layout(&message.body);
    layout.field(1).is_some_and(|at| layout.u64_at(at).unwrap() != 0)
}

#[test]
fn unsealed_bytes() {
    let mut store = Watched::start(&["--max-unsealed", "1MB"]);
    let mut client = store.talker();
    assert_eq!(client.ask(&create(&creation(id(1), 600_000))).error(), 0);
    assert_eq!(client.ask(&create(&creation(id(2), 600_000))).error(), 3);
    assert_eq!(client.ask(&queued(id(2), 600_000)).error(), 3);
    assert_eq!(client.ask(&queued(id(2), 400_001)).error(), 3);
    assert_eq!(client.ask(&queued(id(2), 400_000)).error(), 0);
    let mut other = store.talker();
    assert_eq!(other.ask(&create(&creation(id(3), 1_000_000))).error(), 0);
    // Another's seal counts for who created it.
    assert_eq!(other.ask(&seal(id(1))).error(), 0);
    assert_eq!(client.ask(&create(&creation(id(4), 600_000))).error(), 0);
    assert_eq!(client.stands(), (true, 0));
    drop((client, other));
    store.is_as_before();
}

/// Creates that wait count too: they could all succeed.
#[test]
fn unsealed_bytes_of_creates_that_wait() {
    let mut store = Watched::start(&["--max-unsealed", "20MB", "--grace-period", "3600"]);
    let mut client = store.talker();
    assert!(waits(&client.ask(&queued(id(1), 12_000_000))));
    let second = client.ask(&queued(id(2), 12_000_000));
    assert!(!waits(&second));
    assert_eq!(second.error(), 3);
    assert!(waits(&client.ask(&queued(id(3), 8_000_000))));
    assert_eq!(client.ask(&create(&creation(id(4), 1))).error(), 3);
    drop(client);
    store.is_as_before();
    // Once over, they count no longer.
    let mut store = Watched::start(&["--max-unsealed", "20MB", "--disk-threshold", "0"]);
    let mut client = store.talker();
    for round in 0..3 {
        let reply = client.ask(&queued(id(round), 12_000_000));
        assert_eq!(reply.error(), 8, "{round}");
        store.until(|stat| stat["pending_creates"] == 0);
    }
    drop(client);
    store.is_as_before();
}

#[test]
fn requests_that_wait() {
    let mut store = Watched::start(&["--max-requests", "4", "--grace-period", "3600"]);
    let mut client = store.talker();
    for _ in 0..3 {
        client.say(&get(&[id(1)], -1));
    }
    assert!(waits(&client.ask(&queued(id(2), 12_000_000))));
    assert_eq!(client.stands(), (true, 0));
    // What does not wait is no matter.
    client.ask(&get(&[id(1)], 0));
    client.say(&get(&[id(1)], -1));
    assert!(!client.stands().0);
    store.is_as_before();
    let mut client = store.talker();
    for _ in 0..4 {
        assert!(waits(&client.ask(&queued(id(2), 12_000_000))));
    }
    client.say(&queued(id(2), 12_000_000));
    assert!(!client.stands().0);
    store.is_as_before();
}

fn fallback(client: &mut Talker, number: u32) -> i32 {
    client.ask(&create(&creation(id(number), 12_000_000))).error()
}

#[test]
fn descriptors() {
    let mut store = Watched::start(&["--max-descriptors", "2"]);
    let mut client = store.talker();
    assert_eq!([1, 2, 3].map(|number| fallback(&mut client, number)), [0, 0, 3]);
    client.ask(&seal(id(1)));
    client.ask(&release(id(1), true));
    assert_eq!(fallback(&mut client, 3), 0);
    // A get of others' objects counts as well.
    let mut reader = store.talker();
    for number in [2, 3] {
        client.ask(&seal(id(number)));
        reader.ask(&get(&[id(number)], 0));
    }
    assert_eq!(reader.stands(), (true, 0));
    reader.say(&get(&[id(2), id(3)], 0));
    assert_eq!(reader.stands(), (true, 0), "these it has");
    reader.say(&get(&[id(1)], 0));
    assert!(!reader.stands().0);
    drop(client);
    store.is_as_before();
}

#[test]
fn bytes_of_a_message() {
    let mut store = Watched::start(&["--max-message", "4KiB"]);
    let mut client = store.talker();
    let ids: Vec<_> = (0..100).map(id).collect();
    assert_eq!(client.ask(&get(&ids, 0)).kind(), kind::GET_REPLY);
    let ids: Vec<_> = (0..200).map(id).collect();
    client.say(&get(&ids, 0));
    assert!(!client.stands().0);
    store.is_as_before();
}

/// Many ids that are one, by offsets to the same place: a small request with a long answer.
#[test]
fn ids_of_gets_that_wait() {
    let mut store = Watched::start(&[]);
    let before = store.resident();
    let mut client = store.talker();
    let ids: Vec<_> = (0..100_000).map(id).collect();
    let message = get(&ids, -1);
    for _ in 0..100 {
        client.say(&message);
    }
    assert!(!client.stands().0, "ten million ids are too many to remember");
    store.is_as_before();
    let grown = store.resident().saturating_sub(before);
    assert!(grown < 512 << 20, "{grown} bytes");
}

#[test]
fn connections() {
    let mut store = Watched::start(&["--max-connections", "10"]);
    let mut clients: Vec<_> = (0..8).map(|_| store.talker()).collect();
    assert!(clients.iter_mut().all(|client| client.stands().0));
    let mut turned_away: Vec<_> = (0..5).map(|_| store.talker()).collect();
    assert!(!turned_away.iter_mut().any(|client| client.stands().0));
    store.neighbour.works();
    assert!(clients.iter_mut().all(|client| client.stands().0));
    clients.pop();
    store.until(|stat| stat["clients"] == 9);
    assert!(store.talker().stands().0);
    drop(clients);
    store.is_as_before();
}

/// A command under a limit of descriptors.
fn with_descriptors(number: u32) -> impl FnOnce(Command) -> Command {
    move |command| {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {number} && exec \"$0\" \"$@\"")]);
        limited.arg(command.get_program()).args(command.get_args());
        limited.stdin(std::process::Stdio::null());
        limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        limited
    }
}

#[test]
fn no_descriptors_left() {
    let mut store = Watched::spawn(with_descriptors(40), &[]);
    for _ in 0..3 {
        // Connections first: those that are not turned away work.
        let mut clients: Vec<_> = (0..60).map(|_| store.talker()).collect();
        let standing = clients.iter_mut().filter_map(|client| client.stands().0.then_some(()));
        let standing = standing.count();
        assert!((5..40).contains(&standing), "{standing}");
        store.neighbour.works();
        drop(clients);
        store.is_as_before();
        // Then files: a create that has none is told so, and is not remembered.
        let mut client = store.talker();
        let errors: Vec<i32> = (0..60).map(|number| fallback(&mut client, number)).collect();
        assert!(errors.contains(&0) && errors.contains(&3), "{errors:?}");
        store.neighbour.works();
        // And both: nobody gets in, but who is in goes on.
        let mut more: Vec<_> = (0..10).map(|_| store.talker()).collect();
        store.neighbour.works();
        assert_eq!(client.ask(&contains(id(1))).kind(), kind::CONTAINS_REPLY);
        assert!(more.iter_mut().filter_map(|one| one.stands().0.then_some(())).count() < 10);
        drop((client, more));
        store.is_as_before();
    }
    let mut client = store.talker();
    assert_eq!(client.ask(&retry(id(1), 1)).error(), 6);
    drop(client);
    store.is_as_before();
}
