//! One client: bytes in, commands run in order, replies out.
//!
//! ```text
//!   read --- parse, dispatch ... a batch at most --- (one sync for all) --- write --- read
//! ```
//!
//! A client that does not read its replies is not read from either: what it may make the server hold is
//! one batch of replies, whatever it sends. What it sends is held only as far as it has arrived.

mod batch;
mod gets;
mod input;
mod mail;
mod output;
mod sending;
mod stream;
mod waiting;

pub(crate) use stream::Stream;

use crate::lanes::{Reach, Seat};
use crate::observe::Tally;
use crate::protocol::Parser;
use crate::server::{Listed, Shared};
use crate::session::{Client, Session};
use batch::{Batch, Ran};
use input::{Cut, Input};
use output::Output;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::ReadBuf;
use tokio::sync::mpsc;

/// Bytes of replies gathered before they are sent.
const BATCH_REPLY_BYTES: u64 = 64 << 10;
/// After so few commands others are let run theirs before the replies are sent: for more, sending them costs little.
const BRIEF_COMMANDS: u64 = 4;
/// Batches of less than that after which a client no longer counts as one who asks for much.
const HEAVY_BATCHES: u32 = 8;
/// From so many commands at a time on, if none of them writes, a client counts as one who sends many reads.
const MANY_READS: u64 = 8;
/// Batches after which it does, and after as many others no more.
const READING_BATCHES: u32 = 8;
/// What is still read, and for how long, of a client that was told goodbye: closing at once would make
/// its system throw away the last words unread.
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(1);

/// Sends a word to a client that is not served.
pub(crate) async fn refuse(mut stream: Stream, words: &[u8]) {
    // With TLS there is nobody to understand it yet. Elsewhere the first few bytes always fit.
    if !stream.is_handshaking() && stream.write(words).is_ok() {
        linger(stream).await;
    }
}

/// Serves a client until one side has had enough.
///
/// `listed` keeps it in the list of clients. It leaves the list before its connection is closed, so that whoever
/// sees the one sees the other. `present` is held for as long as anything is to be sent.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    client: Arc<Client>,
    stream: Stream,
    listed: Listed,
    present: mpsc::Sender<()>,
) {
    let connection = Connection {
        listed,
        session: Session::new(Arc::clone(&client), shared.users.default_user()),
        parser: Parser::default(),
        input: Input::new(&shared),
        output: Output::default(),
        tally: Tally::default(),
        ran: Vec::new(),
        clock: Instant::now(),
        began: Instant::now(),
        is_brief: true,
        is_reading: false,
        heavy_batches: 1,
        reading_batches: 0,
        reach: Reach::Narrow,
        is_drained: true,
        seat: None,
        shared,
        stream,
        _present: present,
    };
    connection.stay().await;
}

/// How a stay in a lane or in the yard ended.
enum Stay {
    /// The connection has to go on elsewhere.
    Moves,
    Ends(End),
}

/// How a connection ended.
enum End {
    /// The client closed it, or the network did.
    Plain,
    /// The client was told why, or asked for it.
    Told,
    Killed,
    Cut(Cut),
}

struct Connection {
    /// Before the stream: who sees the end of the connection finds the client gone.
    listed: Listed,
    shared: Arc<Shared>,
    stream: Stream,
    session: Session,
    parser: Parser,
    input: Input,
    output: Output,
    tally: Tally,
    /// The commands of the group at hand, to be noted once it is committed.
    ran: Vec<Ran>,
    /// When the command before ended, or the batch began.
    clock: Instant,
    began: Instant,
    /// The last batch had few commands.
    is_brief: bool,
    /// The last batch had many commands, and none that writes.
    is_reading: bool,
    /// All that has arrived whole was run.
    is_drained: bool,
    /// Batches of small replies until it belongs to a lane: a newcomer's first one may be large. Until then it takes
    /// its turn in the yard with the others of its kind.
    heavy_batches: u32,
    /// Batches of many reads, less the others since; see [`READING_BATCHES`].
    reading_batches: u32,
    /// Which lanes it may be in.
    reach: Reach,
    /// Its place in a lane; it is in the yard if it has none.
    seat: Option<Seat>,
    /// The server waits for it, so that its last words arrive.
    _present: mpsc::Sender<()>,
}

impl Connection {
    /// Serves the client from the current runtime on.
    async fn stay(mut self) {
        loop {
            match self.run().await {
                Stay::Ends(end) => return self.end(end).await,
                Stay::Moves => match self.go() {
                    None => return,
                    // The system refuses. It can be served here as well.
                    Some(here) => self = here,
                },
            }
        }
    }

    /// Goes on in a lane or in the yard, where it belongs now. Returns it if that cannot be.
    fn go(mut self) -> Option<Self> {
        let reach = self.wanted_reach();
        let seat = reach.and_then(|reach| self.shared.lanes.seat(reach));
        let runtime = match &seat {
            Some(seat) => seat.runtime().clone(),
            None => self.shared.lanes.yard().clone(),
        };
        let inside = runtime.enter();
        let settled = self.stream.settle();
        drop(inside);
        // In either case: it does not try again before it would go back.
        self.seat = seat;
        if settled.is_err() {
            return Some(self);
        }
        runtime.spawn(self.stay());
        None
    }

    async fn end(mut self, end: End) {
        self.shared.store.unwatch(&mut self.session.watch);
        self.close_mailbox();
        drop(self.listed);
        let counters = &self.shared.counters;
        let peer = &self.session.client.peer;
        match end {
            End::Plain | End::Killed => {}
            End::Told => linger(self.stream).await,
            End::Cut(Cut::Memory) => {
                tracing::debug!(%peer, "cut: it held too much memory");
                counters.cut_for_memory.fetch_add(1, Ordering::Relaxed);
            }
            End::Cut(Cut::Time) => {
                tracing::debug!(%peer, "cut: nothing came from it, or went to it, for too long");
                counters.cut_for_time.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn run(&mut self) -> Stay {
        loop {
            if std::mem::take(&mut self.is_drained)
                && let Err(end) = self.receive().await
            {
                return Stay::Ends(end);
            }
            if self.heavy_batches > 0
                && !self.input.unread().is_empty()
                && let Err(end) = self.take_turn().await
            {
                return Stay::Ends(end);
            }
            if self.session.client.is_killed() {
                return Stay::Ends(End::Killed);
            }
            let batch = self.batch();
            self.session.note_use(self.clock);
            self.weigh();
            if let Err(end) = self.send().await {
                return Stay::Ends(end);
            }
            match batch {
                Batch::Over(end) => return Stay::Ends(end),
                Batch::Waits(wait) => {
                    if let Err(end) = self.wait(wait).await {
                        return Stay::Ends(end);
                    }
                }
                Batch::More => tokio::task::yield_now().await,
                Batch::Drained => self.is_drained = true,
            }
            if !self.is_in_place() {
                return Stay::Moves;
            }
        }
    }

    /// Waits until it may do what may be much work, and there is room for what that answers.
    async fn take_turn(&mut self) -> Result<(), End> {
        let turn = Arc::clone(&self.shared.heavy).acquire_owned();
        // It is never closed.
        self.session.turn = turn.await.ok();
        tokio::select! {
            () = self.shared.outgoing.room() => Ok(()),
            () = self.session.client.killed() => Err(End::Killed),
        }
    }

    fn is_in_place(&self) -> bool {
        match (&self.seat, self.wanted_reach()) {
            (Some(seat), Some(reach)) => self.shared.lanes.suits(seat, reach),
            (seat, reach) => seat.is_none() && reach.is_none(),
        }
    }

    /// Which lanes it belongs to; none if that is the yard.
    fn wanted_reach(&self) -> Option<Reach> {
        (self.heavy_batches == 0).then_some(self.reach)
    }

    /// Judges by its last batch whether it asks for much, or for many small things.
    fn weigh(&mut self) {
        match self.output.len() {
            0 => {}
            BATCH_REPLY_BYTES.. => self.heavy_batches = HEAVY_BATCHES,
            _ => self.heavy_batches = self.heavy_batches.saturating_sub(1),
        }
        self.reading_batches = match self.is_reading {
            true => (self.reading_batches + 1).min(READING_BATCHES),
            false => self.reading_batches.saturating_sub(1),
        };
        match self.reading_batches {
            0 => self.reach = Reach::Narrow,
            READING_BATCHES => self.reach = Reach::Wide,
            // In between it stays where it is.
            _ => {}
        }
    }

    /// Waits until more has arrived.
    async fn receive(&mut self) -> Result<(), End> {
        loop {
            let wanted = self.parser.wanted_bytes();
            let read = poll_fn(|context| {
                let read = self.input.read(context, &mut self.stream, wanted);
                Poll::Ready(read)
            });
            match read.await {
                Poll::Ready(Ok(0) | Err(_)) => return Err(End::Plain),
                Poll::Ready(Ok(_)) => {
                    let held = self.parser.memory_bytes();
                    let charged = self.input.charge(held).map_err(End::Cut);
                    self.note_input();
                    return charged;
                }
                Poll::Pending => {}
            }
            self.input.rest();
            self.note_input();
            // It has been answered all that arrived whole.
            if self.shared.is_stopping() {
                return Err(End::Told);
            }
            let deadline = self.deadline();
            // Only subscribers get any, and only it can subscribe.
            let mailbox = &self.session.client.mailbox;
            if mailbox.has_mail() {
                return Ok(());
            }
            tokio::select! {
                biased;
                ready = self.stream.readable() => ready.map_err(|_| End::Plain)?,
                () = self.session.client.called(&self.shared) => {
                    if self.session.client.is_killed() {
                        return Err(End::Killed);
                    }
                }
                () = mailbox.arrived(), if mailbox.is_subscribed() => return Ok(()),
                () = until(deadline) => return Err(End::Cut(Cut::Time)),
            }
        }
    }

    /// Until when something must arrive.
    fn deadline(&self) -> Option<Instant> {
        let limits = &self.shared.limits;
        let midway = self
            .parser
            .is_midway()
            .then(|| self.input.deadline(limits.progress));
        let is_stranger = self.stream.is_handshaking() || !self.session.authenticated;
        let handshake = is_stranger.then(|| self.began + limits.handshake);
        let idle = self.shared.live.idle().map(|idle| Instant::now() + idle);
        [midway, handshake, idle].into_iter().flatten().min()
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Closes a connection so that the last words arrive.
async fn linger(mut stream: Stream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut left = LINGER_BYTES;
    let drain = async {
        while left > 0 && stream.readable().await.is_ok() {
            let mut piece = [0; 4096];
            let mut piece = ReadBuf::new(&mut piece);
            let read = poll_fn(|context| Poll::Ready(stream.read(context, &mut piece)));
            match read.await {
                Poll::Ready(Ok(0) | Err(_)) => return,
                Poll::Ready(Ok(bytes)) => left = left.saturating_sub(bytes),
                Poll::Pending => {}
            }
        }
    };
    // A client that does not close in time loses the right to its last words.
    let _ = tokio::time::timeout(LINGER, drain).await;
}
