//! Putting lists in order. What the core sorts is short (files, ids) or sorted once (the keys of a whole scan).

#[cfg(not(all(feature = "small", target_family = "wasm")))]
use core::cmp::Ordering;

/// Sorts as `order` says of two items; equal ones end up in any order. Allocates nothing.
#[cfg(not(all(feature = "small", target_family = "wasm")))]
pub(crate) fn by<T>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    items.sort_unstable_by(order);
}

#[cfg(all(feature = "small", target_family = "wasm"))]
pub(crate) use heap::by;

/// For guests whose size counts: the standard library's sort weighs three to five kilobytes for each type of
/// item, this one a few hundred bytes, at about twice the time.
///
/// Source: Williams, "Algorithm 232: Heapsort" (1964), with Floyd's way to build the heap.
#[cfg(any(test, all(feature = "small", target_family = "wasm")))]
mod heap {
    use core::cmp::Ordering;

    /// As [`super::by`].
    pub(crate) fn by<T>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
        for top in (0..items.len() / 2).rev() {
            sink(items, top, &order);
        }
        for end in (1..items.len()).rev() {
            items.swap(0, end);
            sink(&mut items[..end], 0, &order);
        }
    }

    /// Moves the item at `at` down until neither item below it is greater.
    fn sink<T>(items: &mut [T], mut at: usize, order: &impl Fn(&T, &T) -> Ordering) {
        loop {
            let mut below = 2 * at + 1;
            let (Some(left), right) = (items.get(below), items.get(below + 1)) else {
                return;
            };
            if right.is_some_and(|right| order(left, right).is_lt()) {
                below += 1;
            }
            if order(&items[at], &items[below]).is_ge() {
                return;
            }
            items.swap(at, below);
            at = below;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[test]
    fn the_small_sort_puts_every_short_list_in_the_order_of_the_large_one() {
        for length in 0..7_u32 {
            for mut number in 0..5_u32.pow(length) {
                let mut list = Vec::new();
                for _ in 0..length {
                    list.push(number % 5);
                    number /= 5;
                }
                let (mut small, mut large) = (list.clone(), list);
                heap::by(&mut small, Ord::cmp);
                by(&mut large, Ord::cmp);
                assert_eq!(small, large);
            }
        }
    }

    #[test]
    fn the_small_sort_puts_long_lists_in_any_order() {
        let mut list: Vec<u64> = (0..10_007).map(|n| n * 7_919 % 10_007).collect();
        heap::by(&mut list, |a, b| b.cmp(a));
        assert!(list.iter().rev().copied().eq(0..10_007));
    }
}
