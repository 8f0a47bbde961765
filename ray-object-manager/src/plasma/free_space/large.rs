//! Free pieces too large for a list of their own size: for each power of two a trie over the bits
//! of the size below the leading one. A record of a trie heads a list of all pieces of its size.
//!
//! A node is any size that begins with the bits which lead to it, so going down a trie takes at most
//! as many steps as a size has bits, and in practice the logarithm of the number of sizes.

use super::records::{Record, Records, NIL};
use super::small::rename_in_list;

const CLASSES: usize = 64;

/// The tries.
#[derive(Debug)]
pub(super) struct LargeBins {
    roots: [u32; CLASSES],
    /// A bit for each trie that is not empty.
    classes: u64,
}

/// Where a node hangs.
#[derive(Clone, Copy)]
enum Place {
    Root(usize),
    Child(u32, usize),
}

impl LargeBins {
    pub(super) fn new() -> Self {
        Self { roots: [NIL; CLASSES], classes: 0 }
    }

    pub(super) fn insert(&mut self, records: &mut Records, index: u32) {
        let size = records.at(index).size;
        let class = class(size);
        let record = records.at_mut(index);
        (record.forward, record.back) = (NIL, NIL);
        (record.child, record.parent) = ([NIL; 2], NIL);
        let mut node = self.roots[class];
        if node == NIL {
            self.hang(records, Place::Root(class), NIL, index);
            return;
        }
        let mut shift = class;
        loop {
            let Record { size: found, forward, child, .. } = *records.at(node);
            if found == size {
                let record = records.at_mut(index);
                (record.forward, record.back) = (forward, node);
                records.at_mut(node).forward = index;
                if forward != NIL {
                    records.at_mut(forward).back = index;
                }
                return;
            }
            // Two sizes that differ do so in a bit that is still left.
            shift -= 1;
            let side = bit(size, shift);
            if child[side] == NIL {
                self.hang(records, Place::Child(node, side), node, index);
                return;
            }
            node = child[side];
        }
    }

    pub(super) fn remove(&mut self, records: &mut Records, index: u32) {
        let Record { size, forward, back, child, parent, .. } = *records.at(index);
        if back != NIL {
            records.at_mut(back).forward = forward;
            if forward != NIL {
                records.at_mut(forward).back = back;
            }
            return;
        }
        let place = self.place(records, index, class(size));
        let heir = if forward != NIL {
            forward
        } else {
            // Any leaf below may stand here: it begins with the same bits.
            let leaf = some_leaf(records, index);
            if leaf != NIL {
                let place = self.place(records, leaf, class(size));
                self.hang(records, place, NIL, NIL);
            }
            leaf
        };
        self.hang(records, place, parent, heir);
        if heir == NIL {
            return;
        }
        // The leaf may have been a child itself, so look at the children as they are now.
        let child = if heir == forward { child } else { records.at(index).child };
        records.at_mut(heir).back = NIL;
        records.at_mut(heir).child = child;
        for below in child.into_iter().filter(|&below| below != NIL) {
            records.at_mut(below).parent = heir;
        }
    }

    /// The piece of the least size that is enough; among equals the one freed last.
    pub(super) fn best_fit(&self, records: &Records, wanted: u64) -> Option<u32> {
        let class = class(wanted);
        let mut best = Best { index: NIL, size: u64::MAX };
        if self.classes >> class & 1 == 1 {
            let (mut node, mut above, mut shift) = (self.roots[class], NIL, class);
            while node != NIL {
                let Record { size, child, .. } = *records.at(node);
                if size >= wanted {
                    best.offer(node, size);
                }
                if size == wanted || shift == 0 {
                    break;
                }
                shift -= 1;
                let side = bit(wanted, shift);
                if side == 0 && child[1] != NIL {
                    above = child[1];
                }
                node = child[side];
            }
            if best.size != wanted {
                best.least_of(records, above);
            }
        }
        if best.index == NIL {
            let larger = self.classes & (u64::MAX << class << 1);
            if larger == 0 {
                return None;
            }
            best.least_of(records, self.roots[larger.trailing_zeros() as usize]);
        }
        // Taking a later one of the same size leaves the trie as it is.
        let next = records.at(best.index).forward;
        Some(if next == NIL { best.index } else { next })
    }

    /// A record has moved: whoever names its old number names the new one.
    pub(super) fn moved(&mut self, records: &mut Records, from: u32, to: u32) {
        let Record { size, back, child, parent, .. } = *records.at(to);
        rename_in_list(records, to);
        if back != NIL {
            return;
        }
        for below in child.into_iter().filter(|&below| below != NIL) {
            records.at_mut(below).parent = to;
        }
        if parent == NIL {
            self.roots[class(size)] = to;
        } else {
            let child = &mut records.at_mut(parent).child;
            child[usize::from(child[0] != from)] = to;
        }
    }

    fn place(&self, records: &Records, index: u32, class: usize) -> Place {
        match records.at(index).parent {
            NIL => Place::Root(class),
            parent => Place::Child(parent, usize::from(records.at(parent).child[0] != index)),
        }
    }

    fn hang(&mut self, records: &mut Records, place: Place, parent: u32, index: u32) {
        match place {
            Place::Root(class) => {
                self.roots[class] = index;
                match index {
                    NIL => self.classes &= !(1 << class),
                    _ => self.classes |= 1 << class,
                }
            }
            Place::Child(parent, side) => records.at_mut(parent).child[side] = index,
        }
        if index != NIL {
            records.at_mut(index).parent = parent;
        }
    }

    /// Calls `visit` for each piece, and tells what is wrong with the tries.
    pub(super) fn check(
        &self,
        records: &Records,
        mut visit: impl FnMut(u32),
    ) -> Result<(), String> {
        for (class, &root) in self.roots.iter().enumerate() {
            if (root != NIL) != (self.classes >> class & 1 == 1) {
                return Err(format!("bit of class {class} is wrong"));
            }
            let mut todo = vec![(root, NIL, 1_u64 << class, class)];
            while let Some((node, parent, prefix, shift)) = todo.pop() {
                if node == NIL {
                    continue;
                }
                let record = records.at(node);
                if record.parent != parent
                    || record.back != NIL
                    || record.size >> shift != prefix >> shift
                {
                    return Err(format!("node {node} of class {class} is misplaced: {record:?}"));
                }
                let (mut index, mut back) = (node, NIL);
                while index != NIL {
                    let piece = records.at(index);
                    if piece.size != record.size || piece.back != back {
                        return Err(format!("piece {index} is in a wrong list: {piece:?}"));
                    }
                    visit(index);
                    (back, index) = (index, piece.forward);
                }
                for side in [0, 1] {
                    let below = record.child[side];
                    if below != NIL && shift == 0 {
                        return Err(format!("node {node} of class {class} is too deep"));
                    }
                    if below != NIL {
                        let bit = u64::from(side == 1) << (shift - 1);
                        todo.push((below, node, prefix | bit, shift - 1));
                    }
                }
            }
        }
        Ok(())
    }
}

struct Best {
    index: u32,
    size: u64,
}

impl Best {
    fn offer(&mut self, index: u32, size: u64) {
        if size < self.size {
            *self = Self { index, size };
        }
    }

    /// Looks for the least of a whole subtrie: on the way to its least bits.
    fn least_of(&mut self, records: &Records, mut node: u32) {
        while node != NIL {
            let Record { size, child, .. } = *records.at(node);
            self.offer(node, size);
            node = if child[0] == NIL { child[1] } else { child[0] };
        }
    }
}

fn class(size: u64) -> usize {
    size.ilog2() as usize
}

fn bit(size: u64, shift: usize) -> usize {
    usize::from(size >> shift & 1 == 1)
}

fn some_leaf(records: &Records, mut node: u32) -> u32 {
    let start = node;
    loop {
        let child = records.at(node).child;
        let below = if child[1] == NIL { child[0] } else { child[1] };
        if below == NIL {
            return if node == start { NIL } else { node };
        }
        node = below;
    }
}
