//! One thread's share of the mix.

use super::samples::Samples;
use super::target::{Target, Trouble};
use crate::args::BenchArgs;
use crate::interrupt;
use crate::random::Random;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What all threads share.
pub struct Shared {
    /// When the run began.
    pub started: Instant,
    /// Operations done by all.
    pub done: AtomicU64,
    /// Ends the run.
    pub stop: AtomicBool,
    begun: AtomicU64,
    ops: u64,
    duration: Duration,
    failure: Mutex<Option<Trouble>>,
}

impl Shared {
    /// The run begins now.
    pub fn new(args: &BenchArgs) -> Self {
        Self {
            started: Instant::now(),
            done: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            ops: args.ops,
            duration: Duration::from_millis(args.duration),
            failure: Mutex::new(None),
        }
    }

    /// Ends the run if this failed.
    pub fn note(&self, result: Result<(), Trouble>) {
        if let Err(error) = result {
            self.stop.store(true, Ordering::Relaxed);
            if let Ok(mut failure) = self.failure.lock() {
                failure.get_or_insert(error);
            }
        }
    }

    /// The first error that ended the run.
    pub fn failure(&self) -> Option<Trouble> {
        self.failure.lock().ok().and_then(|failure| failure.clone())
    }

    fn goes_on(&self) -> bool {
        if self.stop.load(Ordering::Relaxed) || interrupt::was_pressed() {
            return false;
        }
        match self.ops {
            0 => self.started.elapsed() < self.duration,
            ops => self.begun.fetch_add(1, Ordering::Relaxed) < ops,
        }
    }
}

/// Reads, writes and deletes at random, and remembers how long each took.
pub struct Worker {
    /// Latencies of reads, writes and deletes.
    pub samples: [Samples; 3],
    /// Reads that found their key.
    pub hits: u64,
    /// Bytes of values read and written.
    pub bytes: u64,
    shares: [u64; 3],
    keyspace: u64,
    random: Random,
    value: Vec<u8>,
}

impl Worker {
    /// The `number`th thread.
    pub fn new(args: &BenchArgs, shares: [u64; 3], number: usize) -> Self {
        let seed = args.seed.wrapping_mul(0x1000).wrapping_add(number as u64);
        let mut random = Random::new(seed);
        let room = args.samples / args.concurrency / 3;
        let mut value = vec![0; usize::try_from(args.value_size).unwrap_or(usize::MAX)];
        for chunk in value.chunks_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
        }
        Self {
            samples: [0, 1, 2].map(|kind| Samples::new(room, seed ^ kind)),
            hits: 0,
            bytes: 0,
            shares,
            keyspace: args.keyspace,
            random,
            value,
        }
    }

    /// One operation. False when the run is over.
    pub fn step(&mut self, target: &Target, shared: &Shared) -> bool {
        if !shared.goes_on() {
            return false;
        }
        let key = format!("key-{:012}", self.random.below(self.keyspace));
        let key = key.as_bytes();
        let kind = self.kind();
        let began = Instant::now();
        let result = match kind {
            0 => target.get(key).map(|found| {
                self.hits += u64::from(found.is_some());
                self.bytes += found.map_or(0, |value| value.len() as u64);
            }),
            1 => {
                self.bytes += self.value.len() as u64;
                target.put(key, &self.value)
            }
            _ => target.delete(key),
        };
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.samples[kind].add(nanos);
        shared.done.fetch_add(1, Ordering::Relaxed);
        let is_fine = result.is_ok();
        shared.note(result);
        // No two writes store the same bytes.
        if let Some(head) = self.value.first_chunk_mut::<8>() {
            *head = self.random.next().to_le_bytes();
        }
        is_fine
    }

    fn kind(&mut self) -> usize {
        let mut drawn = self.random.below(self.shares.iter().sum());
        for (kind, share) in self.shares.iter().enumerate() {
            if drawn < *share {
                return kind;
            }
            drawn -= share;
        }
        0
    }
}
