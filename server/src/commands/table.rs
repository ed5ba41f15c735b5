//! The table of commands: what dispatches them, and what `COMMAND` tells of them.

use super::{
    Run, acl, bits, connection, counters, describe, durability, expire, explain, keys, log,
    observe, pubsub, ranges, scan, server, strings, transactions,
};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Every part of the table.
const GROUPS: [&[Command]; 17] = [
    acl::COMMANDS,
    bits::COMMANDS,
    connection::COMMANDS,
    counters::COMMANDS,
    describe::COMMANDS,
    durability::COMMANDS,
    expire::COMMANDS,
    explain::COMMANDS,
    keys::COMMANDS,
    log::COMMANDS,
    observe::COMMANDS,
    pubsub::COMMANDS,
    ranges::COMMANDS,
    scan::COMMANDS,
    server::COMMANDS,
    strings::COMMANDS,
    transactions::COMMANDS,
];

/// One command, or one subcommand.
#[derive(Debug)]
pub(crate) struct Command {
    /// In lower case.
    pub name: &'static str,
    /// Of a subcommand: the command it belongs to.
    pub parent: &'static str,
    /// How many arguments it takes, its own name (and its parent's) included; at least that many if
    /// negative.
    pub arity: i8,
    pub flags: Flags,
    pub keys: Keys,
    pub group: &'static str,
    /// The version of Redis that brought it.
    pub since: &'static str,
    pub complexity: &'static str,
    pub summary: &'static str,
    pub subcommands: &'static [Command],
    pub run: Run,
}

/// Where a command's keys are: the first argument that is one, the last (from the end if negative) and
/// the step between them. All 0 if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    pub first: i8,
    pub last: i8,
    pub step: i8,
}

impl Keys {
    pub(crate) fn is_many(self) -> bool {
        self.first != self.last
    }
}

/// Properties of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// Changes keys: runs alone, and its writes are one batch.
    pub(crate) const WRITE: Self = Self(1);
    /// Looks at keys.
    pub(crate) const READ: Self = Self(1 << 1);
    /// Takes constant time.
    pub(crate) const FAST: Self = Self(1 << 2);
    /// May take long: does not run where other connections wait.
    pub(crate) const SLOW: Self = Self(1 << 3);
    /// Also for clients that did not authenticate.
    pub(crate) const NO_AUTH: Self = Self(1 << 4);
    /// Not inside a transaction.
    pub(crate) const NO_MULTI: Self = Self(1 << 5);
    /// Runs at once also while commands are queued.
    pub(crate) const STEERS_MULTI: Self = Self(1 << 6);
    /// For operators.
    pub(crate) const ADMIN: Self = Self(1 << 7);
    /// Runs what was queued.
    pub(crate) const EXEC: Self = Self(1 << 8);
    /// May lose data or stall others when used without thought.
    pub(crate) const DANGEROUS: Self = Self(1 << 9);
    /// Also for subscribers that speak RESP2, to whom nothing else can be answered.
    pub(crate) const SUBSCRIBED: Self = Self(1 << 10);
    /// Confirms changes of subscriptions: told whether or not replies are wanted.
    pub(crate) const CONFIRMS: Self = Self(1 << 11);
    /// May have its client wait.
    pub(crate) const BLOCKS: Self = Self(1 << 12);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Command {
    /// Whether it may be committed together with others of its client: it does nothing but look at keys that it
    /// names and change them.
    pub(crate) fn joins_groups(&self) -> bool {
        let flags = self.flags;
        let looks_or_changes = flags.has(Flags::READ.and(Flags::WRITE)) && self.keys.first > 0;
        looks_or_changes && self.parent.is_empty() && !flags.has(Flags::SLOW.and(Flags::NO_MULTI))
    }

    /// A command that neither reads nor writes keys.
    pub(crate) const fn new(name: &'static str, arity: i8, run: Run) -> Self {
        Self {
            name,
            parent: "",
            arity,
            flags: Flags(0),
            keys: Keys {
                first: 0,
                last: 0,
                step: 0,
            },
            group: "",
            since: "",
            complexity: "O(1)",
            summary: "",
            subcommands: &[],
            run,
        }
    }

    pub(crate) const fn read(name: &'static str, arity: i8, run: Run) -> Self {
        Self::new(name, arity, run).flag(Flags::READ)
    }

    pub(crate) const fn write(name: &'static str, arity: i8, run: Run) -> Self {
        Self::new(name, arity, run).flag(Flags::WRITE)
    }

    pub(crate) const fn flag(mut self, flag: Flags) -> Self {
        self.flags = self.flags.and(flag);
        self
    }

    /// Its first argument is its key.
    pub(crate) const fn key(self) -> Self {
        self.keys(1, 1, 1)
    }

    pub(crate) const fn keys(mut self, first: i8, last: i8, step: i8) -> Self {
        self.keys = Keys { first, last, step };
        self
    }

    pub(crate) const fn of(mut self, parent: &'static str) -> Self {
        self.parent = parent;
        self
    }

    pub(crate) const fn with(mut self, subcommands: &'static [Command]) -> Self {
        self.subcommands = subcommands;
        self
    }

    pub(crate) const fn costs(mut self, complexity: &'static str) -> Self {
        self.complexity = complexity;
        self
    }

    pub(crate) const fn told(
        mut self,
        group: &'static str,
        since: &'static str,
        summary: &'static str,
    ) -> Self {
        self.group = group;
        self.since = since;
        self.summary = summary;
        self
    }

    pub(crate) fn is_called(&self, name: &[u8]) -> bool {
        self.name.as_bytes().eq_ignore_ascii_case(name)
    }

    /// `get`, `client|id`.
    pub(crate) fn full_name(&self) -> String {
        match self.parent {
            "" => self.name.to_owned(),
            parent => format!("{parent}|{}", self.name),
        }
    }

    /// Whether it reads several keys, which must then be as they were at one moment. Slow ones see to that
    /// themselves, so that writers do not wait for the rest of their work.
    pub(crate) fn sees_one_moment(&self) -> bool {
        self.flags.has(Flags::READ) && self.keys.is_many() && !self.flags.has(Flags::SLOW)
    }

    /// Whether it takes that many arguments.
    pub(crate) fn takes(&self, count: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        match self.arity < 0 {
            true => count >= wanted,
            false => count == wanted,
        }
    }
}

/// The whole table, by name.
pub(crate) struct Table {
    by_name: HashMap<&'static [u8], &'static Command>,
}

/// Longest name of a command.
const NAME_BYTES_MAX: usize = 24;

impl Table {
    /// A command by its name in any case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&'static Command> {
        let mut lower = [0; NAME_BYTES_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).copied()
    }

    /// Every command, in no order.
    pub(crate) fn commands(&self) -> impl ExactSizeIterator<Item = &'static Command> {
        self.by_name.values().copied()
    }
}

/// The table.
pub(crate) fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let all = GROUPS.iter().copied().flatten();
        let by_name = all.map(|command| (command.name.as_bytes(), command));
        Table {
            by_name: by_name.collect(),
        }
    });
    &TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case_and_described() {
        let listed: usize = GROUPS.iter().map(|group| group.len()).sum();
        assert_eq!(listed, table().commands().len(), "two have one name");
        for command in table().commands() {
            let upper = command.name.to_ascii_uppercase();
            assert_eq!(table().find(upper.as_bytes()).unwrap().name, command.name);
            assert_eq!(command.name, command.name.to_ascii_lowercase());
            for it in command.subcommands.iter().chain([command]) {
                assert!(!it.summary.is_empty(), "{}", it.full_name());
                assert!(!it.group.is_empty(), "{}", it.full_name());
            }
            for it in command.subcommands {
                assert_eq!(it.parent, command.name);
            }
        }
    }

    #[test]
    fn an_unknown_or_endless_name_finds_nothing() {
        assert!(table().find(b"lpush").is_none());
        assert!(table().find(&[b'a'; 5000]).is_none());
        assert!(table().find(b"").is_none());
    }

    /// `PORTCASK_UPDATE=1` writes the page anew.
    #[test]
    fn the_compatibility_page_tells_of_the_commands_that_there_are() {
        let page = page();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/COMPATIBILITY.md");
        if std::env::var_os("PORTCASK_UPDATE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), page);
    }

    fn page() -> String {
        let mut page = include_str!("compatibility.md").to_owned();
        let mut groups: std::collections::BTreeMap<&str, Vec<String>> = Default::default();
        for command in table().commands() {
            let parent = command.name.to_ascii_uppercase();
            let words = command
                .subcommands
                .iter()
                .map(|it| it.name.to_ascii_uppercase());
            let words: Vec<_> = words.collect();
            let shown = match words.is_empty() {
                true => format!("`{parent}`"),
                false => format!("`{parent}` ({})", words.join(", ")),
            };
            groups.entry(command.group).or_default().push(shown);
        }
        for (group, mut commands) in groups {
            commands.sort();
            page.push_str(&format!("| {group} | {} |\n", commands.join(", ")));
        }
        page.push_str(
            "\n## Other projects' tests\n\n`cargo xtask test server` runs the tests of redis-py 5.2.1 (commands, pub/sub, \
             pipelines, connections, encodings, locks)\nand of the `redis` crate 1.8.1 (`test_basic`) against this server. \
             Every case that needs no command outside the table\nabove passes, except these:\n\n| suite | case | why |\n| --- | --- | --- |\n",
        );
        for line in include_str!("../../outside/differences.txt")
            .lines()
            .filter(|it| !it.starts_with('#'))
        {
            if let [suite, case, reason] = line.split(" | ").collect::<Vec<_>>()[..] {
                let case = case.rsplit("::").next().unwrap_or(case);
                page.push_str(&format!("| {suite} | `{case}` | {reason} |\n"));
            }
        }
        page
    }
}
