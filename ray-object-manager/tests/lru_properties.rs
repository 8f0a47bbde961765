//! The cache and both eviction policies against a list of keys: the same victims in the same order.

mod common;

use common::allocators::{Counting, Watched};
use common::{hold, id};
use proptest::prelude::*;
use ray_common::ObjectId;
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource};
use ray_object_manager::plasma::eviction_policy::{
    CacheStatistics, EvictionPolicy, LruCache, LruEvictionPolicy, ObjectEvictionPolicy,
};
use ray_object_manager::plasma::object_store::{ObjectRef, ObjectStore, ObjectTable, Space};

const LIMIT: i64 = 100_000;
const KEYS: u16 = 300;

/// Keys and sizes, the oldest first.
#[derive(Debug, Default)]
struct Model {
    keys: Vec<(ObjectId, i64)>,
    evictions: i64,
    bytes_evicted: i64,
}

impl Model {
    fn contains(&self, key: &ObjectId) -> bool {
        self.keys.iter().any(|(other, _)| other == key)
    }

    fn remove(&mut self, key: &ObjectId) -> i64 {
        match self.keys.iter().position(|(other, _)| other == key) {
            Some(place) => self.keys.remove(place).1,
            None => -1,
        }
    }

    fn choose(&mut self, bytes: i64) -> (i64, Vec<ObjectId>) {
        let (mut sum, mut chosen) = (0, Vec::new());
        for (key, size) in &self.keys {
            if sum >= bytes {
                break;
            }
            sum += size;
            chosen.push(*key);
        }
        self.evictions += i64::try_from(chosen.len()).unwrap();
        self.bytes_evicted += sum;
        (sum, chosen)
    }

    fn statistics(&self, name: &str, original_capacity: i64, capacity: i64) -> CacheStatistics {
        CacheStatistics {
            name: name.to_owned(),
            original_capacity,
            capacity,
            used_capacity: self.keys.iter().map(|(_, size)| size).sum(),
            num_objects: self.keys.len(),
            num_evictions_total: self.evictions,
            bytes_evicted_total: self.bytes_evicted,
        }
    }
}

#[derive(Debug, Clone)]
enum CacheOperation {
    Add(u16, i64),
    Remove(u16),
    /// And remove what was chosen, or not.
    Choose(i64, bool),
    AdjustCapacity(i64),
}

fn cache_operation() -> impl Strategy<Value = CacheOperation> {
    let size = prop_oneof![1 => Just(0_i64), 9 => 0..1000_i64, 1 => 0..1_i64 << 50];
    prop_oneof![
        10 => (0..KEYS, size).prop_map(|(key, size)| CacheOperation::Add(key, size)),
        9 => (0..KEYS).prop_map(CacheOperation::Remove),
        1 => (prop_oneof![-10..20_000_i64, Just(i64::MAX), Just(i64::MIN)], any::<bool>())
            .prop_map(|(bytes, remove)| CacheOperation::Choose(bytes, remove)),
        1 => (-1000..1000_i64).prop_map(CacheOperation::AdjustCapacity),
    ]
}

#[test]
fn the_cache_is_a_list() {
    hold("LruCache", 300_000, cache_operation(), |operations| {
        let mut cache = LruCache::new("cache", LIMIT);
        let (mut model, mut capacity) = (Model::default(), LIMIT);
        for operation in operations {
            match operation {
                CacheOperation::Add(key, _) if model.contains(&id(key)) => {}
                CacheOperation::Add(key, size) => {
                    cache.add(&id(key), size);
                    model.keys.push((id(key), size));
                }
                CacheOperation::Remove(key) => {
                    assert_eq!(cache.exists(&id(key)), model.contains(&id(key)));
                    assert_eq!(cache.remove(&id(key)), model.remove(&id(key)));
                    assert!(!cache.exists(&id(key)));
                }
                CacheOperation::Choose(bytes, remove) => {
                    let mut chosen = vec![ObjectId::NIL];
                    let sum = cache.choose_objects_to_evict(bytes, &mut chosen);
                    assert_eq!(chosen.remove(0), ObjectId::NIL, "what was there stays there");
                    assert_eq!((sum, chosen.clone()), model.choose(bytes));
                    for key in chosen.iter().filter(|_| remove) {
                        assert_eq!(cache.remove(key), model.remove(key));
                    }
                    assert!(cache.iter().eq(model.keys.iter().rev().map(|(key, _)| key)));
                }
                CacheOperation::AdjustCapacity(difference) => {
                    cache.adjust_capacity(difference);
                    capacity += difference;
                }
            }
            let expected = model.statistics("cache", LIMIT, capacity);
            assert_eq!(cache.statistics(), &expected);
            assert_eq!(expected.remaining_capacity(), capacity - expected.used_capacity);
        }
    });
}

#[derive(Debug, Clone)]
enum PolicyOperation {
    Create(u16, i64),
    Begin(u16),
    End(u16),
    Remove(u16),
    Choose(i64),
    RequireSpace(i64),
}

fn policy_operation() -> impl Strategy<Value = PolicyOperation> {
    use PolicyOperation as Op;
    prop_oneof![
        10 => (0..KEYS, 0..2000_i64).prop_map(|(key, size)| Op::Create(key, size)),
        8 => (0..KEYS).prop_map(Op::Begin),
        8 => (0..KEYS).prop_map(Op::End),
        3 => (0..KEYS).prop_map(Op::Remove),
        1 => prop_oneof![-10..20_000_i64, Just(i64::MAX)].prop_map(Op::Choose),
        1 => (-10..LIMIT).prop_map(Op::RequireSpace),
    ]
}

type Store = ObjectStore<Watched<Counting>>;

/// Both policies over one store, and the model.
struct Policies {
    store: Store,
    intrusive: LruEvictionPolicy,
    keyed: EvictionPolicy<ObjectId>,
    model: Model,
    pinned: i64,
}

impl Policies {
    fn new() -> Self {
        Self {
            store: ObjectStore::new(Watched::new(Counting::new(LIMIT, 0))),
            intrusive: LruEvictionPolicy::new(LIMIT),
            keyed: EvictionPolicy::new(LIMIT),
            model: Model::default(),
            pinned: 0,
        }
    }

    fn step(&mut self, operation: &PolicyOperation) {
        match *operation {
            PolicyOperation::Create(key, size) => self.create(id(key), size),
            PolicyOperation::Begin(key) => self.with(key, Self::begin),
            PolicyOperation::End(key) => self.with(key, Self::end),
            PolicyOperation::Remove(key) => self.with(key, |all, key, object| {
                all.forget(key, object);
                all.store.delete_object(&key, object);
            }),
            PolicyOperation::Choose(bytes) => {
                let (mut victims, mut keys) = (Vec::new(), Vec::new());
                let sum =
                    self.intrusive.choose_objects_to_evict(&mut self.store, bytes, &mut victims);
                assert_eq!(self.keyed.choose_objects_to_evict(bytes, &mut keys), sum);
                let (expected_sum, expected) = self.model.choose(bytes);
                assert_eq!((sum, &keys), (expected_sum, &expected));
                self.evict(expected, victims.into_iter().map(|victim| (victim.key, victim.object)));
            }
            PolicyOperation::RequireSpace(size) => {
                let allocated = self.store.allocated();
                let (mut victims, mut keys) = (Vec::new(), Vec::new());
                let missing = self.intrusive.require_space(&mut self.store, size, &mut victims);
                assert_eq!(self.keyed.require_space(size, allocated, LIMIT, &mut keys), missing);
                let wanted = allocated + size - LIMIT;
                let (sum, expected) = self.model.choose(wanted.max(LIMIT / 5));
                assert_eq!((missing, &keys), (wanted - sum, &expected));
                self.evict(expected, victims.into_iter().map(|victim| (victim.key, victim.object)));
            }
        }
        self.compare();
    }

    fn create(&mut self, key: ObjectId, size: i64) {
        if self.store.get_object(&key).is_some() {
            return;
        }
        let info = ObjectInfo::new(key, size, 0);
        let source = ObjectSource::CREATED_BY_WORKER;
        let Some(object) = self.store.create_object(&info, source, false) else { return };
        self.intrusive.object_created(&mut self.store, &key, object);
        self.keyed.object_created(&key, size);
        self.model.keys.push((key, size));
    }

    fn with(&mut self, key: u16, work: impl Fn(&mut Self, ObjectId, ObjectRef)) {
        if let Some(object) = self.store.get_object(&id(key)) {
            work(self, id(key), object);
        }
    }

    /// Also for an object that is in use already, which the policies count once more, as Ray's does.
    fn begin(&mut self, key: ObjectId, object: ObjectRef) {
        let size = self.store.object(object).facts().size;
        self.intrusive.begin_object_access(&mut self.store, &key, object);
        self.keyed.begin_object_access(&key, size);
        self.model.remove(&key);
        self.pinned += size;
    }

    /// Not for an object that is unused already, which is a mistake of the caller.
    fn end(&mut self, key: ObjectId, object: ObjectRef) {
        if self.model.contains(&key) {
            return;
        }
        let size = self.store.object(object).facts().size;
        self.intrusive.end_object_access(&mut self.store, &key, object);
        self.keyed.end_object_access(&key, size);
        self.model.keys.push((key, size));
        self.pinned -= size;
    }

    fn forget(&mut self, key: ObjectId, object: ObjectRef) {
        self.intrusive.remove_object(&mut self.store, &key, object);
        self.keyed.remove_object(&key);
        self.model.remove(&key);
    }

    fn evict(
        &mut self,
        expected: Vec<ObjectId>,
        victims: impl Iterator<Item = (ObjectId, Option<ObjectRef>)>,
    ) {
        let victims: Vec<_> = victims.collect();
        assert!(victims.iter().map(|(key, _)| key).eq(&expected));
        for (key, object) in victims {
            assert_eq!(object, self.store.get_object(&key), "a victim is an object of the store");
            self.forget(key, object.unwrap());
            self.store.delete_object(&key, object.unwrap());
        }
    }

    fn compare(&self) {
        let expected = self.model.statistics("global lru", LIMIT, LIMIT);
        assert_eq!(self.intrusive.statistics(), &expected);
        assert_eq!(self.keyed.statistics(), &expected);
        assert_eq!(self.intrusive.pinned_memory_bytes(), self.pinned);
        assert_eq!(self.keyed.pinned_memory_bytes(), self.pinned);
        assert_eq!(
            ObjectEvictionPolicy::<Store>::debug_string(&self.intrusive),
            expected.to_string()
        );
    }
}

#[test]
fn both_policies_choose_the_same_victims() {
    hold("eviction policies", 300_000, policy_operation(), |operations| {
        let mut policies = Policies::new();
        for operation in &operations {
            policies.step(operation);
        }
        for key in 0..KEYS {
            assert_eq!(
                policies.keyed.is_object_exists(&id(key)),
                policies.model.contains(&id(key))
            );
        }
        // What is left goes in the same order too.
        policies.step(&PolicyOperation::Choose(i64::MAX));
        assert!(policies.model.keys.is_empty());
    });
}

/// Ray's policy removes every key of the caller's list from its cache, chosen now or not.
#[test]
fn keys_that_were_chosen_before_are_forgotten_too() {
    let mut policy = EvictionPolicy::new(LIMIT);
    for number in 0..4 {
        policy.object_created(&id(number), 10);
    }
    let mut victims = vec![id(3)];
    assert_eq!(policy.choose_objects_to_evict(15, &mut victims), 20);
    assert_eq!(victims, [id(3), id(0), id(1)]);
    assert!(policy.is_object_exists(&id(2)));
    assert!(!policy.is_object_exists(&id(3)));
    assert_eq!(policy.statistics().used_capacity, 10);
    assert_eq!(policy.statistics().num_evictions_total, 2);
}

#[test]
fn at_least_a_fifth_of_the_capacity_goes() {
    let mut policy = EvictionPolicy::new(1000);
    for number in 0..10 {
        policy.object_created(&id(number), 100);
    }
    let mut victims = Vec::new();
    assert_eq!(policy.require_space(1, 1000, 1000, &mut victims), 1 - 200);
    assert_eq!(victims, [id(0), id(1)], "a fifth, though one byte is missing");
    victims.clear();
    assert_eq!(policy.require_space(500, 800, 1000, &mut victims), 0);
    assert_eq!(victims, [id(2), id(3), id(4)], "what is missing, when that is more");
    victims.clear();
    assert_eq!(policy.require_space(900, 500, 1000, &mut victims), 400 - 400);
    assert_eq!(policy.require_space(900, 500, 1000, &mut victims), 400 - 100);
    assert_eq!(policy.require_space(900, 400, 1000, &mut Vec::new()), 300, "nobody is left");
}

#[test]
fn sizes_near_the_end_of_an_i64_do_not_wrap() {
    let mut policy = EvictionPolicy::<ObjectId>::new(1000);
    let mut victims = Vec::new();
    assert!(policy.require_space(i64::MAX, 1000, 1000, &mut victims) > 0);
    assert!(policy.require_space(i64::MAX, i64::MAX, 1000, &mut victims) > 0);
    assert!(policy.require_space(i64::MIN, 0, 1000, &mut victims) < 0);
    assert_eq!(victims, []);
}

#[test]
#[should_panic(expected = "is in the cache already")]
fn an_unused_object_cannot_be_released_again() {
    let mut policy = EvictionPolicy::new(1000);
    policy.object_created(&id(1), 1);
    policy.end_object_access(&id(1), 1);
}

#[test]
#[should_panic(expected = "is in the cache already")]
fn an_unused_object_of_a_store_cannot_be_released_again() {
    let mut policies = Policies::new();
    policies.create(id(1), 1);
    let object = policies.store.get_object(&id(1)).unwrap();
    policies.intrusive.end_object_access(&mut policies.store, &id(1), object);
}
