//! What a free space looks like as a whole: for tests and for pictures. Linear in the pieces.

use super::live::LiveTable;
use super::records::{State, NIL, TOP};
use super::small::{self, SmallBins};
use super::FreeSpace;

/// A piece of the region, in granules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) live: bool,
}

impl FreeSpace {
    /// All pieces by rising offset, what is free and adjoins as one. The last one is free, and may be empty.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let mut next = Some(self.records.at(TOP).next);
        std::iter::from_fn(move || {
            let mut piece = self.piece(next?);
            next = self.after(next?);
            while let Some(index) = next.filter(|&index| !piece.live && !self.piece(index).live) {
                piece.size += self.records.at(index).size;
                next = self.after(index);
            }
            Some(piece)
        })
    }

    fn piece(&self, index: u32) -> Piece {
        let record = self.records.at(index);
        Piece { offset: record.offset(), size: record.size, live: record.is_live() }
    }

    fn after(&self, index: u32) -> Option<u32> {
        (index != TOP).then_some(self.records.at(index).next)
    }

    /// Offsets and sizes of the pieces in quick lists.
    #[cfg(test)]
    pub(super) fn quick_pieces(&self) -> Vec<(u64, u64)> {
        let mut index = self.records.at(TOP).next;
        let mut pieces = Vec::new();
        while index != TOP {
            let record = self.records.at(index);
            if record.is_quick() {
                pieces.push((record.offset(), record.size));
            }
            index = record.next;
        }
        pieces
    }

    /// Granules of the largest free piece.
    pub(crate) fn largest_free(&self) -> u64 {
        self.pieces().filter(|piece| !piece.live).map(|piece| piece.size).max().unwrap_or(0)
    }

    /// The live part of each of `buckets` equal parts of the region, from 0 to 1.
    pub(crate) fn occupancy(&self, buckets: usize) -> Vec<f64> {
        let mut used = vec![0_u128; buckets];
        // In units of which a granule has `buckets` and a bucket `granules`, all borders are whole.
        let (granules, count) = (u128::from(self.granules), buckets as u128);
        for piece in self.pieces().filter(|piece| piece.live && buckets > 0) {
            let mut at = u128::from(piece.offset) * count;
            let end = u128::from(piece.offset + piece.size) * count;
            while at < end {
                let bucket = at / granules;
                let until = end.min((bucket + 1) * granules);
                if let Some(used) = usize::try_from(bucket).ok().and_then(|at| used.get_mut(at)) {
                    *used += until - at;
                }
                at = until;
            }
        }
        // Precise enough for a picture.
        #[allow(clippy::cast_precision_loss)]
        used.into_iter().map(|used| used as f64 / granules.max(1) as f64).collect()
    }

    /// Compares every structure with every other.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (live, listed) = self.check_ring()?;
        let mut seen = usize::from(self.hand != NIL);
        let hand_is_free = self.hand == NIL || self.records.at(self.hand).is_free();
        ensure(hand_is_free, "the piece that merged last is not free")?;
        for (number, zone) in self.zones.iter().enumerate() {
            for bin in 1..small::SIZES {
                seen += self.check_list(number, &zone.small, bin)?;
            }
            let mut large = Vec::new();
            zone.large.check(&self.records, |index| large.push(index))?;
            for index in large {
                self.check_listed(number, index)?;
                let size = self.records.at(index).size;
                ensure(SmallBins::bin(size).is_none(), "a small piece in a trie")?;
                seen += 1;
            }
        }
        ensure(seen == listed, "free pieces and listed pieces differ in number")?;
        self.quick.check(&self.records, self.granules)?;
        let quick = self.quick.len();
        ensure(self.live == live, "live pieces are miscounted")?;
        let in_table = self.by_offset.as_ref().map_or(live + quick, LiveTable::len);
        ensure(in_table == live + quick, "live pieces and the table differ in number")?;
        ensure(self.records.used() == live + quick + listed + 1, "a record is not of a piece")
    }

    /// Counts live and listed pieces.
    fn check_ring(&self) -> Result<(usize, usize), String> {
        let (mut live, mut listed, mut quick, mut free) = (0, 0, 0, 0);
        let (mut at, mut prev, mut prev_free) = (0, TOP, false);
        let mut index = self.records.at(TOP).next;
        loop {
            let record = *self.records.at(index);
            let wrong = |what: &str| Err(format!("piece {index} {what}: {record:?}"));
            if record.offset() != at || record.prev != prev {
                return wrong("does not adjoin the one before");
            }
            match record.state() {
                State::Live | State::Quick => {
                    live += usize::from(record.is_live());
                    quick += usize::from(record.is_quick());
                    free += if record.is_quick() { record.size } else { 0 };
                    let of_table = self.by_offset.as_ref();
                    let found = of_table.map_or(Some(index), |table| table.find(&self.records, at));
                    if found != Some(index) || record.size == 0 {
                        return wrong("is empty or not in the table");
                    }
                }
                State::Free => {
                    free += record.size;
                    listed += usize::from(index != TOP);
                    if prev_free || (record.size == 0 && index != TOP) {
                        return wrong("is empty or should have merged");
                    }
                }
                State::Unused => return wrong("is unused"),
            }
            at += record.size;
            prev_free = record.is_free();
            if index == TOP {
                break;
            }
            (prev, index) = (index, record.next);
        }
        ensure(at == self.granules, "the pieces do not fill the region")?;
        ensure(free == self.free, "the free granules are miscounted")?;
        ensure(quick == self.quick.len(), "a quick piece is in no list")?;
        Ok((live, listed))
    }

    fn check_list(&self, zone: usize, small: &SmallBins, bin: usize) -> Result<usize, String> {
        let (mut index, bitmaps_agree) = small.head(bin);
        ensure(bitmaps_agree, "a bitmap is wrong")?;
        let (mut back, mut count) = (NIL, 0);
        while index != NIL {
            let record = self.records.at(index);
            self.check_listed(zone, index)?;
            ensure(record.size == bin as u64, "a piece in the list of another size")?;
            ensure(record.back == back, "a list is not linked both ways")?;
            (back, index, count) = (index, record.forward, count + 1);
        }
        Ok(count)
    }

    fn check_listed(&self, zone: usize, index: u32) -> Result<(), String> {
        let unlisted = index == TOP || index == self.hand;
        let free = !unlisted && self.records.at(index).is_free();
        ensure(
            self.zones.number(self.records.at(index).offset()) == zone,
            "a piece of another zone",
        )?;
        ensure(free, "a piece that is not free in a list")
    }
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}
