//! Which nodes are wanted, by their labels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use super::label_syntax::{self, LabelError};

/// The key under which every node has its id.
pub const NODE_ID_KEY: &str = "ray.io/node-id";

/// How a label and the values of a constraint belong together. Ray's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum LabelOperator {
    /// The label is one of the values.
    In = 1,
    /// The label is none of the values, or is not there.
    NotIn = 2,
}

impl TryFrom<i32> for LabelOperator {
    type Error = LabelError;

    fn try_from(number: i32) -> Result<Self, LabelError> {
        match number {
            1 => Ok(Self::In),
            2 => Ok(Self::NotIn),
            _ => Err(LabelError::UnknownOperator(number)),
        }
    }
}

/// What one label must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelConstraint {
    key: String,
    operator: LabelOperator,
    values: BTreeSet<String>,
}

impl LabelConstraint {
    /// A constraint of these parts, which are not checked.
    pub fn new(
        key: impl Into<String>,
        operator: LabelOperator,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self { key: key.into(), operator, values: values.into_iter().map(Into::into).collect() }
    }

    /// A constraint from what a user wrote: `spot`, `!spot`, `in(a,b)` or `!in(a,b)`. Any bytes may come.
    ///
    /// # Errors
    ///
    /// What is wrong with the key or the expression.
    pub fn parse(key: impl AsRef<[u8]>, expression: impl AsRef<[u8]>) -> Result<Self, LabelError> {
        let (key, expression) = (key.as_ref(), expression.as_ref());
        label_syntax::check_key(key)?;
        let parts = label_syntax::cut_well_formed(expression)?;
        // What was checked is ASCII.
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let values = parts.values.into_iter().map(|range| text(&expression[range]));
        Ok(Self::new(text(key), parts.operator, values))
    }

    /// Which label.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How label and values belong together.
    pub fn operator(&self) -> LabelOperator {
        self.operator
    }

    /// The values, in order.
    pub fn values(&self) -> &BTreeSet<String> {
        &self.values
    }

    /// Whether a node with this label, or without it, is wanted.
    pub fn matches(&self, label: Option<&str>) -> bool {
        let is_in = label.is_some_and(|label| self.values.contains(label));
        is_in == (self.operator == LabelOperator::In)
    }

    /// The expression that a user would write. Ray has none for a constraint without values but `in()`.
    pub fn expression(&self) -> String {
        let values: Vec<&[u8]> = self.values.iter().map(String::as_bytes).collect();
        let expression = label_syntax::expression(self.operator, &values);
        String::from_utf8_lossy(&expression).into_owned() // it is text, as the values are
    }
}

/// Constraints that a node must meet all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LabelSelector {
    constraints: Vec<LabelConstraint>,
}

impl LabelSelector {
    /// A selector that every node meets.
    pub fn new() -> Self {
        Self::default()
    }

    /// A selector from keys and what a user wrote to each.
    ///
    /// # Errors
    ///
    /// What is wrong with the first key or expression that is not well formed.
    pub fn parse<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        expressions: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, LabelError> {
        let mut selector = Self::default();
        for (key, expression) in expressions {
            selector.add(LabelConstraint::parse(key, expression)?);
        }
        Ok(selector)
    }

    /// Adds a constraint, unless it has the same one.
    pub fn add(&mut self, constraint: LabelConstraint) {
        if !self.constraints.contains(&constraint) {
            self.constraints.push(constraint);
        }
    }

    /// The constraints, in the order in which they were added.
    pub fn constraints(&self) -> &[LabelConstraint] {
        &self.constraints
    }

    /// Whether a node with these labels meets all constraints.
    pub fn matches(&self, labels: &HashMap<String, String>) -> bool {
        let met = |constraint: &LabelConstraint| {
            constraint.matches(labels.get(constraint.key()).map(String::as_str))
        };
        self.constraints.iter().all(met)
    }

    /// Keys and expressions, as a user would write them. Of several constraints on one key the last is there.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.constraints.iter().map(|one| (one.key.clone(), one.expression())).collect()
    }

    /// The nodes to one of which it is bound by their ids, if it is.
    pub fn wanted_nodes(&self) -> Option<&BTreeSet<String>> {
        let binds =
            |one: &&LabelConstraint| one.key == NODE_ID_KEY && one.operator == LabelOperator::In;
        self.constraints.iter().find(binds).map(LabelConstraint::values)
    }
}

/// `{'region': in ('a', 'b'), 'tier': !in ('free')}`
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (number, one) in self.constraints.iter().enumerate() {
            let separator = if number > 0 { ", " } else { "" };
            let sign = if one.operator == LabelOperator::NotIn { "!" } else { "" };
            let values: Vec<String> = one.values.iter().map(|value| format!("'{value}'")).collect();
            write!(f, "{separator}'{}': {sign}in ({})", one.key, values.join(", "))?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(expressions: &[(&str, &str)]) -> LabelSelector {
        LabelSelector::parse(expressions.iter().copied()).expect("well formed")
    }

    #[test]
    fn all_constraints_must_be_met() {
        let labels =
            HashMap::from([("region".into(), "us".into()), ("tier".into(), "free".into())]);
        assert!(selector(&[]).matches(&labels));
        assert!(selector(&[("region", "in(eu,us)"), ("tier", "!prod"), ("gone", "!x")])
            .matches(&labels));
        for unmet in [("region", "eu"), ("tier", "!in(free,prod)"), ("gone", "x")] {
            assert!(!selector(&[("region", "us"), unmet]).matches(&labels), "{unmet:?}");
        }
    }

    #[test]
    fn the_same_constraint_is_kept_once() {
        let selector = selector(&[("a", "in(x,y)"), ("a", "in(y,x)"), ("a", "x"), ("b", "x")]);
        assert_eq!(selector.constraints().len(), 3);
        assert_eq!(selector.to_map()["a"], "x", "the last one");
    }

    #[test]
    fn it_is_written_as_a_user_would() {
        let selector = selector(&[("a", "in(y,x)"), ("b", "!in(x)"), ("c", "!in(x, y)")]);
        let map = selector.to_map();
        assert_eq!((&*map["a"], &*map["b"], &*map["c"]), ("in(x,y)", "!x", "!in(x,y)"));
        assert_eq!(
            selector.to_string(),
            "{'a': in ('x', 'y'), 'b': !in ('x'), 'c': !in ('x', 'y')}"
        );
        assert_eq!(
            LabelSelector::parse(map).expect("well formed").to_string(),
            selector.to_string()
        );
    }

    #[test]
    fn wanted_nodes_are_those_of_the_first_such_constraint() {
        assert_eq!(selector(&[(NODE_ID_KEY, "!a"), ("b", "c")]).wanted_nodes(), None);
        let bound = selector(&[(NODE_ID_KEY, "in(a,b)")]);
        assert_eq!(bound.wanted_nodes().map(BTreeSet::len), Some(2));
    }

    #[test]
    fn a_fault_says_which() {
        let error = LabelSelector::parse([("good", "x"), ("bad key", "x")]).expect_err("a blank");
        assert_eq!(error, LabelError::KeyName("bad key".into()));
        assert!(LabelConstraint::parse("a", [0xff_u8, 0]).is_err());
    }
}
