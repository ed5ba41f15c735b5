//! What a writer told before it was cut, laid before the oracle.

use super::plan::{Deed, Life, Plan};
use super::tell::{Answer, Word};
use portcask::Ack;
use portcask_core::testing::oracle::{Contents, Oracle, Write};
use std::collections::BTreeMap;

/// What the judge could count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Writes that had to be there.
    pub promised: u64,
    /// Writes that were there without having to.
    pub spared: u64,
    /// The least sequence number told, if any was.
    pub first_seq: Option<u64>,
    /// The greatest sequence number told.
    pub last_seq: u64,
    /// A merge was in progress when the last word came.
    pub merging: bool,
}

/// Whether the store may show `found` at `now_ms` after a cut that spares what was acknowledged
/// at `level`, if it held `floor` before this life.
///
/// * Each thread's keys show a prefix of its writes that holds every promised one.
/// * What no thread touches is as it was.
/// * All threads' writes together, in the order of their sequence numbers, show one prefix.
pub fn judge(
    life: &Life,
    words: &[Word],
    level: Ack,
    floor: &Contents,
    found: &Contents,
    now_ms: u64,
) -> Result<Verdict, String> {
    let history = History::of(life, words, level)?;
    let mut verdict = Verdict {
        first_seq: history.first_seq,
        last_seq: history.last_seq,
        merging: history.merging,
        ..Verdict::default()
    };
    let mut settled = found.clone();
    for (thread, line) in (0..).zip(&history.lines) {
        let own = |contents: &Contents| part(contents, |key| life.owner(key) == Some(thread));
        let oracle = line.oracle(own(floor), history.durable_seq);
        let shown = oracle
            .judge(0, &own(found), now_ms)
            .map_err(|why| format!("thread {thread}: {why}"))?;
        let promised = line.promised(history.durable_seq);
        verdict.promised += promised as u64;
        verdict.spared += shown.saturating_sub(promised) as u64;
        if shown > line.settled() {
            // Its last write, of which it heard nothing, is there. Its place in the order is
            // unknown, so it is taken back for the look across threads.
            let before = line.up_to_settled(own(floor));
            settled.retain(|key, _| life.owner(key) != Some(thread));
            settled.extend(before.shown());
        }
    }
    let stranger = |contents: &Contents| part(contents, |key| life.owner(key).is_none());
    let mut rest = Oracle::new();
    rest.settle(stranger(floor));
    rest.judge(0, &stranger(found), now_ms)
        .map_err(|why| format!("keys that nobody touched: {why}"))?;
    if life.threads > 1 {
        settled.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now_ms < expiry));
        history
            .in_order(floor.clone())?
            .judge(0, &settled, now_ms)
            .map_err(|why| format!("all threads in the order of the log: {why}"))?;
    }
    Ok(verdict)
}

/// The words of a life, understood.
struct History {
    lines: Vec<Line>,
    /// Every write up to this sequence number was promised.
    durable_seq: u64,
    first_seq: Option<u64>,
    last_seq: u64,
    merging: bool,
}

/// What one thread attempted, in order.
struct Line {
    plan: Plan,
    /// Steps of the plan that were taken from it.
    steps: u64,
    current: Option<Deed>,
    attempts: Vec<Attempt>,
    /// So many attempts were promised by what the thread itself was told.
    promised: usize,
    /// The greatest sequence number that any thread had been told when the current deed began.
    seen_seq: u64,
}

struct Attempt {
    write: Write,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Begun, and nothing heard of it.
    Unknown,
    Refused,
    /// Taken; a write that changed nothing has no number.
    Taken(Option<u64>),
}

impl History {
    fn of(life: &Life, words: &[Word], level: Ack) -> Result<Self, String> {
        let line = |thread| Line {
            plan: life.plan(thread),
            steps: 0,
            current: None,
            attempts: Vec::new(),
            promised: 0,
            seen_seq: 0,
        };
        let mut history = Self {
            lines: (0..life.threads).map(line).collect(),
            durable_seq: 0,
            first_seq: None,
            last_seq: 0,
            merging: false,
        };
        for word in words {
            history
                .hear(word, level)
                .ok_or_else(|| format!("the writer talks out of turn: {word}"))?;
        }
        Ok(history)
    }

    /// `None` for a word that does not follow from the plan and the words before it.
    fn hear(&mut self, word: &Word, level: Ack) -> Option<()> {
        let (Word::Begin { thread, step }
        | Word::Done { thread, step, .. }
        | Word::Failed { thread, step, .. }) = word
        else {
            return Some(());
        };
        let line = self.lines.get_mut(usize::try_from(*thread).ok()?)?;
        match word {
            Word::Begin { .. } => {
                let deed = line.deed(*step)?;
                self.merging |= deed.merges();
                line.seen_seq = self.last_seq;
                let outcome = Outcome::Unknown;
                let attempt = deed.write().map(|write| Attempt { write, outcome });
                line.attempts.extend(attempt);
                line.current = Some(deed);
            }
            Word::Done { answer, .. } => {
                let deed = line.current.take().filter(|_| line.steps == step + 1)?;
                let seq = match answer {
                    Answer::Seq(seq) => Some(*seq),
                    _ => None,
                };
                if deed.write().is_some() {
                    line.attempts.last_mut()?.outcome = Outcome::Taken(seq);
                }
                if deed.promises() >= level {
                    line.promised = line.attempts.len();
                    let barrier = deed.is_barrier().then_some(line.seen_seq);
                    let durable = seq.or(barrier).unwrap_or(0);
                    self.durable_seq = self.durable_seq.max(durable);
                }
                if let Some(seq) = seq {
                    self.first_seq = Some(self.first_seq.map_or(seq, |first| first.min(seq)));
                    self.last_seq = self.last_seq.max(seq);
                }
                match answer {
                    Answer::Merging => self.merging = true,
                    Answer::Merged => self.merging = false,
                    Answer::Plain | Answer::Seq(_) => {}
                }
            }
            _ => {
                let deed = line.current.take().filter(|_| line.steps == step + 1)?;
                if deed.write().is_some() {
                    line.attempts.last_mut()?.outcome = Outcome::Refused;
                }
            }
        }
        Some(())
    }

    /// What is known of all threads, as one log.
    fn in_order(&self, floor: Contents) -> Result<Oracle, String> {
        let mut log = BTreeMap::new();
        for attempt in self.lines.iter().flat_map(|line| &line.attempts) {
            if let Outcome::Taken(Some(seq)) = attempt.outcome
                && log.insert(seq, &attempt.write).is_some()
            {
                return Err(format!("seq {seq} was issued twice"));
            }
        }
        let mut oracle = Oracle::new();
        oracle.settle(floor);
        for (seq, write) in log {
            oracle.attempt(0, write.clone());
            if seq <= self.durable_seq {
                oracle.promise(0);
            }
        }
        Ok(oracle)
    }
}

impl Line {
    /// Takes deeds from the plan up to this step. Those that nothing is told of are passed over.
    fn deed(&mut self, step: u64) -> Option<Deed> {
        if self.current.is_some() || step < self.steps {
            return None;
        }
        while self.steps < step {
            self.plan.next().filter(|deed| *deed == Deed::Nothing)?;
            self.steps += 1;
        }
        self.steps += 1;
        self.plan.next()
    }

    /// How many attempts had to survive.
    fn promised(&self, durable_seq: u64) -> usize {
        let durable = |attempt: &Attempt| match attempt.outcome {
            Outcome::Taken(Some(seq)) => seq <= durable_seq,
            _ => false,
        };
        let by_others = self.attempts.iter().rposition(durable);
        self.promised.max(by_others.map_or(0, |at| at + 1))
    }

    /// How many attempts have a known outcome, up to the first that has not or was refused.
    fn settled(&self) -> usize {
        let known = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Taken(_));
        self.attempts.iter().take_while(known).count()
    }

    fn oracle(&self, floor: Contents, durable_seq: u64) -> Oracle {
        let promised = self.promised(durable_seq);
        told(floor, &self.attempts, promised)
    }

    fn up_to_settled(&self, floor: Contents) -> Oracle {
        told(floor, &self.attempts[..self.settled()], 0)
    }
}

fn told(floor: Contents, attempts: &[Attempt], promised: usize) -> Oracle {
    let mut oracle = Oracle::new();
    oracle.settle(floor);
    for (at, attempt) in attempts.iter().enumerate() {
        oracle.attempt(0, attempt.write.clone());
        if attempt.outcome == Outcome::Refused {
            oracle.refuse();
        }
        if at + 1 == promised {
            oracle.promise(0);
        }
    }
    oracle
}

fn part(contents: &Contents, is_in: impl Fn(&[u8]) -> bool) -> Contents {
    let mine = contents.iter().filter(|(key, _)| is_in(key));
    mine.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
