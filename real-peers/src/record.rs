//! What a store answers, byte by byte.
//!
//! A [`Sequence`] is a fixed conversation of up to three clients with a store that was set up for it. [`Sequence::record`]
//! holds it and returns a [`Recording`]: every request, every reply and every descriptor, in order. As text it is a
//! line each, and `fixtures/replies.txt` has what Ray's store said.
//!
//! Two stores that agree have equal [`Recording::normalised`] recordings. Set aside there is only
//! * the number of the store's descriptor: replaced by the unique id that goes with it;
//! * the size of a mapping: replaced by 4096;
//! * where in the file an object lies: its offsets count from its header.

use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use ray_common::ObjectId;

use crate::wire::{kind, Create, Event, Layout, Message, RawClient};
use crate::{StoreOptions, Version};

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// What is being done, for a reader.
    Step(String),
    /// A client sent a message.
    Request(char, Message),
    /// A client received a message.
    Reply(char, Message),
    /// A client received a descriptor with this byte.
    Fd(char, u8),
    /// The store closed a client's connection.
    Closed(char),
}

/// A conversation, as it went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// In order; what the store said to different clients after one request may have come in another order.
    pub lines: Vec<Line>,
}

/// A conversation to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// All of the protocol, on a store of 10 MB that waits for space for a minute.
    Main,
    /// Creates that end in a file of their own, on a store of 10 MB that does not wait for space.
    NoGrace,
    /// Creates that fail, on a store of 10 MB that does not wait for space and takes its disk for full.
    FullDisk,
}

impl Sequence {
    /// Every sequence.
    pub const ALL: [Sequence; 3] = [Sequence::Main, Sequence::NoGrace, Sequence::FullDisk];

    /// The store it is for.
    #[must_use]
    pub fn options(self, version: Version) -> StoreOptions {
        let options = StoreOptions { memory: 10_000_000, ..StoreOptions::of(version) };
        match self {
            Sequence::Main => options.setting("oom_grace_period_s", 60),
            Sequence::NoGrace => options.setting("oom_grace_period_s", 0),
            Sequence::FullDisk => {
                options.setting("oom_grace_period_s", 0).setting("local_fs_capacity_threshold", 0)
            }
        }
    }

    /// Holds the conversation with a new store.
    ///
    /// # Errors
    /// When the store closes a connection, does not answer, or sends what is no message.
    pub fn record(self, socket: &Path) -> io::Result<Recording> {
        let mut talk = Talk {
            clients: [RawClient::connect(socket)?, RawClient::connect(socket)?],
            recording: Recording::default(),
        };
        match self {
            Sequence::Main => main_sequence(&mut talk)?,
            Sequence::NoGrace => no_grace(&mut talk)?,
            Sequence::FullDisk => full_disk(&mut talk)?,
        }
        Ok(talk.recording)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sequence::Main => "main",
            Sequence::NoGrace => "no-grace",
            Sequence::FullDisk => "full-disk",
        })
    }
}

/// The id that is a byte again and again.
fn id(byte: u8) -> ObjectId {
    ObjectId::from_bytes([byte; ObjectId::LENGTH])
}

fn seal(byte: u8) -> Message {
    Message::about(kind::SEAL, &id(byte))
}

fn contains(byte: u8) -> Message {
    Message::about(kind::CONTAINS, &id(byte))
}

fn get(bytes: &[u8], timeout_ms: i64) -> Message {
    Message::get(&bytes.iter().copied().map(id).collect::<Vec<_>>(), timeout_ms)
}

fn delete(bytes: &[u8]) -> Message {
    Message::delete(&bytes.iter().copied().map(id).collect::<Vec<_>>())
}

fn release(byte: u8, may_unmap: bool) -> Message {
    Message::release(&id(byte), may_unmap)
}

#[rustfmt::skip] // A step a line.
fn main_sequence(talk: &mut Talk) -> io::Result<()> {
    use Create as C;
    let queued = |byte, data, metadata| C::queued(&id(byte), data, metadata).message();
    let immediate = |byte, data, metadata| C::immediate(&id(byte), data, metadata).message();

    talk.ask('a', "connect", &Message::empty(kind::CONNECT))?;
    talk.ask('a', "connect again", &Message::empty(kind::CONNECT))?;

    talk.ask('a', "create immediately: the first reply brings the descriptor", &immediate(1, 100, 0))?;
    talk.ask('a', "create immediately with metadata", &immediate(2, 100, 10))?;
    talk.ask('a', "create queued", &queued(3, 1000, 0))?;
    talk.ask('a', "create a mutable one", &C { mutable: true, ..C::queued(&id(4), 64, 8) }.message())?;
    talk.ask('a', "create an empty one", &immediate(5, 0, 0))?;
    talk.ask('a', "create one with metadata only", &immediate(6, 0, 5))?;
    let owner = (&[0xaa; 28][..], "127.0.0.1", 1234, &[0xbb; 28][..]);
    talk.ask('a', "create with an owner, as restored", &C { source: 1, owner, ..C::immediate(&id(7), 8, 8) }.message())?;
    talk.ask('a', "create what exists, immediately", &immediate(1, 100, 0))?;
    talk.ask('a', "create what exists, queued", &queued(1, 100, 0))?;
    talk.ask('a', "create on a device, immediately", &C { device_num: 1, ..C::immediate(&id(8), 8, 0) }.message())?;

    talk.ask('b', "get what is not sealed, without connecting", &get(&[1], 0))?;
    talk.ask('b', "get nothing", &get(&[], 0))?;
    talk.ask('b', "get nothing, for ever", &get(&[], -1))?;
    talk.ask('a', "seal", &seal(1))?;
    talk.ask('b', "get: the first reply brings the descriptor", &get(&[1], 0))?;
    talk.ask('b', "get again: it is there already", &get(&[1], -1))?;
    talk.ask('b', "get several, two of them the same, two of them absent", &get(&[1, 8, 2, 1], 0))?;
    talk.ask('b', "get the same absent one twice", &get(&[8, 8], 0))?;
    for byte in [2, 4, 5, 6] {
        talk.ask('a', "seal", &seal(byte))?;
    }
    talk.ask('b', "get with metadata, mutable, empty, metadata only", &get(&[2, 4, 5, 6], -1))?;
    talk.say('b', "get what is absent, with a timeout", &get(&[8, 9], 20))?;
    talk.expect('b', 1)?;
    talk.ask('b', "get what is not sealed, for ever", &get(&[1, 3], -1))?;
    talk.ask('b', "meanwhile, contains", &contains(3))?;
    talk.ask('a', "get what is not sealed, by its creator", &get(&[3], 60_000))?;
    talk.ask('a', "seal what two wait for: the get is answered before the seal", &seal(3))?;
    talk.step("the other get");
    talk.expect('b', 1)?;

    talk.ask('b', "contains: sealed", &contains(1))?;
    talk.ask('b', "contains: not sealed", &contains(7))?;
    talk.ask('b', "contains: absent", &contains(8))?;
    talk.ask('b', "seal by another client", &seal(7))?;
    talk.ask('b', "get what another created and one sealed", &get(&[7], 0))?;

    talk.ask('a', "create", &immediate(0x13, 8, 0))?;
    talk.ask('b', "seal by another client", &seal(0x13))?;
    talk.ask('a', "release by the creator", &release(0x13, true))?;
    talk.ask('b', "delete: the sealer has no reference", &delete(&[0x13]))?;
    talk.ask('a', "create", &immediate(0x14, 8, 0))?;
    talk.ask('a', "seal", &seal(0x14))?;
    talk.ask('b', "get with another that is absent", &get(&[8, 0x14], 0))?;
    talk.ask('a', "release by the creator", &release(0x14, true))?;
    talk.ask('b', "delete: that get holds what was there", &delete(&[0x14]))?;
    talk.ask('b', "release: it goes", &release(0x14, true))?;

    talk.ask('b', "release without a reply", &release(2, false))?;
    talk.ask('b', "release again", &release(2, true))?;
    talk.ask('b', "release with a reply", &release(3, true))?;
    talk.ask('b', "release what is absent", &release(8, true))?;

    talk.ask('a', "create", &immediate(0x10, 50, 0))?;
    talk.ask('b', "delete: absent", &delete(&[8]))?;
    talk.ask('b', "delete: not sealed", &delete(&[0x10]))?;
    talk.ask('b', "delete: in use", &delete(&[1]))?;
    talk.ask('a', "release", &release(6, false))?;
    talk.ask('b', "release", &release(6, false))?;
    talk.ask('b', "delete: done", &delete(&[6]))?;
    talk.ask('b', "delete: not sealed, in use, absent, in use", &delete(&[0x10, 1, 6, 1]))?;
    talk.ask('a', "release", &release(5, true))?;
    talk.ask('b', "release", &release(5, true))?;
    talk.ask('b', "delete the same twice", &delete(&[5, 5]))?;
    talk.ask('b', "delete nothing", &delete(&[]))?;
    talk.ask('a', "contains: to be deleted", &contains(1))?;
    talk.ask('a', "get: to be deleted", &get(&[1], 0))?;
    talk.ask('a', "release", &release(1, true))?;
    talk.ask('b', "release by the last: it goes", &release(1, true))?;
    talk.ask('b', "contains: deleted late", &contains(1))?;
    talk.ask('a', "seal: to be deleted", &seal(0x10))?;
    talk.ask('a', "release: it goes", &release(0x10, true))?;
    talk.ask('b', "contains: deleted late", &contains(0x10))?;

    talk.ask('a', "create", &immediate(0x11, 40, 4))?;
    talk.ask('a', "abort", &Message::about(kind::ABORT, &id(0x11)))?;
    talk.ask('a', "contains: aborted", &contains(0x11))?;
    talk.ask('a', "create what was aborted", &queued(0x11, 80, 0))?;
    talk.ask('a', "retry a request that was answered", &Message::create_retry(&id(0x11), 1))?;
    talk.ask('b', "retry an unknown request", &Message::create_retry(&id(0x12), 999))?;
    talk.ask('a', "debug string", &Message::empty(kind::DEBUG_STRING))?;

    talk.ask('a', "create what fits into no memory, immediately: a file of its own", &immediate(0x20, 12_000_000, 20))?;
    talk.ask('a', "seal", &seal(0x20))?;
    talk.ask('b', "get of both files", &get(&[2, 0x20, 3], 0))?;
    talk.ask('b', "release the only one in a file: unmap", &release(0x20, true))?;
    talk.ask('b', "get after that brings the descriptor again", &get(&[0x20], 0))?;
    talk.ask('b', "release", &release(0x20, true))?;
    talk.ask('a', "release", &release(0x20, true))?;
    talk.ask('a', "delete", &delete(&[0x20]))?;

    talk.ask('a', "create to fill", &queued(0x30, 6_000_000, 0))?;
    talk.ask('a', "seal", &seal(0x30))?;
    talk.ask('b', "create queued: has to wait", &queued(0x31, 6_000_000, 0))?;
    talk.ask('b', "retry: still waits", &Message::create_retry(&id(0x31), 6))?;
    talk.ask('a', "create queued behind it: waits although it is small", &queued(0x32, 10, 0))?;
    talk.ask('a', "retry by another client: still waits", &Message::create_retry(&id(0x31), 6))?;
    talk.ask('a', "create immediately: does not wait", &immediate(0x33, 10, 0))?;
    talk.ask('a', "release", &release(0x30, true))?;
    thread::sleep(Duration::from_millis(500)); // It tries every 10 ms.
    talk.ask('b', "retry: there was something to evict", &Message::create_retry(&id(0x31), 6))?;
    talk.ask('b', "retry again: taken", &Message::create_retry(&id(0x31), 6))?;
    talk.ask('b', "retry the one behind it by another client, as another object", &Message::create_retry(&id(0x34), 7))?;
    talk.ask('a', "retry the one behind it by its creator: taken", &Message::create_retry(&id(0x32), 7))?;
    talk.ask('a', "seal by its creator", &seal(0x32))?;
    talk.ask('a', "contains: evicted", &contains(0x30))?;
    talk.ask('a', "debug string", &Message::empty(kind::DEBUG_STRING))?;
    talk.say('a', "disconnect: the store closes", &Message::empty(kind::DISCONNECT))?;
    talk.expect('a', 1)?;
    talk.ask('b', "contains: what the other had not sealed", &contains(0x33))?;
    talk.ask('b', "contains: what the other had sealed", &contains(2))
}

fn no_grace(talk: &mut Talk) -> io::Result<()> {
    let big = Create::queued(&id(1), 12_000_000, 0);
    talk.ask('a', "create queued: a file of its own", &big.message())?;
    talk.ask('a', "create what exists", &big.message())?;
    talk.ask('b', "create queued: the main file", &Create::queued(&id(2), 8, 0).message())?;
    talk.ask('a', "seal", &seal(1))?;
    talk.ask('b', "get", &get(&[1], 0))?;
    talk.ask(
        'b',
        "create a mutable one: a file of its own",
        &Create { mutable: true, ..Create::queued(&id(3), 12_000_000, 7) }.message(),
    )?;
    talk.ask(
        'b',
        "create queued on a device",
        &Create { device_num: 1, ..Create::queued(&id(4), 8, 0) }.message(),
    )
}

fn full_disk(talk: &mut Talk) -> io::Result<()> {
    talk.ask('a', "create queued", &Create::queued(&id(1), 12_000_000, 0).message())?;
    talk.ask('a', "contains", &contains(1))?;
    thread::sleep(Duration::from_millis(500)); // It tries nothing for 10 ms after a failure.
    talk.ask('a', "create one that fits", &Create::queued(&id(2), 8, 0).message())
}

struct Talk {
    clients: [RawClient; 2],
    recording: Recording,
}

impl Talk {
    fn client(&mut self, name: char) -> &mut RawClient {
        &mut self.clients[usize::from(name == 'b')]
    }

    fn step(&mut self, step: &str) {
        self.recording.lines.push(Line::Step(step.into()));
    }

    fn say(&mut self, client: char, step: &str, request: &Message) -> io::Result<()> {
        self.step(step);
        self.recording.lines.push(Line::Request(client, request.clone()));
        self.client(client).send(request)
    }

    /// Sends a request and takes what comes, which may be nothing: what comes after is known to be over when a
    /// question about an id that is never used has been answered.
    fn ask(&mut self, client: char, step: &str, request: &Message) -> io::Result<()> {
        self.say(client, step, request)?;
        self.drain(client)
    }

    fn drain(&mut self, client: char) -> io::Result<()> {
        self.client(client).send(&contains(0xee))?;
        loop {
            match self.client(client).next_event()? {
                Event::Message(message)
                    if message.kind == kind::CONTAINS_REPLY
                        && message.body.windows(28).any(|bytes| bytes == [0xee; 28]) =>
                {
                    return Ok(());
                }
                Event::Closed => {
                    let step = self
                        .recording
                        .lines
                        .iter()
                        .rev()
                        .find(|line| matches!(line, Line::Step(_)));
                    return Err(io::Error::other(format!(
                        "the store closed a connection at {step:?}"
                    )));
                }
                event => self.note(client, event),
            }
        }
    }

    /// Waits for messages (or an end) that come by themselves.
    fn expect(&mut self, client: char, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let event = self.client(client).next_event()?;
            let closed = matches!(event, Event::Closed);
            self.note(client, event);
            if closed {
                return Ok(());
            }
        }
        self.drain(client)
    }

    fn note(&mut self, client: char, event: Event) {
        self.recording.lines.push(match event {
            Event::Message(message) => Line::Reply(client, message),
            Event::Fd(byte, _) => Line::Fd(client, byte),
            Event::Closed => Line::Closed(client),
        });
    }
}

impl Recording {
    /// The same with everything replaced that may differ between two stores that agree.
    #[must_use]
    pub fn normalised(&self) -> Recording {
        let lines = self.lines.iter().cloned().map(|line| match line {
            Line::Reply(client, message) => Line::Reply(client, normalised(message)),
            line => line,
        });
        Recording { lines: lines.collect() }
    }

    /// The replies of one kind.
    pub fn replies(&self, kind: i64) -> impl Iterator<Item = &Message> {
        self.lines.iter().filter_map(move |line| match line {
            Line::Reply(_, message) if message.kind == kind => Some(message),
            _ => None,
        })
    }
}

/// A message that cannot be understood stays as it is.
fn normalised(mut message: Message) -> Message {
    let layout = Layout(&message.body);
    let mut patches = Vec::new();
    match message.kind {
        kind::CREATE_REPLY => {
            patches.extend(
                layout.field(2).and_then(|at| object_patches(layout, at)).unwrap_or_default(),
            );
            if let (Some(at), Some(unique)) = (layout.field(4), layout.field(5)) {
                patches.push((at, 4, layout.u64_at(unique).unwrap_or(0)));
            }
            patches.extend(layout.field(6).map(|at| (at, 8, 4096)));
        }
        kind::GET_REPLY => {
            for at in layout.elements(1, 80) {
                patches.extend(object_patches(layout, at).unwrap_or_default());
            }
            for (at, unique) in layout.elements(2, 4).into_iter().zip(layout.elements(3, 8)) {
                patches.push((at, 4, layout.u64_at(unique).unwrap_or(0)));
            }
            patches.extend(layout.elements(4, 8).into_iter().map(|at| (at, 8, 4096)));
        }
        _ => {}
    }
    for (at, size, value) in patches {
        if let Some(place) = message.body.get_mut(at..at + size) {
            place.copy_from_slice(&value.to_le_bytes()[..size]);
        }
    }
    message
}

type Patch = (usize, usize, u64);

/// For an object's description, which starts at a position.
fn object_patches(layout: Layout<'_>, at: usize) -> Option<Vec<Patch>> {
    let header = layout.u64_at(at + 16)?;
    let mut patches = vec![(at, 4, layout.u64_at(at + 8)?)];
    for offset in [16, 24, 40] {
        patches.push((at + offset, 8, layout.u64_at(at + offset)?.wrapping_sub(header)));
    }
    Some(patches)
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Step(text) => write!(f, "= {text}"),
            Line::Request(client, Message { kind, body }) => {
                write!(f, "{client} > {kind} {}", hex(body))
            }
            Line::Reply(client, Message { kind, body }) => {
                write!(f, "{client} < {kind} {}", hex(body))
            }
            Line::Fd(client, byte) => write!(f, "{client} < fd {byte:02x}"),
            Line::Closed(client) => write!(f, "{client} < end"),
        }
    }
}

impl FromStr for Recording {
    type Err = String;

    fn from_str(text: &str) -> Result<Recording, String> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.map(|line| parse(line).ok_or_else(|| format!("not a line: {line}")));
        Ok(Recording { lines: lines.collect::<Result<_, _>>()? })
    }
}

fn parse(line: &str) -> Option<Line> {
    if let Some(step) = line.strip_prefix("= ") {
        return Some(Line::Step(step.into()));
    }
    let mut words = line.splitn(4, ' ');
    let (client, direction) = (words.next()?.parse().ok()?, words.next()?);
    let (kind, rest) = (words.next()?, words.next().unwrap_or_default());
    let body = unhex(rest)?;
    match (direction, kind) {
        ("<", "end") => Some(Line::Closed(client)),
        ("<", "fd") => Some(Line::Fd(client, *body.first()?)),
        ("<", kind) => Some(Line::Reply(client, Message { kind: kind.parse().ok()?, body })),
        (">", kind) => Some(Line::Request(client, Message { kind: kind.parse().ok()?, body })),
        _ => None,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &str = include_str!("../fixtures/replies.txt");

    #[test]
    fn a_recording_is_its_text() {
        let recording: Recording = FIXTURE.parse().unwrap();
        assert!(recording.lines.contains(&Line::Fd('b', 0x14)));
        assert!(recording.lines.contains(&Line::Closed('a')));
        assert_eq!(recording.to_string().parse::<Recording>().unwrap(), recording);
        let lines = FIXTURE.lines().filter(|line| !line.starts_with('#'));
        assert!(lines.eq(recording.to_string().lines()));
        for wrong in ["a < 3 0", "a < 3 zz", "a ? 3 00", "ab < 3 00", "a < x 00", "a < fd", "a"] {
            assert!(wrong.parse::<Recording>().is_err(), "{wrong}");
        }
    }

    /// Each reply with a word changed somewhere: only the words that are set aside may go unnoticed.
    #[test]
    fn little_is_set_aside() {
        let recording: Recording = FIXTURE.parse().unwrap();
        let unnoticed = |kind| {
            let replies: Vec<_> = recording.replies(kind).collect();
            assert!(!replies.is_empty());
            let changed = |message: &&Message, at: usize| {
                let mut changed = Message::clone(message);
                changed.body[at] ^= 0x80;
                normalised(changed) != normalised(Message::clone(message))
            };
            let words = |message| {
                (0..Message::clone(message).body.len())
                    .step_by(4)
                    .filter(|at| !changed(&message, *at))
                    .count()
            };
            replies.into_iter().map(words).max().unwrap()
        };
        assert_eq!(unnoticed(kind::CREATE_REPLY), 1 + 1 + 2, "both descriptors, size");
        for kind in [
            kind::ABORT_REPLY,
            kind::SEAL_REPLY,
            kind::RELEASE_REPLY,
            kind::DELETE_REPLY,
            kind::CONTAINS_REPLY,
            kind::CONNECT_REPLY,
            kind::DEBUG_STRING_REPLY,
        ] {
            assert_eq!(unnoticed(kind), 0, "{kind}");
        }
    }

    #[test]
    fn offsets_and_descriptors_are_set_aside() {
        let recording: Recording = FIXTURE.parse().unwrap();
        let mut reply = recording.replies(kind::CREATE_REPLY).next().unwrap().clone();
        let layout = Layout(&reply.body);
        let (object, fd) = (layout.field(2).unwrap(), layout.field(4).unwrap());
        let before = normalised(reply.clone());
        for at in [object, fd] {
            reply.body[at..at + 4].copy_from_slice(&77_i32.to_le_bytes());
        }
        for at in [object + 16, object + 24, object + 40] {
            let moved = Layout(&reply.body).u64_at(at).unwrap() + 0x1000;
            reply.body[at..at + 8].copy_from_slice(&moved.to_le_bytes());
        }
        assert_eq!(normalised(reply.clone()), before);
        reply.body[object + 40] += 1;
        assert_ne!(normalised(reply), before, "metadata that does not follow the data");
    }
}
