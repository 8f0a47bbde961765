//! Ray's messages for labels and resources: the fields that are needed, under Ray's numbers. Others are skipped when one is
//! read.

use std::collections::HashMap;

use super::fallback_strategy::FallbackOption;
use super::label_selector::{LabelConstraint, LabelOperator, LabelSelector};
use super::label_syntax::LabelError;

/// `ray.rpc.LabelSelectorConstraint`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelSelectorConstraintMessage {
    /// Which label.
    #[prost(string, tag = "1")]
    pub label_key: String,
    /// A number of [`LabelOperator`].
    #[prost(int32, tag = "2")]
    pub operator: i32,
    /// The values.
    #[prost(string, repeated, tag = "3")]
    pub label_values: Vec<String>,
}

/// `ray.rpc.LabelSelector`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelSelectorMessage {
    /// The constraints.
    #[prost(message, repeated, tag = "1")]
    pub label_constraints: Vec<LabelSelectorConstraintMessage>,
}

/// `ray.rpc.FallbackOption`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FallbackOptionMessage {
    /// Which nodes will do.
    #[prost(message, optional, tag = "1")]
    pub label_selector: Option<LabelSelectorMessage>,
}

/// `ray.rpc.FallbackStrategy`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FallbackStrategyMessage {
    /// What to try, in order.
    #[prost(message, repeated, tag = "1")]
    pub options: Vec<FallbackOptionMessage>,
}

/// The resources of a `ray.rpc.Bundle`. Other messages have such a map under other numbers; sets of resources are made from
/// any map and give one.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BundleMessage {
    /// Names and units.
    #[prost(map = "string, double", tag = "2")]
    pub unit_resources: HashMap<String, f64>,
}

impl From<&LabelConstraint> for LabelSelectorConstraintMessage {
    fn from(constraint: &LabelConstraint) -> Self {
        Self {
            label_key: constraint.key().to_owned(),
            operator: constraint.operator() as i32,
            label_values: constraint.values().iter().cloned().collect(),
        }
    }
}

impl TryFrom<LabelSelectorConstraintMessage> for LabelConstraint {
    type Error = LabelError;

    fn try_from(message: LabelSelectorConstraintMessage) -> Result<Self, LabelError> {
        let operator = LabelOperator::try_from(message.operator)?;
        Ok(Self::new(message.label_key, operator, message.label_values))
    }
}

impl From<&LabelSelector> for LabelSelectorMessage {
    fn from(selector: &LabelSelector) -> Self {
        Self { label_constraints: selector.constraints().iter().map(Into::into).collect() }
    }
}

/// Equal constraints become one.
impl TryFrom<LabelSelectorMessage> for LabelSelector {
    type Error = LabelError;

    fn try_from(message: LabelSelectorMessage) -> Result<Self, LabelError> {
        let mut selector = Self::new();
        for constraint in message.label_constraints {
            selector.add(constraint.try_into()?);
        }
        Ok(selector)
    }
}

impl From<&FallbackOption> for FallbackOptionMessage {
    fn from(option: &FallbackOption) -> Self {
        Self { label_selector: Some((&option.label_selector).into()) }
    }
}

impl TryFrom<FallbackOptionMessage> for FallbackOption {
    type Error = LabelError;

    fn try_from(message: FallbackOptionMessage) -> Result<Self, LabelError> {
        LabelSelector::try_from(message.label_selector.unwrap_or_default()).map(Self::from)
    }
}

impl From<&[FallbackOption]> for FallbackStrategyMessage {
    fn from(options: &[FallbackOption]) -> Self {
        Self { options: options.iter().map(Into::into).collect() }
    }
}

impl TryFrom<FallbackStrategyMessage> for Vec<FallbackOption> {
    type Error = LabelError;

    fn try_from(message: FallbackStrategyMessage) -> Result<Self, LabelError> {
        message.options.into_iter().map(FallbackOption::try_from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn bytes_are_rays() {
        let selector = LabelSelector::parse([("a", "!in(x,y)")]).expect("well formed");
        let bytes = LabelSelectorMessage::from(&selector).encode_to_vec();
        // Field 1 of 11 bytes: field 1 "a", field 2 the number 2, fields 3 "x" and "y".
        assert_eq!(bytes, b"\x0a\x0b\x0a\x01a\x10\x02\x1a\x01x\x1a\x01y");
    }

    #[test]
    fn an_operator_that_is_none_is_an_error() {
        let message = LabelSelectorMessage::decode(&b"\x0a\x03\x0a\x01a"[..]).expect("a message");
        assert_eq!(LabelSelector::try_from(message), Err(LabelError::UnknownOperator(0)));
    }

    #[test]
    fn an_option_without_a_selector_is_any_node() {
        let message = FallbackStrategyMessage { options: vec![FallbackOptionMessage::default()] };
        assert_eq!(Vec::try_from(message), Ok(vec![FallbackOption::default()]));
    }
}
