//! What a store should answer, as simply as it can be said.
//!
//! The store of the model has room for every small object and for no large one; these get files of their own at once.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) const CLIENTS: usize = 4;

/// How often something random is done: a part of `full`, by the scale that other tests of the kind have.
pub(crate) fn scaled(full: usize) -> usize {
    let default = if cfg!(debug_assertions) { 0.02 } else { 1.0 };
    let scale = match std::env::var("PLASMA_RS_TEST_SCALE").as_deref() {
        Err(_) => default,
        Ok("full") => 1.0,
        Ok(part) => part.parse::<f64>().expect("PLASMA_RS_TEST_SCALE is `full` or a number"),
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a count, rounded"
    )]
    let count = (full as f64 * scale).ceil() as usize;
    count.max(1)
}

/// What a client does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Create {
        object: u8,
        large: bool,
        immediately: bool,
        mutable: bool,
    },
    Seal(u8),
    Abort(u8),
    /// With an end to waiting, or not.
    Get(Vec<u8>, bool),
    Release(u8, bool),
    Delete(Vec<u8>),
    Contains(u8),
    Retry(u8),
    Connect,
    /// Sends what is no message.
    Nonsense(Vec<u8>),
    Goodbye,
    /// Closes the connection.
    Leave,
}

/// What a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Create(u8, i32),
    Abort(u8),
    Seal(u8, i32),
    /// Each object, and whether it was there.
    Get(Vec<(u8, bool)>),
    Release(u8, bool),
    Delete(Vec<(u8, i32)>),
    Contains(u8, bool),
    Connect,
    Fd,
    Closed,
}

#[derive(Debug, Default)]
struct Object {
    sealed: bool,
    large: bool,
    /// Names its file; 0 is the main one.
    file: u32,
    holders: BTreeSet<usize>,
    goes: bool,
}

#[derive(Debug)]
struct Get {
    client: usize,
    objects: Vec<u8>,
    missing: BTreeSet<u8>,
}

/// A store.
#[derive(Debug, Default)]
pub(crate) struct Model {
    objects: BTreeMap<u8, Object>,
    gets: Vec<Get>,
    files: u32,
    /// The files whose descriptors a client has.
    sent: [BTreeSet<u32>; CLIENTS],
    said: Vec<(usize, Heard)>,
}

/// What a store has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) objects: usize,
    pub(crate) references: usize,
    pub(crate) pending_gets: usize,
    pub(crate) eager_deletions: usize,
}

impl Model {
    pub(crate) fn numbers(&self) -> Numbers {
        Numbers {
            objects: self.objects.len(),
            references: self.objects.values().map(|object| object.holders.len()).sum(),
            pending_gets: self.gets.len(),
            eager_deletions: self.objects.values().filter(|object| object.goes).count(),
        }
    }

    /// What everybody hears when a client does something, each client's in order.
    pub(crate) fn does(&mut self, client: usize, act: &Act) -> Vec<(usize, Heard)> {
        match act {
            Act::Create { object, large, .. } => self.create(client, *object, *large),
            Act::Seal(object) => self.seal(client, *object),
            Act::Abort(object) => self.abort(client, *object),
            Act::Get(objects, waits) => self.get(client, objects, *waits),
            Act::Release(object, may_unmap) => self.release(client, *object, *may_unmap),
            Act::Delete(objects) => self.delete(client, objects),
            Act::Contains(object) => {
                let sealed = self.objects.get(object).is_some_and(|object| object.sealed);
                self.say(client, Heard::Contains(*object, sealed));
            }
            // Nothing ever waits in this store, so there is nothing to fetch.
            Act::Retry(object) => self.say(client, Heard::Create(*object, 6)),
            Act::Connect => self.say(client, Heard::Connect),
            Act::Nonsense(_) | Act::Goodbye => self.throw_out(client),
            Act::Leave => self.goes(client),
        }
        std::mem::take(&mut self.said)
    }

    fn say(&mut self, client: usize, heard: Heard) {
        self.said.push((client, heard));
    }

    fn send_file(&mut self, client: usize, file: u32) {
        if self.sent[client].insert(file) {
            self.say(client, Heard::Fd);
        }
    }

    fn throw_out(&mut self, client: usize) {
        self.goes(client);
        self.say(client, Heard::Closed);
    }

    fn goes(&mut self, client: usize) {
        self.gets.retain(|get| get.client != client);
        self.sent[client].clear();
        self.objects.retain(|_, object| {
            !object.holders.remove(&client)
                || object.sealed && !(object.goes && object.holders.is_empty())
        });
    }

    fn create(&mut self, client: usize, id: u8, large: bool) {
        if self.objects.contains_key(&id) {
            return self.say(client, Heard::Create(id, 1));
        }
        let mut file = 0;
        if large {
            self.files += 1;
            file = self.files;
        }
        let holders = BTreeSet::from([client]);
        self.objects.insert(id, Object { large, file, holders, ..Object::default() });
        self.say(client, Heard::Create(id, 0));
        self.send_file(client, file);
    }

    fn seal(&mut self, client: usize, id: u8) {
        let error = match self.objects.get_mut(&id) {
            None => 2,
            Some(object) if object.sealed => 7,
            Some(object) => {
                object.sealed = true;
                0
            }
        };
        if error == 0 {
            self.sealed(id);
        }
        self.say(client, Heard::Seal(id, error));
    }

    fn sealed(&mut self, id: u8) {
        let mut done = Vec::new();
        for (at, get) in self.gets.iter_mut().enumerate() {
            if get.missing.remove(&id) {
                self.objects.get_mut(&id).unwrap().holders.insert(get.client);
                if get.missing.is_empty() {
                    done.push(at);
                }
            }
        }
        let mut over = Vec::new();
        for at in done.into_iter().rev() {
            over.push(self.gets.remove(at));
        }
        for get in over.into_iter().rev() {
            self.answer(get.client, &get.objects);
        }
    }

    /// Says which objects a client has got.
    fn answer(&mut self, client: usize, objects: &[u8]) {
        let mut files = Vec::new();
        let mut heard = Vec::new();
        for id in objects {
            let object = self.objects.get(id);
            let object = object.filter(|one| one.sealed && one.holders.contains(&client));
            heard.push((*id, object.is_some()));
            if let Some(object) = object {
                if !files.contains(&object.file) {
                    files.push(object.file);
                }
            }
        }
        self.say(client, Heard::Get(heard));
        for file in files {
            self.send_file(client, file);
        }
    }

    fn get(&mut self, client: usize, objects: &[u8], waits: bool) {
        let mut missing = BTreeSet::new();
        for id in objects {
            match self.objects.get_mut(id) {
                Some(object) if object.sealed => drop(object.holders.insert(client)),
                _ => drop(missing.insert(*id)),
            }
        }
        if missing.is_empty() || !waits {
            self.answer(client, objects);
        } else {
            self.gets.push(Get { client, objects: objects.to_vec(), missing });
        }
    }

    fn release(&mut self, client: usize, id: u8, may_unmap: bool) {
        let mut unmap = false;
        if let Some(object) = self.objects.get_mut(&id) {
            if object.holders.contains(&client) {
                if !object.sealed {
                    return self.throw_out(client);
                }
                object.holders.remove(&client);
                unmap = object.large;
                if unmap {
                    self.sent[client].remove(&object.file);
                }
                if object.goes && object.holders.is_empty() {
                    self.objects.remove(&id);
                }
            }
        }
        if may_unmap {
            self.say(client, Heard::Release(id, unmap));
        }
    }

    fn abort(&mut self, client: usize, id: u8) {
        match self.objects.get(&id) {
            Some(object) if !object.sealed && object.holders.contains(&client) => {
                if object.large {
                    self.sent[client].remove(&object.file);
                }
                self.objects.remove(&id);
                self.say(client, Heard::Abort(id));
            }
            _ => self.throw_out(client),
        }
    }

    fn delete(&mut self, client: usize, objects: &[u8]) {
        let mut heard = Vec::new();
        for id in objects {
            let error = match self.objects.get_mut(id) {
                None => 2,
                Some(object) if !object.sealed || !object.holders.is_empty() => {
                    object.goes = true;
                    if object.sealed {
                        5
                    } else {
                        4
                    }
                }
                Some(_) => {
                    self.objects.remove(id);
                    0
                }
            };
            heard.push((*id, error));
        }
        self.say(client, Heard::Delete(heard));
    }
}
