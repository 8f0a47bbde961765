//! What a store and a client of ours share beside the socket: memory, in which most of what a client asks needs no
//! system call. A client asks for it when it connects ([`super::protocol::capabilities::SHARED`]); clients of Ray never
//! do, and see no difference.
//!
//! * The **index**: a table of sealed objects, which the store writes and all clients read. It is a cache: what is not in
//!   it is asked for with a message.
//! * A **page** for each client, which it and the store write: its *pins*, which say what it uses; two *rings* with
//!   messages instead of the socket's; and figures.
//!
//! # How an object stays while it is used
//!
//! A client finds an object in the index, writes its place in memory among its pins, and looks at the index again. If the
//! entry is unchanged, the object is the client's until the pin goes. Before the store frees an object, it takes the
//! entry away and then looks at all pins. Between each write and the look after it both have a full fence, so one
//! of the two sees the other: the client finds that the entry has gone and asks with a message, or the store finds the pin.
//!
//! A pin that the store finds becomes a reference like that of any client of Ray's: it is *adopted*. The client that lets
//! the object go sees by the missing entry that this can have happened, and tells the store so with a message. A reference
//! that does not exist is released without harm. So all that is unusual happens as without shared memory.
//!
//! # Space that is set aside
//!
//! A client that creates objects of one size again and again finds the space for the next in its page. It takes that by writing so
//! into the page, asks for the creation there, and fills the space while the store answers. The store sets the object into the space that
//! its client has taken, and says so; whatever else it answers, the client gives the space back and begins again as without it. Before
//! space is short, or anybody sees figures, the store takes back what is offered and not taken.
//!
//! # What a client can do
//!
//! It can write anything to its own page. The store takes numbers from there that it has checked and messages that it
//! has copied, and treats a message as if it had come by the socket. A pin that says nothing true keeps an object or
//! does not, as a reference would have. The index and the pages of others it cannot write.

mod index;
mod layout;
mod offer;
mod page;
mod ring;
#[cfg(test)]
mod tests;
mod turns;

/// A step after which, in tests, others come in between.
#[inline]
fn step() {
    #[cfg(test)]
    std::thread::yield_now();
}

pub(super) use index::Index;
pub(super) use offer::{Offer, SIZES as OFFERED_SIZES};
pub(super) use page::{ClientPage, Pin, Replies, Requests, StorePage, Unseen};
pub(super) use ring::RingError;
pub(super) use turns::Turns;
