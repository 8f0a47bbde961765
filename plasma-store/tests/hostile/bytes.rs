//! Messages cut short, changed, and made up.

use std::net::Shutdown;

use rand_like::Random;
use ray_object_manager::plasma::protocol::{Header, MessageType};

use crate::harness::{
    abort, admin, connect, contains, create, creation, delete, get, id, queued, release, retry,
    seal, Came, Watched,
};
use crate::model::scaled;

/// Numbers that look random and are the same each time.
pub(crate) mod rand_like {
    pub(crate) struct Random(pub(crate) u64);

    impl Random {
        pub(crate) fn next(&mut self) -> u64 {
            // xorshift*
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }

        pub(crate) fn below(&mut self, limit: usize) -> usize {
            usize::try_from(self.next() % limit as u64).unwrap()
        }

        pub(crate) fn byte(&mut self) -> u8 {
            self.next().to_le_bytes()[3]
        }
    }
}

fn each_message() -> Vec<Vec<u8>> {
    let one = id(1);
    vec![
        create(&creation(one, 100)),
        queued(one, 100),
        seal(one),
        get(&[one, id(2)], 0),
        get(&[id(2)], -1),
        release(one, true),
        delete(&[one, id(2)]),
        contains(one),
        retry(one, 1),
        abort(one),
        connect(),
        admin("stat"),
    ]
}

/// Reads until the store hangs up.
fn to_the_end(client: &mut crate::harness::Talker) {
    while !matches!(client.hear(), Came::Closed) {}
}

#[test]
fn a_message_may_end_at_every_byte() {
    let mut store = Watched::start(&[]);
    for message in each_message() {
        for length in 0..message.len() {
            // The header promises more than comes.
            let mut client = store.talker();
            client.say(&[create(&creation(id(9), 10)), message[..length].to_vec()].concat());
            client.0.stream().shutdown(Shutdown::Write).unwrap();
            to_the_end(&mut client);
            // The header tells the truth about a body that is too short.
            let Some(body) = length.checked_sub(24) else { continue };
            let kind = i64::from_le_bytes(message[8..16].try_into().unwrap());
            let mut short = Header::encode(MessageType(kind), body).to_vec();
            short.extend(&message[24..length]);
            let mut client = store.talker();
            client.say(&short);
            client.0.stream().shutdown(Shutdown::Write).unwrap();
            to_the_end(&mut client);
        }
        store.neighbour.works();
    }
    store.is_as_before();
}

#[test]
fn any_bytes_and_changed_messages() {
    let mut store = Watched::start(&[]);
    let mut random = Random(0x5eed);
    let messages = each_message();
    for round in 0..scaled(20_000) {
        let mut client = store.talker();
        let mut said = Vec::new();
        for _ in 0..=random.below(8) {
            let mut message = messages[random.below(messages.len())].clone();
            match random.below(4) {
                0 => {}
                1 => message = (0..random.below(200)).map(|_| random.byte()).collect(),
                2 => message[24..].fill_with(|| random.byte()),
                _ => {
                    for _ in 0..=random.below(3) {
                        let at = random.below(message.len());
                        message[at] = match random.below(4) {
                            0 => 0,
                            1 => 0xff,
                            _ => random.byte(),
                        };
                    }
                }
            }
            said.extend(message);
        }
        client.say(&said);
        if random.below(2) == 0 {
            let _ = client.0.stream().shutdown(Shutdown::Write);
            to_the_end(&mut client);
        }
        if round % 100 == 0 {
            store.neighbour.works();
        }
    }
    store.is_as_before();
}
