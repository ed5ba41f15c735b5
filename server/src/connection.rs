//! One client: bytes in, commands run in order, replies out.
//!
//! ```text
//!   read --- parse, dispatch ... a batch at most --- (one sync for all) --- write --- read
//! ```
//!
//! A client that does not read its replies is not read from either: what it may make the server hold is
//! one batch of replies, whatever it sends. What it sends is held only as far as it has arrived.

mod batch;
mod input;
mod mail;
mod output;
mod stream;
mod waiting;

pub(crate) use stream::Stream;

use crate::observe::Tally;
use crate::protocol::Parser;
use crate::server::{Listed, Shared};
use crate::session::{Client, Session};
use batch::{Batch, Ran};
use input::{Cut, Input};
use output::Output;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::ReadBuf;
use tokio::sync::watch;

/// Bytes of replies gathered before they are sent.
const BATCH_REPLY_BYTES: usize = 64 << 10;
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
/// sees the one sees the other.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    client: Arc<Client>,
    stream: Stream,
    listed: Listed<'_>,
) {
    let mut connection = Connection {
        session: Session::new(Arc::clone(&client), shared.users.default_user()),
        parser: Parser::default(),
        input: Input::new(shared),
        output: Output::default(),
        tally: Tally::default(),
        ran: Vec::new(),
        clock: Instant::now(),
        stopping: shared.stopping(),
        began: Instant::now(),
        is_heavy: true,
        shared,
        stream,
    };
    let ended = connection.run().await;
    shared.store.unwatch(&mut connection.session.watch);
    connection.close_mailbox();
    drop(listed);
    let counters = &shared.counters;
    match ended {
        End::Plain | End::Killed => {}
        End::Told => linger(connection.stream).await,
        End::Cut(Cut::Memory) => {
            tracing::debug!(peer = %client.peer, "cut: it held too much memory");
            counters.cut_for_memory.fetch_add(1, Ordering::Relaxed);
        }
        End::Cut(Cut::Time) => {
            tracing::debug!(peer = %client.peer, "cut: nothing came from it, or went to it, for too long");
            counters.cut_for_time.fetch_add(1, Ordering::Relaxed);
        }
    }
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

struct Connection<'a> {
    shared: &'a Shared,
    stream: Stream,
    session: Session,
    parser: Parser,
    input: Input<'a>,
    output: Output,
    tally: Tally,
    /// The commands of the group at hand, to be noted once it is committed.
    ran: Vec<Ran>,
    /// When the command before ended, or the batch began.
    clock: Instant,
    stopping: watch::Receiver<bool>,
    began: Instant,
    /// Its last batch was much work; a newcomer's may be. Then it takes its turn with the others of its kind.
    is_heavy: bool,
}

impl Connection<'_> {
    async fn run(&mut self) -> End {
        loop {
            if self.is_heavy && !self.input.unread().is_empty() {
                let turn = Arc::clone(&self.shared.heavy).acquire_owned();
                // It is never closed.
                self.session.turn = turn.await.ok();
                tokio::select! {
                    () = self.shared.outgoing.room() => {}
                    () = self.session.client.killed() => return End::Killed,
                }
            }
            if self.session.client.is_killed() {
                return End::Killed;
            }
            let batch = self.batch();
            self.session.note_use();
            let reply_bytes = self.output.reply.bytes.len();
            if reply_bytes > 0 {
                self.is_heavy = reply_bytes >= BATCH_REPLY_BYTES;
            }
            if let Err(end) = self.send().await {
                return end;
            }
            match batch {
                Batch::Over(end) => return end,
                Batch::Waits(wait) => {
                    if let Err(end) = self.wait(wait).await {
                        return end;
                    }
                }
                Batch::More => tokio::task::yield_now().await,
                Batch::Drained => {
                    if let Err(end) = self.receive().await {
                        return end;
                    }
                }
            }
        }
    }

    /// Sends the replies gathered, once the writes that they tell of are durable.
    async fn send(&mut self) -> Result<(), End> {
        if !self.output.unsynced.is_empty() {
            self.session.turn = None;
            let synced = self.shared.syncing.durable().await;
            self.output.settle(synced);
        }
        self.collect_mail();
        self.hold_output();
        let progress = self.shared.limits.progress;
        let counters = &self.shared.counters;
        let bytes = self.output.reply.bytes.len();
        counters
            .output_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        let mut sent = 0;
        while sent < bytes || self.stream.has_unsent() {
            match self.stream.write(&self.output.reply.bytes[sent..]) {
                Ok(more) => sent += more,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.session.turn = None;
                    self.rest_output();
                    let ready = tokio::select! {
                        ready = tokio::time::timeout(progress, self.stream.writable()) => ready,
                        () = self.session.client.killed() => return Err(End::Killed),
                    };
                    match ready {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return Err(End::Plain),
                        Err(_) => return Err(End::Cut(Cut::Time)),
                    }
                }
                Err(_) => return Err(End::Plain),
            }
        }
        self.session.turn = None;
        self.output.sent();
        self.sent();
        Ok(())
    }

    /// Waits until more has arrived.
    async fn receive(&mut self) -> Result<(), End> {
        loop {
            match self
                .input
                .read(&mut self.stream, self.parser.wanted_bytes())
            {
                Ok(0) => return Err(End::Plain),
                Ok(_) => {
                    let held = self.parser.memory_bytes();
                    let charged = self.input.charge(held).map_err(End::Cut);
                    self.note_input();
                    return charged;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(End::Plain),
            }
            self.input.rest();
            self.note_input();
            // It has been answered all that arrived whole.
            if *self.stopping.borrow() {
                return Err(End::Told);
            }
            let deadline = self.deadline();
            // Only subscribers get any, and only it can subscribe.
            let mailbox = &self.session.client.mailbox;
            if mailbox.has_mail() {
                return Ok(());
            }
            tokio::select! {
                ready = self.stream.readable() => ready.map_err(|_| End::Plain)?,
                _ = self.stopping.changed() => {}
                () = mailbox.arrived(), if mailbox.is_subscribed() => return Ok(()),
                () = self.session.client.killed() => return Err(End::Killed),
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
            match stream.read(&mut ReadBuf::new(&mut [0; 4096])) {
                Ok(0) => return,
                Ok(bytes) => left = left.saturating_sub(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // A client that does not close in time loses the right to its last words.
    let _ = tokio::time::timeout(LINGER, drain).await;
}
