//! Replies on their way: once they may be told, and at the pace at which the client takes them.

use super::{Connection, Cut, End, Seat};
use portcask::Error;
use std::sync::atomic::Ordering;

impl Connection {
    /// Sends the replies gathered, once the writes that they tell of are durable.
    pub(super) async fn send(&mut self) -> Result<(), End> {
        if self.is_brief && self.seat.as_ref().is_some_and(Seat::is_shared) {
            // The lane's other clients that are ready run their commands first. So one sync is for the writes of all,
            // and the replies go out one after the other, to be received together.
            tokio::task::yield_now().await;
        }
        if !self.output.unsynced.is_empty() {
            self.session.turn = None;
            let synced = self.shared.syncing.durable().await;
            self.output.settle(synced);
        }
        if self.output.is_followed() {
            let added = self.output.add_piece(false);
            self.end_unless_added(added)?;
        } else {
            self.collect_mail();
        }
        self.send_bytes().await?;
        while self.output.is_followed() {
            self.send_piece().await?;
        }
        self.session.turn = None;
        self.output.sent();
        self.sent();
        Ok(())
    }

    /// Sends more of the value that follows.
    async fn send_piece(&mut self) -> Result<(), End> {
        // Others have their turn in between.
        self.session.turn = None;
        tokio::task::yield_now().await;
        if self.session.client.is_killed() {
            return Err(End::Killed);
        }
        self.output.reply.bytes.clear();
        let added = if self.output.is_overdue(self.shared.limits.progress) {
            self.take_turn().await?;
            tokio::task::block_in_place(|| self.output.add_piece(true))
        } else {
            self.output.add_piece(false)
        };
        self.end_unless_added(added)?;
        self.send_bytes().await
    }

    /// Ends a client whose value cannot be read to its end: it has been told how long that is.
    fn end_unless_added(&self, added: Result<(), Error>) -> Result<(), End> {
        added.map_err(|error| {
            self.shared.store.troubles().tell(&error);
            let peer = &self.session.client.peer;
            tracing::debug!(%peer, %error, "cut: its value could not be read to its end");
            End::Plain
        })
    }

    /// Sends what is in memory.
    async fn send_bytes(&mut self) -> Result<(), End> {
        self.hold_output();
        let progress = self.shared.limits.progress;
        let bytes = self.output.reply.bytes.len();
        let counters = &self.shared.counters;
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
        Ok(())
    }
}
