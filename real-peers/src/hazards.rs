//! What one client can do to Ray's store, and with it to a whole node: each of these ends the raylet, and must not end
//! another store.

use std::io::{self, Write};
use std::path::Path;

use ray_common::ObjectId;

use crate::wire::{kind, Create, Event, Message, RawClient, COOKIE};

/// A misdeed.
#[derive(Clone, Copy, Debug)]
pub struct Hazard {
    /// What it is.
    pub name: &'static str,
    messages: fn() -> Vec<Message>,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    AbortByAnother,
    AbsurdLength,
    Close,
}

impl Hazard {
    /// Does it to a store, through connections that it opens. The one that did it is returned if it is still open.
    ///
    /// # Errors
    /// When the store is gone before all of it is done.
    pub fn inflict(&self, socket: &Path) -> io::Result<Option<RawClient>> {
        let mut client = RawClient::connect(socket)?;
        for message in (self.messages)() {
            client.send(&message)?;
        }
        match self.then {
            Then::Nothing => {}
            Then::AbortByAnother => {
                while !matches!(client.next_event()?, Event::Fd(..) | Event::Closed) {}
                let mut other = RawClient::connect(socket)?;
                other.send(&abort())?;
                return Ok(Some(other));
            }
            Then::AbsurdLength => {
                let header = [COOKIE, kind::CONTAINS, 1 << 50].map(i64::to_le_bytes);
                client.stream().write_all(&header.concat())?;
            }
            Then::Close => return Ok(None),
        }
        Ok(Some(client))
    }
}

const ID: ObjectId = ObjectId::from_bytes([7; ObjectId::LENGTH]);

fn create() -> Message {
    Create::queued(&ID, 100, 0).message()
}

fn seal() -> Message {
    Message::about(kind::SEAL, &ID)
}

fn abort() -> Message {
    Message::about(kind::ABORT, &ID)
}

fn short_id() -> Message {
    let mut contains = Message::about(kind::CONTAINS, &ID);
    let length = contains.body.iter().position(|byte| *byte == 28).expect("its length");
    contains.body[length] = 20;
    contains
}

const fn hazard(name: &'static str, messages: fn() -> Vec<Message>) -> Hazard {
    Hazard { name, messages, then: Then::Nothing }
}

/// All of them, for a store of at most 150 MB.
pub const ALL: [Hazard; 13] = [
    hazard("seal of a missing object", || vec![seal()]),
    hazard("second seal", || vec![create(), seal(), seal()]),
    hazard("abort of a missing object", || vec![abort()]),
    hazard("abort of a sealed object", || vec![create(), seal(), abort()]),
    Hazard { then: Then::AbortByAnother, ..hazard("abort by another client", || vec![create()]) },
    hazard("release of an unsealed object", || vec![create(), Message::release(&ID, false)]),
    hazard("release of a fallback object without may_unmap", || {
        vec![Create::immediate(&ID, 200_000_000, 0).message(), seal(), Message::release(&ID, false)]
    }),
    hazard("an id of the wrong length", || vec![short_id()]),
    hazard("a missing field", || vec![Message::empty(kind::CONTAINS)]),
    hazard("an unknown type", || vec![Message::empty(77)]),
    Hazard { then: Then::AbsurdLength, ..hazard("an absurd length", Vec::new) },
    Hazard {
        then: Then::Close,
        ..hazard("two pending gets of a client that goes", || {
            vec![Message::get(&[ID], -1), Message::get(&[ID], -1)]
        })
    },
    hazard("an immediate create of 2^50 bytes", || {
        vec![Create::immediate(&ID, 1 << 50, 0).message()]
    }),
];
