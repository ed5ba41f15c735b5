//! What wakes one task, however often it waits, without a place in a list each time.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Anybody rings, one task waits.
#[derive(Default)]
pub(crate) struct Bell(Mutex<Option<Waker>>);

impl Bell {
    /// Wakes the task that waits, to look again at what it waits for. That must have come to be before.
    pub(crate) fn ring(&self) {
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns once something has come to be, after a [`Self::ring`] that tells of it. Where several tasks wait, only
    /// the last one is woken.
    pub(crate) async fn until(&self, is_so: impl Fn() -> bool) {
        poll_fn(|context| {
            // Whoever rings either comes before and is seen here, or finds the waker.
            let mut waker = self.waker();
            if is_so() {
                return Poll::Ready(());
            }
            match &mut *waker {
                Some(known) => known.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        // Nothing that is done under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Bell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn no_ring_is_missed_however_it_falls_between_the_look_and_the_wait() {
        let shared = Arc::new((Bell::default(), AtomicUsize::new(0)));
        let rings = 20_000;
        let ringer = Arc::clone(&shared);
        let ringer = thread::spawn(move || {
            for _ in 0..rings {
                ringer.1.fetch_add(1, Ordering::Release);
                ringer.0.ring();
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            for seen in 1..=rings {
                shared
                    .0
                    .until(|| shared.1.load(Ordering::Acquire) >= seen)
                    .await;
            }
        });
        ringer.join().unwrap();
    }
}
