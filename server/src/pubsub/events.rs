//! Keyspace events: what a command did to its keys, under the names that Redis gives it.
//!
//! Deeds are noted while a command runs, named when it ends well, and told once its writes are committed, so
//! that nobody hears of what did not happen.

use super::expiries::Expiries;
use super::hub::{Hub, Kind};
use crate::protocol::Args;
use crate::store::Store;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Keys that end at one go before others have their turn.
const DUE_KEYS: usize = 256;
/// The clock that the store trusts may stand still: it is looked at again after this time.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

/// Which keyspace events are told, and how: the letters of `notify-keyspace-events`. None by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(u32);

/// In the order in which they are shown; `A` stands for those that it includes.
const LETTERS: &[u8; 14] = b"g$lshzxetdnKEm";
/// `A` is the first ten.
const ALL: u32 = (1 << 10) - 1;

impl Classes {
    pub(crate) const GENERIC: Self = Self(1);
    pub(crate) const STRING: Self = Self(1 << 1);
    pub(crate) const EXPIRED: Self = Self(1 << 6);
    pub(crate) const NEW: Self = Self(1 << 10);
    pub(crate) const KEYSPACE: Self = Self(1 << 11);
    pub(crate) const KEYEVENT: Self = Self(1 << 12);
    pub(crate) const MISS: Self = Self(1 << 13);

    /// From letters; classes of types that are not offered are taken, and never have an event.
    pub fn parse(letters: &[u8]) -> Option<Self> {
        letters.iter().try_fold(Self(0), |all, letter| {
            let one = match letter {
                b'A' => ALL,
                letter => 1 << LETTERS.iter().position(|known| known == letter)?,
            };
            Some(Self(all.0 | one))
        })
    }

    pub(crate) const fn has(self, class: Self) -> bool {
        self.0 & class.0 != 0
    }

    /// Whether any event can be told: a class alone tells nobody.
    fn is_heard(self) -> bool {
        self.has(Self(Self::KEYSPACE.0 | Self::KEYEVENT.0))
    }
}

/// As `CONFIG GET` shows it.
impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0 & ALL == ALL;
        if all {
            f.write_str("A")?;
        }
        for (at, letter) in LETTERS.iter().enumerate() {
            // Beside `A`, Redis does not show `n` either, though it keeps to it.
            let is_told = all && 1 << at & (ALL | Self::NEW.0) != 0;
            if self.0 & 1 << at != 0 && !is_told {
                write!(f, "{}", char::from(*letter))?;
            }
        }
        Ok(())
    }
}

/// What a command did to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Put {
        key: Vec<u8>,
        expiry_ms: Option<u64>,
        /// The key was not there. Only looked at where somebody wants to know.
        is_new: bool,
        /// Its time was up already.
        is_over: bool,
    },
    Delete(Vec<u8>),
    /// It looked for it in vain.
    Miss(Vec<u8>),
}

/// One event: its class, its name, its key.
pub(crate) type Event = (Classes, &'static str, Vec<u8>);

/// What is told once it is committed.
pub(crate) enum Told {
    Event(Event),
    /// A message that a transaction sent, and where.
    Message(Kind, Vec<u8>, Vec<u8>),
}

/// What a command's deeds are called, in the order in which they are told.
pub(crate) fn name(command: &str, args: Args<'_>, deeds: Vec<Deed>) -> Vec<Event> {
    let mut events = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Miss(key) if tells_of_a_miss(command, args, &key) => {
                events.push((Classes::MISS, "keymiss", key));
            }
            Deed::Miss(_) => {}
            // The other half of it tells of both.
            Deed::Delete(_) if is_rename(command) => {}
            Deed::Delete(key) => events.push((Classes::GENERIC, "del", key)),
            Deed::Put {
                key,
                expiry_ms,
                is_new,
                is_over,
            } => {
                // Redis makes the key of a rename or a copy anew, also where there was one.
                if is_new || is_rename(command) || command == "copy" {
                    events.push((Classes::NEW, "new", key.clone()));
                }
                let mut tell = |class, name| events.push((class, name, key.clone()));
                match command {
                    "rename" | "renamenx" => {
                        events.push((Classes::GENERIC, "rename_from", args.at(1).to_vec()));
                        events.push((Classes::GENERIC, "rename_to", key));
                        continue;
                    }
                    "copy" => tell(Classes::GENERIC, "copy_to"),
                    "getex" | "expire" | "pexpire" | "expireat" | "pexpireat" if is_over => {
                        tell(Classes::GENERIC, "del");
                        continue;
                    }
                    "getex" if expiry_ms.is_none() => tell(Classes::GENERIC, "persist"),
                    "getex" | "expire" | "pexpire" | "expireat" | "pexpireat" => {
                        tell(Classes::GENERIC, "expire");
                    }
                    "persist" => tell(Classes::GENERIC, "persist"),
                    "set" | "setex" | "psetex" => {
                        tell(Classes::STRING, "set");
                        let is_kept = command == "set" && has_option(args, "KEEPTTL");
                        if expiry_ms.is_some() && !is_kept {
                            tell(Classes::GENERIC, "expire");
                        }
                    }
                    "append" => tell(Classes::STRING, "append"),
                    "setrange" => tell(Classes::STRING, "setrange"),
                    "setbit" => tell(Classes::STRING, "setbit"),
                    "incr" | "decr" | "incrby" | "decrby" => tell(Classes::STRING, "incrby"),
                    "incrbyfloat" => tell(Classes::STRING, "incrbyfloat"),
                    _ => tell(Classes::STRING, "set"),
                }
                if is_over {
                    tell(Classes::EXPIRED, "expired");
                }
            }
        }
    }
    events
}

fn is_rename(command: &str) -> bool {
    matches!(command, "rename" | "renamenx")
}

/// Some commands look at keys for their own purposes.
fn tells_of_a_miss(command: &str, args: Args<'_>, key: &[u8]) -> bool {
    match command {
        "set" => has_option(args, "GET"),
        "copy" => key == args.at(1),
        "getset" | "getdel" | "getex" => true,
        "get" | "mget" | "strlen" | "getrange" | "substr" | "lcs" | "getbit" | "bitcount"
        | "bitpos" | "exists" | "touch" | "type" | "ttl" | "pttl" | "expiretime"
        | "pexpiretime" => true,
        _ => false,
    }
}

/// Whether `SET` was given this option.
fn has_option(args: Args<'_>, option: &str) -> bool {
    let mut options = args.from(3);
    options.any(|word| word.eq_ignore_ascii_case(option.as_bytes()))
}

/// Tells events to whoever listens.
pub(crate) struct Events {
    classes: AtomicU32,
    expiries: Expiries,
    hub: Arc<Hub>,
}

impl Events {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self {
            classes: AtomicU32::new(0),
            expiries: Expiries::default(),
            hub,
        }
    }

    /// What was asked for.
    pub(crate) fn asked(&self) -> Classes {
        Classes(self.classes.load(Ordering::Relaxed))
    }

    /// What is to be noted: nothing if nobody can hear it.
    pub(crate) fn wanted(&self) -> Classes {
        let asked = self.asked();
        match asked.is_heard() {
            true => asked,
            false => Classes::default(),
        }
    }

    /// Changes what is told. Returns whether the times of the store's keys must be noted now.
    pub(crate) fn ask(&self, classes: Classes) -> bool {
        self.classes.store(classes.0, Ordering::Relaxed);
        let wants_expiries = classes.is_heard() && classes.has(Classes::EXPIRED);
        self.expiries.keep(wants_expiries)
    }

    pub(crate) fn tell(&self, all: impl IntoIterator<Item = Told>) {
        let asked = self.wanted();
        for told in all {
            let (class, name, key) = match told {
                Told::Event(event) => event,
                Told::Message(kind, channel, message) => {
                    self.hub.publish(kind, &channel, &message);
                    continue;
                }
            };
            if !asked.has(class) {
                continue;
            }
            if asked.has(Classes::KEYSPACE) {
                let channel = [b"__keyspace@0__:", key.as_slice()].concat();
                self.hub.publish(Kind::Channel, &channel, name.as_bytes());
            }
            if asked.has(Classes::KEYEVENT) {
                let channel = [b"__keyevent@0__:", name.as_bytes()].concat();
                self.hub.publish(Kind::Channel, &channel, &key);
            }
        }
    }

    /// Whether the ends of keys are noted.
    pub(crate) fn notes_ends(&self) -> bool {
        self.expiries.is_kept()
    }

    /// A key was written by a commit: it ends then, or never. One whose time was up before is told of first.
    pub(crate) fn note_end(&self, key: &[u8], expiry_ms: Option<u64>, now_ms: Option<u64>) {
        let before = self.expiries.note(key, expiry_ms);
        if before.zip(now_ms).is_some_and(|(at, now)| at <= now) {
            self.tell([expired(key)]);
        }
    }

    /// Every key is gone.
    pub(crate) fn forget_ends(&self) {
        self.expiries.clear();
    }

    /// Tells of keys whose time is up, for as long as the server runs.
    pub(crate) async fn run(store: Arc<Store>) {
        let expiries = &store.events().expiries;
        loop {
            let now = store.db().now_ms();
            match expiries.next_ms().zip(now) {
                None => expiries.sooner().await,
                Some((at, now)) if at > now => {
                    let wait = Duration::from_millis(at - now).min(CLOCK_EVERY);
                    // Either way there may be something to do.
                    let _ = tokio::time::timeout(wait, expiries.sooner()).await;
                }
                Some((_, now)) => {
                    let store = Arc::clone(&store);
                    let told = tokio::task::spawn_blocking(move || store.tell_of_ends(now));
                    if told.await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Tells of some keys whose time is up. The writer's turn must be held.
    pub(crate) fn tell_of_ends(&self, now_ms: u64) {
        let due = self.expiries.take_due(now_ms, DUE_KEYS);
        self.tell(due.iter().map(|key| expired(key)));
    }
}

fn expired(key: &[u8]) -> Told {
    Told::Event((Classes::EXPIRED, "expired", key.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::Classes;

    #[test]
    fn classes_are_shown_as_redis_shows_them() {
        for (letters, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("KEAmn", "AKEm"),
            ("nK", "nK"),
            ("Ex", "xE"),
            ("g$lshzxetdK", "AK"),
            ("Kg$x", "g$xK"),
        ] {
            let classes = Classes::parse(letters.as_bytes()).unwrap();
            assert_eq!(classes.to_string(), shown, "{letters}");
        }
        assert_eq!(Classes::parse(b"Kq"), None);
    }
}
