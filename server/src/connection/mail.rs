//! Messages on their way to a client, and what its replies cost.

use super::Connection;
use super::output::Output;
use crate::outgoing::FLOOR_BYTES;

impl Connection {
    /// Adds what waits for the client to what is sent next.
    pub(super) fn collect_mail(&mut self) {
        let mail = self.shared.take_mail(&self.session.client);
        let bytes = &mut self.output.reply.bytes;
        match bytes.is_empty() {
            true if !mail.is_empty() => *bytes = mail,
            _ => bytes.extend_from_slice(&mail),
        }
    }

    /// Accounts for what is about to be sent, if it is much: then the client may be closed for it.
    pub(super) fn hold_output(&self) {
        let bytes = self.output.reply.bytes.capacity();
        if bytes > FLOOR_BYTES {
            self.shared.outgoing.hold_reply(&self.session.client, bytes);
        }
    }

    /// Everything was sent.
    pub(super) fn sent(&self) {
        let client = &self.session.client;
        if client.account.bytes() > 0 {
            self.shared.outgoing.hold_reply(client, 0);
        }
        client.mailbox.sent();
    }

    /// Shows others what is held of what the client sent.
    pub(super) fn note_input(&self) {
        let held = self.input.held_bytes();
        let shown = &self.session.client.input_bytes;
        shown.store(held, std::sync::atomic::Ordering::Relaxed);
    }

    /// Gives memory back before a wait for the client: what is still to be sent is all that it holds.
    pub(super) fn rest_output(&mut self) {
        if self.session.value.capacity() > FLOOR_BYTES {
            self.session.value = Vec::new();
        }
    }

    /// The client is gone: nothing is sent to it any more, and nothing of it is held. Its memory is given back before
    /// it ceases to be counted.
    pub(super) fn close_mailbox(&mut self) {
        self.output = Output::default();
        self.session.value = Vec::new();
        let session = &mut self.session;
        let hub = &self.shared.hub;
        hub.unsubscribe_all(&session.client, &mut session.subscriptions);
        session.client.mailbox.close();
        self.shared.outgoing.forget(&session.client);
    }
}
