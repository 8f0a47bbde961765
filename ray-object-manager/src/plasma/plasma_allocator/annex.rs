//! Where requests go that fit the limit but no free piece: a second file, as large as the primary region, whose space is
//! that of free pages of the region.
//!
//! The region's free space lies in pieces between objects that cannot move. Their pages can: those that a request needs are
//! given back to the system where they lie apart, and taken anew in the annex, where they lie together. Neither file is
//! mapped anew, and together they never have more space than the limit. So what is free can be used whatever pieces
//! it lies in, up to parts of pages.

use std::collections::HashMap;
use std::io;
use std::ops::{ControlFlow, Range};

use super::holes::Holes;
use super::region::Region;
use super::{bytes, Refused};
use crate::plasma::free_space::{FreeSpace, GRANULE};

/// Requests for less are refused when no piece is large enough: a page would hardly be filled, and a small
/// piece is rarely missing.
const LEAST: usize = 16 << 10;

/// So many free pieces of the region are looked at for a request.
const MOST_PIECES: usize = 4096;

/// A file with its free and live pieces, and the pages of it that have no space.
#[derive(Debug)]
pub(super) struct Annex<R> {
    pub(super) region: R,
    pub(super) space: FreeSpace,
    holes: Holes,
    /// Bytes asked for, by offset.
    asked: HashMap<usize, usize>,
    size: usize,
}

impl<R: Region> Annex<R> {
    fn over(region: R, page: usize) -> Self {
        let size = region.usable() / page * page;
        let space = FreeSpace::new((size / GRANULE) as u64);
        Self { region, space, holes: Holes::all(size), asked: HashMap::new(), size }
    }

    /// Bytes that have space.
    fn backed(&self) -> usize {
        self.size - self.holes.total()
    }

    /// Bytes in live pieces, whole pages.
    fn live(&self) -> usize {
        self.size - bytes(self.space.free_granules())
    }
}

/// The pages that the primary region has lent, and the annex that has them.
#[derive(Debug)]
pub(super) struct Lending<R> {
    /// Pages of the region without space.
    holes: Holes,
    annex: Option<Annex<R>>,
    /// Bytes of a page; none if the region cannot give pages back.
    page: Option<usize>,
}

impl<R: Region> Lending<R> {
    pub(super) fn of(region: &R) -> Self {
        Self { holes: Holes::default(), annex: None, page: region.page_size() }
    }

    pub(super) fn annex(&self) -> Option<&Annex<R>> {
        self.annex.as_ref()
    }

    /// Bytes of the region that live pieces of the annex take.
    pub(super) fn lent(&self) -> usize {
        self.annex.as_ref().map_or(0, Annex::live)
    }

    /// Bytes that have space in the annex, less those that have none in the region.
    pub(super) fn reserved_difference(&self) -> isize {
        let backed = self.annex.as_ref().map_or(0, Annex::backed);
        backed.cast_signed() - self.holes.total().cast_signed()
    }

    /// Whether every page of the region has space.
    #[inline]
    pub(super) fn is_unused(&self) -> bool {
        self.holes.is_empty()
    }

    /// Gives space to those pages of a free part of the region that have lent theirs.
    ///
    /// # Errors
    /// When the annex needs it, or the operating system has none.
    #[cold]
    pub(super) fn restore(
        &mut self,
        region: &mut R,
        space: &FreeSpace,
        part: Range<usize>,
    ) -> Result<(), Refused> {
        let Some(page) = self.page else { return Ok(()) };
        let pages = part.start / page * page..part.end.next_multiple_of(page);
        let missing: Vec<Range<usize>> = self.holes.within(pages.clone()).collect();
        let needed = missing.iter().map(Range::len).sum();
        self.make_room(region, space, needed, &pages, &(0..0))?;
        take_space(region, &mut self.holes, missing)
    }

    /// Finds room in the annex for a request that no free piece of the region has room for. The offset.
    ///
    /// # Errors
    /// When there are not as many free pages, or the operating system refuses.
    #[cold]
    pub(super) fn place(
        &mut self,
        region: &mut R,
        space: &FreeSpace,
        requested: usize,
    ) -> Result<usize, Refused> {
        let Some(page) = self.page.filter(|_| requested >= LEAST) else {
            return Err(Refused::OutOfMemory);
        };
        let rounded = requested.checked_next_multiple_of(page).ok_or(Refused::OutOfMemory)?;
        let free = bytes(space.free_granules()).saturating_sub(self.lent());
        if rounded > free {
            return Err(Refused::OutOfMemory);
        }
        if self.annex.is_none() {
            let annex = region.annex().map_err(cannot_begin)?;
            self.annex = Some(Annex::over(annex, page));
        }
        let annex = self.annex.as_mut().ok_or(Refused::OutOfMemory)?;
        let fit = annex.space.find(rounded).ok_or(Refused::OutOfMemory)?;
        let part = bytes(fit.offset)..bytes(fit.end());
        let missing: Vec<Range<usize>> = annex.holes.within(part.clone()).collect();
        let needed = missing.iter().map(Range::len).sum();
        self.make_room(region, space, needed, &(0..0), &part)?;
        let annex = self.annex.as_mut().ok_or(Refused::OutOfMemory)?;
        take_space(&mut annex.region, &mut annex.holes, missing)?;
        annex.space.take(fit, rounded);
        annex.asked.insert(part.start, requested);
        Ok(part.start)
    }

    /// Takes back what begins at `address`, if that lies in the annex: the bytes asked for. Its pages keep their space until
    /// somebody needs it.
    pub(super) fn free(&mut self, address: usize) -> Option<usize> {
        let annex = self.annex.as_mut()?;
        let offset = address.wrapping_sub(annex.region.base() as usize);
        let requested = annex.asked.remove(&offset)?;
        let released = annex.space.release((offset / GRANULE) as u64);
        debug_assert!(released.is_some_and(|released| released >= requested));
        Some(requested)
    }

    /// Takes so much space from free pages that `needed` bytes can have it, but none from these parts of
    /// the region and of the annex.
    fn make_room(
        &mut self,
        region: &mut R,
        space: &FreeSpace,
        needed: usize,
        spared: &Range<usize>,
        spared_annex: &Range<usize>,
    ) -> Result<(), Refused> {
        let Some(page) = self.page else { return Err(Refused::OutOfMemory) };
        let backed = self.annex.as_ref().map_or(0, Annex::backed);
        let mut lacking = (backed + needed).saturating_sub(self.holes.total());
        if lacking == 0 {
            return Ok(());
        }
        // What is free in the annex goes first: nobody will look for it there before the region is full again.
        let mut of_annex = Vec::new();
        if let Some(annex) = &self.annex {
            lacking =
                choose(&annex.space, &annex.holes, page, lacking, spared_annex, &mut of_annex);
        }
        let mut of_region = Vec::new();
        if choose(space, &self.holes, page, lacking, spared, &mut of_region) > 0 {
            return Err(Refused::OutOfMemory);
        }
        if let Some(annex) = &mut self.annex {
            give_space(&mut annex.region, &mut annex.holes, of_annex)?;
        }
        give_space(region, &mut self.holes, of_region)
    }

    /// Compares everything with everything. Linear; for tests.
    pub(super) fn check(&self, region: &R, space: &FreeSpace) -> Result<(), String> {
        self.holes.check()?;
        let apart = |holes: &Holes, space: &FreeSpace| {
            let live = space.pieces().filter(|piece| piece.live);
            live.map(|piece| bytes(piece.offset)..bytes(piece.offset + piece.size))
                .all(|piece| holes.count(piece) == 0)
        };
        if !apart(&self.holes, space) {
            return Err("a live allocation lies on a page that was lent".to_owned());
        }
        let Some(annex) = &self.annex else { return Ok(()) };
        annex.holes.check()?;
        annex.space.check()?;
        if !apart(&annex.holes, &annex.space) {
            return Err("a live allocation of the annex has no space behind it".to_owned());
        }
        if annex.backed() > self.holes.total() {
            return Err(format!("{} bytes lent, {} borrowed", self.holes.total(), annex.backed()));
        }
        if self.holes.total() > 0 && region.reserved() < region.usable() {
            return Err("pages were lent before all of them were reserved".to_owned());
        }
        let mut live = annex.space.pieces().filter(|piece| piece.live);
        let all_asked = live.all(|piece| {
            let asked = annex.asked.get(&bytes(piece.offset));
            asked.is_some_and(|&asked| asked <= bytes(piece.size))
        });
        if !all_asked || annex.space.num_live() != annex.asked.len() {
            return Err("the table of the annex's allocations is wrong".to_owned());
        }
        Ok(())
    }
}

/// Chooses whole pages of free pieces that have space, `lacking` bytes of them at most, at the end of each piece. How much
/// is lacking still.
fn choose(
    space: &FreeSpace,
    holes: &Holes,
    page: usize,
    mut lacking: usize,
    spared: &Range<usize>,
    chosen: &mut Vec<Range<usize>>,
) -> usize {
    if lacking == 0 {
        return 0;
    }
    let mut looked_at = 0;
    space.visit_free((page / GRANULE) as u64, |offset, size| {
        let start = bytes(offset).next_multiple_of(page);
        let end = bytes(offset + size) / page * page;
        let (before, after) = (start..end.min(spared.start), start.max(spared.end)..end);
        let whole = start..end;
        let parts = if spared.is_empty() { [0..0, whole] } else { [before, after] };
        for part in parts.into_iter().filter(|part| part.start < part.end) {
            let mut backed: Vec<Range<usize>> = holes.between(part).collect();
            while let Some(range) = backed.pop().filter(|_| lacking > 0) {
                let start = range.start.max(range.end.saturating_sub(lacking));
                lacking -= range.end - start;
                chosen.push(start..range.end);
            }
        }
        looked_at += 1;
        if lacking == 0 || looked_at == MOST_PIECES {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    lacking
}

/// Gives the space of these pages back to the system.
fn give_space<R: Region>(
    region: &mut R,
    holes: &mut Holes,
    pages: Vec<Range<usize>>,
) -> Result<(), Refused> {
    for range in pages {
        region.give_back(range.clone()).map_err(cannot_give)?;
        holes.insert(range);
    }
    Ok(())
}

/// Takes space for these pages from the system.
fn take_space<R: Region>(
    region: &mut R,
    holes: &mut Holes,
    pages: Vec<Range<usize>>,
) -> Result<(), Refused> {
    for range in pages {
        if let Err(error) = region.restore(range.clone()) {
            // It may have got a part of it, which nobody would count.
            if let Err(error) = region.give_back(range) {
                log::warn!("space that is not used is not given back: {error}");
            }
            return Err(Refused::OutOfSpace(error));
        }
        holes.remove(range);
    }
    Ok(())
}

fn cannot_begin(error: io::Error) -> Refused {
    match error.kind() {
        io::ErrorKind::Unsupported => Refused::OutOfMemory,
        _ => Refused::OutOfSpace(error),
    }
}

fn cannot_give(error: io::Error) -> Refused {
    log::debug!("free pages cannot be used elsewhere: {error}");
    Refused::OutOfMemory
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::super::{AddressesOnly, PlasmaAllocator, PlasmaAllocatorConfig};
    use super::*;
    use crate::plasma::allocator::{AllocError, Allocation, Allocator};
    use crate::plasma::mappings::MmapRecord;

    const PAGE: usize = 4096;
    const LIMIT: usize = 64 * PAGE;

    fn config() -> PlasmaAllocatorConfig {
        PlasmaAllocatorConfig {
            plasma_directory: "/nowhere".into(),
            fallback_directory: "/nowhere".into(),
            footprint_limit: LIMIT.cast_signed() as i64,
            hugepage_enabled: false,
            preallocate: false,
            exclude_from_core_dump: false,
        }
    }

    fn allocator() -> PlasmaAllocator<AddressesOnly> {
        PlasmaAllocator::with_region(AddressesOnly::new(LIMIT), config()).unwrap()
    }

    /// Whole pages of the region in free pieces, less those that live pieces of the annex have.
    fn free_pages(allocator: &PlasmaAllocator<AddressesOnly>) -> usize {
        let free = allocator.space.pieces().filter(|piece| !piece.live);
        let whole = free.map(|piece| {
            let end = bytes(piece.offset + piece.size) / PAGE;
            end.saturating_sub(bytes(piece.offset).div_ceil(PAGE))
        });
        whole.sum::<usize>() - allocator.lending.lent() / PAGE
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        // Pages are few and all free ones are looked at, so what is refused has not enough of them, or they lie apart in the
        // annex as well.
        #[test]
        fn what_is_refused_has_too_few_free_pages(
            steps in prop::collection::vec((0..100_u32, 0..200_000_usize, any::<prop::sample::Index>()), 1..300),
        ) {
            let mut allocator = allocator();
            let mut live: Vec<Allocation> = Vec::new();
            for (step, (kind, size, index)) in steps.into_iter().enumerate() {
                if kind < 55 {
                    let size = if kind < 20 { size / 40 } else { size };
                    let before = (allocator.allocated(), allocator.num_live());
                    match allocator.allocate(size) {
                        Ok(allocation) => live.push(allocation),
                        Err(AllocError::OutOfMemory { .. }) => {
                            prop_assert_eq!(before, (allocator.allocated(), allocator.num_live()));
                            let pages = size.div_ceil(PAGE);
                            let apart = allocator.lending.annex().is_some_and(|annex| {
                                bytes(annex.space.largest_free()) < pages * PAGE
                            });
                            prop_assert!(size < LEAST || pages > free_pages(&allocator) || apart);
                        }
                        Err(other) => panic!("{other}"),
                    }
                } else if !live.is_empty() {
                    let allocation = live.swap_remove(index.index(live.len()));
                    allocator.free(allocation).unwrap();
                }
                if step % 64 == 63 {
                    allocator.check_invariants().unwrap();
                }
                let sum: i64 = live.iter().map(|allocation| allocation.size).sum();
                prop_assert_eq!((sum, live.len()), (allocator.allocated(), allocator.num_live()));
                prop_assert!(allocator.reserved_bytes() <= LIMIT);
                let mut ranges: Vec<_> = live
                    .iter()
                    .map(|a| (a.address as usize, usize::try_from(a.size).unwrap()))
                    .collect();
                ranges.sort_unstable();
                prop_assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1.max(1) <= pair[1].0));
            }
            live.into_iter().for_each(|allocation| allocator.free(allocation).unwrap());
            allocator.check_invariants().unwrap();
            prop_assert_eq!(allocator.free_bytes(), LIMIT);
            // All of it can be had in one piece again.
            let all = allocator.allocate(LIMIT).unwrap();
            allocator.check_invariants().unwrap();
            allocator.free(all).unwrap();
        }
    }

    /// A system that refuses.
    #[derive(Debug)]
    struct Refusing {
        addresses: AddressesOnly,
        refuses: Rc<Cell<Option<io::ErrorKind>>>,
        /// Bytes that were given back and not restored.
        given: Rc<Cell<isize>>,
    }

    impl Refusing {
        fn ask(&self, bytes: isize) -> io::Result<()> {
            match self.refuses.get() {
                Some(kind) => Err(kind.into()),
                None => {
                    self.given.set(self.given.get() + bytes);
                    Ok(())
                }
            }
        }
    }

    impl Region for Refusing {
        fn base(&self) -> *mut u8 {
            self.addresses.base()
        }
        fn usable(&self) -> usize {
            self.addresses.usable()
        }
        fn record(&self) -> MmapRecord {
            self.addresses.record()
        }
        fn reserved(&self) -> usize {
            self.addresses.reserved()
        }
        fn reserve_to(&mut self, _end: usize) -> io::Result<()> {
            Ok(())
        }
        fn directory(&self) -> &Path {
            Path::new("/refusing")
        }
        fn page_size(&self) -> Option<usize> {
            Some(PAGE)
        }
        fn give_back(&mut self, pages: Range<usize>) -> io::Result<()> {
            match self.refuses.get() {
                Some(io::ErrorKind::StorageFull) => {
                    self.given.set(self.given.get() + pages.len().cast_signed());
                    Ok(())
                }
                _ => self.ask(pages.len().cast_signed()),
            }
        }
        fn restore(&mut self, pages: Range<usize>) -> io::Result<()> {
            let result = self.ask(-pages.len().cast_signed());
            // A part of it was had.
            if result.is_err() {
                self.given.set(self.given.get() - pages.len().cast_signed());
            }
            result
        }
        fn annex(&self) -> io::Result<Self> {
            self.ask(LIMIT.cast_signed())?;
            let (refuses, given) = (Rc::clone(&self.refuses), Rc::clone(&self.given));
            Ok(Self { addresses: self.addresses.annex()?, refuses, given })
        }
    }

    #[test]
    fn a_refusal_of_the_system_loses_nothing() {
        let (refuses, given) = (Rc::new(Cell::new(None)), Rc::default());
        let region = Refusing {
            addresses: AddressesOnly::new(LIMIT),
            refuses: Rc::clone(&refuses),
            given: Rc::clone(&given),
        };
        let mut allocator = PlasmaAllocator::with_region(region, config()).unwrap();
        let mut live: Vec<Allocation> =
            (0..32).map(|_| allocator.allocate(2 * PAGE).unwrap()).collect();
        for at in (0..16).rev() {
            allocator.free(live.swap_remove(2 * at)).unwrap();
        }
        let expect = |kind, size, allocator: &mut PlasmaAllocator<Refusing>| {
            refuses.set(Some(kind));
            let before = (allocator.allocated(), allocator.num_live(), allocator.free_bytes());
            let refused = allocator.allocate(size).unwrap_err();
            let is_full = kind == io::ErrorKind::StorageFull;
            assert_eq!(matches!(refused, AllocError::OutOfSpace { .. }), is_full, "{refused}");
            assert!(is_full || matches!(refused, AllocError::OutOfMemory { .. }), "{refused}");
            let after = (allocator.allocated(), allocator.num_live(), allocator.free_bytes());
            assert_eq!(before, after);
            allocator.check_invariants().unwrap();
            refuses.set(None);
        };
        // There is no second file.
        expect(io::ErrorKind::StorageFull, 8 * PAGE, &mut allocator);
        expect(io::ErrorKind::Unsupported, 8 * PAGE, &mut allocator);
        live.push(allocator.allocate(4 * PAGE).unwrap());
        // Pages are not taken back; they are, but there is no space for them elsewhere; nor where they were.
        expect(io::ErrorKind::Unsupported, 8 * PAGE, &mut allocator);
        expect(io::ErrorKind::StorageFull, 8 * PAGE, &mut allocator);
        live.push(allocator.allocate(8 * PAGE).unwrap());
        let taken = LIMIT - usize::try_from(given.get()).unwrap() + LIMIT;
        assert_eq!(taken, allocator.reserved_bytes());
        allocator.free(live.remove(16)).unwrap();
        // What is free in the annex lends its space back.
        live.push(allocator.allocate(2 * PAGE).unwrap());
        allocator.check_invariants().unwrap();
        live.into_iter().for_each(|allocation| allocator.free(allocation).unwrap());
        expect(io::ErrorKind::StorageFull, LIMIT, &mut allocator);
        let all = allocator.allocate(LIMIT).unwrap();
        assert_eq!(given.get(), LIMIT.cast_signed(), "all of the annex's, and nothing else");
        allocator.free(all).unwrap();
        allocator.check_invariants().unwrap();
    }

    #[test]
    fn little_requests_and_wrong_addresses_are_not_the_annexs() {
        let mut allocator = allocator();
        let mut live: Vec<Allocation> =
            (0..32).map(|_| allocator.allocate(2 * PAGE).unwrap()).collect();
        for at in (0..16).rev() {
            allocator.free(live.swap_remove(2 * at)).unwrap();
        }
        assert!(allocator.allocate(3 * PAGE).is_err(), "less than is worth it");
        assert!(allocator.lending.annex().is_none());
        let large = allocator.allocate(LEAST).unwrap();
        let record = allocator.lending.annex().unwrap().region.record();
        assert_eq!(
            (large.offset, large.mmap_size, large.fallback_allocated),
            (0, record.size, false)
        );
        assert_eq!(allocator.annex_bytes(), LEAST);
        for address in [1, 64, PAGE, LEAST] {
            assert!(allocator.free_address(large.address as usize + address).is_err());
        }
        allocator.check_invariants().unwrap();
        assert!(allocator.allocate(LIMIT / 2).is_err(), "some of it is used now");
        let rest = allocator.allocate(LIMIT / 2 - LEAST).unwrap();
        assert_eq!((allocator.free_bytes(), allocator.reserved_bytes()), (0, LIMIT));
        assert!(allocator.allocate(1).is_err());
        for allocation in live.into_iter().chain([large, rest]) {
            allocator.free(allocation).unwrap();
        }
        allocator.check_invariants().unwrap();
        assert_eq!(
            (allocator.annex_bytes(), allocator.free_bytes(), allocator.num_live()),
            (0, LIMIT, 0)
        );
    }
}
