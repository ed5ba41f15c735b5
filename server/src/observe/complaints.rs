//! Warnings that clients can cause: a few in each second, however many there are.

use super::unix_seconds;
use std::sync::{Mutex, PoisonError};

/// Lines in one second.
const LINES_MAX: u32 = 10;

#[derive(Default)]
pub(crate) struct Complaints(Mutex<Second>);

#[derive(Default)]
struct Second {
    at: u64,
    lines: u32,
    kept_back: u64,
}

impl Complaints {
    /// Says it, unless too much was said in this second.
    pub(crate) fn say(&self, line: impl FnOnce()) {
        let (may, kept_back) = self.take(unix_seconds());
        if kept_back > 0 {
            tracing::warn!(kept_back, "more warnings than are shown");
        }
        if may {
            line();
        }
    }

    /// Whether one more line may be said, and how many were kept back before.
    fn take(&self, now: u64) -> (bool, u64) {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept_back = 0;
        if second.at != now {
            kept_back = second.kept_back;
            *second = Second {
                at: now,
                ..Second::default()
            };
        }
        let may = second.lines < LINES_MAX;
        match may {
            true => second.lines += 1,
            false => second.kept_back += 1,
        }
        (may, kept_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_tells_what_was_kept_back() {
        let complaints = Complaints::default();
        let said = (0..100).filter(|_| complaints.take(7).0).count();
        assert_eq!(said, LINES_MAX as usize);
        assert_eq!(complaints.take(8), (true, 90));
        assert_eq!(complaints.take(8), (true, 0));
    }
}
