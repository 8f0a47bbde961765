//! Free pieces too large for a list of their own size: for each power of two a trie over the bits
//! of the size below the leading one. A node of a trie heads a list of the nodes of all pieces of its size.
//!
//! The size of a node begins with the bits that lead to the node, and may be any such size. So going down a trie
//! takes at most as many steps as a size has bits, and in practice the logarithm of the number of sizes.

use std::ops::ControlFlow;

use super::records::{Records, NIL};

const CLASSES: usize = 64;

/// A free piece. Number 0 is none.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    size: u64,
    record: u32,
    /// Neighbours in the list of one size; who heads it has no `back`. `forward` also links unused nodes.
    forward: u32,
    back: u32,
    /// Place in the trie, of the head of a list only.
    parent: u32,
    child: [u32; 2],
}

/// The tries.
#[derive(Debug)]
pub(super) struct LargeBins {
    nodes: Vec<Node>,
    unused: u32,
    used: usize,
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
        let nodes = vec![Node::default()];
        Self { nodes, unused: NIL, used: 0, roots: [NIL; CLASSES], classes: 0 }
    }

    pub(super) fn insert(&mut self, records: &mut Records, index: u32) {
        let size = records.at(index).size;
        let new = self.new_node(Node { size, record: index, ..Node::default() });
        records.at_mut(index).forward = new;
        let class = class(size);
        let mut node = self.roots[class];
        if node == NIL {
            return self.hang(Place::Root(class), NIL, new);
        }
        let mut shift = class;
        loop {
            let Node { size: found, forward, child, .. } = *self.at(node);
            if found == size {
                self.at_mut(new).forward = forward;
                self.at_mut(new).back = node;
                self.at_mut(node).forward = new;
                if forward != NIL {
                    self.at_mut(forward).back = new;
                }
                return;
            }
            // Two sizes that differ do so in a bit that is still left.
            shift -= 1;
            let side = bit(size, shift);
            if child[side] == NIL {
                return self.hang(Place::Child(node, side), node, new);
            }
            node = child[side];
        }
    }

    pub(super) fn remove(&mut self, records: &Records, index: u32) {
        let node = records.at(index).forward;
        let Node { size, forward, back, parent, .. } = *self.at(node);
        if back != NIL {
            self.at_mut(back).forward = forward;
            if forward != NIL {
                self.at_mut(forward).back = back;
            }
            return self.free_node(node);
        }
        let place = self.place(node, class(size));
        let heir = if forward == NIL { self.take_leaf(node) } else { forward };
        self.hang(place, parent, heir);
        if heir != NIL {
            let child = self.at(node).child;
            self.at_mut(heir).back = NIL;
            self.at_mut(heir).child = child;
            for below in child.into_iter().filter(|&below| below != NIL) {
                self.at_mut(below).parent = heir;
            }
        }
        self.free_node(node);
    }

    /// The record of the least size that is enough; among equals of the one freed last, except that
    /// the head of a list comes last.
    #[inline]
    pub(super) fn best_fit(&self, wanted: u64) -> Option<u32> {
        if self.classes == 0 {
            return None;
        }
        self.search(wanted)
    }

    fn search(&self, wanted: u64) -> Option<u32> {
        let class = class(wanted);
        let mut best = Best { node: NIL, size: u64::MAX };
        if self.classes >> class & 1 == 1 {
            self.best_of_class(class, wanted, &mut best);
        }
        if best.node == NIL {
            let larger = self.classes & (u64::MAX << class << 1);
            if larger == 0 {
                return None;
            }
            self.least_of(self.roots[larger.trailing_zeros() as usize], &mut best);
        }
        // Taking a later one of the same size leaves the trie as it is.
        let Node { record, forward, .. } = *self.at(best.node);
        Some(if forward == NIL { record } else { self.at(forward).record })
    }

    fn best_of_class(&self, class: usize, wanted: u64, best: &mut Best) {
        // Sizes on the way down may be any; of what branches off above the way, the last has the least.
        let (mut node, mut above, mut shift) = (self.roots[class], NIL, class);
        while node != NIL {
            let Node { size, child, .. } = *self.at(node);
            if size >= wanted {
                best.offer(node, size);
            }
            if size == wanted {
                return;
            }
            if shift == 0 {
                break;
            }
            shift -= 1;
            let side = bit(wanted, shift);
            if side == 0 && child[1] != NIL {
                above = child[1];
            }
            node = child[side];
        }
        self.least_of(above, best);
    }

    /// Looks for the least of a whole subtrie: it lies on the way to the least bits.
    fn least_of(&self, mut node: u32, best: &mut Best) {
        while node != NIL {
            let Node { size, child, .. } = *self.at(node);
            best.offer(node, size);
            node = if child[0] == NIL { child[1] } else { child[0] };
        }
    }

    /// Shows all pieces, the largest powers of two first, until told to stop.
    pub(super) fn visit(&self, visit: &mut impl FnMut(u32) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut waiting: Vec<u32> =
            self.roots.iter().copied().filter(|&root| root != NIL).collect();
        while let Some(head) = waiting.pop() {
            let mut node = head;
            while node != NIL {
                visit(self.at(node).record)?;
                node = self.at(node).forward;
            }
            waiting.extend(self.at(head).child.into_iter().filter(|&child| child != NIL));
        }
        ControlFlow::Continue(())
    }

    /// Unhooks some leaf below a node, which may then stand anywhere above: its size begins with the
    /// same bits.
    fn take_leaf(&mut self, node: u32) -> u32 {
        let (mut leaf, mut place) = (NIL, None);
        loop {
            let above = if leaf == NIL { node } else { leaf };
            let child = self.at(above).child;
            let side = usize::from(child[1] != NIL);
            if child[side] == NIL {
                break;
            }
            (leaf, place) = (child[side], Some(Place::Child(above, side)));
        }
        if let Some(place) = place {
            self.hang(place, NIL, NIL);
        }
        leaf
    }

    fn place(&self, node: u32, class: usize) -> Place {
        match self.at(node).parent {
            NIL => Place::Root(class),
            parent => Place::Child(parent, usize::from(self.at(parent).child[0] != node)),
        }
    }

    fn hang(&mut self, place: Place, parent: u32, node: u32) {
        match place {
            Place::Root(class) => {
                self.roots[class] = node;
                match node {
                    NIL => self.classes &= !(1 << class),
                    _ => self.classes |= 1 << class,
                }
            }
            Place::Child(parent, side) => self.at_mut(parent).child[side] = node,
        }
        if node != NIL {
            self.at_mut(node).parent = parent;
        }
    }

    fn new_node(&mut self, node: Node) -> u32 {
        self.used += 1;
        match self.unused {
            NIL => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("no more nodes than records")
            }
            number => {
                self.unused = self.at(number).forward;
                *self.at_mut(number) = node;
                number
            }
        }
    }

    fn free_node(&mut self, node: u32) {
        self.at_mut(node).forward = self.unused;
        self.unused = node;
        self.used -= 1;
        if self.used == 0 && self.nodes.len() > 1024 {
            self.nodes = vec![Node::default()];
            self.unused = NIL;
        }
    }

    fn at(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    fn at_mut(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    /// Bytes of memory that the nodes take.
    pub(super) fn footprint(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    /// Calls `visit` for the record of each piece, and tells what is wrong with the tries.
    pub(super) fn check(
        &self,
        records: &Records,
        mut visit: impl FnMut(u32),
    ) -> Result<(), String> {
        let mut count = 0;
        for (class, &root) in self.roots.iter().enumerate() {
            if (root != NIL) != (self.classes >> class & 1 == 1) {
                return Err(format!("bit of class {class} is wrong"));
            }
            let mut todo = vec![(root, NIL, 1_u64 << class, class)];
            while let Some((head, parent, prefix, shift)) = todo.pop() {
                if head == NIL {
                    continue;
                }
                let Node { size, child, .. } = *self.at(head);
                if self.at(head).parent != parent || size >> shift != prefix >> shift {
                    return Err(format!("a node of class {class} is misplaced: {size}"));
                }
                let (mut node, mut back) = (head, NIL);
                while node != NIL {
                    let found = *self.at(node);
                    let record = records.at(found.record);
                    if found.size != size || found.back != back || record.size != size {
                        return Err(format!("{found:?} is in a wrong list"));
                    }
                    if record.forward != node {
                        return Err(format!("{record:?} does not know its node {node}"));
                    }
                    visit(found.record);
                    count += 1;
                    (back, node) = (node, found.forward);
                }
                for (side, below) in child.into_iter().enumerate().filter(|(_, n)| *n != NIL) {
                    if shift == 0 {
                        return Err(format!("a node of class {class} is too deep"));
                    }
                    todo.push((below, head, prefix | (side as u64) << (shift - 1), shift - 1));
                }
            }
        }
        if count == self.used {
            Ok(())
        } else {
            Err("nodes are miscounted".to_owned())
        }
    }
}

struct Best {
    node: u32,
    size: u64,
}

impl Best {
    fn offer(&mut self, node: u32, size: u64) {
        if size < self.size {
            *self = Self { node, size };
        }
    }
}

fn class(size: u64) -> usize {
    size.ilog2() as usize
}

fn bit(size: u64, shift: usize) -> usize {
    usize::from(size >> shift & 1 == 1)
}
