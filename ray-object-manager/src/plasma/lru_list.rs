//! A doubly linked list through the entries of some other structure, by index: no allocation of its own.

/// "No entry".
pub(super) const NONE: u32 = u32::MAX;

/// The neighbours of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    newer: u32,
    older: u32,
}

impl Link {
    /// In no list.
    pub(super) const OUT: Self = Self { newer: NONE, older: NONE };
}

/// Where the links of the entries lie.
pub(super) trait Links {
    fn link(&mut self, index: u32) -> &mut Link;
    fn peek(&self, index: u32) -> Link;
}

/// From the entry that was added last to the one that was added first.
#[derive(Debug)]
pub(super) struct LruList {
    newest: u32,
    oldest: u32,
}

impl LruList {
    pub(super) const fn new() -> Self {
        Self { newest: NONE, oldest: NONE }
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    pub(super) fn newest(&self) -> Option<u32> {
        (self.newest != NONE).then_some(self.newest)
    }

    #[inline]
    pub(super) fn push_newest(&mut self, links: &mut impl Links, index: u32) {
        *links.link(index) = Link { newer: NONE, older: self.newest };
        match self.newest {
            NONE => self.oldest = index,
            previous => links.link(previous).newer = index,
        }
        self.newest = index;
    }

    #[inline]
    pub(super) fn remove(&mut self, links: &mut impl Links, index: u32) {
        let Link { newer, older } = std::mem::replace(links.link(index), Link::OUT);
        match newer {
            NONE => self.newest = older,
            newer => links.link(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => links.link(older).newer = newer,
        }
    }

    /// From the newest to the oldest.
    pub(super) fn iter<'a, L: Links>(&self, links: &'a L) -> impl Iterator<Item = u32> + 'a {
        walk(self.newest, move |index| links.peek(index).older)
    }

    /// From the oldest to the newest.
    pub(super) fn iter_oldest_first<'a, L: Links>(
        &self,
        links: &'a L,
    ) -> impl Iterator<Item = u32> + 'a {
        walk(self.oldest, move |index| links.peek(index).newer)
    }
}

fn walk(start: u32, next: impl Fn(u32) -> u32) -> impl Iterator<Item = u32> {
    let present = |index: u32| (index != NONE).then_some(index);
    std::iter::successors(present(start), move |&index| present(next(index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Links for [Link; 4] {
        fn link(&mut self, index: u32) -> &mut Link {
            &mut self[index as usize]
        }

        fn peek(&self, index: u32) -> Link {
            self[index as usize]
        }
    }

    /// Every entry out of every list of up to four: both directions and both ends stay right.
    #[test]
    fn an_entry_leaves_from_anywhere() {
        for length in 1..=4 {
            for leaving in 0..length {
                let (mut links, mut list) = ([Link::OUT; 4], LruList::new());
                for index in 0..length {
                    list.push_newest(&mut links, index);
                }
                list.remove(&mut links, leaving);
                let mut expected: Vec<u32> =
                    (0..length).filter(|&index| index != leaving).collect();
                assert_eq!(list.oldest(), expected.first().copied());
                assert_eq!(list.iter_oldest_first(&links).collect::<Vec<_>>(), expected);
                assert_eq!(links[leaving as usize], Link::OUT);
                list.push_newest(&mut links, leaving);
                expected.push(leaving);
                expected.reverse();
                assert_eq!(list.iter(&links).collect::<Vec<_>>(), expected);
            }
        }
    }
}
