//! What survives: the changes since an image, and what a power cut makes of them.

use super::luck::{Kept, Luck};
use crate::prelude::*;
use crate::storage::FileName;
use compat::collections::BTreeMap;

/// Identifies a file's bytes, whatever name leads to them.
pub(super) type Inode = u64;

/// One change of the medium, in the order in which the changes were made.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A name leads to this file from now on, or to none.
    Entry(FileName, Option<Inode>),
    Write {
        inode: Inode,
        offset: u64,
        bytes: Vec<u8>,
    },
    Cut {
        inode: Inode,
        len: u64,
    },
    /// Everything written to the file before is durable.
    Sync(Inode),
    /// A sync that failed: nothing written before is certain, and no later sync makes it so.
    SyncRefused(Inode),
    /// Every name is durable.
    SyncNames,
    /// One name is durable.
    SyncName(FileName),
}

impl Change {
    /// In words, with files named by `name`.
    pub fn told(&self, name: &dyn Fn(Inode) -> String) -> String {
        match self {
            Self::Entry(entry, Some(_)) => format!("{entry}: created"),
            Self::Entry(entry, None) => format!("{entry}: removed"),
            Self::Write {
                inode,
                offset,
                bytes,
            } => format!("{}: {} bytes at {offset}", name(*inode), bytes.len()),
            Self::Cut { inode, len } => format!("{}: cut to {len}", name(*inode)),
            Self::Sync(inode) => format!("{}: synced", name(*inode)),
            Self::SyncRefused(inode) => format!("{}: sync failed", name(*inode)),
            Self::SyncNames => String::from("names synced"),
            Self::SyncName(name) => format!("{name}: name synced"),
        }
    }
}

/// What is durable.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pub names: BTreeMap<FileName, Inode>,
    pub contents: BTreeMap<Inode, Vec<u8>>,
}

/// How certain an unfolded change of a file's bytes is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Sure,
    /// A sync over it failed: it may be lost even if a later sync succeeds.
    Doubtful,
    Pending,
}

impl Image {
    /// The files after a power cut that follows `changes`. With `syncs_commit_names`, a sync of
    /// any file makes the earlier names durable, as journaling file systems do.
    pub fn after_power_cut(
        &self,
        changes_made: &[Change],
        syncs_commit_names: bool,
        luck: &mut dyn Luck,
    ) -> BTreeMap<FileName, Vec<u8>> {
        let mut durable = self.clone();
        let mut data: BTreeMap<Inode, Vec<(Certainty, &Change)>> = BTreeMap::new();
        let mut entries: BTreeMap<FileName, Vec<Option<Inode>>> = BTreeMap::new();
        for change in changes_made {
            match change {
                Change::Entry(name, inode) => entries.entry(*name).or_default().push(*inode),
                Change::Write { inode, .. } | Change::Cut { inode, .. } => {
                    data.entry(*inode)
                        .or_default()
                        .push((Certainty::Pending, change));
                }
                Change::Sync(inode) => {
                    if let Some(changes) = data.get_mut(inode) {
                        settle(changes, Certainty::Sure);
                        durable.fold(*inode, changes);
                    }
                    if syncs_commit_names {
                        durable.fold_names(&mut entries);
                    }
                }
                Change::SyncRefused(inode) => {
                    let changes = data.entry(*inode).or_default();
                    settle(changes, Certainty::Doubtful);
                }
                Change::SyncNames => durable.fold_names(&mut entries),
                Change::SyncName(name) => {
                    let inode = entries
                        .remove(name)
                        .and_then(|states| states.last().copied());
                    if let Some(inode) = inode {
                        durable.enter(*name, inode);
                    }
                }
            }
        }
        for (inode, changes) in &data {
            let bytes = durable.contents.entry(*inode).or_default();
            for (certainty, change) in changes {
                match change {
                    Change::Write {
                        offset, bytes: new, ..
                    } => {
                        let kept = match certainty {
                            Certainty::Sure => Kept::All,
                            _ => luck.write(new.len()),
                        };
                        match kept {
                            Kept::Stale => {
                                write(
                                    bytes,
                                    *offset,
                                    &stale(changes_made, *inode, new.len()),
                                    kept,
                                );
                            }
                            _ => write(bytes, *offset, new, kept),
                        }
                    }
                    Change::Cut { len, .. }
                        if *certainty == Certainty::Sure || luck.state(2) == 1 =>
                    {
                        bytes.truncate(*len as usize);
                    }
                    _ => {}
                }
            }
        }
        for (name, states) in entries {
            let state = luck.state(states.len() + 1);
            if let Some(inode) = state.checked_sub(1).map(|newer| states[newer]) {
                durable.enter(name, inode);
            }
        }
        let Self { names, contents } = &durable;
        let content = |inode| contents.get(inode).cloned().unwrap_or_default();
        names
            .iter()
            .map(|(name, inode)| (*name, content(inode)))
            .collect()
    }

    /// Applies the certain changes at the front, which nothing uncertain can alter any more.
    fn fold(&mut self, inode: Inode, changes: &mut Vec<(Certainty, &Change)>) {
        let certain = |(certainty, _): &(Certainty, &Change)| *certainty == Certainty::Sure;
        let count = changes.iter().take_while(|c| certain(c)).count();
        let bytes = self.contents.entry(inode).or_default();
        for (_, change) in changes.drain(..count) {
            match change {
                Change::Write {
                    offset, bytes: new, ..
                } => write(bytes, *offset, new, Kept::All),
                Change::Cut { len, .. } => bytes.truncate(*len as usize),
                _ => {}
            }
        }
    }

    fn fold_names(&mut self, entries: &mut BTreeMap<FileName, Vec<Option<Inode>>>) {
        for (name, states) in core::mem::take(entries) {
            if let Some(inode) = states.last() {
                self.enter(name, *inode);
            }
        }
    }

    fn enter(&mut self, name: FileName, inode: Option<Inode>) {
        match inode {
            Some(inode) => self.names.insert(name, inode),
            None => self.names.remove(&name),
        };
    }
}

fn settle(changes: &mut [(Certainty, &Change)], to: Certainty) {
    for (certainty, _) in changes {
        if *certainty == Certainty::Pending {
            *certainty = to;
        }
    }
}

/// What a disk may hand out as a fresh block: the last bytes that were written to another file, over
/// and over. They may hold whole valid records, of that file.
fn stale(changes: &[Change], inode: Inode, bytes: usize) -> Vec<u8> {
    let other = changes.iter().rev().find_map(|change| match change {
        Change::Write {
            inode: written,
            bytes,
            ..
        } if *written != inode && !bytes.is_empty() => Some(bytes.as_slice()),
        _ => None,
    });
    let old = other.unwrap_or(b"stale");
    old.iter().copied().cycle().take(bytes).collect()
}

/// What `kept` says of a write lands in `bytes`; a hole before it reads as zeros.
fn write(bytes: &mut Vec<u8>, offset: u64, new: &[u8], kept: Kept) {
    let at = offset as usize;
    let reach = match kept {
        Kept::Nothing => return,
        Kept::Prefix(count) => at + count,
        Kept::Hole { from, to } if to == new.len() => at + from.min(to),
        _ => at + new.len(),
    };
    if bytes.len() < reach {
        bytes.resize(reach, 0);
    }
    let mut land = |from: usize, to: usize| {
        if from < to {
            bytes[at + from..at + to].copy_from_slice(&new[from..to]);
        }
    };
    match kept {
        Kept::Nothing | Kept::Zeros => {}
        Kept::All | Kept::Stale => land(0, new.len()),
        Kept::Prefix(count) => land(0, count),
        Kept::Suffix(from) => land(from, new.len()),
        Kept::Hole { from, to } => {
            land(0, from);
            land(to, new.len());
        }
    }
}
