//! fill: content that is made up, but always the same for the same options.
//!
//! Key `i` and its value in version `v` are functions of the seed, so nothing has to be remembered
//! to check a store: version 0 is the first writing, and round `r` either overwrites key `i` with
//! version `r`, deletes it, or leaves it alone, decided by a hash of (seed, r, i).

use crate::args::FillArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::host::peak_memory_bytes;
use crate::random::{Random, mixed, mixed_with};
use crate::term::{Progress, Unit};
use crate::{Context, interrupt, units};
use portcask::Batch;
use portcask::format::record::KEY_BYTES_MAX;
use serde_json::json;
use std::time::Instant;

/// Bytes of a batch at most.
const BATCH_BYTES_MAX: u64 = 4 << 20;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// `fill`: writes the content, or checks it.
pub fn fill(context: &mut Context, args: &FillArgs) -> Outcome {
    let content = Content::new(args)?;
    if args.check {
        return check(context, &content);
    }
    context.store.set_policy(&args.merge);
    interrupt::watch();
    let mut writer = Writer::new(args, context);
    let steps = args
        .count
        .saturating_mul(1 + u64::from(args.rounds) * u64::from(args.churns()));
    let progress = Progress::new(context.quiet, "filling", steps, Unit::Records);
    let mut key = Vec::new();
    let mut value = Vec::new();
    let mut step = 0;
    let rounds = if args.churns() { args.rounds } else { 0 };
    'rounds: for round in 0..=rounds {
        for i in 0..args.count {
            if interrupt::was_pressed() {
                break 'rounds;
            }
            step += 1;
            match content.deed(round, i) {
                Deed::Put => {
                    content.key(i, &mut key);
                    content.value(i, round, &mut value);
                    writer.put(context, &key, &value, round)?;
                }
                Deed::Delete => {
                    content.key(i, &mut key);
                    writer.delete(context, &key)?;
                }
                Deed::Leave => {}
            }
            if step % 1024 == 0 {
                progress.set(step);
            }
        }
    }
    writer.store(context)?;
    progress.end();
    writer.finish(context)
}

impl FillArgs {
    fn churns(&self) -> bool {
        self.overwrite_percent + self.delete_percent > 0
    }
}

enum Deed {
    Put,
    Delete,
    Leave,
}

struct Content<'a> {
    args: &'a FillArgs,
    key_bytes: usize,
}

impl<'a> Content<'a> {
    fn new(args: &'a FillArgs) -> Result<Self, Failure> {
        if args.overwrite_percent + args.delete_percent > 100 {
            return Err(Failure::usage(
                "--overwrite-percent and --delete-percent exceed 100",
            ));
        }
        let key_bytes = usize::try_from(args.key_size).unwrap_or(usize::MAX);
        let body = key_bytes.saturating_sub(args.prefix.len());
        if key_bytes > KEY_BYTES_MAX || args.prefix.len() > key_bytes || !fits(args.count, body) {
            return Err(Failure::usage(format!(
                "--key-size {key_bytes}: {} do not fit between --prefix and {KEY_BYTES_MAX} bytes",
                units::counted(args.count, "different key")
            )));
        }
        Ok(Self { args, key_bytes })
    }

    /// What happens to key `i` in a round; round 0 writes every key.
    fn deed(&self, round: u32, i: u64) -> Deed {
        if round == 0 {
            return Deed::Put;
        }
        let drawn = (mixed_with(self.args.seed, u64::from(round) << 40 ^ i) % 100) as u32;
        match drawn {
            _ if drawn < self.args.overwrite_percent => Deed::Put,
            _ if drawn < self.args.overwrite_percent + self.args.delete_percent => Deed::Delete,
            _ => Deed::Leave,
        }
    }

    /// The version that a key has in the end; `None` if it was deleted.
    fn last_version(&self, i: u64) -> Option<u32> {
        for round in (1..=self.args.rounds).rev() {
            match self.deed(round, i) {
                Deed::Put => return Some(round),
                Deed::Delete => return None,
                Deed::Leave => {}
            }
        }
        Some(0)
    }

    /// Sixteen scrambled hexadecimal digits where they fit, else a plain number.
    fn key(&self, i: u64, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(self.args.prefix.as_bytes());
        let body = self.key_bytes - into.len();
        if body >= 16 {
            // The mix is a permutation, so different numbers stay different.
            into.extend_from_slice(format!("{:016x}", mixed(i ^ self.args.seed << 20)).as_bytes());
            into.resize(self.key_bytes, b'.');
            return;
        }
        let start = into.len();
        into.resize(self.key_bytes, b'0');
        let mut rest = i;
        for digit in into[start..].iter_mut().rev() {
            *digit = DIGITS[(rest % 36) as usize];
            rest /= 36;
        }
    }

    fn value(&self, i: u64, version: u32, into: &mut Vec<u8>) {
        into.clear();
        let bytes = usize::try_from(self.args.value_size).unwrap_or(usize::MAX);
        let mut random = Random::new(mixed_with(
            self.args.seed ^ 0x76_616c_7565,
            i ^ u64::from(version) << 44,
        ));
        while into.len() < bytes {
            let mut bits = random.next();
            for _ in 0..10.min(bytes - into.len()) {
                into.push(ALPHABET[(bits & 63) as usize]);
                bits >>= 6;
            }
        }
    }
}

fn fits(count: u64, digits: usize) -> bool {
    digits >= 13 || count <= 36u64.pow(digits as u32)
}

struct Writer {
    batch: Batch,
    batch_bytes: u64,
    batch_max: usize,
    bytes_max: u64,
    started: Instant,
    written: u64,
    overwritten: u64,
    deleted: u64,
    bytes: u64,
}

impl Writer {
    fn new(args: &FillArgs, context: &Context) -> Self {
        let options = context.store.write_options();
        Self {
            batch: Batch::new(),
            batch_bytes: 0,
            batch_max: args.batch,
            bytes_max: BATCH_BYTES_MAX.min(options.segment_bytes / 4),
            started: Instant::now(),
            written: 0,
            overwritten: 0,
            deleted: 0,
            bytes: 0,
        }
    }

    fn put(
        &mut self,
        context: &mut Context,
        key: &[u8],
        value: &[u8],
        round: u32,
    ) -> Result<(), Failure> {
        let bytes = (key.len() + value.len()) as u64;
        if self.batch_bytes + bytes > self.bytes_max && !self.batch.is_empty() {
            self.store(context)?;
        }
        self.batch.put(key, value);
        self.batch_bytes += bytes;
        self.bytes += bytes;
        if round == 0 {
            self.written += 1;
        } else {
            self.overwritten += 1;
        }
        self.store_if_full(context)
    }

    fn delete(&mut self, context: &mut Context, key: &[u8]) -> Result<(), Failure> {
        self.batch.delete(key);
        self.deleted += 1;
        self.store_if_full(context)
    }

    fn store_if_full(&mut self, context: &mut Context) -> Result<(), Failure> {
        if self.batch.len() >= self.batch_max {
            self.store(context)
        } else {
            Ok(())
        }
    }

    fn store(&mut self, context: &mut Context) -> Result<(), Failure> {
        context.store.write_batch(&self.batch)?;
        self.batch.clear();
        self.batch_bytes = 0;
        let kept = self.kept();
        interrupt::keep(|| kept);
        Ok(())
    }

    fn kept(&self) -> String {
        format!(
            "{}, {} and {} are kept",
            units::counted(self.written, "key"),
            units::counted(self.overwritten, "overwrite"),
            units::counted(self.deleted, "delete")
        )
    }

    fn finish(self, context: &mut Context) -> Outcome {
        let elapsed = self.started.elapsed();
        let keys = context.store.len()?;
        if context.json {
            context.out.json(&json!({
                "written": self.written,
                "overwritten": self.overwritten,
                "deleted": self.deleted,
                "bytes": self.bytes,
                "keys": keys,
                "seconds": elapsed.as_secs_f64(),
                "peak_memory_bytes": peak_memory_bytes(),
            }))?;
        } else if !context.quiet {
            let steps = self.written + self.overwritten + self.deleted;
            context.out.line(format!(
                "wrote {}, {} and {} ({}) in {}, {} per second; the store has {}",
                units::counted(self.written, "key"),
                units::counted(self.overwritten, "overwrite"),
                units::counted(self.deleted, "delete"),
                units::size(self.bytes),
                units::duration(elapsed.as_millis() as u64),
                units::count(units::rate(steps, elapsed)),
                units::counted(keys, "key"),
            ))?;
        }
        if interrupt::was_pressed() {
            return Err(Failure::new(
                Exit::Interrupted,
                format!("interrupted: {}", self.kept()),
            ));
        }
        Ok(Exit::Done)
    }
}

fn check(context: &mut Context, content: &Content<'_>) -> Outcome {
    let args = content.args;
    let progress = Progress::new(context.quiet, "checking", args.count, Unit::Records);
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let (mut sound, mut wrong, mut live) = (0u64, 0u64, 0u64);
    let mut first_wrong = String::new();
    for i in 0..args.count {
        content.key(i, &mut key);
        let found = context.store.get(&key)?;
        let is_right = match content.last_version(i) {
            None => found.is_none(),
            Some(version) => {
                live += 1;
                content.value(i, version, &mut value);
                found.as_deref() == Some(value.as_slice())
            }
        };
        if is_right {
            sound += 1;
        } else {
            wrong += 1;
            if wrong == 1 {
                first_wrong = String::from_utf8_lossy(&key).into_owned();
            }
        }
        if i % 1024 == 0 {
            progress.set(i);
        }
    }
    progress.end();
    let keys = context.store.len()?;
    let others = keys.saturating_sub(live.saturating_sub(wrong));
    if context.json {
        context.out.json(&json!({
            "checked": args.count,
            "right": sound,
            "wrong": wrong,
            "live": live,
            "keys": keys,
        }))?;
    } else if wrong == 0 {
        let beside = if keys > live {
            format!("; {} others", units::count(others))
        } else {
            String::new()
        };
        context.out.line(format!(
            "all {} are as they were written, {} live{beside}",
            units::counted(sound, "key"),
            units::count(live)
        ))?;
    } else {
        context.out.line(format!(
            "{} of {} are not as they were written, starting with {first_wrong}",
            units::count(wrong),
            units::counted(args.count, "key")
        ))?;
    }
    Ok(if wrong == 0 {
        Exit::Done
    } else {
        Exit::Damaged
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::collections::BTreeSet;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        fill: FillArgs,
    }

    #[test]
    fn keys_differ_and_have_the_length_asked_for() {
        for size in ["3", "12", "16", "20"] {
            let line = Line::parse_from([
                "fill",
                "--count",
                "5000",
                "--key-size",
                size,
                "--prefix",
                "",
            ]);
            let content = Content::new(&line.fill).unwrap_or_else(|_| panic!("{size}"));
            let mut key = Vec::new();
            let keys: BTreeSet<Vec<u8>> = (0..5000)
                .map(|i| {
                    content.key(i, &mut key);
                    assert_eq!(key.len().to_string(), size);
                    key.clone()
                })
                .collect();
            assert_eq!(keys.len(), 5000, "{size}");
        }
        let line = Line::parse_from(["fill", "--count", "5000", "--key-size", "2"]);
        assert!(Content::new(&line.fill).is_err());
    }
}
