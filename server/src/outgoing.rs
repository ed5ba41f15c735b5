//! Memory for what waits to be sent, over all clients: when it is too much, the client that holds most goes.

use crate::session::Client;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Replies smaller than this are not accounted for: a client that does not read holds one batch, no more.
pub(crate) const FLOOR_BYTES: usize = 80 << 10;
/// What a client holds is counted in steps of this. Its last one does not count, so those who hold little cost no lock.
const STEP_BYTES: usize = 4 << 10;

/// What all clients hold.
pub(crate) struct Outgoing {
    bytes_max: AtomicUsize,
    /// What [`Ledger::total`] is, for those who only look.
    total: AtomicUsize,
    evicted: AtomicU64,
    ledger: Mutex<Ledger>,
    /// Wakes those who wait for room.
    freed: Notify,
}

#[derive(Default)]
struct Ledger {
    /// Bytes in all.
    total: usize,
    /// Of these, what belongs to clients that are about to be closed.
    doomed: usize,
    /// All others that hold something, by how much and who they are: whoever holds most is found at once, however many
    /// there are.
    by_weight: BTreeMap<(usize, u64), Arc<Client>>,
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

    fn counted(&self) -> usize {
        self.bytes() / STEP_BYTES * STEP_BYTES
    }
}

impl Outgoing {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max: AtomicUsize::new(bytes_max),
            total: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            ledger: Mutex::default(),
            freed: Notify::new(),
        }
    }

    /// A client's replies that wait to be sent take that much now.
    pub(crate) fn hold_reply(&self, client: &Arc<Client>, bytes: usize) {
        self.change(client, |held| held.reply = bytes);
    }

    /// A client's mailbox takes so much more.
    pub(crate) fn add_mail(&self, client: &Arc<Client>, bytes: usize) {
        if bytes > 0 {
            self.change(client, |held| held.mail += bytes);
        }
    }

    /// A client's mailbox gave up so much.
    pub(crate) fn remove_mail(&self, client: &Arc<Client>, bytes: usize) {
        self.change(client, |held| held.mail = held.mail.saturating_sub(bytes));
    }

    /// A client is gone, and what it held is given back.
    pub(crate) fn forget(&self, client: &Arc<Client>) {
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
        self.evict(self.ledger());
    }

    /// Clients that were closed for what they held.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn change(&self, client: &Arc<Client>, change: impl FnOnce(&mut Held)) {
        let mut held = client.account.held();
        if held.is_closed {
            return;
        }
        let before = held.counted();
        change(&mut held);
        let after = held.counted();
        if before == after {
            return;
        }
        let mut ledger = self.ledger();
        ledger.total = ledger.total - before + after;
        // The client's place is the one that its last change gave it, or it has been doomed since.
        if !held.is_doomed {
            let place = ledger.by_weight.remove(&(before, client.id));
            held.is_doomed = before > 0 && place.is_none();
        }
        if held.is_doomed {
            ledger.doomed = ledger.doomed - before + after;
        } else if after > 0 {
            let place = (after, client.id);
            ledger.by_weight.insert(place, Arc::clone(client));
        }
        self.total.store(ledger.total, Ordering::Relaxed);
        if after > before {
            // Whoever is doomed looks at its own account next.
            drop(held);
            self.evict(ledger);
        } else {
            drop(ledger);
            self.freed.notify_waiters();
        }
    }

    /// Has clients closed until what the others hold is no more than it may be, beginning with the one that holds most.
    fn evict(&self, mut ledger: MutexGuard<'_, Ledger>) {
        let mut doomed = Vec::new();
        while ledger.total - ledger.doomed > self.bytes_max()
            && let Some(((bytes, _), client)) = ledger.by_weight.pop_last()
        {
            ledger.doomed += bytes;
            doomed.push(client);
        }
        drop(ledger);
        let evicted = doomed.len() as u64;
        self.evicted.fetch_add(evicted, Ordering::Relaxed);
        for client in doomed {
            client.kill();
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing that is done under this lock can panic half-way.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::{Outgoing, STEP_BYTES};
    use crate::commands::table;
    use crate::listen::Address;
    use crate::session::Client;
    use std::path::Path;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    const MB: usize = 1 << 20;

    fn client(id: u64) -> Arc<Client> {
        let nowhere = Address::Local(Path::new("").into());
        let first = table().find(b"client").unwrap();
        Arc::new(Client::new(id, nowhere.clone(), nowhere, first))
    }

    fn clients<const N: usize>() -> [Arc<Client>; N] {
        std::array::from_fn(|at| client(at as u64 + 1))
    }

    fn killed(clients: &[Arc<Client>]) -> Vec<u64> {
        let killed = clients.iter().filter(|client| client.is_killed());
        killed.map(|client| client.id).collect()
    }

    #[test]
    fn the_client_that_holds_most_goes_first_and_no_more_go_than_must() {
        let outgoing = Outgoing::new(10 * MB);
        let clients = clients::<4>();
        for (client, mb) in clients.iter().zip([2, 5, 3, 1]) {
            outgoing.hold_reply(client, mb * MB);
        }
        assert_eq!(killed(&clients), [2]);
        // What it held counts until it is given back, but not against the others.
        assert_eq!(outgoing.total_bytes(), 11 * MB);
        outgoing.add_mail(&clients[3], 5 * MB);
        assert_eq!(killed(&clients), [2, 4]);
        outgoing.forget(&clients[1]);
        assert_eq!(outgoing.total_bytes(), 11 * MB);
        outgoing.set_bytes_max(2 * MB);
        assert_eq!(killed(&clients), [2, 3, 4]);
        assert_eq!(outgoing.evicted(), 3);
        for client in &clients {
            outgoing.forget(client);
        }
        assert_eq!(outgoing.total_bytes(), 0);
    }

    #[test]
    fn a_doomed_client_whose_memory_grows_or_shrinks_is_not_doomed_twice() {
        let outgoing = Outgoing::new(4 * MB);
        let clients = clients::<2>();
        outgoing.hold_reply(&clients[0], 5 * MB);
        assert_eq!(killed(&clients), [1]);
        outgoing.add_mail(&clients[0], 3 * MB);
        outgoing.hold_reply(&clients[0], MB);
        outgoing.hold_reply(&clients[1], 4 * MB);
        assert_eq!(killed(&clients), [1]);
        assert_eq!(outgoing.evicted(), 1);
        outgoing.hold_reply(&clients[0], 0);
        outgoing.remove_mail(&clients[0], 3 * MB);
        outgoing.hold_reply(&clients[0], 2 * MB);
        assert_eq!(killed(&clients), [1]);
        outgoing.forget(&clients[0]);
        assert_eq!(outgoing.total_bytes(), 4 * MB);
    }

    #[test]
    fn of_what_a_client_holds_the_last_few_kilobytes_are_not_counted() {
        let outgoing = Outgoing::new(STEP_BYTES);
        let clients = clients::<2>();
        outgoing.add_mail(&clients[0], STEP_BYTES - 1);
        outgoing.add_mail(&clients[1], STEP_BYTES - 1);
        assert_eq!(outgoing.total_bytes(), 0);
        outgoing.add_mail(&clients[0], 1);
        assert_eq!(outgoing.total_bytes(), STEP_BYTES);
        assert_eq!(clients[1].account.bytes(), STEP_BYTES - 1);
    }

    #[test]
    fn nobody_who_asks_for_much_is_served_while_others_give_memory_back() {
        let outgoing = Outgoing::new(4 * MB);
        let clients = clients::<2>();
        let mut nobody = Context::from_waker(Waker::noop());
        outgoing.hold_reply(&clients[0], 3 * MB);
        let mut room = Box::pin(outgoing.room());
        assert_eq!(room.as_mut().poll(&mut nobody), Poll::Ready(()));
        outgoing.hold_reply(&clients[1], 2 * MB);
        assert_eq!(killed(&clients), [1]);
        // It is closed, but its memory is not back yet.
        let mut room = Box::pin(outgoing.room());
        assert_eq!(room.as_mut().poll(&mut nobody), Poll::Pending);
        outgoing.hold_reply(&clients[0], 2 * MB + STEP_BYTES);
        assert_eq!(room.as_mut().poll(&mut nobody), Poll::Pending);
        outgoing.forget(&clients[0]);
        assert_eq!(room.as_mut().poll(&mut nobody), Poll::Ready(()));
    }
}
