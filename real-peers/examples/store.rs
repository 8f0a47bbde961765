//! Runs Ray's store until its input ends, and prints its socket:
//! `cargo run -p real-peers --example store [2.55.1|2.60.0] [BYTES]`

use std::io::{self, Read};

use real_peers::{RealStore, StoreOptions, Version};

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let version = args.next().map_or(Ok(Version::NEWEST), |number| number.parse())?;
    let mut options = StoreOptions::of(version);
    if let Some(bytes) = args.next() {
        options.memory = bytes.parse().map_err(io::Error::other)?;
    }
    let store = RealStore::start(&options)?;
    println!("{}", store.socket().display());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
