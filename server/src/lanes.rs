//! The threads that serve clients.
//!
//! ```text
//!   lanes   threads with an event loop each, for those who ask for little: a client belongs to one of them, so that
//!           no thread wakes another one for it. By default half of them are for everybody, and the others only for
//!           those who send many reads at a time
//!   yard    as many threads as there are lanes for everybody: for newcomers and for those who ask for much at a time, which cannot make the others
//!           wait; and for everything else that the server does
//! ```
//!
//! A lane is a runtime of one worker, and not one for the current thread only: while a command takes long, another
//! thread takes over the worker's other clients.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::runtime::{Builder, Handle, Runtime};

/// Clients that a thread serves before it looks for events: more than one turn for each of many busy ones.
const TURNS: u32 = 256;

/// How much lower the priority of the yard's threads is, as `nice` counts: where processors are short, a tenth of a
/// lane's share.
#[cfg(target_os = "linux")]
const YARD_NICE: i32 = 10;

/// Where clients are served.
pub(crate) struct Lanes {
    /// First those for everybody.
    lanes: Vec<Arc<Lane>>,
    /// How many of them are for everybody.
    narrow: usize,
    yard: Handle,
}

/// Which lanes a client may be seated in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those that leave processors to the clients: one who sends a command and waits has as much to do for it as the
    /// server has. Writes are one at a time anyway.
    Narrow,
    /// All of them: reads that come many at a time cost their client little.
    Wide,
}

struct Lane {
    runtime: Handle,
    /// Clients that belong to it.
    clients: AtomicUsize,
}

/// The threads themselves.
pub(crate) struct Threads {
    pub yard: Runtime,
    lanes: Vec<Runtime>,
    narrow: usize,
}

impl Threads {
    /// So many lanes, all for everybody; `None` is one for every processor, half of them for everybody.
    pub(crate) fn start(lanes: Option<usize>) -> io::Result<Self> {
        let all = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (narrow, count) = match lanes {
            Some(count) => (count.max(1), count.max(1)),
            None => ((all() / 2).max(1), all()),
        };
        let lane = |number| {
            let name = format!("portcask-lane{number}");
            Builder::new_multi_thread()
                .worker_threads(1)
                .event_interval(TURNS)
                .thread_name(name)
                .enable_all()
                .build()
        };
        Ok(Self {
            yard: Builder::new_multi_thread()
                .worker_threads(narrow)
                .thread_name("portcask-yard")
                .on_thread_start(give_way)
                .enable_all()
                .build()?,
            lanes: (0..count).map(lane).collect::<io::Result<_>>()?,
            narrow,
        })
    }

    /// Where clients can be served by them.
    pub(crate) fn lanes(&self) -> Lanes {
        let lane = |runtime: &Runtime| {
            Arc::new(Lane {
                runtime: runtime.handle().clone(),
                clients: AtomicUsize::new(0),
            })
        };
        Lanes {
            lanes: self.lanes.iter().map(lane).collect(),
            narrow: self.narrow,
            yard: self.yard.handle().clone(),
        }
    }

    /// Ends them without a wait for what they still do.
    pub(crate) fn end(self) {
        for lane in self.lanes {
            lane.shutdown_background();
        }
        self.yard.shutdown_background();
    }
}

/// Lets other threads go first. On Linux threads have priorities of their own; elsewhere the whole server would give
/// way, to others.
fn give_way() {
    // Where it is refused, those who ask for little only wait longer beside those who ask for much.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(YARD_NICE);
}

impl Lanes {
    /// How many threads the yard has.
    pub(crate) fn yard_threads(&self) -> usize {
        self.narrow
    }

    /// Where those are served who ask for much.
    pub(crate) fn yard(&self) -> &Handle {
        &self.yard
    }

    /// Whether a client that was seated may stay there with this reach. Where all lanes are for everybody it may.
    pub(crate) fn suits(&self, seat: &Seat, reach: Reach) -> bool {
        seat.reach == reach || self.narrow == self.lanes.len()
    }

    /// A seat in the lane with the fewest clients, of those within reach.
    pub(crate) fn seat(&self, reach: Reach) -> Option<Seat> {
        let lanes = match reach {
            Reach::Narrow => self.lanes.get(..self.narrow)?,
            Reach::Wide => &self.lanes,
        };
        let clients = |lane: &&Arc<Lane>| lane.clients.load(Ordering::Relaxed);
        let lane = Arc::clone(lanes.iter().min_by_key(clients)?);
        lane.clients.fetch_add(1, Ordering::Relaxed);
        Some(Seat { lane, reach })
    }
}

/// A client's place in a lane, until it is dropped.
pub(crate) struct Seat {
    lane: Arc<Lane>,
    /// What the lane was chosen from.
    reach: Reach,
}

impl Seat {
    pub(crate) fn runtime(&self) -> &Handle {
        &self.lane.runtime
    }

    /// Whether the lane has other clients.
    pub(crate) fn is_shared(&self) -> bool {
        self.lane.clients.load(Ordering::Relaxed) > 1
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lane.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Lanes, Ordering, Reach, Seat, Threads};

    fn clients(lanes: &Lanes) -> Vec<usize> {
        let clients = lanes.lanes.iter();
        clients
            .map(|lane| lane.clients.load(Ordering::Relaxed))
            .collect()
    }

    #[test]
    fn a_client_is_seated_where_the_fewest_are_and_its_seat_is_free_once_it_is_gone() {
        let threads = Threads::start(Some(2)).unwrap();
        let lanes = threads.lanes();
        let reaches = [Reach::Narrow, Reach::Wide].repeat(2);
        let seats = reaches.into_iter().map(|reach| lanes.seat(reach).unwrap());
        let seats: Vec<_> = seats.collect();
        assert_eq!(clients(&lanes), [2, 2]);
        assert!(seats.iter().all(Seat::is_shared));
        drop(seats);
        assert_eq!(clients(&lanes), [0, 0]);
        let alone = lanes.seat(Reach::Narrow).unwrap();
        assert!(!alone.is_shared());
        threads.end();
    }

    #[test]
    fn where_all_lanes_are_for_everybody_a_client_may_stay_whatever_it_asks_for() {
        let threads = Threads::start(Some(2)).unwrap();
        let lanes = threads.lanes();
        let seat = lanes.seat(Reach::Narrow).unwrap();
        assert!(lanes.suits(&seat, Reach::Narrow) && lanes.suits(&seat, Reach::Wide));
        threads.end();
    }

    #[test]
    fn some_lanes_may_be_for_those_alone_who_send_many_reads_at_a_time() {
        let mut threads = Threads::start(Some(3)).unwrap();
        threads.narrow = 1;
        let lanes = threads.lanes();
        let seat = |reach| lanes.seat(reach).unwrap();
        let seats = [
            seat(Reach::Narrow),
            seat(Reach::Narrow),
            seat(Reach::Wide),
            seat(Reach::Wide),
            seat(Reach::Wide),
        ];
        assert_eq!(clients(&lanes)[0], 2);
        assert_eq!(clients(&lanes)[1..].iter().sum::<usize>(), 3);
        assert!(lanes.suits(&seats[0], Reach::Narrow) && lanes.suits(&seats[4], Reach::Wide));
        assert!(!lanes.suits(&seats[0], Reach::Wide) && !lanes.suits(&seats[4], Reach::Narrow));
        threads.end();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_yard_gives_way_to_the_lanes() {
        use rustix::process::getpriority_process;
        let threads = Threads::start(Some(1)).unwrap();
        let nice = |runtime: &tokio::runtime::Runtime| {
            // Of the thread that asks.
            let asked = runtime.spawn(async { getpriority_process(None).unwrap() });
            runtime.block_on(asked).unwrap()
        };
        let (yard, lane) = (nice(&threads.yard), nice(&threads.lanes[0]));
        assert_eq!(yard, (lane + super::YARD_NICE).min(19));
        threads.end();
    }

    #[test]
    fn there_is_always_a_lane_and_a_yard() {
        for lanes in [None, Some(0), Some(1)] {
            let threads = Threads::start(lanes).unwrap();
            for reach in [Reach::Narrow, Reach::Wide] {
                assert!(threads.lanes().seat(reach).is_some());
            }
            assert!(threads.lanes().yard_threads() > 0);
            threads.end();
        }
    }
}
