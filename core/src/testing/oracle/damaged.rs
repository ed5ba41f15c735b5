//! The oracle for damage: what a store may answer when its files are not what they were.
//!
//! * Each key answers its right value or a typed error, and never an absence in place of either.
//!   Not even salvage hands out what was never written.
//! * Right is the state after every settled write and a prefix of the unsettled ones: all of those
//!   before the first that is touched. Damage of the last marker unsettles what only it covered.
//! * Damage is not contagious: while the store is not degraded, only a key whose newest record is
//!   touched may be refused. A single flipped bit never degrades a store, wherever it is.
//! * Damage of acknowledged data is told: by a refusal to open, by the report, by verify or by the
//!   typed error of a read. Of a single flipped bit, verify tells the place, as
//!   [`regions`](crate::testing::regions) lists it byte by byte; opening tells what it has read; and
//!   strict mode refuses whatever opening told for certain.
//! * A store that opens for writing takes writes, also after a merge and another opening.
//!
//! What nobody can tell, and is therefore not asked for:
//!
//! * **The newest manifest together with a segment.** Where the news of a file rots with the file,
//!   or both are restored from the same older copy, what is left is a sound older store. Only that
//!   nothing is made up remains true.
//! * **A last manifest record that is more than one bit away from right** is one that was never
//!   finished: the state steps back by that change. Files that the change removed are then missing,
//!   and records written after it are newer than all that is known, so both degrade the store; a
//!   change that nothing came after and whose files are still there is undone without a word.
//! * **The active segment of a store that was not closed, beyond its last readable marker**: an
//!   older copy of it is what a power cut may leave, too. Bytes that are there are counted as
//!   undecidable or torn; bytes that are gone cannot be.
//! * **A lost write over what a failed append had left there, where no hint answers for it**: that
//!   record checks as the right one does.
//! * **A hint or footer that is missing, or an older copy of itself**: some segments have none.

mod answers;

use crate::error::Error;
use crate::options::{OpenMode, Options};
use crate::prelude::*;
use crate::report::DamageReport;
use crate::storage::FileName;
use crate::testing::damage::Damaged;
use crate::testing::regions::{Region, Telling, Whose};
use crate::testing::specimen::{Specimen, options};
use crate::testing::world::Store;
use crate::{Engine, MergeProgress, salvage};
use answers::{Answers, kind};
use compat::collections::{BTreeMap, BTreeSet};
use core::ops::Range;

/// Steps that are given to the merges that are due.
const MERGE_STEPS: usize = 200;

/// How much is asked of a damaged store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Opened in every mode, read and verified.
    Reads,
    /// Then also written, merged and opened again.
    Lives,
}

/// What was seen. All of it was allowed.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Answers that were compared.
    pub reads: u64,
    /// Answers that were refusals, by kind.
    pub refused: BTreeMap<String, u64>,
    /// Openings that were refused, by kind.
    pub not_opened: BTreeMap<String, u64>,
    /// Verify named the damage.
    pub named: bool,
    /// Verify or opening listed it as damage or a stopped write.
    pub doubted: bool,
    /// Opening told of damage or doubt.
    pub told_at_open: bool,
    /// Strict mode refused to open.
    pub strict_refused: bool,
    /// The store opened degraded.
    pub degraded: bool,
}

/// Judges everything that can be asked of a damaged specimen. The error is what was wrong.
pub fn judge(specimen: &Specimen, damaged: &Damaged, depth: Depth) -> Result<Findings, String> {
    let case = Case::of(specimen, damaged);
    let mut findings = Findings::default();
    let told = |what: &str| {
        let what = what.to_owned();
        move |problem: String| format!("{}{what}: {problem}", damaged.done)
    };
    case.reader(&mut findings).map_err(told("read-only"))?;
    case.strict(&mut findings).map_err(told("strict"))?;
    case.writer(depth, &mut findings).map_err(told("writer"))?;
    case.saved().map_err(told("salvage"))?;
    case.is_told(&findings).map_err(told("in all"))?;
    Ok(findings)
}

/// A damaged specimen with what follows from its damage.
struct Case<'a> {
    specimen: &'a Specimen,
    damaged: &'a Damaged,
    changed: Vec<(FileName, Range<u64>)>,
    /// Records that are not as they were.
    touched: BTreeSet<usize>,
    /// Where the damage lies, if it is one bit.
    bit: Option<(FileName, u64, Region)>,
    /// So many of the writes to the active segment must be there.
    certain: usize,
    /// How far the active segment is still known to be durable.
    settled: u64,
    /// The newest manifest and something else: what is left may be a sound older store.
    is_open: bool,
}

impl<'a> Case<'a> {
    fn of(specimen: &'a Specimen, damaged: &'a Damaged) -> Self {
        let map = &specimen.map;
        let changed = damaged.changed(specimen);
        let mut touched = BTreeSet::new();
        let mut files = BTreeSet::new();
        let mut newest_manifest = false;
        for (name, range) in &changed {
            files.insert(*name);
            for stretch in map.within(*name, range) {
                touched.extend(stretch.record);
                newest_manifest |= stretch.region.is_newest_manifest();
            }
        }
        let settled = map.settled(|record| !map.touches(record, &changed));
        let mut certain = specimen.states.len() - 1;
        if let Some(active) = &map.active {
            let unsettled =
                |index: &&usize| **index >= active.first && map.records[**index].offset >= settled;
            if let Some(stop) = touched.iter().find(unsettled) {
                certain = active.writes.iter().filter(|end| **end <= *stop).count();
            }
        }
        let bit = match &changed[..] {
            [(name, range)] if range.end - range.start == 1 => {
                let now = damaged.files.get(name);
                let now = now.and_then(|bytes| bytes.get(range.start as usize));
                let was = specimen.files[name][range.start as usize];
                let one = now.is_some_and(|now| (now ^ was).is_power_of_two());
                map.at(*name, range.start)
                    .filter(|_| one && damaged.unreadable.is_empty())
                    .map(|stretch| (*name, range.start, stretch.region))
            }
            _ => None,
        };
        Self {
            specimen,
            damaged,
            touched,
            bit,
            certain,
            settled,
            is_open: newest_manifest && files.len() > 1,
            changed,
        }
    }

    fn open(&self, options: Options) -> crate::Result<Store> {
        Engine::open(self.damaged.disk(self.specimen), options)
    }

    fn reader(&self, findings: &mut Findings) -> Result<(), String> {
        let read_only = Options {
            access: crate::OpenAccess::ReadOnly,
            create: false,
            ..options()
        };
        let Some(store) = self.opened(self.open(read_only), findings)? else {
            return Ok(());
        };
        let answers = self.ask(&store, findings)?;
        self.check(&answers, store.report())?;
        self.note_telling(&store, &answers, findings);
        let Some((name, at, region)) = self.bit else {
            return Ok(());
        };
        let verify = answers.verify.as_ref().ok_or("verify failed")?;
        let here = |damage: &DamageReport| {
            damage.file == name && (damage.offset..damage.offset + damage.bytes).contains(&at)
        };
        let told = if verify.damages.iter().any(here) {
            Telling::Name
        } else if verify.undecided.iter().any(here) {
            Telling::Doubt
        } else {
            Telling::Silence
        };
        if told < region.verify_must() {
            return Err(format!(
                "verify owes {:?} of {region:?} and says {:?}, {:?}",
                region.verify_must(),
                verify.damages,
                verify.undecided
            ));
        }
        let report = store.report();
        let told = if report.damages.iter().any(here) {
            Telling::Name
        } else if report.undecided.iter().any(here) || report.undecidable_bytes > 0 {
            Telling::Doubt
        } else {
            Telling::Silence
        };
        if told < self.opening_must(region) {
            return Err(format!("opening does not tell of {region:?}: {report:?}"));
        }
        Ok(())
    }

    /// What opening has to say of a flipped bit.
    fn opening_must(&self, region: Region) -> Telling {
        let hinted = |index: &usize| self.specimen.map.records[*index].hinted;
        match region {
            Region::Record(..) if self.touched.iter().any(hinted) => Telling::Silence,
            Region::Record(..) if self.is_unsettled() => Telling::Doubt,
            Region::Record(..) | Region::SegmentHeader => region.verify_must(),
            _ if region.is_newest_manifest() => region.verify_must(),
            _ => Telling::Silence,
        }
    }

    /// Whether what is touched is beyond what is still known to be durable.
    fn is_unsettled(&self) -> bool {
        let map = &self.specimen.map;
        let active = map.active.as_ref();
        active.is_some_and(|active| {
            let beyond = |index: &usize| {
                *index >= active.first && map.records[*index].offset >= self.settled
            };
            self.touched.iter().all(beyond)
        })
    }

    fn strict(&self, findings: &mut Findings) -> Result<(), String> {
        let strict = Options {
            access: crate::OpenAccess::ReadOnly,
            create: false,
            mode: OpenMode::Strict,
            ..options()
        };
        let must_refuse = self
            .bit
            .is_some_and(|(_, _, region)| self.opening_must(region) == Telling::Name);
        match self.open(strict) {
            Ok(_) if must_refuse => Err("opened on damage".into()),
            Ok(store) => {
                let answers = self.ask(&store, findings)?;
                self.check(&answers, store.report())
            }
            Err(Error::Damaged { .. }) => {
                findings.strict_refused = true;
                Ok(())
            }
            Err(error) if self.bit.is_some() => Err(format!("refused: {error}")),
            Err(_) => Ok(()),
        }
    }

    fn writer(&self, depth: Depth, findings: &mut Findings) -> Result<(), String> {
        let opened = self.open(Options {
            create: self.damaged.files.is_empty(),
            ..options()
        });
        let Some(mut store) = self.opened(opened, findings)? else {
            return Ok(());
        };
        let answers = self.ask(&store, findings)?;
        self.check(&answers, store.report())?;
        self.note_telling(&store, &answers, findings);
        let report = store.report();
        match self.bit {
            Some((name, at, Region::Record(..) | Region::SegmentHeader | Region::Footer))
                if !self.is_unsettled() || self.touched.is_empty() =>
            {
                let verify = answers.verify.as_ref().ok_or("verify failed")?;
                let here = |damage: &DamageReport| {
                    damage.file == name
                        && (damage.offset..damage.offset + damage.bytes).contains(&at)
                };
                if !verify.damages.iter().any(here) {
                    return Err(format!("verify finds only {:?}", verify.damages));
                }
            }
            Some((_, _, Region::Record(..)))
                if report.torn_bytes + report.undecidable_bytes == 0 =>
            {
                return Err(format!("a tail cut without a count: {report:?}"));
            }
            _ => {}
        }
        if report.degraded || depth == Depth::Reads {
            return Ok(());
        }
        self.live_on(&mut store, findings)?;
        let again = store.storage().clone();
        drop(store);
        if let Some(store) = self.opened(Engine::open(again, options()), findings)? {
            let answers = self.ask(&store, findings)?;
            self.check(&answers, store.report())
                .map_err(|problem| format!("opened again: {problem}"))?;
        }
        Ok(())
    }

    /// The store takes writes and merges, and nothing wrong comes of it.
    fn live_on(&self, store: &mut Store, findings: &mut Findings) -> Result<(), String> {
        let fresh = b"written after the damage";
        store
            .put(fresh, b"1")
            .map_err(|error| format!("takes no write: {error}"))?;
        let _ = (store.stats(), store.merge_plan());
        // It may refuse what it cannot copy; what it does must be right. First what is due, which
        // leaves older segments alone, and then everything.
        let _ = store.rotate();
        for _ in 0..MERGE_STEPS {
            if let Ok(MergeProgress::Idle) = store.merge_step(1_000) {
                break;
            }
        }
        let copy = self.specimen.disk(&store.storage().files());
        if let Some(store) = self.opened(Engine::open(copy, options()), findings)? {
            let answers = self.ask(&store, findings)?;
            self.check(&answers, store.report())
                .map_err(|problem| format!("opened after merging what is due: {problem}"))?;
        }
        let merged = store.merge_all(|_, _| {});
        let answers = self.ask(store, findings)?;
        self.check(&answers, store.report())
            .map_err(|problem| format!("after a merge ({merged:?}): {problem}"))?;
        match store.get(fresh) {
            Ok(Some(value)) if value == b"1" => {}
            // It fell on bytes that the platform refuses to read.
            Err(_) if !self.damaged.unreadable.is_empty() => {}
            other => return Err(format!("lost a write: {other:?}")),
        }
        store.sync().map_err(|error| format!("sync: {error}"))
    }

    /// The store, if it opened. One flipped bit keeps nobody out.
    fn opened(
        &self,
        opened: crate::Result<Store>,
        findings: &mut Findings,
    ) -> Result<Option<Store>, String> {
        match opened {
            Ok(store) => {
                findings.degraded |= store.report().degraded;
                match store.report() {
                    report if report.degraded && self.bit.is_some() => {
                        Err(format!("one bit degrades the store: {report:?}"))
                    }
                    report if report.created && !self.damaged.files.is_empty() => {
                        Err("a new store over what is left".into())
                    }
                    _ => Ok(Some(store)),
                }
            }
            Err(error) if self.bit.is_some() => Err(format!("one bit keeps it closed: {error}")),
            Err(error) => {
                *findings.not_opened.entry(kind(&error)).or_insert(0) += 1;
                Ok(None)
            }
        }
    }

    /// Whatever is handed out was once written, and what is not touched is handed out.
    fn saved(&self) -> Result<(), String> {
        let mut saved = BTreeMap::new();
        let sink = |entry: crate::Entry| {
            saved.insert(entry.key, entry.value);
            Ok(())
        };
        let report = match salvage(self.damaged.disk(self.specimen), sink) {
            Ok(report) => report,
            Err(error) if self.bit.is_some() => return Err(format!("refused: {error}")),
            Err(_) => return Ok(()),
        };
        if report.keys != saved.len() as u64 {
            return Err(format!("says {} keys of {}", report.keys, saved.len()));
        }
        let mut made_up = saved
            .iter()
            .filter(|(key, value)| !self.was_written(key, value));
        if let Some((key, _)) = made_up.next() {
            return Err(format!("{key:?} has a value that nobody wrote"));
        }
        let all = self.specimen.states.len() - 1;
        for (key, (value, _)) in self.specimen.held() {
            let must = self.bit.is_some()
                && super::system_key(key).is_none()
                && !self.may_be_refused(key, all);
            if must && saved.get(key) != Some(value) {
                return Err(format!("{key:?} is not saved"));
            }
        }
        Ok(())
    }

    fn note_telling(&self, store: &Store, answers: &Answers, findings: &mut Findings) {
        let report = store.report();
        findings.told_at_open |= !report.damages.is_empty()
            || !report.undecided.is_empty()
            || report.stepped_back
            || report.degraded;
        match &answers.verify {
            Some(verify) => {
                findings.named |= !verify.damages.is_empty();
                findings.doubted |= !verify.undecided.is_empty();
            }
            None => findings.named = true,
        }
    }

    /// Damage of acknowledged data never goes by without a word.
    fn is_told(&self, findings: &Findings) -> Result<(), String> {
        let told = findings.named
            || findings.doubted
            || findings.told_at_open
            || !findings.not_opened.is_empty()
            || !findings.refused.is_empty();
        let map = &self.specimen.map;
        let active = map.active.as_ref().map(|active| active.file);
        let acknowledged = self.changed.iter().any(|(name, range)| {
            map.within(*name, range)
                .any(|stretch| match stretch.region {
                    Region::SegmentHeader => true,
                    Region::Record(Whose::Unsettled, _) => false,
                    Region::Record(..) => Some(*name) != active || stretch.from < self.settled,
                    _ => false,
                })
        });
        match acknowledged && !told && !self.is_open {
            true => Err("damage of acknowledged data went by without a word".into()),
            false => Ok(()),
        }
    }
}
