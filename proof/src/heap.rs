//! An allocator that counts, so that a test can hold the engine to what its input justifies.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting what each thread holds. Install it with `#[global_allocator]`;
/// without it [`peak`] always answers 0.
#[derive(Debug)]
pub struct Heap;

/// A single request above this is refused, so that a finding is told and not swapped to death.
const REQUEST_BYTES_MAX: usize = 1 << 30;

thread_local! {
    /// Bytes held by this thread; memory freed by another thread makes it drift, which a test on
    /// one thread never sees.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Runs `act`; also says how many bytes it held at most beyond what was held before, or asked for
/// when it was refused.
pub fn peak<R>(act: impl FnOnce() -> R) -> (R, usize) {
    let before = HELD.get();
    let outer = PEAK.replace(before);
    let result = act();
    let most = PEAK.get();
    PEAK.set(outer.max(most));
    (result, usize::try_from(most - before).unwrap_or(0))
}

/// Counts `more` bytes as asked for; they are held only if the answer is yes.
fn ask(more: usize) -> bool {
    let granted = more <= REQUEST_BYTES_MAX;
    let held = HELD.get().saturating_add_unsigned(more);
    PEAK.set(PEAK.get().max(held));
    if granted {
        HELD.set(held);
    }
    granted
}

fn give_back(bytes: usize) {
    HELD.set(HELD.get().saturating_sub_unsigned(bytes));
}

// SAFETY: every call is handed to the system's allocator with the arguments it came with, or
// refused with a null pointer as the trait allows. Counting touches plain cells of the thread,
// which need no allocation and have no destructor, and never unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !ask(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise about the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !ask(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise about the layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: the caller's promise that the pointer came from here with this layout; all that
        // comes from here is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !ask(new_size) {
            return std::ptr::null_mut();
        }
        give_back(layout.size());
        // SAFETY: as above, and the caller's promise about the new size.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
