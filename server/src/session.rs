//! What the server knows of one client.

use crate::acl::User;
use crate::bell::Bell;
use crate::commands::{Command, Queue, Refusal};
use crate::listen::Address;
use crate::outgoing::Account;
use crate::protocol::Args;
use crate::pubsub::{Mailbox, Subscriptions};
use crate::server::Shared;
use crate::store::Watch;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// What other clients may see of a client, and do to it.
pub(crate) struct Client {
    pub id: u64,
    pub peer: Address,
    pub local: Address,
    pub connected: Instant,
    /// What it calls itself and its library.
    pub names: Mutex<Names>,
    /// Milliseconds after `connected` at which it last sent a command.
    last_command_ms: AtomicU64,
    last_command: Mutex<&'static Command>,
    /// It speaks RESP3.
    pub resp3: AtomicBool,
    /// Messages for it.
    pub mailbox: Mailbox,
    /// What it makes the server hold for sending.
    pub account: Account,
    /// Memory for what it has sent and the server not yet dealt with.
    pub input_bytes: AtomicUsize,
    /// Commands queued since `MULTI`; -1 outside of a transaction.
    pub queued: AtomicI64,
    /// It waits, and how somebody ended that.
    blocked: Mutex<Option<Option<Unblocked>>>,
    unblock: Notify,
    killed: AtomicBool,
    /// Wakes its connection when it is to look at what became of it.
    bell: Bell,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The user that it is.
    pub user: String,
    pub name: Vec<u8>,
    pub library: Vec<u8>,
    pub library_version: Vec<u8>,
}

impl Client {
    pub(crate) fn new(id: u64, peer: Address, local: Address, first: &'static Command) -> Self {
        Self {
            id,
            peer,
            local,
            connected: Instant::now(),
            names: Mutex::default(),
            last_command_ms: AtomicU64::new(0),
            last_command: Mutex::new(first),
            resp3: AtomicBool::new(false),
            mailbox: Mailbox::default(),
            account: Account::default(),
            input_bytes: AtomicUsize::new(0),
            queued: AtomicI64::new(-1),
            blocked: Mutex::default(),
            unblock: Notify::new(),
            killed: AtomicBool::new(false),
            bell: Bell::default(),
        }
    }

    pub(crate) fn names(&self) -> MutexGuard<'_, Names> {
        // Nothing that is done under this lock can panic half-way.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a command came.
    pub(crate) fn used(&self, command: &'static Command, now: Instant) {
        let connected = now.saturating_duration_since(self.connected);
        let ms = u64::try_from(connected.as_millis()).unwrap_or(u64::MAX);
        self.last_command_ms.store(ms, Ordering::Relaxed);
        let mut last = self
            .last_command
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = command;
    }

    pub(crate) fn last_command(&self) -> &'static Command {
        *self
            .last_command
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long it has sent no command.
    pub(crate) fn idle(&self) -> Duration {
        let last = Duration::from_millis(self.last_command_ms.load(Ordering::Relaxed));
        self.connected.elapsed().saturating_sub(last)
    }

    /// It begins or ceases to wait.
    pub(crate) fn block(&self, waits: bool) {
        *self.blocked() = waits.then_some(None);
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked().is_some()
    }

    /// Ends its wait. Returns whether it waits.
    pub(crate) fn unblock(&self, how: Unblocked) -> bool {
        let mut blocked = self.blocked();
        let waits = blocked.is_some();
        if waits {
            *blocked = Some(Some(how));
            self.unblock.notify_one();
        }
        waits
    }

    /// Returns once somebody ended its wait.
    pub(crate) async fn unblocked(&self) -> Unblocked {
        loop {
            if let Some(Some(how)) = *self.blocked() {
                return how;
            }
            self.unblock.notified().await;
        }
    }

    fn blocked(&self) -> MutexGuard<'_, Option<Option<Unblocked>>> {
        // Nothing that is done under this lock can panic half-way.
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has its connection closed.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// Has its connection look whether the server stops.
    pub(crate) fn call(&self) {
        self.bell.ring();
    }

    /// Returns once it is to be closed. Only its connection may wait for that.
    pub(crate) async fn killed(&self) {
        self.bell.until(|| self.is_killed()).await;
    }

    /// Returns once it is to be closed, or the server stops.
    pub(crate) async fn called(&self, server: &Shared) {
        self.bell
            .until(|| self.is_killed() || server.is_stopping())
            .await;
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }
}

/// What a client waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// Whether enough is on this disk already; `None` if it does not matter.
    pub local: Option<bool>,
    /// The wait is over once it is. Otherwise replicas are waited for as well, and there are none.
    pub is_local_enough: bool,
    /// `None` is for ever.
    pub timeout: Option<Duration>,
}

/// How `CLIENT UNBLOCK` ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unblocked {
    Timeout,
    Error,
}

/// Which replies a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Replies {
    #[default]
    On,
    Off,
    /// Not the one to the command at hand.
    SkipThis,
    /// Not the one to the next command.
    SkipNext,
}

/// A client's state, which its own connection alone changes.
pub(crate) struct Session {
    pub client: Arc<Client>,
    pub authenticated: bool,
    /// Who it is, authenticated or not yet.
    pub user: Arc<User>,
    /// The commands since `MULTI`.
    pub queue: Option<Queue>,
    pub watch: Watch,
    pub subscriptions: Subscriptions,
    /// What the client waits for, once the command at hand is done.
    pub wait: Option<Wait>,
    /// Whether the client wants to hear how its wait ended.
    pub wait_is_told: bool,
    /// Changes of all clients up to this client's last write: see [`Syncing::covers`](crate::store::Syncing::covers).
    pub written: u64,
    /// Held while it may do much work: see [`Shared::heavy`]. Given up before anything that takes long.
    pub turn: Option<OwnedSemaphorePermit>,
    /// `EXEC` runs what was queued.
    pub transacting: bool,
    pub replies: Replies,
    /// What a value is read into on its way to the reply.
    pub value: Vec<u8>,
    /// The last command, until it is noted where others see it.
    pub last: Option<&'static Command>,
    closing: bool,
}

impl Session {
    /// Keeps little of the buffer for the next value.
    pub(crate) fn rest_value(&mut self) {
        const KEPT_BYTES: usize = 16 << 10;
        self.value.clear();
        self.value.shrink_to(KEPT_BYTES);
    }

    /// A client that has said nothing yet is this user, if that one needs no password.
    pub(crate) fn new(client: Arc<Client>, user: Arc<User>) -> Self {
        client.names().user.clone_from(&user.name);
        Self {
            client,
            authenticated: user.is_on && user.is_open,
            user,
            queue: None,
            watch: Watch::default(),
            subscriptions: Subscriptions::default(),
            turn: None,
            transacting: false,
            wait: None,
            wait_is_told: true,
            written: 0,
            replies: Replies::On,
            value: Vec::new(),
            last: None,
            closing: false,
        }
    }

    /// Shows others the last command. Done once for a batch, and before a client looks at itself.
    pub(crate) fn note_use(&mut self, now: Instant) {
        if let Some(command) = self.last.take() {
            self.client.used(command, now);
            let queued = self.queue.as_ref().map(Queue::len);
            let queued = queued.map_or(-1, |count| i64::try_from(count).unwrap_or(i64::MAX));
            self.client.queued.store(queued, Ordering::Relaxed);
        }
    }

    /// Is this user from now on.
    pub(crate) fn become_user(&mut self, user: Arc<User>) {
        self.client.names().user.clone_from(&user.name);
        self.user = user;
        self.authenticated = true;
    }

    /// Closes the connection once the replies so far are sent.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Keeps a command for `EXEC`.
    pub(crate) fn enqueue(
        &mut self,
        command: &'static Command,
        args: Args<'_>,
        server: &Shared,
    ) -> Result<(), Refusal> {
        let Some(queue) = &mut self.queue else {
            return Ok(());
        };
        queue.push(command, args, server)
    }

    /// A command could not be queued, so what was queued will not be run.
    pub(crate) fn spoil_queue(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.spoil();
        }
    }
}
