//! Free pieces of fewer than [`SIZES`] granules: a list for each size, and a bitmap that finds the
//! next size of which there is a piece with three looks.

use std::ops::ControlFlow;

use super::records::{Records, NIL};

/// Sizes from 1 up to this, exclusive, have a list each: all below 4 MiB.
pub(super) const SIZES: usize = 64 * 64 * 64 / 4;

const BITS: usize = 64;
const WORDS: usize = SIZES / BITS;
const GROUPS: usize = WORDS / BITS;

/// The lists. Those of sizes that never occur cost no memory: their pages stay untouched.
#[derive(Debug)]
pub(super) struct SmallBins {
    heads: Box<[u32]>,
    /// A bit for each size that has pieces.
    sizes: Box<[u64]>,
    /// A bit for each word of `sizes` that is not 0.
    words: [u64; GROUPS],
    /// A bit for each word of `words` that is not 0.
    groups: u64,
}

impl SmallBins {
    pub(super) fn new() -> Self {
        Self {
            heads: vec![NIL; SIZES].into(),
            sizes: vec![0; WORDS].into(),
            words: [0; GROUPS],
            groups: 0,
        }
    }

    /// The list for a size, if it has one here.
    #[inline]
    pub(super) fn bin(size: u64) -> Option<usize> {
        usize::try_from(size).ok().filter(|&size| size < SIZES)
    }

    #[inline]
    pub(super) fn insert(&mut self, records: &mut Records, bin: usize, index: u32) {
        let head = self.heads[bin];
        self.heads[bin] = index;
        let record = records.at_mut(index);
        record.forward = head;
        record.back = NIL;
        if head != NIL {
            records.at_mut(head).back = index;
            return;
        }
        let (word, group) = (bin / BITS, bin / BITS / BITS);
        self.sizes[word] |= 1 << (bin % BITS);
        self.words[group] |= 1 << (word % BITS);
        self.groups |= 1 << group;
    }

    #[inline]
    pub(super) fn remove(&mut self, records: &mut Records, bin: usize, index: u32) {
        let (forward, back) = (records.at(index).forward, records.at(index).back);
        if forward != NIL {
            records.at_mut(forward).back = back;
        }
        if back != NIL {
            records.at_mut(back).forward = forward;
            return;
        }
        self.heads[bin] = forward;
        if forward != NIL {
            return;
        }
        let (word, group) = (bin / BITS, bin / BITS / BITS);
        self.sizes[word] &= !(1 << (bin % BITS));
        if self.sizes[word] == 0 {
            self.words[group] &= !(1 << (word % BITS));
            if self.words[group] == 0 {
                self.groups &= !(1 << group);
            }
        }
    }

    /// The piece freed last among those of the least size that is enough.
    #[inline]
    pub(super) fn best_fit(&self, bin: usize) -> Option<u32> {
        if self.groups == 0 {
            return None;
        }
        let word = bin / BITS;
        if let Some(bit) = from_bit(self.sizes[word], bin % BITS) {
            return Some(self.heads[word * BITS + bit]);
        }
        let group = word / BITS;
        let word = match after_bit(self.words[group], word % BITS) {
            Some(bit) => group * BITS + bit,
            None => {
                let group = after_bit(self.groups, group)?;
                group * BITS + first_bit(self.words[group])
            }
        };
        Some(self.heads[word * BITS + first_bit(self.sizes[word])])
    }

    /// Shows all pieces of at least so many granules, by falling size, until told to stop.
    pub(super) fn visit(
        &self,
        records: &Records,
        least: usize,
        visit: &mut impl FnMut(u32) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for word in (least / BITS..WORDS).rev() {
            let mut sizes = self.sizes[word];
            while sizes != 0 {
                let bin = word * BITS + sizes.ilog2() as usize;
                sizes &= !(1 << (bin % BITS));
                let mut index = if bin < least { NIL } else { self.heads[bin] };
                while index != NIL {
                    visit(index)?;
                    index = records.at(index).forward;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// First piece of a size, and whether all bitmaps agree with that.
    pub(super) fn head(&self, bin: usize) -> (u32, bool) {
        let (word, group) = (bin / BITS, bin / BITS / BITS);
        let has = self.sizes[word] >> (bin % BITS) & 1 == 1;
        let summed = (self.words[group] >> (word % BITS) & 1 == 1) == (self.sizes[word] != 0)
            && (self.groups >> group & 1 == 1) == (self.words[group] != 0);
        (self.heads[bin], summed && has == (self.heads[bin] != NIL))
    }
}

fn first_bit(word: u64) -> usize {
    word.trailing_zeros() as usize
}

/// The lowest bit set at `from` or above.
fn from_bit(word: u64, from: usize) -> Option<usize> {
    let rest = word & (u64::MAX << from);
    (rest != 0).then(|| first_bit(rest))
}

/// The lowest bit set above `bit`.
fn after_bit(word: u64, bit: usize) -> Option<usize> {
    let rest = word & (u64::MAX << bit << 1);
    (rest != 0).then(|| first_bit(rest))
}

#[cfg(test)]
mod tests {
    use super::super::records::Record;
    use super::*;

    #[test]
    fn finds_every_next_size() {
        let mut records = Records::new(Record::free(0, 0));
        let mut bins = SmallBins::new();
        assert_eq!(bins.best_fit(1), None);
        let sizes = [1, 63, 64, 65, 4095, 4096, 4097, 8191, 20_000, SIZES - 1];
        let index: Vec<u32> = sizes.iter().map(|_| records.insert()).collect();
        for (size, index) in sizes.iter().zip(&index) {
            bins.insert(&mut records, *size, *index);
        }
        for wanted in 1..SIZES {
            let place = sizes.partition_point(|&size| size < wanted);
            assert_eq!(bins.best_fit(wanted), Some(index[place]), "for {wanted}");
        }
        for (size, index) in sizes.iter().zip(&index).rev() {
            bins.remove(&mut records, *size, *index);
            assert_eq!(bins.best_fit(*size), None, "after {size} is gone");
        }
        assert!((1..SIZES).all(|bin| bins.head(bin) == (NIL, true)));
    }

    #[test]
    fn the_last_freed_of_a_size_goes_first() {
        let mut records = Records::new(Record::free(0, 0));
        let mut bins = SmallBins::new();
        let index: Vec<u32> = (0..3).map(|_| records.insert()).collect();
        index.iter().for_each(|&index| bins.insert(&mut records, 9, index));
        assert_eq!(bins.best_fit(2), Some(index[2]));
        bins.remove(&mut records, 9, index[1]);
        bins.remove(&mut records, 9, index[2]);
        assert_eq!(bins.best_fit(2), Some(index[0]));
    }
}
