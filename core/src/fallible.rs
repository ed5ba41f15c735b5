//! The one door for memory whose amount follows from data: it may be refused, and then says so.
//!
//! `clippy.toml` lists what would go around it. Growth is amortised, so that any number of single
//! steps stays linear in what they add up to.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the door: what is called here has its room already"
)]

use crate::prelude::*;
use alloc::collections::BTreeMap;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use hashbrown::HashMap;

/// The allocator refused; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

/// Makes room for `more` further items without growing past what they need.
pub fn reserve<T>(vec: &mut Vec<T>, more: usize) -> Result<(), OutOfMemory> {
    if vec.capacity() - vec.len() >= more {
        return Ok(());
    }
    ask()?;
    vec.try_reserve_exact(more).map_err(|_| OutOfMemory)
}

/// Makes room for `more` further items, growing by half so that repeated calls stay linear.
#[cfg(not(all(feature = "small", target_family = "wasm")))]
pub fn grow<T>(vec: &mut Vec<T>, more: usize) -> Result<(), OutOfMemory> {
    if vec.capacity() - vec.len() < more {
        let half = (vec.capacity() / 2).max(4);
        reserve(vec, more.max(half)).or_else(|_| reserve(vec, more))?;
    }
    Ok(())
}

/// Makes room for `more` further items, as the standard library grows: in steps of the whole length, whose code all
/// types share.
#[cfg(all(feature = "small", target_family = "wasm"))]
pub fn grow<T>(vec: &mut Vec<T>, more: usize) -> Result<(), OutOfMemory> {
    vec.try_reserve(more).map_err(|_| OutOfMemory)
}

/// Appends one item; see [`grow`].
pub fn push<T>(vec: &mut Vec<T>, item: T) -> Result<(), OutOfMemory> {
    grow(vec, 1)?;
    granted(vec, 1)?;
    vec.push(item);
    Ok(())
}

/// Puts one item before the one at `at`, or at the end; see [`grow`].
pub(crate) fn insert_at<T>(vec: &mut Vec<T>, at: usize, item: T) -> Result<(), OutOfMemory> {
    grow(vec, 1)?;
    granted(vec, 1)?;
    vec.insert(at, item);
    Ok(())
}

/// Appends `items`; see [`grow`].
pub fn extend<T: Copy>(vec: &mut Vec<T>, items: &[T]) -> Result<(), OutOfMemory> {
    grow(vec, items.len())?;
    granted(vec, items.len())?;
    vec.extend_from_slice(items);
    Ok(())
}

/// Says to the compiler that there is room, so that the list's own growing, which ends the process where
/// memory ends, is not even part of the program.
#[inline(always)]
fn granted<T>(vec: &Vec<T>, more: usize) -> Result<(), OutOfMemory> {
    match vec.capacity() - vec.len() < more {
        true => Err(OutOfMemory),
        false => Ok(()),
    }
}

/// Appends text; see [`grow`].
pub fn push_str(text: &mut String, more: &str) -> Result<(), OutOfMemory> {
    if text.capacity() - text.len() < more.len() {
        ask()?;
        text.try_reserve(more.len()).map_err(|_| OutOfMemory)?;
    }
    if text.capacity() - text.len() < more.len() {
        return Err(OutOfMemory);
    }
    text.push_str(more);
    Ok(())
}

/// A copy of `items`, without unused room.
pub fn copy<T: Copy>(items: &[T]) -> Result<Vec<T>, OutOfMemory> {
    let mut vec = Vec::new();
    reserve(&mut vec, items.len())?;
    granted(&vec, items.len())?;
    vec.extend_from_slice(items);
    Ok(vec)
}

/// One item, out of line.
#[cfg(not(all(feature = "terse", target_family = "wasm")))]
pub(crate) fn boxed<T>(item: T) -> Result<Box<[T; 1]>, OutOfMemory> {
    let mut one = Vec::new();
    reserve(&mut one, 1)?;
    one.push(item);
    one.into_boxed_slice().try_into().map_err(|_| OutOfMemory)
}

/// All `items` in a list.
pub fn collect<T>(items: impl IntoIterator<Item = T>) -> Result<Vec<T>, OutOfMemory> {
    let mut vec = Vec::new();
    items
        .into_iter()
        .try_for_each(|item| push(&mut vec, item))?;
    Ok(vec)
}

/// `bytes` zero bytes.
pub fn zeroed(bytes: usize) -> Result<Vec<u8>, OutOfMemory> {
    let mut vec = Vec::new();
    resize(&mut vec, bytes)?;
    Ok(vec)
}

/// Sets the length, filling with zeros; keeps the capacity when it shrinks.
pub fn resize(vec: &mut Vec<u8>, bytes: usize) -> Result<(), OutOfMemory> {
    /// Copied piece by piece: an unoptimised build fills byte by byte otherwise.
    const ZEROS: [u8; 4096] = [0; 4096];
    reserve(vec, bytes.saturating_sub(vec.len()))?;
    vec.truncate(bytes);
    while vec.len() < bytes {
        let more = ZEROS.len().min(bytes - vec.len());
        granted(vec, more)?;
        vec.extend_from_slice(&ZEROS[..more]);
    }
    Ok(())
}

/// Adds `more` copies of `item`, without growing past what they need.
pub(crate) fn fill<T: Clone>(vec: &mut Vec<T>, more: usize, item: T) -> Result<(), OutOfMemory> {
    reserve(vec, more)?;
    granted(vec, more)?;
    vec.resize(vec.len() + more, item);
    Ok(())
}

/// Makes room for `more` further keys.
pub(crate) fn reserve_map<K, V, S>(
    map: &mut HashMap<K, V, S>,
    more: usize,
) -> Result<(), OutOfMemory>
where
    K: Eq + Hash,
    S: BuildHasher,
{
    if map.capacity() - map.len() >= more {
        return Ok(());
    }
    ask()?;
    map.try_reserve(more).map_err(|_| OutOfMemory)
}

/// Sets the value of a key and answers the one it replaces.
pub(crate) fn insert<K, V, S>(
    map: &mut HashMap<K, V, S>,
    key: K,
    value: V,
) -> Result<Option<V>, OutOfMemory>
where
    K: Eq + Hash,
    S: BuildHasher,
{
    reserve_map(map, 1)?;
    Ok(map.insert(key, value))
}

/// Sets the value of a key in a tree and answers the one it replaces. See [`node`].
pub(crate) fn insert_in_tree<K: Ord, V>(
    map: &mut BTreeMap<K, V>,
    key: K,
    value: V,
) -> Result<Option<V>, OutOfMemory> {
    node::<(K, V)>()?;
    Ok(map.insert(key, value))
}

/// The value of a key in a tree, which is the default at first. See [`node`].
pub(crate) fn entry_in_tree<K: Ord, V: Default>(
    map: &mut BTreeMap<K, V>,
    key: K,
) -> Result<&mut V, OutOfMemory> {
    if !map.contains_key(&key) {
        node::<(K, V)>()?;
    }
    Ok(map.entry(key).or_default())
}

/// Asks for the nodes that a tree of such items may need to take one more, and gives them back.
///
/// The trees of the standard library cannot be refused memory on stable Rust, they abort. What was
/// there a moment ago is there again, unless another thread takes it in between or one item splits
/// more than two nodes: this is the one place where running out may still end the process.
fn node<T>() -> Result<(), OutOfMemory> {
    /// A node holds up to 11 items and 12 edges.
    const ITEMS: usize = 11;
    const EDGES: usize = 12;
    let node_bytes = ITEMS * size_of::<T>() + (EDGES + 2) * size_of::<usize>();
    reserve(&mut Vec::<u8>::new(), 2 * node_bytes)
}

/// Asks the test at work, if there is one, whether to refuse.
#[inline]
fn ask() -> Result<(), OutOfMemory> {
    #[cfg(all(any(test, feature = "testing"), not(target_os = "none")))]
    if refusal::strikes() {
        return Err(OutOfMemory);
    }
    Ok(())
}

/// Lets a test have allocations of its thread refused.
#[cfg(all(any(test, feature = "testing"), not(target_os = "none")))]
pub mod refusal {
    use core::cell::Cell;

    std::thread_local! {
        static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
    }

    #[derive(Clone, Copy)]
    struct Plan {
        /// Allocations that are still granted.
        granted: u64,
        forever: bool,
        refused: u64,
    }

    /// Allocations of this thread are refused while this lives; a newer one takes its place.
    #[derive(Debug)]
    #[must_use = "dropping it grants everything again"]
    pub struct Refusal(());

    impl Refusal {
        /// The `nth` allocation from now is refused once; 1 is the next.
        pub fn once(nth: u64) -> Self {
            Self::plan(nth, false)
        }

        /// The `nth` allocation from now and every later one are refused.
        pub fn from(nth: u64) -> Self {
            Self::plan(nth, true)
        }

        /// How many allocations were refused so far.
        pub fn refused(&self) -> u64 {
            PLAN.get().map_or(0, |plan| plan.refused)
        }

        fn plan(nth: u64, forever: bool) -> Self {
            PLAN.set(Some(Plan {
                granted: nth.saturating_sub(1),
                forever,
                refused: 0,
            }));
            Self(())
        }
    }

    impl Drop for Refusal {
        fn drop(&mut self) {
            PLAN.set(None);
        }
    }

    /// Runs `act` with `granted` allocations and none after them.
    #[cfg(test)]
    pub(crate) fn after<R>(granted: u64, act: impl FnOnce() -> R) -> R {
        let _refusal = Refusal::from(granted + 1);
        act()
    }

    /// Counts an allocation; whether it is refused.
    pub(super) fn strikes() -> bool {
        let Some(mut plan) = PLAN.get() else {
            return false;
        };
        let strikes = plan.granted == 0 && (plan.forever || plan.refused == 0);
        plan.granted = plan.granted.saturating_sub(1);
        plan.refused += u64::from(strikes);
        PLAN.set(Some(plan));
        strikes
    }
}
