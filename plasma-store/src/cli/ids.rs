//! Ids as people read and write them.
//!
//! Ray's ids begin with that of a task and end with the number of the object among those of the task, so that an
//! abbreviation needs both: `3fa91c02…01000000`.

use std::collections::HashMap;
use std::path::Path;

use ray_common::ObjectId;

use super::Error;
use crate::admin::Admin;

/// Digits of each end in an abbreviation.
const DIGITS: usize = 8;

/// Digits without which nothing is looked for.
const FEWEST_DIGITS: usize = 4;

/// An id as somebody gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdName {
    /// All of it.
    Full(ObjectId),
    /// Its first and last digits.
    Part {
        /// The first ones.
        head: String,
        /// The last ones; maybe none.
        tail: String,
    },
}

/// Reads an id with all its digits.
///
/// # Errors
/// When it has not.
pub fn parse_full(text: &str) -> Result<ObjectId, String> {
    ObjectId::from_hex(text)
        .map_err(|_| format!("an id has {} hexadecimal digits", 2 * ObjectId::LENGTH))
}

/// Reads an id with all its digits, or its first ones, or `first…last` (or `first..last`).
///
/// # Errors
/// When it cannot be one.
pub fn parse_name(text: &str) -> Result<IdName, String> {
    if let Ok(id) = ObjectId::from_hex(text) {
        return Ok(IdName::Full(id));
    }
    let ends = text.split_once('…').or_else(|| text.split_once(".."));
    let (head, tail) = ends.unwrap_or((text, ""));
    let hex = |part: &str| part.bytes().all(|digit| digit.is_ascii_hexdigit());
    let enough = (FEWEST_DIGITS..=2 * ObjectId::LENGTH).contains(&(head.len() + tail.len()));
    if !hex(head) || !hex(tail) || !enough {
        return Err(format!(
            "an id has {} hexadecimal digits; so many that only one object has them are enough, as first or \
             first…last ones, but not less than {FEWEST_DIGITS}",
            2 * ObjectId::LENGTH
        ));
    }
    Ok(IdName::Part { head: head.to_ascii_lowercase(), tail: tail.to_ascii_lowercase() })
}

/// The ids that are meant. Asks the store only if one is abbreviated.
///
/// # Errors
/// When none or several objects could be meant, or the store does not tell what it has.
pub fn resolve(names: &[IdName], socket: &Path) -> Result<Vec<ObjectId>, Error> {
    if names.iter().all(|name| matches!(name, IdName::Full(_))) {
        return find(names, &[]);
    }
    let there = Admin::connect(socket)?.objects()?;
    if (there.objects.len() as u64) < there.total {
        return Err(Error::Missing(format!(
            "the store names only {} of its {} objects: give all digits of an id",
            there.objects.len(),
            there.total
        )));
    }
    let there: Vec<&str> = there.objects.iter().map(|object| object.id.as_str()).collect();
    find(names, &there)
}

fn find(names: &[IdName], there: &[&str]) -> Result<Vec<ObjectId>, Error> {
    let one = |name: &IdName| match name {
        IdName::Full(id) => Ok(*id),
        IdName::Part { head, tail } => {
            let fits = |id: &&&str| id.starts_with(head) && id.ends_with(tail.as_str());
            let found: Vec<_> = there.iter().filter(fits).collect();
            match found[..] {
                [id] => parse_full(id).map_err(Error::Usage),
                [] => Err(Error::Missing(format!("no object is called {head}…{tail}"))),
                _ => Err(Error::Missing(format!(
                    "{} objects are called {head}…{tail}: give more digits",
                    found.len()
                ))),
            }
        }
    };
    names.iter().map(one).collect()
}

/// An id, abbreviated.
#[must_use]
pub fn abbreviated(id: &str) -> String {
    match (id.get(..DIGITS), id.len().checked_sub(DIGITS).and_then(|at| id.get(at..))) {
        (Some(head), Some(tail)) if id.len() > 2 * DIGITS => format!("{head}…{tail}"),
        _ => id.to_owned(),
    }
}

/// Each id as short as it can be told from the others.
#[must_use]
pub fn names(ids: &[&str], full: bool) -> Vec<String> {
    if full {
        return ids.iter().map(|id| (*id).to_owned()).collect();
    }
    let short: Vec<String> = ids.iter().map(|id| abbreviated(id)).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in &short {
        *counts.entry(name).or_default() += 1;
    }
    let name = |(id, short): (&&str, &String)| {
        let unique = counts.get(short.as_str()).is_none_or(|count| *count == 1);
        if unique {
            short.clone()
        } else {
            (*id).to_owned()
        }
    };
    ids.iter().zip(&short).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_all_digits_or_enough() {
        let id = ObjectId::from_bytes([0xab; ObjectId::LENGTH]);
        assert_eq!(parse_name(&id.to_string().to_uppercase()), Ok(IdName::Full(id)));
        let part = |head: &str, tail: &str| {
            Ok(IdName::Part { head: head.to_owned(), tail: tail.to_owned() })
        };
        assert_eq!(parse_name("ABCD"), part("abcd", ""));
        assert_eq!(parse_name("ab…cd"), part("ab", "cd"));
        assert_eq!(parse_name("..abcd"), part("", "abcd"));
        let long = "a".repeat(57);
        for wrong in ["", "abc", "wxyz", "ab-cd", "a..b..cde", &long] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_part_means_one_object_or_none() {
        let ids = ["aa".repeat(28), "ab".repeat(28), format!("{}cc", "ab".repeat(27))];
        let there: Vec<&str> = ids.iter().map(String::as_str).collect();
        let meant = |name: &str| {
            let found = find(&[parse_name(name).unwrap()], &there);
            found.map(|ids| ids[0].to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(meant("aaaa").as_ref(), Ok(&ids[0]));
        assert_eq!(meant(&abbreviated(&ids[2])).as_ref(), Ok(&ids[2]));
        assert!(meant("abab").unwrap_err().starts_with("2 objects"));
        assert!(meant("cccc").unwrap_err().starts_with("no object"));
    }

    #[test]
    fn names_are_short_unless_two_would_be_the_same() {
        let (a, b) = (format!("{}0{}", "1".repeat(20), "2".repeat(35)), "3".repeat(56));
        let c = a.replace('0', "4");
        assert_eq!(names(&[&a, &b], false), ["11111111…22222222", "33333333…33333333"]);
        assert_eq!(names(&[&a, &b, &c], false), [&a, "33333333…33333333", &c]);
        assert_eq!(names(&[&a], true), [a.as_str()]);
    }
}
