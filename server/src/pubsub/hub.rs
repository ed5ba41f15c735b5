//! Subscriptions of all clients.

use super::mailbox::Delivery;
use crate::config::MailLimits;
use crate::glob;
use crate::outgoing::Outgoing;
use crate::protocol::Reply;
use crate::session::Client;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What can be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl Kind {
    /// What a message that comes this way is called.
    fn message(self) -> &'static str {
        match self {
            Self::Channel => "message",
            Self::Pattern => "pmessage",
            Self::Shard => "smessage",
        }
    }
}

/// Who listens to one name, by the number of the client.
type Listeners = BTreeMap<u64, Arc<Client>>;
type Table = HashMap<Vec<u8>, Listeners>;

/// All subscriptions.
pub(crate) struct Hub {
    tables: RwLock<[Table; 3]>,
    /// What the tables take, about.
    cost_bytes: AtomicUsize,
    limits: RwLock<MailLimits>,
    /// Clients that were closed because they did not read their messages.
    cut: AtomicU64,
    outgoing: Arc<Outgoing>,
}

/// What one client listens to; its connection alone changes it.
#[derive(Default)]
pub(crate) struct Subscriptions {
    names: [HashSet<Vec<u8>>; 3],
    cost_bytes: usize,
}

impl Subscriptions {
    pub(crate) fn of(&self, kind: Kind) -> &HashSet<Vec<u8>> {
        &self.names[kind as usize]
    }

    /// The number that a confirmation tells: channels and patterns count together.
    pub(crate) fn count_beside(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.of(Kind::Shard).len(),
            Kind::Channel | Kind::Pattern => {
                self.of(Kind::Channel).len() + self.of(Kind::Pattern).len()
            }
        }
    }

    /// Memory that they take, here and in the tables.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.cost_bytes
    }

    fn counts(&self) -> [usize; 3] {
        self.names.each_ref().map(HashSet::len)
    }
}

impl Hub {
    pub(crate) fn new(limits: MailLimits, outgoing: Arc<Outgoing>) -> Self {
        Self {
            tables: RwLock::default(),
            cost_bytes: AtomicUsize::new(0),
            limits: RwLock::new(limits),
            cut: AtomicU64::new(0),
            outgoing,
        }
    }

    /// Has a client listen to a name. Returns whether it did not before.
    pub(crate) fn subscribe(
        &self,
        client: &Arc<Client>,
        own: &mut Subscriptions,
        kind: Kind,
        name: &[u8],
    ) -> bool {
        if !own.names[kind as usize].insert(name.to_vec()) {
            return false;
        }
        let cost = cost_bytes(name);
        own.cost_bytes += cost;
        self.cost_bytes.fetch_add(cost, Ordering::Relaxed);
        let mut tables = self.tables_mut();
        let listeners = tables[kind as usize].entry(name.to_vec()).or_default();
        listeners.insert(client.id, Arc::clone(client));
        client.mailbox.set_subscriptions(own.counts());
        true
    }

    /// The opposite. After it no more messages of this name arrive.
    pub(crate) fn unsubscribe(
        &self,
        client: &Client,
        own: &mut Subscriptions,
        kind: Kind,
        name: &[u8],
    ) -> bool {
        if !own.names[kind as usize].remove(name) {
            return false;
        }
        self.remove(&mut self.tables_mut(), client, own, kind, name);
        client.mailbox.set_subscriptions(own.counts());
        true
    }

    /// Takes a client out of all tables.
    pub(crate) fn unsubscribe_all(&self, client: &Client, own: &mut Subscriptions) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            let mut names = std::mem::take(&mut own.names[kind as usize]).into_iter();
            // In pieces, so that publishers come in between.
            while names.len() > 0 {
                let mut tables = self.tables_mut();
                for name in names.by_ref().take(1000) {
                    self.remove(&mut tables, client, own, kind, &name);
                }
            }
        }
        client.mailbox.set_subscriptions([0; 3]);
    }

    fn remove(
        &self,
        tables: &mut [Table; 3],
        client: &Client,
        own: &mut Subscriptions,
        kind: Kind,
        name: &[u8],
    ) {
        let cost = cost_bytes(name);
        own.cost_bytes = own.cost_bytes.saturating_sub(cost);
        self.cost_bytes.fetch_sub(cost, Ordering::Relaxed);
        let table = &mut tables[kind as usize];
        if let Some(listeners) = table.get_mut(name) {
            listeners.remove(&client.id);
            if listeners.is_empty() {
                table.remove(name);
            }
        }
    }

    /// Sends a message to whoever listens: on a shard channel, or on a channel and by patterns. Returns how
    /// many copies were sent.
    pub(crate) fn publish(&self, kind: Kind, channel: &[u8], message: &[u8]) -> usize {
        let limits = self.limits();
        let tables = self.tables();
        let mut sent = 0;
        if let Some(listeners) = tables[kind as usize].get(channel) {
            let bytes = encode(&[kind.message().as_bytes(), channel, message]);
            sent += self.send(listeners, &bytes, limits);
        }
        if kind == Kind::Channel {
            for (pattern, listeners) in &tables[Kind::Pattern as usize] {
                if glob::matches(pattern, channel) {
                    let kind = Kind::Pattern.message().as_bytes();
                    let bytes = encode(&[kind, pattern, channel, message]);
                    sent += self.send(listeners, &bytes, limits);
                }
            }
        }
        sent
    }

    /// How many copies a message would be sent in.
    pub(crate) fn receivers(&self, kind: Kind, channel: &[u8]) -> usize {
        let tables = self.tables();
        let mut receivers = tables[kind as usize].get(channel).map_or(0, BTreeMap::len);
        if kind == Kind::Channel {
            let patterns = tables[Kind::Pattern as usize].iter();
            let matching = patterns.filter(|(pattern, _)| glob::matches(pattern, channel));
            receivers += matching
                .map(|(_, listeners)| listeners.len())
                .sum::<usize>();
        }
        receivers
    }

    fn send(&self, listeners: &Listeners, bytes: &[u8], limits: MailLimits) -> usize {
        for client in listeners.values() {
            let first = if client.resp3.load(Ordering::Relaxed) {
                b'>'
            } else {
                b'*'
            };
            match client.mailbox.deliver(first, bytes, limits) {
                Delivery::Taken { growth } => self.outgoing.add_mail(client, growth),
                Delivery::TooMuch => {
                    self.cut.fetch_add(1, Ordering::Relaxed);
                    client.kill();
                }
                Delivery::Closed => {}
            }
        }
        listeners.len()
    }

    /// Names that somebody listens to and that match, patterns aside.
    pub(crate) fn channels(&self, kind: Kind, pattern: &[u8]) -> Vec<Vec<u8>> {
        let tables = self.tables();
        let names = tables[kind as usize].keys();
        names
            .filter(|name| glob::matches(pattern, name))
            .cloned()
            .collect()
    }

    /// How many clients listen to a name.
    pub(crate) fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        let tables = self.tables();
        tables[kind as usize].get(name).map_or(0, BTreeMap::len)
    }

    /// How many different names are listened to.
    pub(crate) fn names(&self, kind: Kind) -> usize {
        self.tables()[kind as usize].len()
    }

    /// Memory that all subscriptions take, about.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.cost_bytes.load(Ordering::Relaxed)
    }

    /// Clients that were closed because they did not read their messages.
    pub(crate) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    pub(crate) fn limits(&self) -> MailLimits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_limits(&self, limits: MailLimits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn tables(&self) -> RwLockReadGuard<'_, [Table; 3]> {
        // Nothing that is done under this lock can panic half-way.
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables_mut(&self) -> RwLockWriteGuard<'_, [Table; 3]> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a subscription takes beside its name, twice: in the client's set and in the table.
fn cost_bytes(name: &[u8]) -> usize {
    2 * name.len() + 256
}

/// A message without its first byte, in which the protocols differ.
fn encode(parts: &[&[u8]]) -> Vec<u8> {
    let mut reply = Reply::default();
    reply.array(parts.len());
    parts.iter().for_each(|part| reply.bulk(part));
    reply.bytes.remove(0);
    reply.bytes
}
