//! The command for people, against Ray's own store: everything works but what that store cannot tell.

mod common;

use common::{complains, fed, output, plasma, says, says_json};
use real_peers::{RealStore, StoreOptions, Version};

#[test]
fn all_but_what_it_does_not_tell() {
    for version in Version::ALL {
        let mut store = RealStore::start(&StoreOptions::of(version)).unwrap();
        let socket = &store.socket();
        let id = "01".repeat(28);
        for arguments in
            [&["ls"][..], &["stat"], &["clients"], &["watch", "-c", "1"], &["get", "0101"]]
        {
            let (code, error) = complains(socket, arguments);
            assert!(code == 1 && error.contains("Ray's own"), "{arguments:?}: {error}");
        }
        let put = fed(plasma(socket, &["put", "--id", &id, "--metadata", "m"]), b"hello");
        assert_eq!(String::from_utf8(put.stdout).unwrap(), format!("{id}\n"));
        assert_eq!(says(socket, &["get", &id]), "hello");
        assert_eq!(says(socket, &["get", "--metadata", &id]), "m");
        assert!(says(socket, &["contains", &id]).contains("there"));
        assert!(says(socket, &["debug"]).contains("capacity: 100000000"));
        let large = vec![7; 20_000_000];
        let put = fed(plasma(socket, &["put"]), &large);
        let large_id = String::from_utf8(put.stdout).unwrap();
        assert_eq!(output(plasma(socket, &["get", large_id.trim_end()])).stdout, large);
        let bench = says_json(socket, &["bench", "-n", "40", "--clients", "2"]);
        let results = bench["results"].as_array().unwrap();
        let measured = results.iter().filter(|result| result["p50_ns"].is_u64()).count();
        assert_eq!((results.len(), measured), (11, 9), "{bench}");
        says(socket, &["delete", &id]);
        assert_eq!(complains(socket, &["contains", &id]).0, 1);
        assert!(store.is_alive(), "{version}: {}", store.log());
    }
}
