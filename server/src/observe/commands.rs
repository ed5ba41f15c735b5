//! How often each command ran, how long it took, and how it ended.

use crate::commands::{Command, table};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Classes of time: the n-th holds what took at most 2^n microseconds, the last one everything else.
pub(crate) const CLASSES: usize = 32;
/// Kinds of errors that are told apart.
const ERRORS_MAX: usize = 128;

/// A command's parent and name.
type Name = (&'static str, &'static str);

/// The numbers of every command.
pub(crate) struct CommandStats {
    numbers: Vec<Numbers>,
    /// Where in the list each command has its own.
    by_name: HashMap<Name, usize>,
    errors: Mutex<BTreeMap<Vec<u8>, u64>>,
}

#[derive(Default)]
struct Numbers {
    calls: AtomicU64,
    ns: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    classes: [AtomicU64; CLASSES],
}

/// One command's numbers at a moment.
pub(crate) struct Shown {
    /// `get`, `config|set`.
    pub name: String,
    pub calls: u64,
    pub ns: u64,
    /// Refused before they ran.
    pub rejected: u64,
    /// Answered an error.
    pub failed: u64,
    pub classes: [u64; CLASSES],
}

impl CommandStats {
    pub(crate) fn new() -> Self {
        let commands = table().commands();
        let all = commands.flat_map(|it| it.subcommands.iter().chain([it]));
        let names = all.enumerate();
        let by_name: HashMap<_, _> = names.map(|(at, it)| ((it.parent, it.name), at)).collect();
        Self {
            numbers: by_name.iter().map(|_| Numbers::default()).collect(),
            by_name,
            errors: Mutex::default(),
        }
    }

    /// The commands that were ever sent, by name.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut shown: Vec<_> = self
            .by_name
            .iter()
            .map(|(name, at)| (name, &self.numbers[*at]))
            .map(|((parent, name), numbers)| Shown {
                name: match *parent {
                    "" => (*name).to_owned(),
                    parent => format!("{parent}|{name}"),
                },
                calls: get(&numbers.calls),
                ns: get(&numbers.ns),
                rejected: get(&numbers.rejected),
                failed: get(&numbers.failed),
                classes: std::array::from_fn(|class| get(&numbers.classes[class])),
            })
            .filter(|it| it.calls + it.rejected > 0)
            .collect();
        shown.sort_by(|a, b| a.name.cmp(&b.name));
        shown
    }

    /// How often each kind of error was answered.
    pub(crate) fn errors(&self) -> Vec<(String, u64)> {
        let errors = self.lock();
        let shown = errors.iter();
        shown
            .map(|(kind, count)| (String::from_utf8_lossy(kind).into_owned(), *count))
            .collect()
    }

    /// Begins at 0 again.
    pub(crate) fn reset(&self) {
        for numbers in &self.numbers {
            let counters = [
                &numbers.calls,
                &numbers.ns,
                &numbers.rejected,
                &numbers.failed,
            ];
            for counter in counters.into_iter().chain(&numbers.classes) {
                counter.store(0, Ordering::Relaxed);
            }
        }
        self.lock().clear();
    }

    /// Notes an error by its first word, which is ours.
    pub(crate) fn count_error(&self, reply: &[u8]) {
        let end = reply.iter().position(|byte| *byte == b' ');
        let kind = &reply[1..end.unwrap_or(reply.len()).max(1)];
        let mut errors = self.lock();
        if let Some(count) = errors.get_mut(kind) {
            *count += 1;
        } else if errors.len() < ERRORS_MAX {
            errors.insert(kind.to_vec(), 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, u64>> {
        // Nothing that is done under this lock can panic half-way.
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection has to add to the numbers. It keeps them while one command follows its like, so that
/// connections seldom meet at them.
#[derive(Default)]
pub(crate) struct Tally {
    command: Option<&'static Command>,
    /// Which numbers are its own. Most clients send the same command again, in the next batch, too.
    at: usize,
    calls: u64,
    ns: u64,
    rejected: u64,
    failed: u64,
    classes: [u32; CLASSES],
}

impl Tally {
    /// Notes a command that took this long and was answered this.
    pub(crate) fn add(
        &mut self,
        stats: &CommandStats,
        command: &'static Command,
        took: Duration,
        reply: &[u8],
    ) {
        if !self.command.is_some_and(|last| std::ptr::eq(last, command)) {
            self.flush(stats);
            let Some(at) = stats.by_name.get(&(command.parent, command.name)) else {
                return;
            };
            (self.command, self.at) = (Some(command), *at);
        }
        if reply.first() == Some(&b'-') {
            stats.count_error(reply);
            if reply.starts_with(b"-NOAUTH") || reply.starts_with(b"-NOPERM") {
                self.rejected += 1;
                return;
            }
            self.failed += 1;
        }
        self.calls += 1;
        self.ns += u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.classes[class(took)] += 1;
    }

    /// Hands over what it kept.
    pub(crate) fn flush(&mut self, stats: &CommandStats) {
        let kept = Self {
            command: self.command,
            at: self.at,
            ..Self::default()
        };
        let Self {
            command,
            at,
            calls,
            ns,
            rejected,
            failed,
            classes,
        } = std::mem::replace(self, kept);
        let Some(numbers) = command.and(stats.numbers.get(at)) else {
            return;
        };
        for (counter, add) in [
            (&numbers.calls, calls),
            (&numbers.ns, ns),
            (&numbers.rejected, rejected),
            (&numbers.failed, failed),
        ] {
            if add > 0 {
                counter.fetch_add(add, Ordering::Relaxed);
            }
        }
        for (counter, add) in numbers.classes.iter().zip(classes) {
            if add > 0 {
                counter.fetch_add(add.into(), Ordering::Relaxed);
            }
        }
    }
}

fn class(took: Duration) -> usize {
    let us = took.as_nanos().div_ceil(1000).max(1);
    let class = (us - 1).checked_ilog2().map_or(0, |log| log as usize + 1);
    class.min(CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_took_at_most_its_power_of_two() {
        for (ns, expected) in [
            (0, 0),
            (1_000, 0),
            (1_001, 1),
            (2_000, 1),
            (2_001, 2),
            (4_000, 2),
            (5_000, 3),
            (1_024_000, 10),
            (1_025_000, 11),
            (u64::MAX, 31),
        ] {
            assert_eq!(class(Duration::from_nanos(ns)), expected, "{ns}");
        }
    }
}
