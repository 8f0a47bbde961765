//! Sets, instances, labels and their messages against simple models, on random inputs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use prost::Message;
use ray_common::scheduling::label_syntax::{self, LabelError};
use ray_common::scheduling::proto::{BundleMessage, FallbackStrategyMessage, LabelSelectorMessage};
use ray_common::scheduling::quantities::Quantity;
use ray_common::scheduling::{
    bundle, FallbackOption, FixedPoint, LabelConstraint, LabelOperator, LabelSelector,
    NodeResourceInstanceSet, NodeResourceSet, ResourceId, ResourceSet,
};

/// `PLASMA_RS_TEST_SCALE=full` is full size.
fn config() -> ProptestConfig {
    let full = std::env::var("PLASMA_RS_TEST_SCALE").is_ok_and(|scale| scale == "full");
    ProptestConfig {
        cases: if full { 20_000 } else { 500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Few resources, so that sets have some in common: predefined, implicit and others.
fn resource() -> impl Strategy<Value = ResourceId> {
    let name = |number: i64| match number {
        0..4 => ResourceId::from_raw(number),
        4..7 => ResourceId::new(format!("node:__internal_implicit_resource_{number}")),
        _ => ResourceId::new(format!("custom_{number}")),
    };
    (0_i64..12).prop_map(name)
}

/// Small amounts, which meet zero and one, and large ones.
fn amount() -> impl Strategy<Value = FixedPoint> {
    prop_oneof![
        8 => (-3_i64..=3).prop_map(|halves| FixedPoint::from_raw(halves * 5_000)),
        1 => any::<i64>().prop_map(FixedPoint::from_raw),
    ]
}

fn amounts() -> impl Strategy<Value = Vec<(ResourceId, FixedPoint)>> {
    vec((resource(), amount()), 0..10)
}

/// What every resource has of what a model has; anything else is the default.
type Model = BTreeMap<ResourceId, FixedPoint>;

fn model(amounts: &[(ResourceId, FixedPoint)]) -> Model {
    amounts.iter().copied().collect()
}

fn without(model: &Model, default: impl Fn(ResourceId) -> FixedPoint) -> Vec<Quantity> {
    let quantity = |(&resource, &amount)| Quantity { resource, amount };
    model
        .iter()
        .map(quantity)
        .filter(|quantity| quantity.amount != default(quantity.resource))
        .collect()
}

fn on_node(resource: ResourceId) -> FixedPoint {
    if resource.is_implicit() {
        FixedPoint::ONE
    } else {
        FixedPoint::ZERO
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn amounts_are_what_wide_numbers_say(left in any::<i64>(), right in any::<i64>()) {
        let clamp = |value: i128| i64::try_from(value.clamp(i64::MIN.into(), i64::MAX.into())).expect("clamped");
        let (a, b) = (FixedPoint::from_raw(left), FixedPoint::from_raw(right));
        prop_assert_eq!((a + b).raw(), clamp(i128::from(left) + i128::from(right)));
        prop_assert_eq!((a - b).raw(), clamp(i128::from(left) - i128::from(right)));
        prop_assert_eq!((-a).raw(), clamp(-i128::from(left)));
    }

    #[test]
    fn units_and_parts_agree(parts in -(1_i64 << 46)..(1_i64 << 46), any in any::<f64>()) {
        // A part may be lost on the way through a floating-point number, as in Ray; never more.
        let there = FixedPoint::from_raw(parts);
        let back = FixedPoint::from_f64(there.to_f64());
        prop_assert!((there - back).raw().abs() <= 1, "{parts}");
        let units = FixedPoint::from_f64(any);
        prop_assert!(any.is_nan() || (units.raw() >= 0) == (any >= 0.0) || units == FixedPoint::ZERO);
    }

    #[test]
    fn sums_of_sets_are_those_of_a_model(left in amounts(), right in amounts()) {
        let nothing = |_| FixedPoint::ZERO;
        let (a, b): (ResourceSet, ResourceSet) = (left.iter().copied().collect(), right.iter().copied().collect());
        let (mut plus, mut minus, mut node) = (model(&left), model(&left), model(&left));
        prop_assert_eq!(a.quantities(), without(&plus, nothing));
        for (resource, amount) in model(&right) {
            *plus.entry(resource).or_default() += amount;
            *minus.entry(resource).or_default() -= amount;
            *node.entry(resource).or_insert_with(|| on_node(resource)) -= amount;
        }
        prop_assert_eq!((a.clone() + &b).quantities().to_vec(), without(&plus, nothing));
        prop_assert_eq!((a.clone() - &b).quantities().to_vec(), without(&minus, nothing));
        let mut left_over: NodeResourceSet = left.iter().copied().collect();
        let before = left_over.clone();
        left_over -= &b;
        // What a model does not mention keeps its default.
        prop_assert_eq!(left_over.quantities(), without(&node, on_node));
        let mut all = model(&right).into_keys().chain(model(&left).into_keys());
        let at_most = all.all(|resource| a.get(resource) <= b.get(resource));
        prop_assert_eq!(a.is_at_most(&b), at_most);
        prop_assert_eq!(before.covers(&b), b.quantities().iter().all(|wanted| before.get(wanted.resource) >= wanted.amount));
        prop_assert_eq!(before.covers_without(&b, &b), b.quantities().iter().all(|wanted| before.get(wanted.resource) - wanted.amount >= wanted.amount));
    }

    #[test]
    fn an_allocation_can_be_given_back(
        cpus in 0_i64..80_000, gpus in vec((0_i64..=2).prop_map(|halves| halves * 5_000), 1..6),
        demands in vec((0_i64..40_000, 0_i64..40_000, any::<bool>()), 1..8),
    ) {
        let raw = |parts: &[i64]| parts.iter().copied().map(FixedPoint::from_raw).collect::<Vec<_>>();
        let mut node = NodeResourceInstanceSet::new();
        node.edit().set(ResourceId::CPU, &raw(&[cpus])).expect("an instance");
        node.edit().set(ResourceId::GPU, &raw(&gpus)).expect("instances");
        let full = node.clone();
        let mut taken = Vec::new();
        for (cpu, gpu, back) in demands {
            let wanted = ResourceSet::from_iter([(ResourceId::CPU, FixedPoint::from_raw(cpu)), (ResourceId::GPU, FixedPoint::from_raw(gpu))]);
            let before = node.clone();
            match node.edit().try_allocate(wanted.quantities()) {
                Ok(allocation) => {
                    for (resource, amounts) in &allocation {
                        prop_assert_eq!(amounts.iter().sum::<FixedPoint>(), wanted.get(*resource));
                        prop_assert_eq!(node.sum(*resource) + wanted.get(*resource), before.sum(*resource));
                        prop_assert!(node.get(*resource).iter().all(|left| *left >= FixedPoint::ZERO));
                        let fractions = amounts.iter().filter(|&&amount| amount != FixedPoint::ZERO && amount != FixedPoint::ONE);
                        prop_assert!(*resource == ResourceId::CPU || fractions.count() <= 1);
                    }
                    taken.push(allocation);
                }
                Err(_) => prop_assert_eq!(&node, &before),
            }
            if back {
                for (resource, amounts) in taken.pop().into_iter().flatten() {
                    node.edit().free(resource, &amounts).expect("it was taken from there");
                }
            }
        }
        for (resource, amounts) in taken.into_iter().flatten() {
            node.edit().free(resource, &amounts).expect("it was taken from there");
        }
        prop_assert_eq!(node, full);
    }

    #[test]
    fn any_bytes_are_an_expression_or_an_error(key in vec(any::<u8>(), 0..80), expression in vec(any::<u8>(), 0..200)) {
        let _ = LabelConstraint::parse(&key, &expression);
        let parts = label_syntax::cut(&expression);
        prop_assert!(parts.values.iter().all(|value| expression.get(value.clone()).is_some()));
        let _ = bundle::parse(&expression);
        let id = ResourceId::new(&expression);
        prop_assert_eq!(id.name(), String::from_utf8_lossy(&expression));
        let _ = id.facts();
    }

    #[test]
    fn what_looks_like_an_expression_is_read_back(text in "!?(in\\()?[a-z,.! -]{0,12}\\)?") {
        match LabelConstraint::parse("key", &text) {
            Ok(constraint) => {
                let again = LabelConstraint::parse("key", constraint.expression()).expect("it was written by us");
                prop_assert_eq!(again, constraint);
            }
            Err(LabelError::Value { at, .. }) => prop_assert!(at <= text.len()),
            Err(error) => prop_assert!(error.to_string().len() > 10),
        }
    }

    #[test]
    fn selectors_go_through_messages(strategy in vec(selector(), 0..4), cut in any::<prop::sample::Index>()) {
        let options: Vec<FallbackOption> = strategy.into_iter().map(FallbackOption::from).collect();
        let bytes = FallbackStrategyMessage::from(&*options).encode_to_vec();
        let read = FallbackStrategyMessage::decode(&*bytes).expect("it was written by us");
        prop_assert_eq!(Vec::<FallbackOption>::try_from(read), Ok(options));
        // A message that was cut is an error, or a shorter message.
        let _ = FallbackStrategyMessage::decode(&bytes[..cut.index(bytes.len() + 1)]);
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in vec(any::<u8>(), 0..100)) {
        if let Ok(message) = LabelSelectorMessage::decode(&*bytes) {
            let _ = LabelSelector::try_from(message);
        }
        if let Ok(message) = BundleMessage::decode(&*bytes) {
            let _ = ResourceSet::from(&message.unit_resources);
        }
    }

    #[test]
    fn resources_go_through_messages(amounts in vec((resource(), (-(1_i64 << 40)..(1_i64 << 40))), 0..10)) {
        let set: ResourceSet = amounts.into_iter().map(|(resource, units)| (resource, FixedPoint::from_units(units))).collect();
        let bytes = BundleMessage { unit_resources: set.to_map() }.encode_to_vec();
        let read = BundleMessage::decode(&*bytes).expect("it was written by us");
        prop_assert_eq!(ResourceSet::from(&read.unit_resources), set);
    }

    #[test]
    fn a_selector_matches_as_its_words_say(selector in selector(), labels in prop::collection::hash_map("[a-c]", "[a-e]", 0..4)) {
        let met = selector.constraints().iter().all(|one| {
            let is_in = labels.get(one.key()).is_some_and(|label| one.values().contains(label));
            match one.operator() { LabelOperator::In => is_in, LabelOperator::NotIn => !is_in }
        });
        prop_assert_eq!(selector.matches(&labels), met);
        let distinct: BTreeSet<&LabelConstraint> = selector.constraints().iter().collect();
        prop_assert_eq!(distinct.len(), selector.constraints().len());
        let map: HashMap<String, String> = selector.to_map().into_iter().collect();
        prop_assert!(map.len() <= distinct.len());
    }
}

fn selector() -> impl Strategy<Value = LabelSelector> {
    let operator = prop_oneof![Just(LabelOperator::In), Just(LabelOperator::NotIn)];
    let constraint = ("[a-c]", operator, btree_set("[a-e]{0,2}", 0..4))
        .prop_map(|(key, operator, values)| LabelConstraint::new(key, operator, values));
    vec(constraint, 0..5).prop_map(|constraints| {
        let mut selector = LabelSelector::new();
        constraints.into_iter().for_each(|constraint| selector.add(constraint));
        selector
    })
}
