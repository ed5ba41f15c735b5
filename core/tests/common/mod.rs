//! Test scripts: a history as one line, and what the store says to it as another.
//!
//! Commands are separated by `;`. `put K V [synced|buffered|ttl=MS]`, `del K`,
//! `batch K=V -K ...`, `expire K MS`, `persist K`, `sync`, `flush`, `rotate`, `merge`, `step BYTES`,
//! `tick`, `clear`, `close`, `open`, `kill` (the process dies), `cut` (the power fails and nothing
//! unsynced is kept), `cut all` (everything is), `cut N` (the luck of seed N), `wait MS`,
//! `clock MS|none`, `fail CALL [NTH|always]`, `heal`, and against files: `tear N` (the newest segment
//! loses its last bytes), `pad N` (it gains zeros), `flip FILE OFFSET`, `lose FILE`, `files`.
//! What speaks: `get K`, `scan`, `len`, `ttl K`, `report`, `verify`, `history K`, and every refusal,
//! as `!` and its name. `K` and `V` may be `""` or `x*1000`.
#![allow(dead_code)]

pub mod forging;

use portcask_core::format::file::{FileHeader, FileKind, names};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{AllKept, Call, Dice, Fault, Laws, NothingKept, SimDisk};
use portcask_core::testing::world::{Store, World};
use portcask_core::{
    Ack, Batch, Engine, Error, Expiry, FileName, Options, Result, Ttl, WriteOptions,
};

/// Runs a script on a new disk and compares what the store said.
#[track_caller]
pub fn check(script: &str, expected: &str) {
    assert_eq!(run(script), expected, "{script}");
}

/// Runs a script on a new disk.
pub fn run(script: &str) -> String {
    let mut world = Script::new();
    world.run(script);
    world.said.join(" ")
}

/// The wall-clock time at which scripts begin.
pub const NOW_MS: u64 = 1_767_225_600_000;

/// A store on a simulated disk, and what it said.
pub struct Script {
    pub disk: SimDisk,
    pub store: Option<Store>,
    pub options: Options,
    pub said: Vec<String>,
}

impl Script {
    pub fn new() -> Self {
        Self::on(SimDisk::with_laws(1, Laws::DISK))
    }

    pub fn on(disk: SimDisk) -> Self {
        Self {
            disk,
            store: None,
            options: World::options(),
            said: Vec::new(),
        }
    }

    /// Runs commands; the store opens by itself when one needs it.
    pub fn run(&mut self, script: &str) -> &mut Self {
        for command in script.split(';').map(str::trim).filter(|c| !c.is_empty()) {
            let words: Vec<&str> = command.split_whitespace().collect();
            match self.command(words[0], &words[1..]) {
                Ok(None) => {}
                Ok(Some(words)) => self.said.push(words),
                Err(error) => self.said.push(format!("!{}", name_of(&error))),
            }
        }
        self
    }

    /// Runs commands and compares what they said.
    #[track_caller]
    pub fn check(&mut self, script: &str, expected: &str) -> &mut Self {
        self.said.clear();
        self.run(script);
        assert_eq!(self.said.join(" "), expected, "{script}");
        self
    }

    pub fn store(&mut self) -> Result<&mut Store> {
        if self.store.is_none() {
            self.store = Some(Engine::open(self.disk.clone(), self.options.clone())?);
        }
        Ok(self.store.as_mut().unwrap())
    }

    /// The power fails.
    pub fn cut(&mut self, how: Option<&str>) {
        self.store = None;
        self.disk = match how {
            None => self.disk.crash(&mut NothingKept),
            Some("all") => self.disk.crash(&mut AllKept),
            Some(seed) => self.disk.crash(&mut Dice::new(seed.parse().unwrap())),
        };
    }

    fn command(&mut self, verb: &str, words: &[&str]) -> Result<Option<String>> {
        let word = |i: usize| bytes(words[i]);
        let number = |i: usize| words[i].parse::<u64>().unwrap();
        match verb {
            "put" => {
                let mut how = WriteOptions::default();
                for option in &words[2..] {
                    match (*option, option.strip_prefix("ttl=")) {
                        ("synced", _) => how.ack = Some(Ack::Synced),
                        ("buffered", _) => how.ack = Some(Ack::Buffered),
                        (_, Some(ms)) => how.expiry = Expiry::AfterMs(ms.parse().unwrap()),
                        _ => panic!("{option}?"),
                    }
                }
                self.store()?.put_with(&word(0), &word(1), &how)?;
            }
            "del" => {
                self.store()?.delete(&word(0))?;
            }
            "batch" => {
                let mut batch = Batch::new();
                for word in words {
                    match word.split_once('=') {
                        Some((key, value)) => batch.put(bytes(key), bytes(value)),
                        None => batch.delete(bytes(&word[1..])),
                    };
                }
                self.store()?.write(&batch)?;
            }
            "expire" => {
                self.store()?.expire(&word(0), Expiry::AfterMs(number(1)))?;
            }
            "persist" => {
                self.store()?.persist(&word(0))?;
            }
            "sync" => self.store()?.sync()?,
            "flush" => self.store()?.flush()?,
            "rotate" => self.store()?.rotate()?,
            "merge" => {
                self.store()?.merge_all(|_, _| {})?;
            }
            "step" => {
                self.store()?.merge_step(number(0))?;
            }
            "tick" => {
                self.store()?.tick()?;
            }
            "clear" => {
                self.store()?.clear()?;
            }
            "open" => {
                self.store()?;
            }
            "close" => {
                if let Some(store) = self.store.take() {
                    store.close()?;
                }
            }
            "kill" => self.store = None,
            "cut" => self.cut(words.first().copied()),
            "wait" => {
                let now = portcask_core::storage::Host::now_ms(&self.disk).unwrap();
                self.disk.set_now_ms(Some(now + number(0)));
            }
            "clock" => self.disk.set_now_ms(words[0].parse().ok()),
            "fail" => self.fail(words),
            "heal" => self.disk.heal(),
            "tear" | "pad" => {
                let file = self.newest_segment();
                let mut content = self.disk.bytes(&file).unwrap();
                let change = number(0) as usize;
                let len = match verb {
                    "tear" => content.len().saturating_sub(change),
                    _ => content.len() + change,
                };
                content.resize(len, 0);
                self.disk.set_bytes(&file, &content);
            }
            "flip" => assert!(self.disk.flip(&file(words[0]), number(1) as usize, 1)),
            "lose" => {
                portcask_core::Storage::remove(&self.disk, &file(words[0])).unwrap();
            }
            "files" => {
                let files = self.disk.files();
                let names: Vec<&str> = files.keys().map(FileName::as_str).collect();
                return Ok(Some(names.join(" ")));
            }
            _ => return self.ask(verb, words).map(Some),
        }
        Ok(None)
    }

    fn ask(&mut self, verb: &str, words: &[&str]) -> Result<String> {
        let word = |i: usize| bytes(words[i]);
        let store = self.store()?;
        Ok(match verb {
            "get" => match store.get(&word(0))? {
                Some(value) => pair(&word(0), &value),
                None => format!("{}?", words[0]),
            },
            "scan" => {
                let mut pairs = Vec::new();
                for entry in store.iter() {
                    let entry = entry?;
                    pairs.push(pair(&entry.key, &entry.value));
                }
                pairs.sort();
                pairs.join(" ")
            }
            "len" => store.len().to_string(),
            "ttl" => match store.ttl(&word(0))? {
                Ttl::Missing => "missing".into(),
                Ttl::Forever => "forever".into(),
                Ttl::ExpiresAtMs(at) => format!("+{}", at - NOW_MS),
            },
            "report" => report(store),
            "verify" => {
                let found = store.verify(|_, _| {})?;
                let damage = |d: &portcask_core::DamageReport| format!("{}@{}", d.file, d.offset);
                match found.is_sound() {
                    true => "sound".into(),
                    false => found
                        .damages
                        .iter()
                        .map(damage)
                        .collect::<Vec<_>>()
                        .join(" "),
                }
            }
            "history" => {
                let versions = store.history(&word(0))?;
                let text = |version: &portcask_core::Version| match &version.value {
                    Some(value) => short(value),
                    None => "-".into(),
                };
                versions.iter().map(text).collect::<Vec<_>>().join(",")
            }
            _ => panic!("{verb}?"),
        })
    }

    fn fail(&mut self, words: &[&str]) {
        let call = match words[0] {
            "append" => Call::Append,
            "sync" => Call::Sync,
            "names" => Call::SyncNamespace,
            "create" => Call::Create,
            "read" => Call::Read,
            "remove" => Call::Remove,
            "list" => Call::List,
            "lengthen" => Call::Lengthen,
            other => panic!("{other}?"),
        };
        let fault = match words.get(1) {
            Some(&"always") => Fault::from(1, ErrorKind::Io),
            Some(nth) => Fault::once(nth.parse().unwrap(), ErrorKind::Io),
            None => Fault::once(1, ErrorKind::Io),
        };
        self.disk.inject(fault.on(call));
    }

    /// The segment with the highest id.
    pub fn newest_segment(&self) -> FileName {
        let files = self.disk.files();
        let segments = files.keys().filter_map(|name| match names::parse(name) {
            Some((FileKind::Segment, id)) => Some((id, *name)),
            _ => None,
        });
        segments.max().unwrap().1
    }
}

/// The same files on another disk.
pub fn copy_of(world: &Script) -> Script {
    Script::on(SimDisk::holding(77, Laws::DISK, world.disk.files()))
}

pub fn header_of(world: &Script, name: &str) -> FileHeader {
    FileHeader::decode(&world.disk.bytes(&file(name)).unwrap()).unwrap()
}

/// A file's name.
pub fn file(name: &str) -> FileName {
    FileName::new(name).unwrap()
}

/// What opening found, in words, without numbers that a test would have to count.
pub fn report(store: &Store) -> String {
    let report = store.report();
    let words = [
        (report.created, "created"),
        (report.clean && !report.created, "clean"),
        (!report.clean, "unclean"),
        (report.torn_bytes > 0, "torn"),
        (!report.damages.is_empty(), "damaged"),
        (!report.orphans.is_empty(), "orphans"),
        (report.stepped_back, "stepped-back"),
        (report.degraded, "degraded"),
        (report.clock_jump.is_some(), "jump"),
    ];
    let words: Vec<&str> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
    words.join(" ")
}

/// The variant of an error.
pub fn name_of(error: &Error) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap()
        .into()
}

fn bytes(word: &str) -> Vec<u8> {
    if word == "\"\"" {
        return Vec::new();
    }
    match word.split_once('*') {
        Some((unit, times)) => unit.repeat(times.parse().unwrap()).into_bytes(),
        None => word.as_bytes().to_vec(),
    }
}

fn pair(key: &[u8], value: &[u8]) -> String {
    format!("{}={}", short(key), short(value))
}

fn short(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match bytes.len() {
        0..=40 => text.into_owned(),
        len => format!("{}*{len}", &text[..1]),
    }
}
