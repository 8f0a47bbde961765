//! What to try when no node is as wanted: other wishes, in order.

use super::label_selector::LabelSelector;

/// One of the wishes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FallbackOption {
    /// Which nodes will do.
    pub label_selector: LabelSelector,
}

impl From<LabelSelector> for FallbackOption {
    fn from(label_selector: LabelSelector) -> Self {
        Self { label_selector }
    }
}
