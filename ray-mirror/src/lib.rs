//! A raylet that was built with Ray's store, and serves its clients with this one.
//!
//! Ray's store is a part of the raylet: it calls the raylet when an object comes or goes and when space is needed, and the
//! raylet asks it how it stands. None of this can be reached from outside. So Ray's store stays where it is, as the
//! *shadow*, with a socket that nobody sees, and ours takes the clients. The [`Mirror`] keeps in the shadow a *twin* of
//! every object of ours: the same id, sizes and owner, the same state, as many references as matter, and no
//! contents. So all that the raylet is told and asks is true.
//!
//! * [`RayletArguments`]: what the raylet was told about its store, from its command line;
//! * [`start`]: our store, and the mirror behind it;
//! * [`Mirror`]: the hooks of our store that keep the twins.
//!
//! What each event of ours does to the twin is told in `mirror`; how a creation that does not fit makes the raylet
//! spill, in `pressure`.

mod arguments;
mod mirror;
mod peer;
mod pressure;
mod running;
mod twins;

pub use arguments::{ArgumentError, RayletArguments};
pub use mirror::Mirror;
pub use peer::{PeerError, Shadow};
pub use running::{start, Running, StartError};
