//! Memory for what waits to be sent, over all clients: when it is too much, the client that holds most goes.

use crate::server::Clients;
use crate::session::Client;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Replies smaller than this are not accounted for: a client that does not read holds one batch, no more.
pub(crate) const FLOOR_BYTES: usize = 80 << 10;

/// What all clients hold.
pub(crate) struct Outgoing {
    bytes_max: AtomicUsize,
    total: AtomicUsize,
    /// Of these, what belongs to clients that are about to be closed.
    doomed: AtomicUsize,
    evicted: AtomicU64,
    /// Held while somebody looks for the fattest client.
    evicting: Mutex<()>,
    /// Wakes those who wait for room.
    freed: Notify,
    clients: Arc<Clients>,
}

/// What one client holds.
#[derive(Default)]
pub(crate) struct Account(Mutex<Held>);

#[derive(Default)]
struct Held {
    reply: usize,
    mail: usize,
    is_doomed: bool,
    is_closed: bool,
}

impl Held {
    fn bytes(&self) -> usize {
        self.reply + self.mail
    }
}

impl Outgoing {
    pub(crate) fn new(bytes_max: usize, clients: Arc<Clients>) -> Self {
        Self {
            bytes_max: AtomicUsize::new(bytes_max),
            total: AtomicUsize::new(0),
            doomed: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            evicting: Mutex::new(()),
            freed: Notify::new(),
            clients,
        }
    }

    /// A client's replies that wait to be sent take that much now.
    pub(crate) fn hold_reply(&self, client: &Client, bytes: usize) {
        self.change(client, |held| held.reply = bytes);
    }

    /// A client's mailbox takes so much more.
    pub(crate) fn add_mail(&self, client: &Client, bytes: usize) {
        if bytes > 0 {
            self.change(client, |held| held.mail += bytes);
        }
    }

    /// A client's mailbox gave up so much.
    pub(crate) fn remove_mail(&self, client: &Client, bytes: usize) {
        self.change(client, |held| held.mail = held.mail.saturating_sub(bytes));
    }

    /// A client is gone, and what it held is given back.
    pub(crate) fn forget(&self, client: &Client) {
        self.change(client, |held| {
            (held.reply, held.mail) = (0, 0);
            held.is_closed = true;
        });
    }

    /// Returns once no more is held than may be. Waited for before a client that asks for much is served: those
    /// that are closed for what they hold give it back a little later, and new replies must not come faster.
    pub(crate) async fn room(&self) {
        while self.total_bytes() > self.bytes_max() {
            let freed = self.freed.notified();
            // It may have been given back just before.
            if self.total_bytes() > self.bytes_max() {
                freed.await;
            }
        }
    }

    /// What all clients hold.
    pub(crate) fn total_bytes(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max.load(Ordering::Relaxed)
    }

    pub(crate) fn set_bytes_max(&self, bytes: usize) {
        self.bytes_max.store(bytes, Ordering::Relaxed);
        self.freed.notify_waiters();
        self.evict_if_needed();
    }

    /// Clients that were closed for what they held.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn change(&self, client: &Client, change: impl FnOnce(&mut Held)) {
        let mut held = client.account.held();
        if held.is_closed {
            return;
        }
        let before = held.bytes();
        change(&mut held);
        let after = held.bytes();
        let is_doomed = held.is_doomed;
        // Under the account's lock, so that nobody dooms a client between its two sums.
        add(&self.total, before, after);
        if is_doomed {
            add(&self.doomed, before, after);
        }
        drop(held);
        if after > before {
            self.evict_if_needed();
        } else if after < before {
            self.freed.notify_waiters();
        }
    }

    fn evict_if_needed(&self) {
        while self.is_too_much() {
            let evicting = self.evicting.lock();
            let _evicting = evicting.unwrap_or_else(PoisonError::into_inner);
            // Somebody else may have found one meanwhile.
            if self.is_too_much() && !self.evict_fattest() {
                return;
            }
        }
    }

    fn is_too_much(&self) -> bool {
        let total = self.total.load(Ordering::Relaxed);
        let doomed = self.doomed.load(Ordering::Relaxed);
        total.saturating_sub(doomed) > self.bytes_max()
    }

    /// Has the client closed that holds most. Returns whether there was one.
    fn evict_fattest(&self) -> bool {
        let clients = self.clients.all();
        let weigh = |client: &Arc<Client>| {
            let held = client.account.held();
            (!held.is_doomed && held.bytes() > 0).then(|| (held.bytes(), Arc::clone(client)))
        };
        let weighed = clients.iter().filter_map(weigh);
        let Some((_, client)) = weighed.max_by_key(|(bytes, client)| (*bytes, client.id)) else {
            return false;
        };
        let mut held = client.account.held();
        if !held.is_doomed {
            held.is_doomed = true;
            self.doomed.fetch_add(held.bytes(), Ordering::Relaxed);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        drop(held);
        client.kill();
        true
    }
}

impl Account {
    /// What the client holds.
    pub(crate) fn bytes(&self) -> usize {
        self.held().bytes()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing that is done under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(sum: &AtomicUsize, before: usize, after: usize) {
    match after.checked_sub(before) {
        Some(growth) => sum.fetch_add(growth, Ordering::Relaxed),
        None => sum.fetch_sub(before - after, Ordering::Relaxed),
    };
}
