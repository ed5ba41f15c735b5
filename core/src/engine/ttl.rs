//! Expiry: an absolute time in the record, hidden on read, swept lazily, reclaimed by merge.

use super::Engine;
use crate::error::{Error, Result};
use crate::fallible;
use crate::format::Space;
use crate::index::{Index, IndexCell};
use crate::options::{Expiry, WriteOptions};
use crate::prelude::*;
use crate::storage::Storage;

/// Keys looked at in one piece of a sweep.
const SWEEP_KEYS: usize = 256;

/// What is known of a key's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// The key does not exist.
    Missing,
    /// The key has no expiry.
    Forever,
    /// The key's life ends at this wall-clock time, in milliseconds since 1970.
    ExpiresAtMs(u64),
}

/// The live keys that have an expiry, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// How many there are.
    pub keys: u64,
    /// The mean of the times when their lives end, in milliseconds since 1970; `None` where there is no such key.
    pub mean_ms: Option<u64>,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Gives a key another expiry, keeping its value. Returns whether the key exists.
    ///
    /// Costs a read and a put of the whole record.
    pub fn expire(&mut self, key: &[u8], expiry: Expiry) -> Result<bool> {
        self.rewrite_with(key, expiry)
    }

    /// Takes a key's expiry away. Returns whether the key exists and had one.
    pub fn persist(&mut self, key: &[u8]) -> Result<bool> {
        match self.ttl(key)? {
            Ttl::ExpiresAtMs(_) => self.rewrite_with(key, Expiry::Never),
            Ttl::Missing | Ttl::Forever => Ok(false),
        }
    }

    /// When a key's life ends. Verified on disk.
    pub fn ttl(&self, key: &[u8]) -> Result<Ttl> {
        Ok(match self.version_of(Space::User, key)? {
            None => Ttl::Missing,
            Some((_, None)) => Ttl::Forever,
            Some((_, Some(at))) => Ttl::ExpiresAtMs(at),
        })
    }

    /// The live keys that have an expiry. Keys whose time is up are counted out first, as [`Engine::len`] does.
    ///
    /// Costs no walk over them: the index keeps both numbers.
    pub fn expiring(&self) -> Expiring {
        self.sweep_expired();
        self.index.read(|index| Expiring {
            keys: index.expiries.len(),
            mean_ms: index.expiries.mean_ms(),
        })
    }

    /// The wall-clock time that this store trusts: never backwards, and no jump of more than a
    /// day ahead until [`Engine::confirm_clock`]. `None` on a host without a clock.
    pub fn now_ms(&self) -> Option<u64> {
        let host = self.storage.now_ms();
        self.index.read(|index| index.clock.now(host))
    }

    /// Believes the host's clock now, whatever it says.
    pub fn confirm_clock(&mut self) {
        let host = self.storage.now_ms();
        self.index.write(|index| index.clock.confirm(host));
        self.report.clock_jump = None;
    }

    /// The absolute time of an expiry for a write made now.
    pub(crate) fn resolve_expiry(&self, expiry: Expiry) -> Result<Option<u64>> {
        let after = match expiry {
            Expiry::Never => return Ok(None),
            Expiry::Default => match self.options.default_ttl_ms {
                None => return Ok(None),
                Some(after) => after,
            },
            Expiry::AfterMs(after) => after,
            Expiry::AtMs(at) => {
                self.observe_clock().ok_or(Error::NoClock)?;
                return Ok(Some(at));
            }
        };
        let now = self.observe_clock().ok_or(Error::NoClock)?;
        Ok(Some(now.saturating_add(after)))
    }

    /// Takes note of the host's time.
    pub(crate) fn observe_clock(&self) -> Option<u64> {
        let host = self.storage.now_ms();
        self.index.write(|index| index.clock.observe(host))
    }

    /// Takes up to `keys` keys whose time is up out of the index; what they held stays dead until
    /// merge. Returns whether more may be due. Costs nothing while no key is due, and one read for
    /// each that is. May run beside the writer.
    pub fn sweep(&self, keys: usize) -> bool {
        let Some(now) = self.observe_clock() else {
            return false;
        };
        // What cannot be swept now is hidden from reads all the same.
        let Ok(due) = self.index.read(|index| index.expiries.until(now, keys)) else {
            return false;
        };
        let mut swept = 0;
        for due in &due {
            swept += usize::from(self.sweep_one(*due).is_ok());
        }
        swept > 0 && due.len() == keys
    }

    /// Takes every key whose time is up out of the index.
    pub(crate) fn sweep_expired(&self) {
        while self.sweep(SWEEP_KEYS) {}
    }

    /// An entry of the expiry table names a hash; the record says whether it still is the one.
    /// Where that cannot be known now, the entry stays for another sweep.
    fn sweep_one(&self, due: (u64, u64)) -> Result<()> {
        let (expiry_ms, hi) = due;
        let look = |index: &Index<S::File>| {
            let found = index.keydir.find_hi(hi);
            fallible::collect(found.filter(|(_, slot)| slot.has_ttl))
        };
        let candidates = self.index.read(look)?;
        let mut expired = Vec::new();
        let mut buffer = Vec::new();
        for (hash, slot) in &candidates {
            let located = self.index.read(|index| index.locate_slot(*slot))?;
            match located.read(&mut buffer) {
                Ok(Some((_, checked)))
                    if checked.head.expiry_ms == Some(expiry_ms)
                        && self.hash(checked.head.kind.space(), &buffer[checked.key()])
                            == *hash =>
                {
                    let key = fallible::copy(&buffer[checked.key()])?;
                    fallible::push(&mut expired, (*hash, slot.place, key))?;
                }
                // Damage does not go away by looking again.
                Ok(_) | Err(Error::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.index.write(|index| {
            // A writer was here meanwhile: the next sweep looks again.
            if look(index)? != candidates {
                return Ok(());
            }
            for (hash, place, key) in &expired {
                index.expire(*hash, key, expiry_ms, *place);
            }
            index.expiries.remove(due);
            Ok(())
        })
    }

    /// Puts the same value again under another expiry.
    fn rewrite_with(&mut self, key: &[u8], expiry: Expiry) -> Result<bool> {
        self.writable()?;
        let Some(entry) = self.get_entry(key)? else {
            return Ok(false);
        };
        let how = WriteOptions {
            expiry,
            ..WriteOptions::default()
        };
        self.put_with(key, &entry.value, &how)?;
        Ok(true)
    }
}
