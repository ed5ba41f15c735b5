//! A store's whole life: what is done, where calls fail, where the power fails, what that spares.

use super::input::{Sound, byte, laws, pick, short};
use arbitrary::{Arbitrary, Result, Unstructured};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::history::{Cut, History, Life};
use portcask_core::testing::sim::{Call, Fault, Leaves};
use portcask_core::testing::world::Step;

/// Power cuts in one history, and calls in it that are made to fail between two cuts.
const LIVES_MAX: u8 = 4;
/// What one life may do: a history has to stay cheap.
const STEPS_MAX: usize = 60;

/// Runs a history under the one oracle. A finding is told with the least history that shows it.
pub fn crash_recovery(data: &[u8]) {
    let Ok(Lived(history)) = Lived::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    if let Err(violation) = history.run(&mut ()) {
        panic!("{}", history.minimal(violation));
    }
}

/// A [`History`].
struct Lived(History);

/// What a byte makes of a life.
enum Event {
    Does(Step),
    Dies,
}

impl<'a> Arbitrary<'a> for Lived {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (seed, laws) = (byte(u).into(), laws(u));
        let mut lives = Vec::new();
        let mut steps = Vec::new();
        let most = 1 + byte(u) % LIVES_MAX;
        while lives.len() < most.into() && !u.is_empty() {
            match Event::arbitrary(u)? {
                Event::Does(step) if steps.len() < STEPS_MAX => steps.push(step),
                Event::Does(_) => {}
                Event::Dies => lives.push(life(u, std::mem::take(&mut steps))),
            }
        }
        if !steps.is_empty() {
            lives.push(life(u, steps));
        }
        Ok(Self(History { seed, laws, lives }))
    }
}

impl<'a> Arbitrary<'a> for Event {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match byte(u) {
            0..220 => Self::Does(Sound::arbitrary(u)?.0),
            220..236 => Self::Does(Step::Fail(fault(u))),
            236..242 => Self::Does(Step::Heal),
            _ => Self::Dies,
        })
    }
}

fn life(u: &mut Unstructured<'_>, steps: Vec<Step>) -> Life {
    Life {
        steps,
        end: cut(u),
        recoveries: (0..byte(u) % 4).map(|_| cut(u)).collect(),
        cut_at_rest: byte(u) % 2 == 1,
    }
}

fn cut(u: &mut Unstructured<'_>) -> Cut {
    Cut {
        after: byte(u),
        luck: short(u).into(),
    }
}

fn fault(u: &mut Unstructured<'_>) -> Fault {
    let call = pick(u, &Call::FALLIBLE);
    let kind = pick(u, &[ErrorKind::Io, ErrorKind::Full]);
    let nth = 1 + u64::from(byte(u) % 32);
    let fault = match byte(u) % 4 {
        0 => Fault::from(nth, kind),
        _ => Fault::once(nth, kind),
    };
    fault.on(call).leaving(match byte(u) {
        0..64 => Leaves::Nothing,
        64..96 => Leaves::Zeros,
        96..128 => Leaves::All,
        more => Leaves::Prefix(usize::from(more - 127)),
    })
}
