//! What the store could not do, for whoever runs the server: clients are told, too, but may be nobody's.

use portcask::Error;
use std::mem::{Discriminant, discriminant};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What lasts is told again after this.
const AGAIN: Duration = Duration::from_secs(60);

/// Which kinds of errors were told, and when last.
#[derive(Default)]
pub(crate) struct Troubles(Mutex<Vec<(Discriminant<Error>, Instant)>>);

impl Troubles {
    /// Tells of an error that is no client's doing, once a minute for each kind.
    pub(crate) fn tell(&self, error: &Error) {
        if is_trouble(error) && self.is_due(error, Instant::now()) {
            tracing::error!(%error, "the store refused a command");
        }
    }

    fn is_due(&self, error: &Error, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = discriminant(error);
        match told.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, at)) if now.duration_since(*at) < AGAIN => false,
            Some((_, at)) => {
                *at = now;
                true
            }
            None => {
                told.push((kind, now));
                true
            }
        }
    }
}

fn is_trouble(error: &Error) -> bool {
    matches!(
        error,
        Error::Full { .. }
            | Error::OutOfMemory
            | Error::ReadOnly
            | Error::Degraded { .. }
            | Error::Fenced { .. }
            | Error::Poisoned
            | Error::Storage { .. }
            | Error::Corrupt { .. }
            | Error::MaybeStale { .. }
            | Error::KeyCollision { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once_a_minute() {
        let troubles = Troubles::default();
        let at = Instant::now();
        let is_due = |error, seconds| troubles.is_due(&error, at + Duration::from_secs(seconds));
        assert!(is_due(Error::ReadOnly, 0));
        assert!(!is_due(Error::ReadOnly, 59));
        assert!(is_due(Error::Poisoned, 59));
        assert!(is_due(Error::ReadOnly, 60));
        assert!(!is_due(Error::ReadOnly, 100));
    }
}
