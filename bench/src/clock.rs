//! The clock that single threads are timed by.

use clap::ValueEnum;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    /// The one on the wall: what a user waits for.
    #[default]
    Wall,
    /// The thread's own, which stands still while the thread waits: for a machine that has other things to do. What
    /// waits for a disk, or is done by other threads, seems free.
    Processor,
}

impl Clock {
    /// Starts measuring.
    pub fn start(self) -> Watch {
        Watch {
            clock: self,
            start: self.now(),
        }
    }

    /// What it is called in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Processor => "processor",
        }
    }

    fn now(self) -> Duration {
        let id = match self {
            Self::Wall => ClockId::Monotonic,
            Self::Processor => ClockId::ThreadCPUTime,
        };
        let now = clock_gettime(id);
        // Neither clock shows a time before its beginning.
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
    }
}

/// A running measurement, for the thread that started it.
#[derive(Clone, Copy)]
pub struct Watch {
    clock: Clock,
    start: Duration,
}

impl Watch {
    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.clock.now().saturating_sub(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_thread_that_waits_spends_none_of_its_processor_time() {
        let [wall, processor] = [Clock::Wall, Clock::Processor].map(Clock::start);
        let busy = Clock::Wall.start();
        while Clock::Processor.start().start - processor.start < Duration::from_millis(5) {}
        let worked = busy.elapsed();
        let other = thread::spawn(|| {
            let watch = Clock::Wall.start();
            while watch.elapsed() < Duration::from_millis(50) {}
        });
        other.join().unwrap();
        assert!(wall.elapsed() >= worked + Duration::from_millis(50));
        assert!(processor.elapsed() < Duration::from_millis(50));
    }
}
