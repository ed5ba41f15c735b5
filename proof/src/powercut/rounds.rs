//! Life after life of one store, each ended by a cut and judged.

use super::disk::Disk;
use super::disturbance::Disturbance;
use super::judge::{self, Leave, open_and_look};
use super::plan::{Life, SHORT_LIFE_MS};
use super::tell::Word;
use super::trial;
use super::victim::Victim;
use super::writer::Manner;
use super::{copy_files, now_ms};
use crate::ledger::Tally;
use portcask::Ack;
use portcask_core::testing::oracle::Contents;
use portcask_core::testing::sim::Dice;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// A store of more bytes begins anew, so that a round stays short.
const STORE_BYTES_MAX: u64 = 64 << 20;
/// The longest a writer lives, in microseconds.
const LIFE_US_MAX: u64 = 250_000;
/// The longest a writer lives whose cut is to meet its beginning.
const LIFE_US_SHORT: u64 = 20_000;
/// Recoveries that are cut in a row at most.
const RECOVERY_CUTS_MAX: u64 = 3;

/// Where the store lives, and so what a cut is.
pub enum Ground {
    /// The power goes: what was synced survives.
    Disk(Disk),
    /// The process is killed: what was written survives.
    Directory(PathBuf),
}

/// The rounds of one campaign.
pub struct Rounds<'a> {
    label: &'static str,
    ground: Ground,
    work: PathBuf,
    seed: u64,
    manner: Manner,
    tally: &'a mut Tally,
    dice: Dice,
    life: Life,
    /// What the store held when the life began.
    floor: Contents,
    /// The greatest sequence number told in any life of this store.
    last_seq: u64,
    /// What the writer of this life said.
    words: Vec<Word>,
    /// How this round was cut, for people.
    moments: Vec<String>,
    /// How the disk is mounted; empty for the defaults.
    mounted: &'static str,
    /// How long opening takes, about.
    opening: Duration,
    kinds: BTreeSet<String>,
}

/// What shows a violation.
pub struct Evidence {
    /// Which file system, seed, life and cuts, in one line.
    pub place: String,
    told: String,
}

impl Evidence {
    /// Puts the words beside the rest.
    pub fn keep(&self, work: &Path) -> io::Result<()> {
        fs::write(work.join("told.txt"), &self.told)
    }
}

impl<'a> Rounds<'a> {
    /// Nothing has lived yet.
    pub fn new(
        label: &'static str,
        ground: Ground,
        work: &Path,
        seed: u64,
        manner: Manner,
        tally: &'a mut Tally,
    ) -> Self {
        let mixed = label.bytes().fold(seed, |mixed, byte| {
            mixed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(byte)
        });
        Self {
            label,
            ground,
            work: work.to_owned(),
            seed,
            manner,
            tally,
            dice: Dice::new(mixed),
            life: Life {
                seed: mixed,
                number: 0,
                threads: 1,
                began_ms: 0,
                terse: manner.mapped,
            },
            floor: Contents::new(),
            last_seq: 0,
            words: Vec::new(),
            moments: Vec::new(),
            mounted: "",
            opening: Duration::from_millis(3),
            kinds: BTreeSet::new(),
        }
    }

    /// How often it was cut so far.
    pub fn cuts(&self) -> u64 {
        self.count("cuts")
    }

    /// The counts in one line.
    pub fn summary(&self) -> String {
        let count = |what| self.count(what);
        format!(
            "{}: {} cuts ({} during recovery, {} in a merge, {} under group commit), {} acknowledged \
             writes there, {} others spared, {} torn tails, {} kinds of recovery, {} s",
            self.label,
            count("cuts"),
            count("cuts during recovery"),
            count("merges running"),
            count("cuts under group commit"),
            count("acknowledged writes"),
            count("other writes spared"),
            count("torn tails"),
            count("kinds of recovery"),
            self.tally.elapsed().as_secs(),
        )
    }

    /// What a person needs to look into a violation.
    pub fn evidence(&self) -> Evidence {
        let lines: Vec<String> = self.words.iter().map(Word::to_string).collect();
        Evidence {
            place: format!(
                "{}, seed {}, life {} of {} threads after {} cuts: {}",
                self.label,
                self.seed,
                self.life.number,
                self.life.threads,
                self.cuts(),
                self.moments.join("; ")
            ),
            told: lines.join("\n"),
        }
    }

    /// One life and its judgement. An error is a violation, or this machine giving way; the words
    /// say which.
    pub fn round(&mut self) -> Result<(), String> {
        self.words.clear();
        self.moments.clear();
        if self.dice.below(8) == 0 || self.store_bytes() > STORE_BYTES_MAX {
            self.begin_anew()?;
        }
        self.life.number += 1;
        self.life.threads = [1, 1, 2, 3, 4][self.dice.below(5) as usize];
        self.life.began_ms = now_ms();
        let lived = self.live();
        if lived.is_ok() {
            self.restore()?;
        }
        let left = self.work.join("left");
        let copied = copy_files(&self.store(), &left);
        lived?;
        copied.map_err(|error| format!("no copy is left: {error}"))?;
        // Short expiries are over in every look from here on.
        let over_ms = self.life.began_ms + SHORT_LIFE_MS + 1;
        thread::sleep(Duration::from_millis(over_ms.saturating_sub(now_ms())));
        let shown = self.cut_recoveries()?;
        self.judge(shown)
    }

    /// A writer, from its start to its cut.
    fn live(&mut self) -> Result<(), String> {
        let mut writer = self.writer()?;
        writer.listen_for(|word| *word == Word::Opening)?;
        let disturbance = match (&self.ground, self.dice.below(2)) {
            (Ground::Disk(disk), 0) => Some(Disturbance::start(
                disk.path(),
                &self.store(),
                self.life.number,
            )),
            _ => None,
        };
        let early = self.dice.below(6) == 0;
        let time = if early {
            self.moment(self.opening.as_micros() as u64 * 3 / 2)
        } else {
            writer.listen_for(|word| matches!(word, Word::Open(_) | Word::Refused(_)))?;
            let longest = [LIFE_US_SHORT, LIFE_US_MAX, LIFE_US_MAX][self.dice.below(3) as usize];
            self.moment(longest)
        };
        let phase = if early { "opening" } else { "writing" };
        let disturbed = if disturbance.is_some() {
            ", disturbed"
        } else {
            ""
        };
        writer.live(time)?;
        self.cut(&mut writer, &format!("{phase} for {time:?}{disturbed}"))?;
        drop(disturbance);
        self.words = writer.bury()?;
        if !self.words.iter().any(|word| matches!(word, Word::Open(_))) {
            self.add("cuts during recovery", 1);
        } else if self.life.threads > 1 {
            self.add("cuts under group commit", 1);
        }
        Ok(())
    }

    /// Opens what is left in processes that are cut too, now and then. Returns the digest of what
    /// one of them had seen already, if its cut came late.
    fn cut_recoveries(&mut self) -> Result<Option<u64>, String> {
        let mut shown = None;
        for _ in 0..RECOVERY_CUTS_MAX {
            if self.dice.below(2) > 0 {
                break;
            }
            let store = self.store().display().to_string();
            let mut opener =
                Victim::start(&["powercut-opener".into(), format!("--store={store}")])?;
            opener.listen_for(|word| *word == Word::Opening)?;
            let time = self.moment(self.opening.as_micros() as u64);
            opener.live(time)?;
            self.cut(&mut opener, &format!("recovering for {time:?}"))?;
            let words = opener.bury()?;
            self.restore()?;
            let digest = words.iter().find_map(|word| match word {
                Word::Open(digest) => *digest,
                _ => None,
            });
            if digest.is_none() {
                self.add("cuts during recovery", 1);
            }
            if let (Some(before), Some(after)) = (shown, digest)
                && before != after
            {
                return Err("two openings in a row show different contents".into());
            }
            shown = digest.or(shown);
        }
        Ok(shown)
    }

    /// Opens what is left, and lays it before the oracle.
    fn judge(&mut self, shown: Option<u64>) -> Result<(), String> {
        let (engine, found) = open_and_look(&self.store())?;
        self.opening = (self.opening * 3 + found.opening) / 4;
        if shown.is_some_and(|digest| digest != found.digest()) {
            return Err("an earlier opening showed other contents".into());
        }
        let level = match self.ground {
            Ground::Disk(_) => Ack::Synced,
            Ground::Directory(_) => Ack::Written,
        };
        let (words, life) = (&self.words, &self.life);
        let verdict = trial::judge(
            life,
            words,
            level,
            &self.floor,
            &found.contents,
            found.now_ms,
        )?;
        if let Some(first) = verdict.first_seq
            && first <= self.last_seq
        {
            return Err(format!(
                "seq {first} is not above {}, which an earlier life was told",
                self.last_seq
            ));
        }
        self.last_seq = self.last_seq.max(verdict.last_seq);
        self.add("acknowledged writes", verdict.promised);
        self.add("other writes spared", verdict.spared);
        self.add("merges running", verdict.merging.into());
        self.add("torn tails", (found.report.torn_bytes > 0).into());
        if self.kinds.insert(found.kind()) {
            self.add("kinds of recovery", 1);
        }
        let leave = [Leave::Closed, Leave::Dropped][self.dice.below(2) as usize];
        self.floor = judge::lives_on(engine, &self.store(), found, self.life.number, leave)?;
        Ok(())
    }

    fn writer(&self) -> Result<Victim, String> {
        let life = &self.life;
        let mut arguments = vec![
            "powercut-writer".to_owned(),
            format!("--store={}", self.store().display()),
            format!("--seed={}", life.seed),
            format!("--number={}", life.number),
            format!("--threads={}", life.threads),
            format!("--began-ms={}", life.began_ms),
        ];
        arguments.extend(self.manner.words());
        Victim::start(&arguments)
    }

    /// Cuts. What a victim said before must be fit for a healthy disk.
    fn cut(&mut self, victim: &mut Victim, when: &str) -> Result<(), String> {
        if let Some(complaint) = victim.complaint() {
            return Err(format!("before any cut: {complaint}"));
        }
        let how = match &self.ground {
            Ground::Directory(_) => {
                victim.kill()?;
                "killed".to_owned()
            }
            Ground::Disk(disk) => {
                let flags = [2, 2, 2, 2, 2, 2, 2, 1, 1, 0][self.dice.below(10) as usize];
                disk.cut(flags)
                    .map_err(|error| format!("the power cannot be cut: {error}"))?;
                match self.mounted {
                    "" => format!("cut with flags {flags}"),
                    options => format!("cut with flags {flags} (mounted with {options})"),
                }
            }
        };
        self.moments.push(format!("{when}, then {how}"));
        self.add("cuts", 1);
        Ok(())
    }

    /// What a reboot does.
    fn restore(&mut self) -> Result<(), String> {
        let Ground::Disk(disk) = &mut self.ground else {
            return Ok(());
        };
        let options = disk.options();
        self.mounted = options[self.dice.below(options.len() as u64) as usize];
        disk.again(self.mounted)
    }

    fn begin_anew(&mut self) -> Result<(), String> {
        let store = self.store();
        if store.exists() {
            // Of an unsynced removal the next cut may leave nothing, and the old store would be there again.
            let parent = store.parent().unwrap_or(&store);
            fs::remove_dir_all(&store)
                .and_then(|()| fs::File::open(parent)?.sync_all())
                .map_err(|error| format!("the store cannot be removed: {error}"))?;
        }
        self.floor = Contents::new();
        self.last_seq = 0;
        Ok(())
    }

    fn store(&self) -> PathBuf {
        match &self.ground {
            Ground::Disk(disk) => disk.path().join("store"),
            Ground::Directory(folder) => folder.join("store"),
        }
    }

    fn store_bytes(&self) -> u64 {
        let sizes = fs::read_dir(self.store()).map(|entries| {
            let sizes = entries.flatten().flat_map(|entry| entry.metadata());
            sizes.map(|about| about.len()).sum()
        });
        sizes.unwrap_or(0)
    }

    fn moment(&mut self, longest_us: u64) -> Duration {
        Duration::from_micros(self.dice.below(longest_us + 1))
    }

    fn add(&mut self, what: &str, more: u64) {
        self.tally.add(&format!("{}: {what}", self.label), more);
    }

    fn count(&self, what: &str) -> u64 {
        self.tally.count(&format!("{}: {what}", self.label))
    }
}
