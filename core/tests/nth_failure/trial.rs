//! One verb under one failure, and the loop over all of them.

use crate::scene::{Scene, keys, put};
use crate::verb::{Shows, Verb, Where};
use portcask_core::fallible::refusal::Refusal;
use portcask_core::storage::ErrorKind;
use portcask_core::testing::oracle::Contents;
use portcask_core::testing::sim::{AllKept, Call, Dice, Fault, Luck, NothingKept};
use portcask_core::testing::world::{Step, World, contents};
use portcask_core::{Ack, Damage, Error};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    CallOnce,
    CallsFrom,
    /// Only reads: what could not be read might be taken for something else and written.
    ReadsFrom,
    /// Two reads in a row, so that looking again does not help at once.
    ReadTwice,
    AllocationOnce,
    AllocationsFrom,
}

impl Mode {
    fn is_of_memory(self) -> bool {
        matches!(self, Self::AllocationOnce | Self::AllocationsFrom)
    }
}

/// Lets the first call (or allocation) of a verb fail, the second ... until it meets no failure.
pub fn exhaust(verb: &Verb, mode: Mode) {
    let mut scene = prepared(verb);
    let right = (verb.act)(&mut scene).map_err(|error| format!("{}: {error}", verb.name));
    let right = Right {
        answer: right.expect("the verb succeeds when nothing fails"),
        shown: scene.shown(),
    };
    let mut nth = 1;
    while attempt(verb, mode, nth, &right)
        .unwrap_or_else(|problem| panic!("{}, {mode:?} {nth}: {problem}", verb.name))
    {
        nth += 1;
        assert!(nth < 5_000, "{} never gets through", verb.name);
    }
}

/// What comes of a verb when nothing fails.
struct Right {
    answer: String,
    shown: Contents,
}

fn prepared(verb: &Verb) -> Scene {
    let mut scene = Scene::new();
    (verb.prepare)(&mut scene);
    scene.world.options = scene.options.clone();
    scene
}

/// Whether the failure was met.
fn attempt(verb: &Verb, mode: Mode, nth: u64, right: &Right) -> Result<bool, String> {
    let mut scene = prepared(verb);
    let before = scene.shown();
    let disk = match verb.fails {
        Where::Store => scene.world.disk.clone(),
        Where::Other => scene.other.clone(),
    };
    let (struck, changes) = (disk.struck(), scene.world.disk.changes());
    let opens = scene.world.store.is_none();
    let mut refusal = None;
    match mode {
        Mode::CallOnce => disk.inject(Fault::once(nth, ErrorKind::Io)),
        Mode::CallsFrom => disk.inject(Fault::from(nth, ErrorKind::Io)),
        Mode::ReadsFrom => disk.inject(Fault::from(nth, ErrorKind::Io).on(Call::Read)),
        Mode::ReadTwice => {
            disk.inject(Fault::once(nth, ErrorKind::Io).on(Call::Read));
            disk.inject(Fault::once(nth + 1, ErrorKind::Io).on(Call::Read));
        }
        Mode::AllocationOnce => refusal = Some(Refusal::once(nth)),
        Mode::AllocationsFrom => refusal = Some(Refusal::from(nth)),
    }
    let answer = (verb.act)(&mut scene);
    let met = match &refusal {
        Some(refusal) => refusal.refused() > 0,
        None => disk.struck() > struck,
    };
    // A verb that failed may still have written: its keys show what was or what was to be.
    let reads = match &answer {
        Ok(_) => read_each(&scene, &[&right.shown]),
        Err(_) => read_each(&scene, &[&before, &right.shown]),
    };
    drop(refusal);
    disk.heal();
    reads.map_err(|e| format!("after {answer:?}, under the failure: {e}"))?;
    match &answer {
        Ok(answer) if *answer == right.answer => {}
        Ok(_) if verb.shows == Shows::Anything => {}
        Ok(_) if verb.shows == Shows::FailedCalls && !mode.is_of_memory() => {}
        Ok(answer) => return Err(format!("answers {answer}, not {}", right.answer)),
        Err(error) => typed(error, mode)?,
    }
    if let Some(check) = verb.afterwards {
        check(&mut scene, answer.is_ok())?;
    }
    let judged = match scene.world.disk.changes() == changes {
        // Nothing was written, so there is nothing new to open.
        true => carry_on(&mut scene.world, opens),
        false => carry_on(&mut scene.world, opens).and_then(|()| reopen(scene.world, nth)),
    };
    judged.map_err(|e| format!("after {answer:?}: {e}"))?;
    Ok(met)
}

/// Each key reads as one of the states allowed, or refuses.
fn read_each(scene: &Scene, allowed: &[&Contents]) -> Result<(), String> {
    let Some(store) = &scene.world.store else {
        return Ok(());
    };
    let now = store.now_ms().unwrap_or(0);
    for key in keys() {
        let Ok(found) = store.get(&key) else { continue };
        let shows = |contents: &&Contents| {
            let alive = contents
                .get(&key)
                .filter(|(_, e)| e.is_none_or(|e| now < e));
            alive.map(|(value, _)| value) == found.as_ref()
        };
        if !allowed.iter().any(shows) {
            return Err(format!("{key:?} reads {found:?}"));
        }
    }
    Ok(())
}

/// An error says that the medium or the memory failed, and claims nothing of the data.
fn typed(error: &Error, mode: Mode) -> Result<(), String> {
    let memory = mode.is_of_memory();
    match error {
        Error::Poisoned => Ok(()),
        // The medium of these tests is memory as well.
        Error::OutOfMemory | Error::Full { .. } if memory => Ok(()),
        Error::Storage { refusal, .. } if memory && refusal.source.kind == ErrorKind::Full => {
            Ok(())
        }
        Error::Storage { refusal, .. } if !memory && refusal.source.kind == ErrorKind::Io => Ok(()),
        Error::Corrupt { found } | Error::Damaged { found }
            if !memory && found.damage == Damage::Unreadable =>
        {
            Ok(())
        }
        Error::Degraded { .. } | Error::MaybeStale { .. } if !memory => Ok(()),
        other => Err(format!("an error that blames something else: {other:?}")),
    }
}

/// The medium is well again: the running store goes on, or says why not.
fn carry_on(world: &mut World, opened_under_failure: bool) -> Result<(), String> {
    if world.store.is_none() {
        return Ok(());
    }
    let judged = match world.apply(&put(10, Ack::Written)) {
        Ok(()) if opened_under_failure => world.judge_shown(),
        Ok(()) => world.judge_running(),
        Err(Error::Poisoned | Error::Degraded { .. }) => Ok(()),
        Err(error) => Err(format!("neither goes on nor is poisoned: {error:?}")),
    };
    judged.map_err(|e| format!("still running: {e}"))
}

/// The process dies, or the power fails: the next opening finds what it must and goes on.
fn reopen(mut world: World, nth: u64) -> Result<(), String> {
    world.store = None;
    let at = world.disk.changes();
    // One kind of luck each: neighbouring failures leave much the same behind.
    let luck: &mut dyn Luck = match nth % 3 {
        0 => &mut NothingKept,
        1 => &mut AllKept,
        _ => &mut Dice::new(nth),
    };
    let mut heir = World::on(world.disk.crash(luck));
    heir.options = world.options.clone();
    heir.oracle = world.oracle.clone();
    heir.last_seq = world.last_seq;
    go_on(&mut heir, at).map_err(|e| format!("after a power cut: {e}"))?;
    go_on(&mut world, at).map_err(|e| format!("after the process died: {e}"))
}

fn go_on(world: &mut World, at: usize) -> Result<(), String> {
    world.judge_opened(at)?;
    world
        .apply(&put(11, Ack::Synced))
        .map_err(|error| format!("then refused: {error}"))?;
    world.judge_running()
}

/// Whether a copy is whole or no store at all.
pub fn judge_copy(scene: &mut Scene, done: bool) -> Result<(), String> {
    let expected = scene.shown();
    let lucks: [&mut dyn Luck; 2] = [&mut NothingKept, &mut AllKept];
    for luck in lucks {
        let mut copy = World::on(scene.other.crash(luck));
        copy.options.create = false;
        match copy.apply(&Step::Wait(0)) {
            Ok(()) => {
                let store = copy.store.as_ref().ok_or("not open")?;
                let found = contents(store)?;
                if found != expected {
                    return Err(format!("the copy shows {found:?}, not {expected:?}"));
                }
            }
            Err(Error::NoStore | Error::NoManifest { .. }) if !done => {}
            Err(error) => return Err(format!("the copy does not open: {error}")),
        }
    }
    Ok(())
}
