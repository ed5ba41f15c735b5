//! Messages that wait for one client.

use crate::config::MailLimits;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// One client's messages, as the bytes to be sent.
#[derive(Default)]
pub(crate) struct Mailbox {
    post: Mutex<Post>,
    /// Bytes that the connection has taken and not yet sent.
    on_the_way: AtomicUsize,
    /// There is something: looked at before the lock is taken.
    has_mail: AtomicBool,
    arrived: Notify,
    /// What the client is subscribed to: channels, patterns, shard channels.
    subscriptions: [AtomicUsize; 3],
}

#[derive(Default)]
struct Post {
    bytes: Vec<u8>,
    /// Since when more waits than may for long.
    over_soft_since: Option<Instant>,
    /// Nobody will read it.
    is_closed: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The mailbox needs so much more memory for it.
    Taken { growth: usize },
    /// The client does not read fast enough, and is to be closed.
    TooMuch,
    /// The client is gone or about to be.
    Closed,
}

impl Mailbox {
    /// Adds a message: its first byte, and the rest.
    pub(super) fn deliver(&self, first: u8, rest: &[u8], limits: MailLimits) -> Delivery {
        let mut post = self.post();
        if post.is_closed {
            return Delivery::Closed;
        }
        let on_the_way = self.on_the_way.load(Ordering::Relaxed);
        let waiting = post.bytes.len() + on_the_way + rest.len() + 1;
        if waiting > limits.hard_bytes || post.is_slow(waiting, limits) {
            post.is_closed = true;
            return Delivery::TooMuch;
        }
        let before = post.bytes.capacity();
        post.bytes.reserve(rest.len() + 1);
        post.bytes.push(first);
        post.bytes.extend_from_slice(rest);
        let growth = post.bytes.capacity() - before;
        drop(post);
        if !self.has_mail.swap(true, Ordering::AcqRel) {
            self.arrived.notify_one();
        }
        Delivery::Taken { growth }
    }

    /// Whether something waits.
    pub(crate) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }

    /// Returns once something waits.
    pub(crate) async fn arrived(&self) {
        while !self.has_mail() {
            self.arrived.notified().await;
        }
    }

    /// Takes what waits, to be sent next.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut post = self.post();
        self.has_mail.store(false, Ordering::Release);
        self.on_the_way
            .fetch_add(post.bytes.len(), Ordering::Relaxed);
        std::mem::take(&mut post.bytes)
    }

    /// What was taken has been sent.
    pub(crate) fn sent(&self) {
        self.on_the_way.store(0, Ordering::Relaxed);
    }

    /// Lets go of everything: nobody will read it.
    pub(crate) fn close(&self) {
        let mut post = self.post();
        post.is_closed = true;
        post.bytes = Vec::new();
    }

    /// How many channels, patterns and shard channels the client is subscribed to.
    pub(crate) fn subscriptions(&self) -> [usize; 3] {
        self.subscriptions
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// Whether it is subscribed to anything.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscriptions() != [0; 3]
    }

    pub(super) fn set_subscriptions(&self, counts: [usize; 3]) {
        for (place, count) in self.subscriptions.iter().zip(counts) {
            place.store(count, Ordering::Relaxed);
        }
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        // Nothing that is done under this lock can panic half-way.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post {
    /// Whether more than the soft limit has waited for longer than it may.
    fn is_slow(&mut self, waiting: usize, limits: MailLimits) -> bool {
        if waiting <= limits.soft_bytes {
            self.over_soft_since = None;
            return false;
        }
        let since = *self.over_soft_since.get_or_insert_with(Instant::now);
        since.elapsed() >= limits.soft_time
    }
}

#[cfg(test)]
mod tests {
    use super::{Delivery, Mailbox};
    use crate::config::MailLimits;
    use std::time::Duration;

    const LIMITS: MailLimits = MailLimits {
        hard_bytes: 20,
        soft_bytes: 10,
        soft_time: Duration::ZERO,
    };

    fn is_taken(mailbox: &Mailbox, message: &[u8], limits: MailLimits) -> bool {
        let delivery = mailbox.deliver(message[0], &message[1..], limits);
        matches!(delivery, Delivery::Taken { .. })
    }

    #[test]
    fn messages_wait_in_order_and_are_taken_whole() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.has_mail());
        assert!(is_taken(&mailbox, b"one", LIMITS));
        assert!(is_taken(&mailbox, b"two", LIMITS));
        assert!(mailbox.has_mail());
        assert_eq!(mailbox.take(), b"onetwo");
        assert!(!mailbox.has_mail());
    }

    #[test]
    fn what_is_on_its_way_counts_until_it_is_sent() {
        let limits = MailLimits {
            soft_bytes: 20,
            ..LIMITS
        };
        let mailbox = Mailbox::default();
        assert!(is_taken(&mailbox, &[b'x'; 15], limits));
        mailbox.take();
        mailbox.sent();
        assert!(is_taken(&mailbox, &[b'x'; 15], limits));
        mailbox.take();
        assert_eq!(
            mailbox.deliver(b'x', &[b'x'; 14], limits),
            Delivery::TooMuch
        );
        assert_eq!(mailbox.deliver(b'x', b"", limits), Delivery::Closed);
    }

    #[test]
    fn the_soft_limit_may_be_crossed_for_a_while_only() {
        let mailbox = Mailbox::default();
        let patient = MailLimits {
            soft_time: Duration::from_secs(3600),
            ..LIMITS
        };
        assert!(is_taken(&mailbox, &[b'x'; 15], patient));
        assert_eq!(mailbox.deliver(b'x', b"", LIMITS), Delivery::TooMuch);
    }
}
