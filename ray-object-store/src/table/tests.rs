//! The table against a simple model: each policy's victims, in their order; the limit; what adds up.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use ray_common::ObjectId;

use super::*;

/// What the model knows of an object: its order is looked for, not kept.
#[derive(Debug, Clone)]
struct Known {
    size: usize,
    refs: u32,
    pins: u32,
    owned: bool,
    came: u64,
    used: u64,
    uses: u64,
}

#[derive(Debug, Clone)]
struct Model {
    policy: EvictionPolicy,
    limit: usize,
    objects: HashMap<u8, Known>,
    /// References to what is not there.
    absent: HashMap<u8, u32>,
    now: u64,
    victims: Vec<u8>,
}

impl Model {
    fn used(&self) -> usize {
        self.objects.values().map(|known| known.size).sum()
    }

    fn may_go(&self) -> impl Iterator<Item = (&u8, &Known)> {
        self.objects.iter().filter(|(_, known)| known.refs == 0 && known.pins == 0)
    }

    fn put(&mut self, number: u8, size: usize, owned: bool) -> bool {
        self.now += 1;
        let may_go: usize = self.may_go().map(|(_, known)| known.size).sum();
        if self.objects.contains_key(&number) || self.used() - may_go + size > self.limit {
            return false;
        }
        while self.used() + size > self.limit {
            let rank = |known: &Known| match self.policy {
                EvictionPolicy::Lru => (known.used, 0),
                EvictionPolicy::Fifo => (known.came, 0),
                EvictionPolicy::Lfu => (known.uses, known.used),
            };
            let victim = *self.may_go().min_by_key(|(_, known)| rank(known)).unwrap().0;
            self.victims.push(victim);
            self.objects.remove(&victim);
        }
        let refs = self.absent.remove(&number).unwrap_or(0) + u32::from(owned);
        let (came, used) = (self.now, self.now);
        let known = Known { size, refs, pins: 0, owned, came, used, uses: 0 };
        self.objects.insert(number, known);
        true
    }

    /// The last use of an object is when it is let go of.
    fn let_go(&mut self, number: u8) {
        self.now += 1;
        let Some(known) = self.objects.get_mut(&number) else { return };
        if known.refs == 0 && known.pins == 0 {
            known.used = self.now;
            if known.owned {
                self.objects.remove(&number);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put { number: u8, size: usize, owned: bool },
    Get(u8),
    Retain(u8),
    Release(u8),
    Pin(u8),
    Unpin(u8),
    Delete(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..24u8;
    prop_oneof![
        6 => (number.clone(), 0..600usize, prop::bool::weighted(0.2))
            .prop_map(|(number, size, owned)| Step::Put { number, size, owned }),
        4 => number.clone().prop_map(Step::Get),
        2 => number.clone().prop_map(Step::Retain),
        3 => number.clone().prop_map(Step::Release),
        1 => number.clone().prop_map(Step::Pin),
        1 => number.clone().prop_map(Step::Unpin),
        1 => number.prop_map(Step::Delete),
    ]
}

fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 28])
}

/// A table and its model, which do the same.
struct Pair {
    table: Table<()>,
    effects: Effects<()>,
    model: Model,
}

impl Pair {
    fn new(policy: EvictionPolicy) -> Self {
        let limit = 3000;
        let (objects, absent) = (HashMap::new(), HashMap::new());
        let model = Model { policy, limit, objects, absent, now: 0, victims: Vec::new() };
        Self { table: Table::new(limit, policy), effects: Effects::default(), model }
    }

    fn put(&mut self, number: u8, size: usize, owned: bool) {
        let charge = Table::<()>::charge(size, 0);
        let before = self.model.victims.len();
        let mut expected = self.model.put(number, charge, owned);
        let keep = if owned { Keep::References } else { Keep::Store };
        let (table, effects) = (&mut self.table, &mut self.effects);
        // What an earlier deletion left for those who refer to it stays until they let go.
        expected &= !matches!(table.state(&id(number)), Some(State::Freed));
        // One at a time, so that their order is seen.
        for victim in &self.model.victims[before..] {
            let next = table.order.victim(&table.slots).expect("the model has one more");
            assert_eq!(table.slots[next].id, id(*victim));
            table.free(next, false, effects);
            table.remove_slot(next);
        }
        let begun = table.begin(&id(number), Some(charge), effects);
        assert_eq!(begun.is_ok(), expected, "{begun:?}");
        assert_eq!(table.counters.evictions, 0, "no more than the model");
        if expected {
            let data = Place::Memory(Arc::from(vec![number; size]));
            table.finish(&id(number), data, b"", &[], keep, effects);
        }
    }

    fn step(&mut self, step: &Step) {
        let Self { table, effects, model } = self;
        match *step {
            Step::Put { number, size, owned } => {
                let is_freed = table.state(&id(number)) == Some(State::Freed);
                if !is_freed {
                    self.put(number, size, owned);
                }
            }
            Step::Get(number) => {
                let found = match table.get(&id(number), true) {
                    Found::Memory { data, .. } => {
                        assert!(data.iter().all(|byte| *byte == number));
                        drop(data);
                        table.release(&id(number), effects);
                        true
                    }
                    Found::Shared(()) | Found::Nothing(_) => false,
                };
                assert_eq!(found, model.objects.contains_key(&number));
                if let Some(known) = model.objects.get_mut(&number) {
                    known.uses += 1;
                    model.let_go(number);
                }
            }
            Step::Retain(number) => {
                if table.state(&id(number)) != Some(State::Freed) {
                    table.retain(&id(number));
                    match model.objects.get_mut(&number) {
                        Some(known) => known.refs += 1,
                        None => *model.absent.entry(number).or_default() += 1,
                    }
                }
            }
            Step::Release(number) => {
                let known = model.objects.get_mut(&number).map(|known| &mut known.refs);
                let refs = known.or_else(|| model.absent.get_mut(&number));
                if let Some(refs) = refs.filter(|refs| **refs > 0) {
                    *refs -= 1;
                    table.release(&id(number), effects);
                    model.absent.retain(|_, refs| *refs > 0);
                    model.let_go(number);
                }
            }
            Step::Pin(number) => {
                let known = model.objects.get_mut(&number);
                assert_eq!(table.pin(&id(number)), known.is_some());
                if let Some(known) = known {
                    known.pins += 1;
                }
            }
            Step::Unpin(number) => {
                let known = model.objects.get_mut(&number).filter(|known| known.pins > 0);
                assert_eq!(table.unpin(&id(number), effects), known.is_some());
                if let Some(known) = known {
                    known.pins -= 1;
                    model.let_go(number);
                }
            }
            Step::Delete(number) => {
                let known = model.objects.get(&number);
                let expected = known.map(|known| known.pins == 0);
                assert_eq!(table.delete(&id(number), effects), expected);
                if expected == Some(true) {
                    let known = model.objects.remove(&number).unwrap();
                    if known.refs > 0 {
                        model.absent.insert(number, known.refs);
                    }
                }
            }
        }
        self.compare();
    }

    fn compare(&self) {
        let Self { table, model, .. } = self;
        table.check();
        let stats = table.stats();
        let of = |test: fn(&Known) -> bool| -> Amount {
            let mut amount = Amount::default();
            model
                .objects
                .values()
                .filter(|known| test(known))
                .for_each(|known| amount.add(known.size));
            amount
        };
        assert_eq!(stats.pinned, of(|known| known.pins > 0));
        assert_eq!(stats.referenced, of(|known| known.pins == 0 && known.refs > 0));
        assert_eq!(stats.evictable, of(|known| known.pins == 0 && known.refs == 0));
        assert_eq!(stats.reserved, Amount::default());
        assert!(stats.used() <= stats.limit);
        for number in 0..24 {
            let is_there = table.state(&id(number)) == Some(State::Memory);
            assert_eq!(is_there, model.objects.contains_key(&number), "{number}");
        }
    }

    /// Everybody lets go, and everything is deleted.
    fn end(mut self) {
        for number in 0..24 {
            while self.model.objects.get(&number).is_some_and(|known| known.pins > 0) {
                self.step(&Step::Unpin(number));
            }
            self.step(&Step::Delete(number));
            while self.model.absent.contains_key(&number) {
                self.step(&Step::Release(number));
            }
        }
        let stats = self.table.stats();
        assert!(stats.is_idle(), "{stats:?}");
    }
}

fn cases() -> u32 {
    let is_full = std::env::var_os("PLASMA_RS_TEST_SCALE").is_some_and(|scale| scale == "full");
    if is_full {
        5000
    } else {
        200
    }
}

fn victims_are_the_models(policy: EvictionPolicy) {
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..300))| {
        let mut pair = Pair::new(policy);
        steps.iter().for_each(|step| pair.step(step));
        pair.end();
    });
}

#[test]
fn victims_by_lru_are_the_models() {
    victims_are_the_models(EvictionPolicy::Lru);
}

#[test]
fn victims_by_fifo_are_the_models() {
    victims_are_the_models(EvictionPolicy::Fifo);
}

#[test]
fn victims_by_lfu_are_the_models() {
    victims_are_the_models(EvictionPolicy::Lfu);
}

#[test]
fn the_policies_differ() {
    let victim = |policy| {
        let mut pair = Pair::new(policy);
        for number in 0..3 {
            pair.step(&Step::Put { number, size: 500, owned: false });
        }
        // 0 came first; 1 was used least often; 2 was used longest ago.
        for number in [2, 2, 0, 0, 1] {
            pair.step(&Step::Get(number));
        }
        let slots = &pair.table.slots;
        slots[pair.table.order.victim(slots).unwrap()].id
    };
    assert_eq!(victim(EvictionPolicy::Fifo), id(0));
    assert_eq!(victim(EvictionPolicy::Lfu), id(1));
    assert_eq!(victim(EvictionPolicy::Lru), id(2));
}

#[test]
fn metadata_that_are_the_same_are_kept_once() {
    let mut kinds = kinds::Kinds::new();
    let numbers: Vec<u32> = (0..100).map(|_| kinds.insert(b"a")).collect();
    assert!(numbers.iter().all(|number| *number == numbers[0]));
    let other = kinds.insert(b"b");
    numbers.iter().for_each(|number| kinds.remove(*number));
    assert_eq!(kinds.insert(b"c"), numbers[0], "its place is used again");
    assert_eq!(&**kinds.get(other), b"b");
}
