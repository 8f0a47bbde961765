//! What keys and values of labels, and expressions over them, may look like.

use std::ops::Range;

use smallvec::SmallVec;
use thiserror::Error;

use super::label_selector::LabelOperator;

/// Bytes in an expression that is parsed.
pub const MAX_EXPRESSION: usize = 64 << 10;
/// Bytes in the name part of a key, and in a value.
pub const MAX_NAME: usize = 63;
/// Bytes in the part of a key before the last slash.
pub const MAX_PREFIX: usize = 253;

/// What is wrong with a label.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// The part of a key before its last slash.
    #[error("{0:?} before the slash of a label's key is not a series of DNS labels with dots between them, of {MAX_PREFIX} bytes at most")]
    KeyPrefix(String),
    /// A key, or what is behind its last slash.
    #[error("{0:?} is no name of a label: 1 to {MAX_NAME} letters, digits, '-', '_' and '.', a letter or digit at each end")]
    KeyName(String),
    /// A value.
    #[error("{value:?} at byte {at} is no value of a label: 1 to {MAX_NAME} letters, digits, '-', '_' and '.', a letter or digit at each end")]
    Value {
        /// The value, shortened.
        value: String,
        /// Where it begins in the expression.
        at: usize,
    },
    /// A list that does not end.
    #[error("the list in {0:?} has no ')' at its end")]
    UnclosedList(String),
    /// A list of nothing.
    #[error("the list in {0:?} is empty")]
    EmptyList(String),
    /// An expression that is too long.
    #[error("a label expression of {0} bytes, and {MAX_EXPRESSION} are the most")]
    TooLong(usize),
    /// A number that stands for no operator.
    #[error("{0} is no operator of a label selector")]
    UnknownOperator(i32),
}

/// At most forty characters of a text, for messages.
pub fn shown(text: &[u8]) -> String {
    const SHOWN: usize = 40;
    let start = &text[..text.len().min(4 * SHOWN)];
    let mut shown: String = String::from_utf8_lossy(start).chars().take(SHOWN).collect();
    if text.len() > shown.len() {
        shown.push('…');
    }
    shown
}

/// An expression cut into its parts, as Ray cuts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// In or not in.
    pub operator: LabelOperator,
    /// Where the values are, in their order; some may be empty, or there twice.
    pub values: SmallVec<[Range<usize>; 4]>,
    /// Whether it is a list.
    pub is_list: bool,
}

/// Cuts an expression as Ray does, which takes anything: `value`, `!value`, `in(a,b)`, `!in(a,b)`. What is not a whole list is
/// a value; a comma at the end adds no empty value.
pub fn cut(expression: &[u8]) -> Parts {
    let negated = expression.first() == Some(&b'!');
    let start = usize::from(negated);
    let operator = if negated { LabelOperator::NotIn } else { LabelOperator::In };
    let list = expression[start..].strip_prefix(b"in(").and_then(|list| list.strip_suffix(b")"));
    let Some(list) = list else {
        let values = std::iter::once(start..expression.len()).collect();
        return Parts { operator, values, is_list: false };
    };
    let mut at = start + b"in(".len();
    let mut values = SmallVec::new();
    for value in list.split(|&byte| byte == b',') {
        values.push(at..at + value.len());
        at += value.len() + 1;
    }
    if values.last().is_some_and(Range::is_empty) {
        values.pop();
    }
    Parts { operator, values, is_list: true }
}

/// Cuts an expression that is well formed. A blank after a comma does not belong to the value.
///
/// # Errors
///
/// What is wrong with it.
pub fn cut_well_formed(expression: &[u8]) -> Result<Parts, LabelError> {
    if expression.len() > MAX_EXPRESSION {
        return Err(LabelError::TooLong(expression.len()));
    }
    let mut parts = cut(expression);
    let unsigned = expression.strip_prefix(b"!").unwrap_or(expression);
    if !parts.is_list && unsigned.starts_with(b"in(") {
        return Err(LabelError::UnclosedList(shown(expression)));
    }
    if parts.values.is_empty() {
        return Err(LabelError::EmptyList(shown(expression)));
    }
    for value in parts.values.iter_mut().skip(1) {
        value.start += usize::from(expression[value.clone()].first() == Some(&b' '));
    }
    if parts.is_list && expression[..expression.len() - 1].ends_with(b",") {
        let end = expression.len() - 1;
        parts.values.push(end..end); // which is no value, and is said so
    }
    for value in &parts.values {
        if !is_name(&expression[value.clone()]) {
            return Err(LabelError::Value {
                value: shown(&expression[value.clone()]),
                at: value.start,
            });
        }
    }
    Ok(parts)
}

/// The expression for such values, which are in order.
pub fn expression(operator: LabelOperator, values: &[&[u8]]) -> Vec<u8> {
    let sign: &[u8] = if operator == LabelOperator::NotIn { b"!" } else { b"" };
    match values {
        [value] => [sign, value].concat(),
        values => [sign, b"in(", &values.join(&b','), b")"].concat(),
    }
}

/// Checks the key of a label: a name, or a DNS subdomain, a slash and a name.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_key(key: &[u8]) -> Result<(), LabelError> {
    let name = match key.iter().rposition(|&byte| byte == b'/') {
        Some(slash) if !is_prefix(&key[..slash]) => {
            return Err(LabelError::KeyPrefix(shown(&key[..slash])));
        }
        Some(slash) => &key[slash + 1..],
        None => key,
    };
    if is_name(name) {
        Ok(())
    } else {
        Err(LabelError::KeyName(shown(name)))
    }
}

fn is_name(name: &[u8]) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    name.len() <= MAX_NAME
        && is_end(name.first())
        && is_end(name.last())
        && name.iter().all(is_inner)
}

fn is_prefix(prefix: &[u8]) -> bool {
    prefix.len() <= MAX_PREFIX && prefix.split(|&byte| byte == b'.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(expression: &str) -> (LabelOperator, Vec<&str>) {
        let parts = cut(expression.as_bytes());
        (parts.operator, parts.values.into_iter().map(|range| &expression[range]).collect())
    }

    #[test]
    fn expressions_are_cut_as_ray_cuts_them() {
        use LabelOperator::{In, NotIn};
        for (expression, operator, expected) in [
            ("spot", In, vec!["spot"]),
            ("!spot", NotIn, vec!["spot"]),
            ("in(a,b)", In, vec!["a", "b"]),
            ("!in(a)", NotIn, vec!["a"]),
            ("in()", In, vec![]),
            ("in(a,)", In, vec!["a"]),
            ("in(,a)", In, vec!["", "a"]),
            ("in(a,,b)", In, vec!["a", "", "b"]),
            ("in(,)", In, vec![""]),
            ("in(a, b)", In, vec!["a", " b"]),
            ("in(a", In, vec!["in(a"]),
            ("in(", In, vec!["in("]),
            ("!!a", NotIn, vec!["!a"]),
            ("!", NotIn, vec![""]),
            ("", In, vec![""]),
        ] {
            assert_eq!(values(expression), (operator, expected), "{expression}");
        }
    }

    #[test]
    fn faults_are_named() {
        let error =
            |expression: &str| cut_well_formed(expression.as_bytes()).expect_err(expression);
        assert!(matches!(error("in(a"), LabelError::UnclosedList(_)));
        assert!(matches!(error("!in("), LabelError::UnclosedList(_)));
        assert!(matches!(error("in()"), LabelError::EmptyList(_)));
        assert_eq!(error("in(a,b-)"), LabelError::Value { value: "b-".into(), at: 5 });
        assert_eq!(error("in(a,)"), LabelError::Value { value: String::new(), at: 5 });
        assert_eq!(error("in(a,,b)"), LabelError::Value { value: String::new(), at: 5 });
        assert_eq!(error("!!a"), LabelError::Value { value: "!a".into(), at: 1 });
        assert!(matches!(error(""), LabelError::Value { at: 0, .. }));
        assert_eq!(error(&"x".repeat(1 << 20)), LabelError::TooLong(1 << 20));
        let long = error(&"é".repeat(100)).to_string();
        assert!(long.contains('…') && long.len() < 400, "{long}");
        for good in ["spot", "!GPU", "in(A123, B456,c.d)", "!in(x)", &"x".repeat(63)] {
            assert!(cut_well_formed(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn keys() {
        for good in ["region", "ray.io/node-id", "a.b-c.d/x_y.z", "1"] {
            assert_eq!(check_key(good.as_bytes()), Ok(()), "{good}");
        }
        for (bad, name) in [
            ("", true),
            ("a/", true),
            ("-a", true),
            ("/a", false),
            ("a..b/c", false),
            ("a/b/c", false),
        ] {
            let error = check_key(bad.as_bytes()).expect_err(bad);
            assert_eq!(matches!(error, LabelError::KeyName(_)), name, "{bad}: {error}");
        }
        assert!(check_key(&[b'a'; 64]).is_err() && check_key(&[0xff, b'/', b'a']).is_err());
        assert!(check_key(format!("{}/a", "a.".repeat(127)).as_bytes()).is_err());
    }
}
