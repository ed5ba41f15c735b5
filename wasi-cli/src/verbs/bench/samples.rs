//! Latencies: a fair sample of bounded size.

use crate::random::Random;

/// A reservoir (Vitter's algorithm R): every latency is kept with the same chance.
#[derive(Debug)]
pub struct Samples {
    kept: Vec<u64>,
    room: usize,
    seen: u64,
    max: u64,
    random: Random,
}

impl Samples {
    /// Room for so many.
    pub fn new(room: usize, seed: u64) -> Self {
        Self {
            kept: Vec::new(),
            room: room.max(1),
            seen: 0,
            max: 0,
            random: Random::new(seed),
        }
    }

    /// One more, in nanoseconds.
    pub fn add(&mut self, nanos: u64) {
        self.seen += 1;
        self.max = self.max.max(nanos);
        if self.kept.len() < self.room {
            self.kept.push(nanos);
        } else {
            let at = self.random.below(self.seen) as usize;
            if at < self.room {
                self.kept[at] = nanos;
            }
        }
    }

    /// How many there were, kept or not.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

/// The percentiles of many threads' samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// How many latencies there were, kept or not.
    pub count: u64,
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
    pub max: u64,
}

impl Percentiles {
    /// Over all of them. Threads that saw more weigh more, as their reservoirs are as large.
    pub fn of<'a>(all: impl Iterator<Item = &'a Samples>) -> Self {
        let mut weighted: Vec<(u64, f64)> = Vec::new();
        let (mut count, mut max) = (0, 0);
        for samples in all {
            count += samples.seen;
            max = max.max(samples.max);
            let weight = samples.seen as f64 / samples.kept.len().max(1) as f64;
            weighted.extend(samples.kept.iter().map(|nanos| (*nanos, weight)));
        }
        weighted.sort_unstable_by_key(|(nanos, _)| *nanos);
        let at = |share: f64| {
            let mut left = count as f64 * share;
            let reached = weighted.iter().find(|(_, weight)| {
                left -= weight;
                left <= 0.0
            });
            reached.or(weighted.last()).map_or(0, |(nanos, _)| *nanos)
        };
        Self {
            count,
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_hold_within_and_beyond_the_room() {
        for room in [1_000, 100_000] {
            let mut samples = Samples::new(room, 7);
            (1..=100_000).for_each(|nanos| samples.add(nanos));
            let found = Percentiles::of([samples].iter());
            assert_eq!((found.count, found.max), (100_000, 100_000));
            for (got, right) in [
                (found.p50, 50_000),
                (found.p95, 95_000),
                (found.p99, 99_000),
            ] {
                assert!(got.abs_diff(right) < 6_000, "{got} is not about {right}");
            }
        }
        assert_eq!(Percentiles::of([].iter()), Percentiles::default());
    }
}
