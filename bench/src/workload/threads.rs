//! The same deed on several threads at once, and how long single ones of them took.

use crate::Result;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Runs `deed(thread)` on so many threads, which begin together. Returns the time from the first beginning to the last
/// end, and what each returned.
pub fn together<T: Send>(
    threads: u64,
    deed: impl Fn(u64) -> Result<T> + Sync,
) -> Result<(Duration, Vec<T>)> {
    let begin = Barrier::new(threads as usize);
    let ran: Vec<(Instant, T, Instant)> = thread::scope(|scope| {
        let run = |thread| {
            begin.wait();
            // Taken here: on a busy machine the thread that spawns may learn of the beginning much later.
            let start = Instant::now();
            deed(thread).map(|done| (start, done, Instant::now()))
        };
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || run(thread)))
            .collect();
        let ended = running.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".into()))
        });
        ended.collect::<Result<_>>()
    })?;
    let first = ran.iter().map(|ran| ran.0).min();
    let last = ran.iter().map(|ran| ran.2).max();
    let time = last
        .zip(first)
        .map_or(Duration::ZERO, |(last, first)| last - first);
    Ok((time, ran.into_iter().map(|ran| ran.1).collect()))
}

/// Times of single operations.
#[derive(Default)]
pub struct Times(Vec<u32>);

impl Times {
    /// Room for so many.
    pub fn with_capacity(count: u64) -> Self {
        Self(Vec::with_capacity(count as usize))
    }

    /// Adds the time since `start`.
    pub fn add(&mut self, start: Instant) {
        self.0
            .push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }

    /// All of them together, in order.
    pub fn merged(all: Vec<Self>) -> Self {
        let mut all: Vec<u32> = all.into_iter().flat_map(|times| times.0).collect();
        all.sort_unstable();
        Self(all)
    }

    /// The time below which this part of them was, in nanoseconds, of merged times.
    pub fn quantile_ns(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let at = (self.0.len() as f64 * part) as usize;
        self.0
            .get(at.min(last))
            .map_or(f64::NAN, |&ns| f64::from(ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_answer_in_their_order_and_one_error_is_the_answer() {
        let (time, answers) = together(3, |thread| Ok(10 * thread)).unwrap();
        assert_eq!(answers, [0, 10, 20]);
        assert!(time > Duration::ZERO);
        let refused = together(3, |thread| match thread {
            1 => Err("no".into()),
            _ => Ok(()),
        });
        assert!(refused.is_err());
    }

    #[test]
    fn quantiles_are_of_all_threads_together() {
        let one = Times((0..50).rev().collect());
        let other = Times((50..100).collect());
        let all = Times::merged(vec![one, other]);
        assert_eq!(all.quantile_ns(0.5), 50.0);
        assert_eq!(all.quantile_ns(0.99), 99.0);
        assert_eq!(all.quantile_ns(1.0), 99.0);
    }
}
