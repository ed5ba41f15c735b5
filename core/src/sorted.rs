//! A sorted set that grows one item at a time and may be refused memory.
//!
//! ```text
//! blocks   [1 4 9] [12 13 20 31] [40]      each sorted, never empty, at most BLOCK_ITEMS long
//! ```
//!
//! What the standard library's trees are for, without their two faults here: they end the process where memory
//! ends, and weigh four kilobytes of wasm for each type of item. An insertion searches the blocks, then moves
//! half a block at most; every hundredth makes a block, and moves a word or three for each of the others.

#![allow(
    clippy::disallowed_methods,
    reason = "whatever grows here had its room made before"
)]

use crate::fallible::{self, OutOfMemory};
use crate::prelude::*;
use core::borrow::Borrow;

/// Items of a block: few enough to be moved within the time of a cache miss or two.
const BLOCK_ITEMS: usize = 256;
const HALF: usize = BLOCK_ITEMS / 2;

/// Items in order, each once.
#[derive(Clone, Debug)]
pub struct Sorted<T> {
    blocks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Sorted<T> {
    /// The empty set; allocates nothing.
    pub const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            len: 0,
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The items in order, from the first one that is not `before`. Items before an item that is `before` are so too.
    pub fn from(&self, before: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        let (block, at) = self.seek(before);
        let first = self.blocks.get(block).map_or(&[][..], |block| &block[at..]);
        let rest = self.blocks.iter().skip(block + 1);
        first.iter().chain(rest.flatten())
    }

    /// Where the first item is that is not `before`: its block and its place there. A block behind all if there is none.
    fn seek(&self, before: impl Fn(&T) -> bool) -> (usize, usize) {
        let ends_before = |block: &Vec<T>| block.last().is_some_and(&before);
        let block = self.blocks.partition_point(ends_before);
        let items = self.blocks.get(block).map_or(&[][..], |block| &block[..]);
        (block, items.partition_point(&before))
    }
}

impl<T: Ord> Sorted<T> {
    /// Takes an item in. Returns whether it was not there yet. Refused, it changes nothing.
    pub fn insert(&mut self, item: T) -> Result<bool, OutOfMemory> {
        let (mut block, mut at) = self.seek(|other| *other < item);
        if self.blocks.get(block).and_then(|items| items.get(at)) == Some(&item) {
            return Ok(false);
        }
        if block == self.blocks.len() && block > 0 {
            // Behind all: the last block's, if it has room.
            block -= 1;
            at = self.blocks[block].len();
        }
        let full = |items: &Vec<T>| items.len() == BLOCK_ITEMS;
        if at < BLOCK_ITEMS && self.blocks.get(block).is_some_and(full) {
            let upper = self.halve(block)?;
            if at > HALF {
                (block, at) = (upper, at - HALF);
            }
        }
        match self.blocks.get_mut(block) {
            Some(items) if items.len() < BLOCK_ITEMS => {
                fallible::insert_at(items, at, item)?;
            }
            // The first block of all, or one behind a full last one.
            _ => {
                let mut items = Vec::new();
                fallible::push(&mut items, item)?;
                fallible::push(&mut self.blocks, items)?;
            }
        }
        self.len += 1;
        Ok(true)
    }

    /// Takes an item out. Returns whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        let (block, at) = self.seek(|other| other.borrow() < item);
        let Some(items) = self.blocks.get_mut(block) else {
            return false;
        };
        if items.get(at).is_none_or(|other| other.borrow() != item) {
            return false;
        }
        items.remove(at);
        self.len -= 1;
        if items.is_empty() {
            self.blocks.remove(block);
        } else {
            self.join(block);
            self.join(block.saturating_sub(1));
        }
        true
    }

    /// Moves the upper half of a full block to one of its own, and answers which that is.
    fn halve(&mut self, block: usize) -> Result<usize, OutOfMemory> {
        let mut upper = Vec::new();
        fallible::reserve(&mut upper, BLOCK_ITEMS)?;
        fallible::grow(&mut self.blocks, 1)?;
        let lower = &mut self.blocks[block];
        while lower.len() > HALF {
            lower
                .pop()
                .map_or(Ok(()), |item| fallible::push(&mut upper, item))?;
        }
        upper.reverse();
        fallible::insert_at(&mut self.blocks, block + 1, upper)?;
        Ok(block + 1)
    }

    /// Joins a block and the next one where both have become small, so that a set that has shrunk holds little memory.
    fn join(&mut self, block: usize) {
        let Some([lower, upper]) = self
            .blocks
            .get_mut(block..)
            .and_then(<[_]>::first_chunk_mut)
        else {
            return;
        };
        let room = lower.capacity().min(HALF);
        if lower.len() + upper.len() <= room {
            lower.append(upper);
            self.blocks.remove(block + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fallible::refusal;
    use alloc::collections::BTreeSet;

    /// Numbers below `below` that look random.
    fn numbers(count: u64, below: u64) -> impl Iterator<Item = u64> {
        (1..=count)
            .map(move |n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17)
            .map(move |n| n % below)
    }

    fn assert_same(ours: &Sorted<u64>, theirs: &BTreeSet<u64>) {
        assert!(ours.from(|_| false).eq(theirs));
        assert_eq!(ours.len(), theirs.len());
        assert!(
            ours.blocks
                .iter()
                .all(|items| (1..=BLOCK_ITEMS).contains(&items.len()))
        );
    }

    #[test]
    fn a_set_of_blocks_holds_and_shows_what_a_tree_does() {
        for below in [7, 3_000, u64::MAX] {
            let (mut ours, mut theirs) = (Sorted::new(), BTreeSet::new());
            for n in numbers(6_000, below) {
                assert_eq!(ours.insert(n), Ok(theirs.insert(n)));
                assert!(ours.from(|other| *other < n).eq(theirs.range(n..)));
                if n % 3 == 0 {
                    let gone = n / 2 % below;
                    assert_eq!(ours.remove(&gone), theirs.remove(&gone));
                }
            }
            assert_same(&ours, &theirs);
            for n in numbers(5_990, below) {
                assert_eq!(ours.remove(&n), theirs.remove(&n));
            }
            assert_same(&ours, &theirs);
        }
    }

    #[test]
    fn items_that_come_in_order_fill_whole_blocks() {
        let mut set = Sorted::new();
        for n in 0..10 * BLOCK_ITEMS {
            set.insert(n).unwrap();
        }
        assert_eq!(set.blocks.len(), 10);
    }

    #[test]
    fn a_set_that_shrinks_gives_its_memory_back() {
        let mut set = Sorted::new();
        for n in 0..100 * BLOCK_ITEMS {
            set.insert(n).unwrap();
        }
        for n in (0..100 * BLOCK_ITEMS).filter(|n| n % 50 != 0) {
            set.remove(&n);
        }
        assert!(set.blocks.len() <= 10, "{}", set.blocks.len());
    }

    #[test]
    fn an_insertion_that_is_refused_memory_changes_nothing() {
        let mut set = Sorted::new();
        for n in 0..3 * BLOCK_ITEMS {
            set.insert(2 * n).unwrap();
        }
        for granted in 0.. {
            let done = refusal::after(granted, || set.insert(301));
            if done.is_ok() {
                assert!(granted > 0);
                return;
            }
            let even = (0..3 * BLOCK_ITEMS).map(|n| 2 * n);
            assert!(set.from(|_| false).copied().eq(even));
        }
    }
}
