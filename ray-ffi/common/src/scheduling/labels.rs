//! Behind `label_selector.h`: expressions over labels.

use std::pin::Pin;

use cxx::{CxxString, CxxVector};
use ray_common::scheduling::label_syntax;
use ray_common::scheduling::LabelOperator;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    extern "Rust" {
        /// Returns the operator; `bounds` gets where each value begins and ends.
        fn cut_label_expression(expression: &CxxString, bounds: &mut Vec<usize>) -> i32;
        /// `values` are in order.
        fn append_label_expression(
            negated: bool,
            values: &CxxVector<CxxString>,
            out: Pin<&mut CxxString>,
        );
        fn label_fault(key: &CxxString, expression: &CxxString, fault: Pin<&mut CxxString>);
    }
}

fn cut_label_expression(expression: &CxxString, bounds: &mut Vec<usize>) -> i32 {
    let parts = label_syntax::cut(expression.as_bytes());
    bounds.reserve(2 * parts.values.len());
    bounds.extend(parts.values.into_iter().flat_map(|value| [value.start, value.end]));
    parts.operator as i32
}

fn append_label_expression(negated: bool, values: &CxxVector<CxxString>, out: Pin<&mut CxxString>) {
    let operator = if negated { LabelOperator::NotIn } else { LabelOperator::In };
    let values: Vec<&[u8]> = values.iter().map(CxxString::as_bytes).collect();
    out.push_bytes(&label_syntax::expression(operator, &values));
}

fn label_fault(key: &CxxString, expression: &CxxString, fault: Pin<&mut CxxString>) {
    let cut = || label_syntax::cut_well_formed(expression.as_bytes());
    if let Err(error) = label_syntax::check_key(key.as_bytes()).and_then(|()| cut().map(drop)) {
        fault.push_str(&error.to_string());
    }
}
