//! The judge judged: perfect stores are acquitted, and each way to lose a write is told.

use super::*;
use portcask_core::testing::world::Step;

fn life(threads: u64) -> Life {
    Life {
        seed: 5,
        number: 1,
        threads,
        began_ms: 1_000_000,
        terse: false,
    }
}

/// After every expiry of a life.
const LATE_MS: u64 = 1 << 60;

/// A store that takes everything and loses nothing, and the words of whoever drives it.
struct Perfect {
    plans: Vec<(Plan, u64)>,
    words: Vec<Word>,
    /// What was written so far, one write after another.
    writes: Vec<Write>,
}

impl Perfect {
    fn new(life: &Life) -> Self {
        Self {
            plans: (0..life.threads).map(|it| (life.plan(it), 0)).collect(),
            words: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// The next deed of a thread that is like this one is done; those before it are left out.
    /// Only what is done is told of, so the plan is searched for stretches of nothing.
    fn step(&mut self, thread: u64) -> Deed {
        let deed = self.begin(thread);
        let step = self.plans[thread as usize].1 - 1;
        let answer = match deed.write() {
            Some(_) => Answer::Seq(self.writes.len() as u64),
            None => Answer::Plain,
        };
        self.words.push(Word::Done {
            thread,
            step,
            answer,
        });
        deed
    }

    /// As [`Perfect::step`], but nothing is heard of how it went.
    fn begin(&mut self, thread: u64) -> Deed {
        let (plan, steps) = &mut self.plans[thread as usize];
        let deed = loop {
            *steps += 1;
            let deed = plan.next().unwrap();
            if deed != Deed::Nothing {
                break deed;
            }
        };
        let step = *steps - 1;
        self.words.push(Word::Begin { thread, step });
        self.writes.extend(deed.write());
        deed
    }

    /// What the store shows after so many writes.
    fn contents(&self, writes: usize) -> Contents {
        let mut oracle = Oracle::new();
        for write in &self.writes[..writes] {
            oracle.attempt(0, write.clone());
        }
        let mut shown = oracle.shown();
        shown.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| LATE_MS < expiry));
        shown
    }

    fn judge(&self, life: &Life, found: &Contents) -> Result<Verdict, String> {
        judge(
            life,
            &self.words,
            Ack::Synced,
            &Contents::new(),
            found,
            LATE_MS,
        )
    }
}

/// A lone writer after this many deeds; then until one that promises everything, or until one
/// that does not.
fn lone(steps: usize, until: impl Fn(&Deed) -> bool) -> Perfect {
    let mut store = Perfect::new(&life(1));
    for _ in 0..steps {
        store.step(0);
    }
    while !until(&store.step(0)) {}
    store
}

fn promises_all(deed: &Deed) -> bool {
    deed.promises() == Ack::Synced
}

#[test]
fn everything_after_the_last_promise_may_be_lost_from_the_newest_backwards() {
    let mut store = lone(200, promises_all);
    let promised = store.writes.len();
    while store.writes.len() < promised + 5 {
        if promises_all(&store.step(0)) {
            return everything_may_be_lost_but(&store, store.writes.len());
        }
    }
    everything_may_be_lost_but(&store, promised);
}

fn everything_may_be_lost_but(store: &Perfect, promised: usize) {
    for kept in promised..=store.writes.len() {
        let verdict = store.judge(&life(1), &store.contents(kept)).unwrap();
        assert_eq!(verdict.promised, promised as u64);
    }
}

#[test]
fn a_promised_write_that_is_missing_is_told() {
    let store = lone(
        200,
        |deed| matches!(deed, Deed::Put { ack: Ack::Synced, expiry_ms: None, value, .. } if value.len() > 20),
    );
    let lost = store.contents(store.writes.len() - 1);
    let told = store.judge(&life(1), &lost).unwrap_err();
    assert!(told.contains("no prefix"), "{told}");
}

#[test]
fn a_write_of_which_nothing_was_heard_may_be_there_or_not() {
    let mut store = lone(50, promises_all);
    while store.begin(0).write().is_none() {
        store.words.pop();
        let (thread, step) = (0, store.plans[0].1 - 1);
        let answer = Answer::Plain;
        store.words.push(Word::Begin { thread, step });
        store.words.push(Word::Done {
            thread,
            step,
            answer,
        });
    }
    for kept in [store.writes.len() - 1, store.writes.len()] {
        store.judge(&life(1), &store.contents(kept)).unwrap();
    }
}

#[test]
fn a_later_write_of_one_thread_does_not_survive_an_earlier_one_of_another() {
    let both = life(2);
    let mut store = Perfect::new(&both);
    // Every write tells of itself: no deletes, nothing short, nothing that expires.
    let shows = |deed: &Deed| matches!(deed, Deed::Put { ack: Ack::Written, expiry_ms: None, value, .. } if value.len() > 20);
    for turn in 0..40 {
        store.step(turn % 2);
    }
    while !shows(&store.step(0)) {}
    let first = store.writes.len();
    let mut second = store.step(1);
    while !shows(&second) && !promises_all(&second) {
        second = store.step(1);
    }
    assert!(shows(&second), "the plan of this seed has such a stretch");
    let whole = store.contents(store.writes.len());
    store.judge(&both, &whole).unwrap();
    // Thread 0 is back where it was before its last write; thread 1 has all of its own.
    let before = store.contents(first - 1);
    let mut mixed = before.clone();
    mixed.retain(|key, _| both.owner(key) == Some(0));
    mixed.extend(
        whole
            .into_iter()
            .filter(|(key, _)| both.owner(key) == Some(1)),
    );
    let told = store.judge(&both, &mixed).unwrap_err();
    assert!(told.contains("all threads"), "{told}");
    store.judge(&both, &before).unwrap();
}

#[test]
fn a_durable_write_of_one_thread_vouches_for_earlier_ones_of_another() {
    let both = life(2);
    let mut store = Perfect::new(&both);
    let written = |deed: &Deed| matches!(deed, Deed::Put { ack: Ack::Written, expiry_ms: None, value, .. } if value.len() > 20);
    while !written(&store.step(0)) {}
    let first = store.writes.len();
    while !promises_all(&store.step(1)) {}
    let mut lost = store.contents(store.writes.len());
    lost.retain(|key, _| both.owner(key) != Some(0));
    let before = store.contents(first - 1);
    lost.extend(
        before
            .into_iter()
            .filter(|(key, _)| both.owner(key) == Some(0)),
    );
    let told = store.judge(&both, &lost).unwrap_err();
    assert!(told.contains("thread 0: no prefix"), "{told}");
}

#[test]
fn keys_that_no_thread_touches_must_stay() {
    let both = life(2);
    let key = b"from an earlier life".to_vec();
    let floor = Contents::from([(key, (b"v".to_vec(), None))]);
    let judge = |found| judge(&both, &[], Ack::Synced, &floor, &found, LATE_MS);
    judge(floor.clone()).unwrap();
    let told = judge(Contents::new()).unwrap_err();
    assert!(told.contains("nobody touched"), "{told}");
}

#[test]
fn words_that_do_not_follow_from_the_plan_are_not_believed() {
    let mut store = lone(10, |_| true);
    let contents = store.contents(store.writes.len());
    let last = store.words.pop().unwrap();
    store.words.push(last.clone());
    store.words.push(last);
    let told = store.judge(&life(1), &contents).unwrap_err();
    assert!(told.contains("out of turn"), "{told}");
}

#[test]
fn a_merge_that_was_begun_is_running_until_it_is_told_to_be_done() {
    let merges = |deed: &Deed| matches!(deed, Deed::Upkeep(Step::MergeStep(_)));
    let mut store = lone(10, merges);
    let verdict = |store: &Perfect| {
        let contents = store.contents(store.writes.len());
        store.judge(&life(1), &contents).unwrap()
    };
    for (answer, running) in [(Answer::Merging, true), (Answer::Merged, false)] {
        if let Some(Word::Done { answer: told, .. }) = store.words.last_mut() {
            *told = answer;
        }
        assert_eq!(verdict(&store).merging, running);
    }
    store.words.pop();
    assert!(verdict(&store).merging);
}
