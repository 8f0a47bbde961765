//! Random selectors and resources, and the bytes of their messages. The questions are those of `answers.py`.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use prost::Message;
use ray_common::scheduling::proto::{BundleMessage, FallbackStrategyMessage, LabelSelectorMessage};
use ray_common::scheduling::{
    FallbackOption, FixedPoint, LabelConstraint, LabelOperator, LabelSelector, ResourceId,
    ResourceSet,
};

use crate::values::{word, Pair};

#[derive(Debug, Clone)]
pub(crate) struct Messages {
    options: Vec<FallbackOption>,
    resources: ResourceSet,
}

pub(crate) fn messages() -> impl Strategy<Value = Messages> {
    (vec(selector(), 0..4), resources()).prop_map(|(selectors, resources)| Messages {
        options: selectors.into_iter().map(FallbackOption::from).collect(),
        resources,
    })
}

/// Any text, also such as no label may have.
fn selector() -> impl Strategy<Value = LabelSelector> {
    let text = || prop_oneof![2 => "[a-c/.-]{0,3}", 1 => any::<String>()];
    let operator = prop_oneof![Just(LabelOperator::In), Just(LabelOperator::NotIn)];
    let constraint = (text(), operator, btree_set(text(), 0..4))
        .prop_map(|(key, operator, values)| LabelConstraint::new(key, operator, values));
    vec(constraint, 0..4).prop_map(|constraints| {
        let mut selector = LabelSelector::new();
        constraints.into_iter().for_each(|constraint| selector.add(constraint));
        selector
    })
}

/// Amounts of any size. A resource without a name is left out, see below.
fn resources() -> impl Strategy<Value = ResourceSet> {
    let name = prop_oneof![Just("CPU".to_owned()), "custom_[0-9]", "\\PC{1,20}"];
    let amount = prop_oneof![any::<i64>(), -30_000_i64..30_000].prop_map(FixedPoint::from_raw);
    btree_map(name, amount, 0..6).prop_map(|amounts| {
        amounts.into_iter().map(|(name, amount)| (ResourceId::new(name), amount)).collect()
    })
}

fn constraints(selector: &LabelSelector) -> String {
    let one = |constraint: &LabelConstraint| {
        let values: String =
            constraint.values().iter().map(|value| format!(":{}", word(value))).collect();
        format!(" {}:{}{values}", word(constraint.key()), constraint.operator() as i32)
    };
    selector.constraints().iter().map(one).collect()
}

impl Messages {
    fn units(&self) -> BTreeMap<String, f64> {
        self.resources.to_map().into_iter().collect()
    }

    fn units_as_words(&self) -> String {
        self.units()
            .iter()
            .map(|(name, units)| format!(" {}:{}", word(name), units.to_bits()))
            .collect()
    }

    /// What Ray's classes write of the same values, and of what they have read from us.
    pub(crate) fn written(&self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for option in &self.options {
            let bytes = LabelSelectorMessage::from(&option.label_selector).encode_to_vec();
            pairs.push((format!("selector{}", constraints(&option.label_selector)), word(bytes)));
        }
        let options: String = self
            .options
            .iter()
            .map(|option| format!(" /{}", constraints(&option.label_selector)))
            .collect();
        let strategy = FallbackStrategyMessage::from(&*self.options).encode_to_vec();
        pairs.push((format!("strategy{options}"), word(strategy)));
        // An entry of a map is a field of its own, so one behind the other is the whole map in order.
        let one = |(name, units)| {
            BundleMessage { unit_resources: [(name, units)].into() }.encode_to_vec()
        };
        let in_order = word(self.units().into_iter().flat_map(one).collect::<Vec<u8>>());
        pairs.push((format!("bundle{}", self.units_as_words()), in_order.clone()));
        let in_any_order =
            BundleMessage { unit_resources: self.resources.to_map() }.encode_to_vec();
        pairs.push((format!("read_bundle {}", word(in_any_order)), in_order));
        pairs
    }

    /// Reads what Ray's classes write, with fields that nobody here knows. `ask` gets a question to its answer.
    pub(crate) fn read(&self, ask: impl Fn(&str) -> String) -> TestCaseResult {
        let answer = ask(&format!("whole_bundle{}", self.units_as_words()));
        let digits = answer.as_bytes()[1..]
            .chunks(2)
            .map(|digits| std::str::from_utf8(digits).expect("ASCII"));
        let bytes: Vec<u8> =
            digits.map(|digits| u8::from_str_radix(digits, 16).expect("two digits")).collect();
        let bundle = BundleMessage::decode(&*bytes).expect("a message");
        prop_assert_eq!(bundle.unit_resources, self.resources.to_map());
        Ok(())
    }
}
