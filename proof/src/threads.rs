//! Numbered pieces of work, shared among as many threads as the machine has cores.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// What one thread works with. It stays in its thread; what it counted leaves it.
pub trait Worker {
    /// What is left of it in the end.
    type Sum: Send;
    /// Does the piece of this number. An error ends the work of all.
    fn work(&mut self, number: u64) -> Result<(), String>;
    /// What it counted.
    fn sum(self) -> Self::Sum;
}

/// Gives out pieces 0, 1, 2 ... as long as `more` says so and no piece fails. Returns the sum of each
/// thread, or the first failure.
pub fn share<W: Worker>(
    more: impl Fn(u64) -> bool + Sync,
    worker: impl Fn() -> W + Sync,
) -> Result<Vec<W::Sum>, String> {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let run = || {
        let mut worker = worker();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if failed.load(Ordering::Relaxed) || !more(number) {
                return Ok(worker.sum());
            }
            if let Err(problem) = worker.work(number) {
                failed.store(true, Ordering::Relaxed);
                return Err(problem);
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let sums = threads.into_iter().map(|thread| match thread.join() {
            Ok(sum) => sum,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        sums.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Adder(u64);

    impl Worker for Adder {
        type Sum = u64;

        fn work(&mut self, number: u64) -> Result<(), String> {
            self.0 += number;
            match number {
                1_000 => Err("a thousand".to_owned()),
                _ => Ok(()),
            }
        }

        fn sum(self) -> u64 {
            self.0
        }
    }

    #[test]
    fn every_piece_is_done_once() {
        let sums = share(|number| number < 1_000, || Adder(0)).unwrap();
        assert_eq!(sums.iter().sum::<u64>(), 999 * 1_000 / 2);
    }

    #[test]
    fn a_failure_ends_the_work_of_all() {
        let failed = share(|_| true, || Adder(0));
        assert_eq!(failed, Err("a thousand".to_owned()));
    }
}
