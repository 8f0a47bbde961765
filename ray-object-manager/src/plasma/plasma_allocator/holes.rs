//! Which pages of a region have no space behind them.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of bytes, kept as the ranges that it consists of.
#[derive(Debug, Default)]
pub(super) struct Holes {
    /// Ends by starts. No two of them adjoin, and none is empty.
    ranges: BTreeMap<usize, usize>,
    total: usize,
}

impl Holes {
    /// Everything up to `end`.
    pub(super) fn all(end: usize) -> Self {
        let mut holes = Self::default();
        holes.insert(0..end);
        holes
    }

    /// How many bytes these are.
    #[inline]
    pub(super) fn total(&self) -> usize {
        self.total
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Those parts of `range` that are in the set, by rising offset.
    pub(super) fn within(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
        let before = self.ranges.range(..range.start).next_back();
        let reaching = before.filter(move |(_, &end)| end > range.start);
        let inner = (!range.is_empty()).then(|| self.ranges.range(range.clone()));
        reaching
            .into_iter()
            .chain(inner.into_iter().flatten())
            .map(move |(&start, &end)| start.max(range.start)..end.min(range.end))
            .filter(|part| !part.is_empty())
    }

    /// Those parts of `range` that are not in the set, by rising offset.
    pub(super) fn between(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut at = range.start;
        let last = range.end..range.end;
        self.within(range)
            .chain(std::iter::once(last))
            .map(move |hole| {
                let part = at..hole.start;
                at = hole.end;
                part
            })
            .filter(|part| !part.is_empty())
    }

    /// How many bytes of `range` are in the set.
    pub(super) fn count(&self, range: Range<usize>) -> usize {
        self.within(range).map(|part| part.len()).sum()
    }

    /// Adds what of `range` is not in the set.
    pub(super) fn insert(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.total += range.len() - self.count(range.clone());
        let Range { mut start, mut end } = range;
        while let Some((&first, &last)) = self.ranges.range(..=end).next_back() {
            if last < start {
                break;
            }
            self.ranges.remove(&first);
            start = start.min(first);
            end = end.max(last);
        }
        self.ranges.insert(start, end);
    }

    /// Takes out what of `range` is in the set.
    pub(super) fn remove(&mut self, range: Range<usize>) {
        let parts: Vec<Range<usize>> = self.within(range).collect();
        for part in parts {
            self.total -= part.len();
            let Some((&start, &end)) = self.ranges.range(..=part.start).next_back() else {
                continue;
            };
            self.ranges.remove(&start);
            for rest in [start..part.start, part.end..end] {
                if !rest.is_empty() {
                    self.ranges.insert(rest.start, rest.end);
                }
            }
        }
    }

    /// Whether the ranges are as they should be.
    pub(super) fn check(&self) -> Result<(), String> {
        let sum: usize = self.ranges.iter().map(|(start, end)| end.saturating_sub(*start)).sum();
        let apart =
            self.ranges.iter().zip(self.ranges.keys().skip(1)).all(|((_, end), next)| end < next);
        if sum == self.total && apart && self.ranges.iter().all(|(start, end)| start < end) {
            Ok(())
        } else {
            Err(format!("holes of {} bytes: {:?}", self.total, self.ranges))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES: usize = 40;

    fn ranges_of(set: &[bool], within: Range<usize>, value: bool) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for at in within.filter(|&at| set[at] == value) {
            match ranges.last_mut() {
                Some(last) if last.end == at => last.end = at + 1,
                _ => ranges.push(at..at + 1),
            }
        }
        ranges
    }

    proptest! {
        #[test]
        fn the_set_is_one_of_bytes(
            steps in prop::collection::vec((any::<bool>(), 0..BYTES, 0..BYTES, 0..BYTES, 0..BYTES), 0..60),
        ) {
            let mut set = vec![false; BYTES];
            let mut holes = Holes::default();
            for (insert, one, other, from, to) in steps {
                let range = one.min(other)..one.max(other);
                set[range.clone()].fill(insert);
                if insert { holes.insert(range) } else { holes.remove(range) }
                holes.check().unwrap();
                let asked = from.min(to)..from.max(to);
                let inside = ranges_of(&set, asked.clone(), true);
                prop_assert_eq!(holes.within(asked.clone()).collect::<Vec<_>>(), inside.clone());
                prop_assert_eq!(
                    holes.between(asked.clone()).collect::<Vec<_>>(),
                    ranges_of(&set, asked.clone(), false)
                );
                prop_assert_eq!(holes.count(asked), inside.iter().map(Range::len).sum::<usize>());
                prop_assert_eq!(holes.total(), set.iter().filter(|&&hole| hole).count());
                prop_assert_eq!(holes.is_empty(), holes.total() == 0);
            }
        }
    }

    #[test]
    fn all_is_everything_up_to_the_end() {
        let holes = Holes::all(100);
        assert_eq!((holes.total(), holes.count(90..200)), (100, 10));
        assert!(Holes::all(0).is_empty());
    }
}
