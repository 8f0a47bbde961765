//! Resources of placement groups: `CPU_group_<group>` for a whole group, `CPU_group_<index>_<group>` for one of its bundles.

/// What the name of such a resource tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleName<'a> {
    /// The resource that the group took, for example `CPU`.
    pub original: &'a [u8],
    /// Which bundle; none for the whole group.
    pub index: Option<i32>,
    /// The group, as its hex digits.
    pub group: &'a [u8],
}

const INFIX: &[u8] = b"_group_";

/// Reads a name as that of a whole group, or else as that of a bundle. Any bytes may come; it takes one walk from the end.
pub fn parse(name: &[u8]) -> Option<BundleName<'_>> {
    parse_group(name).or_else(|| parse_bundle(name))
}

/// Reads `<original>_group_<hex digits>`.
pub fn parse_group(name: &[u8]) -> Option<BundleName<'_>> {
    let (rest, group) = split_last(name, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))?;
    let original = rest.strip_suffix(INFIX)?;
    is_one_line(original).then_some(BundleName { original, index: None, group })
}

/// Reads `<original>_group_<index>_<letters and digits>`. An index of more than 31 bits makes it no such name.
pub fn parse_bundle(name: &[u8]) -> Option<BundleName<'_>> {
    let (rest, group) = split_last(name, |byte| byte.is_ascii_alphanumeric())?;
    let (rest, digits) = split_last(rest.strip_suffix(b"_")?, |byte| byte.is_ascii_digit())?;
    let original = rest.strip_suffix(INFIX)?;
    let index = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (!original.is_empty() && is_one_line(original)).then_some(BundleName {
        original,
        index: Some(index),
        group,
    })
}

/// Splits before the longest non-empty end of such bytes.
fn split_last(name: &[u8], belongs: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let start = name.iter().rposition(|&byte| !belongs(byte)).map_or(0, |last| last + 1);
    (start < name.len()).then(|| name.split_at(start))
}

fn is_one_line(name: &[u8]) -> bool {
    !name.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(name: &str) -> Option<(&str, Option<i32>, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).expect("text");
        parse(name.as_bytes()).map(|name| (text(name.original), name.index, text(name.group)))
    }

    #[test]
    fn groups_and_bundles() {
        assert_eq!(parts("CPU_group_4482dec0"), Some(("CPU", None, "4482dec0")));
        assert_eq!(parts("CPU_group_3_4482dec0"), Some(("CPU", Some(3), "4482dec0")));
        assert_eq!(parts("a_b_group_0_ffZ"), Some(("a_b", Some(0), "ffZ")));
        assert_eq!(parts("_group_group_ab"), Some(("_group", None, "ab")));
        assert_eq!(parts("A_group_1_group_ff"), Some(("A_group_1", None, "ff")));
        assert_eq!(parts("_group_ab"), Some(("", None, "ab")));
    }

    #[test]
    fn other_names_are_not_of_groups() {
        for name in [
            "",
            "CPU",
            "group",
            "_group_",
            "CPU_group_",
            "CPU_group_XY",
            "CPU_group__ab",
            "_group_1_ab",
            "CPU_group_1_",
            "CPU_group_-1_ab",
            "CPU_group_99999999999_ab",
            "CPU\n_group_ab",
            "CPU_group_1_a b",
        ] {
            assert_eq!(parts(name), None, "{name:?}");
        }
        assert_eq!(parse(&[0xff; 100]), None);
    }

    #[test]
    fn a_megabyte_is_read_at_once() {
        let name = format!("{}_group_ab", "x".repeat(1 << 20));
        assert_eq!(parts(&name).map(|parts| parts.0.len()), Some(1 << 20));
        assert_eq!(parts(&"_group_".repeat(1 << 17)), None);
    }
}
