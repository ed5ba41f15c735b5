//! One cache line per group of threads, so that what every reader writes is written by few.
//!
//! Two threads that count up one number wait for each other's cache line: 40 to 100 ns each time,
//! as long as the rest of a lookup. With a number per stripe they do not meet.

use std::cell::Cell;
use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Most stripes, however many processors there are: a writer looks at all of them.
const STRIPES_MAX: usize = 64;

/// Alone on its cache lines. Processors fetch lines of 64 bytes in pairs.
#[repr(align(128))]
#[derive(Debug, Default)]
pub(super) struct Alone<T>(pub T);

/// How many stripes suit this machine: twice its processors, because threads are dealt out in turn
/// and not all of them read. A power of two.
pub(super) fn count() -> usize {
    // Asked once: to answer, the system reads five files.
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        (2 * processors).next_power_of_two().min(STRIPES_MAX)
    })
}

/// This thread's stripe among `count`, which is a power of two.
pub(super) fn of_this_thread(count: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const NONE: usize = usize::MAX;
    thread_local!(static TICKET: Cell<usize> = const { Cell::new(NONE) });
    let ticket = TICKET.with(|mine| {
        if mine.get() == NONE {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) & (NONE >> 1));
        }
        mine.get()
    });
    ticket & (count - 1)
}
