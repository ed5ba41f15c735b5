//! A client that waits for its writes to be durable. Nothing of it is run meanwhile; others go on.

use super::{Connection, End};
use crate::commands::tell_synced;
use crate::session::{Unblocked, Wait};
use std::time::{Duration, Instant};

/// How often a client is looked at that has sent more meanwhile: its leaving shows behind that.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What ended a wait.
enum Waited {
    Synced(Result<(), portcask::Error>),
    Over,
    Unblocked(Unblocked),
    Ended(End),
}

impl Connection {
    /// Waits, and replies.
    pub(super) async fn wait(&mut self, wait: Wait) -> Result<(), End> {
        let deadline = wait.timeout.map(|time| Instant::now() + time);
        self.session.client.block(true);
        let ended = self.wait_until(&wait, deadline).await;
        self.session.client.block(false);
        if let Some(refusal) = ended? {
            if self.session.wait_is_told {
                self.output.reply.error(refusal.as_bytes());
            }
            return Ok(());
        }
        if !self.session.wait_is_told {
            return Ok(());
        }
        let reply = &mut self.output.reply;
        match wait.local {
            None => reply.integer(0),
            // The truth at this moment, whatever was waited for.
            Some(_) => tell_synced(reply, self.shared.syncing.covers(self.session.written)),
        }
        Ok(())
    }

    /// Returns the error to answer, if any.
    async fn wait_until(
        &mut self,
        wait: &Wait,
        deadline: Option<Instant>,
    ) -> Result<Option<String>, End> {
        let mut stopping = self.shared.stopping();
        let mut wants_sync = wait.local == Some(false);
        loop {
            let waited = tokio::select! {
                synced = self.shared.syncing.durable(), if wants_sync => Waited::Synced(synced),
                () = super::until(deadline) => Waited::Over,
                how = self.session.client.unblocked() => Waited::Unblocked(how),
                () = self.session.client.killed() => Waited::Ended(End::Killed),
                _ = stopping.wait_for(|stop| *stop) => Waited::Over,
                () = self.left() => Waited::Ended(End::Plain),
            };
            match waited {
                Waited::Synced(Err(error)) => {
                    return Ok(Some(format!("MISCONF the writes may not survive: {error}")));
                }
                Waited::Synced(Ok(())) if wait.is_local_enough => return Ok(None),
                Waited::Synced(Ok(())) => wants_sync = false,
                Waited::Over | Waited::Unblocked(Unblocked::Timeout) => return Ok(None),
                Waited::Unblocked(Unblocked::Error) => {
                    let words = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
                    return Ok(Some(words.into()));
                }
                Waited::Ended(end) => return Err(end),
            }
        }
    }

    /// Returns once the client is gone.
    async fn left(&self) {
        loop {
            match self.stream.is_left().await {
                Ok(true) => return,
                Ok(false) => tokio::time::sleep(LOOK_EVERY).await,
                Err(_) => return,
            }
        }
    }
}
