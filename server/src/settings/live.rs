//! The settings as they are now: what `CONFIG SET` may change, where those who need it look.

use super::Setting;
use crate::config::Config;
use crate::listen::Address;
use crate::server::Shared;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What may change while the server runs.
pub(crate) struct Live {
    /// All settings. Changed whole, by one at a time.
    config: Mutex<Config>,
    clients_max: AtomicUsize,
    clients_per_address_max: AtomicUsize,
    /// Milliseconds; 0 is for ever.
    idle_ms: AtomicU64,
    is_protected: AtomicBool,
}

impl Live {
    pub(crate) fn new(config: &Config) -> Self {
        let live = Self {
            config: Mutex::new(config.clone()),
            clients_max: AtomicUsize::new(0),
            clients_per_address_max: AtomicUsize::new(usize::MAX),
            idle_ms: AtomicU64::new(0),
            is_protected: AtomicBool::new(true),
        };
        live.publish(config);
        live
    }

    /// The settings as they are now.
    pub(crate) fn config(&self) -> Config {
        self.lock().clone()
    }

    /// Connections at a time.
    pub(crate) fn clients_max(&self) -> usize {
        self.clients_max.load(Ordering::Relaxed)
    }

    /// Connections at a time from one address.
    pub(crate) fn clients_per_address_max(&self) -> usize {
        self.clients_per_address_max.load(Ordering::Relaxed)
    }

    /// Time between two commands; `None` is for ever.
    pub(crate) fn idle(&self) -> Option<Duration> {
        let ms = self.idle_ms.load(Ordering::Relaxed);
        (ms > 0).then(|| Duration::from_millis(ms))
    }

    /// Changes all of these settings, or none and tells which one is wrong and why.
    pub(crate) fn change(
        &self,
        server: &Shared,
        changes: &[(&'static Setting, String)],
    ) -> Result<(), (&'static str, String)> {
        let mut current = self.lock();
        let mut config = current.clone();
        for (setting, value) in changes {
            setting
                .set(&mut config, std::slice::from_ref(value))
                .map_err(|words| (setting.name, words))?;
        }
        if config.sync != current.sync {
            server.syncing.set_policy(config.sync);
        }
        if config.password != current.password {
            server.users.set_password(config.password.as_deref());
        }
        if config.limits.mail != current.limits.mail {
            server.hub.set_limits(config.limits.mail);
        }
        if config.limits.output_bytes_max != current.limits.output_bytes_max {
            let bytes_max = config.limits.output_bytes_max;
            server.outgoing.set_bytes_max(bytes_max);
        }
        if config.keyspace_events != current.keyspace_events
            && server.store.events().ask(config.keyspace_events)
        {
            let store = Arc::clone(&server.store);
            tokio::task::spawn_blocking(move || store.note_ends());
        }
        server.observed.watch(config.watching);
        self.publish(&config);
        *current = config;
        Ok(())
    }

    /// Whether a client at this address must not be served where there is no password: it is not on this
    /// machine, and the operator did not say that this is wanted.
    pub(crate) fn refuses(&self, peer: &Address) -> bool {
        let is_protected = self.is_protected.load(Ordering::Relaxed);
        is_protected && !peer.is_local()
    }

    fn publish(&self, config: &Config) {
        let idle = config.limits.idle.unwrap_or_default().as_millis();
        let idle_ms = u64::try_from(idle).unwrap_or(u64::MAX);
        self.idle_ms.store(idle_ms, Ordering::Relaxed);
        let clients_max = config.limits.clients_max;
        self.clients_max.store(clients_max, Ordering::Relaxed);
        let per_address_max = config.limits.clients_per_address_max;
        self.clients_per_address_max
            .store(per_address_max.unwrap_or(usize::MAX), Ordering::Relaxed);
        self.is_protected
            .store(config.protected_mode, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Config> {
        // Nothing is half-done by a panic under it: a configuration is changed whole.
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
