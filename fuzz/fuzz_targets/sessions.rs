//! Whole sessions: several clients of one store, what they send in pieces, time that passes, a world that spills or does not.
//!
//! The input is a list of operations, a byte each with what belongs to it. Requests are well formed and about few objects, so
//! that they have to do with each other; some are changed in a few bytes, and some are any bytes.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use ray_common::{NodeId, ObjectId, WorkerId};
use ray_object_manager::plasma::common::ObjectSource;
use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::protocol::{CreateRequest, Encoder, Header, Reply, HEADER_LENGTH};
use ray_object_manager::plasma::store::machine::Machine;
use ray_object_manager::plasma::store::{ClientLimits, StoreConfig};

const CLIENTS: usize = 4;
const MEMORY: i64 = 16 << 10;

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

fn id(byte: u8) -> ObjectId {
    ObjectId::from_bytes([byte % 6; 28])
}

/// Sizes that fit, nearly fill the store, do not fit, or are absurd.
fn size(byte: u8) -> u64 {
    match byte >> 6 {
        0 | 1 => u64::from(byte) * 16,
        2 => u64::from(byte & 63) * 512,
        _ => [
            1 << 15,
            1 << 20,
            1 << 50,
            (1 << 62) + 1,
            (1 << 63) - 1,
            1 << 63,
            u64::MAX - 95,
            u64::MAX,
        ][usize::from(byte & 7)],
    }
}

fn ids(input: &mut Bytes<'_>) -> Vec<ObjectId> {
    (0..input.byte() % 5).map(|_| id(input.byte())).collect()
}

fn request(kind: u8, input: &mut Bytes<'_>) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut out = Vec::new();
    match kind % 12 {
        0 | 1 => {
            let flags = input.byte();
            let request = CreateRequest {
                object_id: id(input.byte()),
                owner_node_id: NodeId::NIL,
                owner_ip_address: &[0xff][..usize::from(flags >> 7)],
                owner_port: 0,
                owner_worker_id: WorkerId::NIL,
                is_mutable: flags & 1 != 0,
                data_size: size(input.byte()),
                metadata_size: if flags & 2 == 0 { 0 } else { size(input.byte()) },
                source: ObjectSource(i32::from(flags >> 2 & 7) - 1),
                device_num: i32::from(flags & 96 == 96),
                try_immediately: flags & 4 != 0,
            };
            encoder.create_request(&mut out, &request);
        }
        2 => encoder.seal_request(&mut out, &id(input.byte())),
        3 => encoder.abort_request(&mut out, &id(input.byte())),
        4 | 5 => {
            let timeout = [0, -1, 1, 1000, i64::MIN, i64::MAX][usize::from(input.byte() % 6)];
            encoder.get_request(&mut out, &ids(input), timeout);
        }
        6 => encoder.release_request(&mut out, &id(input.byte()), input.byte() & 1 != 0),
        7 => encoder.delete_request(&mut out, &ids(input)),
        8 => encoder.contains_request(&mut out, &id(input.byte())),
        9 => {
            encoder.create_retry_request(&mut out, &id(input.byte()), u64::from(input.byte() % 16))
        }
        10 => match input.byte() % 4 {
            0 => encoder.connect_request(&mut out, u64::from(input.byte())),
            1 => encoder.get_debug_string_request(&mut out),
            2 => encoder.admin_request(
                &mut out,
                ["stat", "ls", "clients", ""][usize::from(input.byte() % 4)],
            ),
            _ => encoder.disconnect(&mut out),
        },
        _ => {}
    }
    out
}

/// All that a store sends is well formed.
fn read(mut bytes: &[u8]) {
    while let Some(header) = bytes.first_chunk::<HEADER_LENGTH>() {
        let header = Header::decode(header, 1 << 24).expect("a header");
        let body = &bytes[HEADER_LENGTH..][..header.length];
        Reply::decode(header.kind, body).expect("a reply");
        bytes = &bytes[HEADER_LENGTH + header.length..];
    }
    assert!(bytes.is_empty(), "half a header");
}

fn machine(settings: u8) -> Machine<PlasmaAllocator> {
    let directory = std::path::PathBuf::from("/dev/shm");
    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: directory.clone(),
        fallback_directory: directory,
        footprint_limit: MEMORY,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: false,
    })
    .expect("memory");
    let mut config = StoreConfig::new("/nowhere");
    config.grace_period_s = i64::from(settings & 1) * 2;
    if settings & 2 != 0 {
        config.limits = ClientLimits {
            unsealed_bytes: 20 << 10,
            requests_in_flight: 3,
            descriptors: 2,
            message_bytes: 1000,
            ..config.limits
        };
    }
    let mut machine = Machine::new(allocator, &config).expect("descriptors");
    machine.spilling = settings & 4 != 0;
    machine.disk_is_full = settings & 8 != 0;
    machine
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Bytes(bytes);
    let mut machine = machine(input.byte());
    let mut clients = [0; CLIENTS];
    for client in &mut clients {
        *client = machine.connect().expect("descriptors");
    }
    while let Some(operation) = input.next() {
        let client = &mut clients[usize::from(operation) % CLIENTS];
        let mut open = true;
        match operation >> 2 {
            kind @ 0..48 => {
                let mut message = request(kind, &mut input);
                match kind / 12 {
                    // In two pieces; with something changed; as it is.
                    1 => {
                        let cut = usize::from(input.byte()).min(message.len());
                        open = machine.receive(*client, &message[..cut]);
                        message.drain(..cut);
                    }
                    2 => {
                        for _ in 0..=input.byte() % 3 {
                            let (at, value) = (usize::from(input.byte()), input.byte());
                            if let Some(byte) = message.get_mut(at) {
                                *byte = value;
                            }
                        }
                    }
                    _ => {}
                }
                open = open && machine.receive(*client, &message);
            }
            48..52 => {
                let length = usize::from(input.byte());
                open = machine.receive(*client, input.take(length));
            }
            52..54 => machine.tick(Duration::from_millis(10)),
            54 => machine.tick(Duration::from_secs(3)),
            55 => machine.spilling = !machine.spilling,
            56 => machine.disk_is_full = !machine.disk_is_full,
            57..60 => {
                machine.disconnect(*client);
                open = false;
            }
            _ => read(&machine.output(*client).0),
        }
        if !open {
            *client = machine.connect().expect("descriptors");
        }
        let now = machine.snapshot();
        assert!(now.allocated >= 0 && now.fallback_allocated >= 0);
        assert!(now.allocated - now.fallback_allocated <= MEMORY);
    }
    for client in clients {
        read(&machine.output(client).0);
        machine.disconnect(client);
    }
    let cleaner = machine.connect().expect("descriptors");
    let mut delete = Vec::new();
    Encoder::default().delete_request(&mut delete, &(0..6).map(id).collect::<Vec<_>>());
    assert!(machine.receive(cleaner, &delete));
    machine.disconnect(cleaner);
    let left = machine.snapshot();
    let objects = left.objects;
    // Changed bytes may have made ids of their own.
    if objects == 0 {
        assert_eq!((left.allocated, left.fallback_allocated, left.eager_deletions), (0, 0, 0));
        assert_eq!((left.stats.in_use.bytes, left.stats.unsealed.bytes), (0, 0));
    }
    assert_eq!(
        left.stats.in_use.objects + left.stats.unsealed.objects,
        0,
        "only what is sealed stays"
    );
    assert_eq!((left.clients, left.references, left.pending_gets), (0, 0, 0));
    assert_eq!((left.pending_creates, left.pending_create_bytes, left.untaken_creates), (0, 0, 0));
    machine.allocator().check_invariants().expect("order");
});
