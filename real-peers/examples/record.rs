//! Prints what a version of Ray's store answers (to be kept as `fixtures/replies.txt`):
//! `cargo run -p real-peers --example record [2.55.1|2.60.0]`

use real_peers::record::Sequence;
use real_peers::{RealStore, Version};

fn main() -> std::io::Result<()> {
    let number = std::env::args().nth(1);
    let version = number.map_or(Ok(Version::NEWEST), |number| number.parse())?;
    println!("# What Ray's store {version} answers; made by real-peers/examples/record.rs.");
    println!("# A line each: CLIENT > TYPE BODY for a request, CLIENT < TYPE BODY for a reply, CLIENT < fd BYTE for");
    println!("# a descriptor and the byte it came with, CLIENT < end when the store closed. Both versions of the");
    println!("# store say the same up to the numbers of their descriptors; see real-peers/src/record.rs.");
    for sequence in Sequence::ALL {
        let mut store = RealStore::start(&sequence.options(version))?;
        let recording = sequence.record(&store.socket());
        assert!(store.is_alive(), "{}", store.log());
        print!("# --- {sequence}\n{}", recording?);
    }
    Ok(())
}
