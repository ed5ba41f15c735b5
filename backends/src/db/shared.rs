//! The index behind a lock for many readers, shared by the writer and every reader.
//!
//! ```text
//!   reader   its stripe's count += 1 | is a writer at it? no: look | count -= 1
//!                                    | yes: count -= 1, queue at the gate, look, leave
//!   writer   through the gate | "a writer is at it" | wait until every count is 0 | change
//! ```
//!
//! A reader writes to nothing but its own stripe, so readers do not slow each other down, as they do
//! at a [`std::sync::RwLock`], whose one counter all of them write. Nothing is done under this lock
//! but looking at memory, so a writer's wait is short.

use super::stripes::{self, Alone};
use portcask_core::{Index, IndexCell};
use std::cell::UnsafeCell;
use std::hint;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How often a writer looks at a count before it gives its processor away: a reader that was
/// interrupted may need it.
const SPINS: u32 = 64;

/// An [`IndexCell`] for threads. Clones share one index.
///
/// A panic inside a change may leave the index half changed; reading goes on all the same, because
/// every record that is found proves itself, and the writer's own lock refuses further writes.
pub(super) struct Shared<F>(Arc<Striped<Index<F>>>);

impl<F> IndexCell<F> for Shared<F> {
    fn new(index: Index<F>) -> Self {
        Self(Arc::new(Striped::new(index)))
    }

    fn read<R>(&self, look: impl FnOnce(&Index<F>) -> R) -> R {
        self.0.read(look)
    }

    fn write<R>(&self, change: impl FnOnce(&mut Index<F>) -> R) -> R {
        self.0.write(change)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn fetch<T>(what: &T) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction is part of every such processor, and no address makes it fail.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(what).cast()) }
    }
}

impl<F> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// See the [module](self). Entering it again from inside waits for ever, as with any lock.
struct Striped<T> {
    value: UnsafeCell<T>,
    /// Readers inside, or about to find that they may not enter.
    readers: Box<[Alone<AtomicUsize>]>,
    /// A writer is inside, or waits for readers to leave.
    writing: Alone<AtomicBool>,
    /// Held by the one writer, and by readers that came while there was one.
    gate: Mutex<()>,
}

// SAFETY: `read` gives `&T` to many threads and `write` gives `&mut T` to one that is alone, which
// is what `RwLock<T>` does under these bounds.
unsafe impl<T: Send + Sync> Sync for Striped<T> {}

impl<T> Striped<T> {
    fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            readers: (0..stripes::count()).map(|_| Alone::default()).collect(),
            writing: Alone::default(),
            gate: Mutex::new(()),
        }
    }

    fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        let mine = &self.readers[stripes::of_this_thread(self.readers.len())].0;
        // In the one order of all SeqCst operations either this comes before the writer's look at
        // the count, so that it waits, or the writer's word comes before the look at it below.
        mine.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(mine);
        if self.writing.0.load(Ordering::SeqCst) {
            drop(inside);
            let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: writers change the value only while they hold the gate, which is held here.
            return look(unsafe { &*self.value.get() });
        }
        // SAFETY: no writer is inside: the next one waits for this count to fall, and what the last
        // one did was seen with its word that it has left.
        look(unsafe { &*self.value.get() })
    }

    fn write<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let _word = Word::given(&self.writing.0);
        for stripe in &self.readers {
            let mut spins = 0;
            while stripe.0.load(Ordering::SeqCst) != 0 {
                spins += 1;
                match spins < SPINS {
                    true => hint::spin_loop(),
                    false => thread::yield_now(),
                }
            }
        }
        // SAFETY: the gate keeps out writers and those readers that saw the word. Readers that did
        // not see it were counted before the look at their count, which then was not 0 until they
        // had left.
        change(unsafe { &mut *self.value.get() })
    }
}

/// A reader's presence; it ends also when the look panics.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// The writer's word that it is at it, taken back also when the change panics.
struct Word<'a>(&'a AtomicBool);

impl<'a> Word<'a> {
    fn given(writing: &'a AtomicBool) -> Self {
        writing.store(true, Ordering::SeqCst);
        Self(writing)
    }
}

impl Drop for Word<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{self, AssertUnwindSafe};

    /// What a run costs under Miri is what it may cost there.
    const ROUNDS: u64 = if cfg!(miri) { 40 } else { 20_000 };

    #[test]
    fn readers_never_see_half_a_change() {
        let cell = Striped::new((0_u64, 0_u64));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        cell.write(|(left, right)| {
                            *left += 1;
                            *right += 1;
                        });
                    }
                });
            }
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < 2 * ROUNDS {
                        let (left, right) = cell.read(|both| *both);
                        assert_eq!(left, right);
                        assert!(left >= last, "a change was taken back");
                        last = left;
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_inside_lets_others_in() {
        let cell = Striped::new(1);
        let thrown = |deed: &dyn Fn()| panic::catch_unwind(AssertUnwindSafe(deed)).is_err();
        assert!(thrown(&|| cell.read(|_| panic!("a look"))));
        assert!(thrown(&|| cell.write(|_| panic!("a change"))));
        cell.write(|value| *value += 1);
        assert_eq!(cell.read(|value| *value), 2);
    }
}
