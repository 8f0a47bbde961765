//! Free pieces by size, for each eighth of the region by itself.
//!
//! The best fit alone leaves what is free scattered all over the region. A fit that is slightly worse but lies nearer the start of
//! the region is better: so what is live gathers there, and larger pieces form behind it.

use std::ops::ControlFlow;

use super::large::LargeBins;
use super::records::{Records, MAX_GRANULES};
use super::small::SmallBins;

/// A region has at most so many zones.
const ZONES: u64 = 8;

/// A piece may be larger by this part of a zone, for each zone that it lies nearer the start.
const PART: u64 = 1 << 14;

/// The free pieces of a zone: those that begin there.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) small: SmallBins,
    pub(super) large: LargeBins,
}

/// The free pieces.
#[derive(Debug)]
pub(super) struct Zones {
    zones: Vec<Zone>,
    /// An offset shifted right by so much is the number of a zone.
    shift: u32,
    /// Granules by which a piece is as good as one of the next zone.
    step: u64,
}

impl Zones {
    /// For a region of so many granules.
    pub(super) fn new(granules: u64) -> Self {
        let size = granules.clamp(1, MAX_GRANULES).div_ceil(ZONES).next_power_of_two();
        let zone = || Zone { small: SmallBins::new(), large: LargeBins::new() };
        let zones = (0..granules.div_ceil(size).max(1)).map(|_| zone()).collect();
        Self { zones, shift: size.trailing_zeros(), step: size / PART }
    }

    /// The zone in which an offset lies.
    #[inline]
    pub(super) fn number(&self, offset: u64) -> usize {
        // Less than `ZONES`.
        usize::try_from(offset >> self.shift).unwrap_or(usize::MAX)
    }

    /// How good it is to take from a piece, in granules; less is better.
    #[cfg(test)]
    pub(super) fn score(&self, offset: u64, size: u64) -> u64 {
        size + (offset >> self.shift) * self.step
    }

    #[inline]
    pub(super) fn insert(&mut self, records: &mut Records, index: u32) {
        let (size, at) = (records.at(index).size, self.number(records.at(index).offset()));
        match SmallBins::bin(size) {
            Some(bin) => self.zones[at].small.insert(records, bin, index),
            None => self.zones[at].large.insert(records, index),
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, records: &mut Records, index: u32) {
        let (size, at) = (records.at(index).size, self.number(records.at(index).offset()));
        match SmallBins::bin(size) {
            Some(bin) => self.zones[at].small.remove(records, bin, index),
            None => self.zones[at].large.remove(records, index),
        }
    }

    /// The piece with the least score that is large enough; of several in a zone the one freed last.
    #[inline]
    pub(super) fn best_fit(&self, records: &Records, wanted: u64) -> Option<u32> {
        let mut best = None;
        let mut least = u64::MAX;
        let mut farther = 0;
        for zone in &self.zones {
            // No piece from here on can be better.
            if least <= wanted + farther {
                break;
            }
            if let Some(index) = zone.best_fit(wanted) {
                let score = records.at(index).size + farther;
                if score < least {
                    (least, best) = (score, Some(index));
                }
            }
            farther += self.step;
        }
        best
    }

    /// Shows all pieces of at least so many granules until told to stop: those at the end of the region, where there is most
    /// free space, before those at its start, and the large ones of a zone before the small ones.
    pub(super) fn visit(
        &self,
        records: &Records,
        least: u64,
        mut visit: impl FnMut(u32) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for zone in self.zones.iter().rev() {
            zone.large.visit(&mut visit)?;
            if let Some(least) = SmallBins::bin(least) {
                zone.small.visit(records, least, &mut visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// For tests: the zones, by rising offset.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.zones.iter()
    }

    /// Bytes of memory that grow with the pieces.
    pub(super) fn footprint(&self) -> usize {
        self.zones.iter().map(|zone| zone.large.footprint()).sum()
    }
}

impl Zone {
    /// The least piece that is large enough.
    #[inline]
    fn best_fit(&self, wanted: u64) -> Option<u32> {
        let small = SmallBins::bin(wanted).and_then(|bin| self.small.best_fit(bin));
        small.or_else(|| self.large.best_fit(wanted))
    }
}
