//! A store inside a sandboxed plugin: open, put, get and merge step, as functions that the host calls while the
//! plugin lives, over a directory that the host has opened. Copy it and replace the functions with your plugin's own.
//!
//! ```text
//! host                                     plugin
//!   store_room(n) -------------------------> address of n bytes for the host to fill
//!   writes key and value there
//!   store_put(key bytes, value bytes) -----> reads them there
//!   reads the answer at store_room(0)
//! ```
//!
//! Keys and values go through this one buffer. Every call may move it, so the host must ask for its address after the
//! call. A negative result other than `ABSENT` is a failure: `-(code + 256 * n)`, where the code is
//! [`Error::code`](portcask::Error::code), and n is 0 or the [`ErrorKind::code`](portcask::ErrorKind::code) of the
//! platform's answer. The host supplies error texts for people: here they would take as many bytes as merge does.
//!
//! A write is acknowledged once the host's kernel has it, so it survives any trap that kills the plugin. Nothing needs
//! undoing after a trap: load the plugin again and open the store.

#![cfg(target_family = "wasm")]
#![no_std]

extern crate alloc;

mod bare;

use alloc::boxed::Box;
use alloc::vec::Vec;
use bare::Only;
use portcask::{Engine, Error, ErrorKind, MergeProgress, Op, Options, PlatformStorage};

/// The answer of [`store_get`] for a key that is not there.
pub const ABSENT: i32 = i32::MIN;

/// Segments of a plugin's store: small ones, so that merge gives space back early.
const SEGMENT_BYTES: u64 = 1 << 20;

/// What lives between two calls of the host.
struct Plugin {
    store: Option<Box<Engine<PlatformStorage>>>,
    buffer: Vec<u8>,
}

static PLUGIN: Only<Plugin> = Only::new(Plugin {
    store: None,
    buffer: Vec::new(),
});

/// Makes room for `bytes` bytes and answers where. What was there stays, so `store_room(0)` finds an answer.
// SAFETY: no other function of the program has this name; likewise for each below.
#[unsafe(no_mangle)]
pub extern "C" fn store_room(bytes: usize) -> *mut u8 {
    PLUGIN.with(|plugin| {
        if plugin.buffer.len() < bytes {
            plugin.buffer.resize(bytes, 0);
        }
        plugin.buffer.as_mut_ptr()
    })
}

/// Opens the store in the directory whose name is the first `path_bytes` bytes, creating one if it is empty.
/// Answers how many keys it holds.
#[unsafe(no_mangle)]
pub extern "C" fn store_open(path_bytes: usize) -> i32 {
    PLUGIN.with(|plugin| answer(plugin.open(path_bytes)))
}

/// Puts a value under a key: `key_bytes` bytes, and `value_bytes` right behind them. Answers 0.
#[unsafe(no_mangle)]
pub extern "C" fn store_put(key_bytes: usize, value_bytes: usize) -> i32 {
    PLUGIN.with(|plugin| answer(plugin.put(key_bytes, value_bytes)))
}

/// Reads the value of the key that is the first `key_bytes` bytes, and puts it there. Answers its length or [`ABSENT`].
#[unsafe(no_mangle)]
pub extern "C" fn store_get(key_bytes: usize) -> i32 {
    PLUGIN.with(|plugin| answer(plugin.get(key_bytes)))
}

/// Gives space back for about `budget_bytes` bytes of work, for the host to call when it is idle. Answers 0 when
/// nothing is due, 1 while there is more to do, 2 when a merge is complete.
#[unsafe(no_mangle)]
pub extern "C" fn store_merge_step(budget_bytes: u32) -> i32 {
    PLUGIN.with(|plugin| answer(plugin.merge_step(budget_bytes)))
}

/// Makes everything durable, so that the next opening scans nothing. A plugin that is just dropped loses nothing
/// that was acknowledged. Answers 0.
#[unsafe(no_mangle)]
pub extern "C" fn store_close() -> i32 {
    PLUGIN.with(|plugin| {
        let store = plugin.store.take();
        answer(store.map_or(Ok(0), |store| store.close().map(|()| 0)))
    })
}

impl Plugin {
    fn open(&mut self, path_bytes: usize) -> Result<i32, Error> {
        let files = PlatformStorage::open(part(&self.buffer, 0, path_bytes)?)
            .map_err(|source| Error::storage(Op::Open, None, source))?;
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            ..Options::default()
        };
        let store = self
            .store
            .insert(Box::new(Engine::open_writer(files, options)?));
        let keys = i32::try_from(store.report().keys).unwrap_or(i32::MAX);
        Ok(keys)
    }

    fn put(&mut self, key_bytes: usize, value_bytes: usize) -> Result<i32, Error> {
        let store = self.store.as_mut().ok_or(Error::Closed)?;
        let key = part(&self.buffer, 0, key_bytes)?;
        let value = part(&self.buffer, key_bytes, value_bytes)?;
        store.put(key, value).map(|_| 0)
    }

    fn get(&mut self, key_bytes: usize) -> Result<i32, Error> {
        let store = self.store.as_ref().ok_or(Error::Closed)?;
        let Some(value) = store.get(part(&self.buffer, 0, key_bytes)?)? else {
            return Ok(ABSENT);
        };
        self.buffer = value;
        i32::try_from(self.buffer.len()).map_err(|_| Error::TooLarge)
    }

    fn merge_step(&mut self, budget_bytes: u32) -> Result<i32, Error> {
        let store = self.store.as_mut().ok_or(Error::Closed)?;
        Ok(match store.merge_step(budget_bytes.into())? {
            MergeProgress::Idle => 0,
            MergeProgress::Working { .. } => 1,
            MergeProgress::Done(_) => 2,
        })
    }
}

/// What the host is told: the number, or the failure's code and the platform's class.
fn answer(result: Result<i32, Error>) -> i32 {
    result.unwrap_or_else(|error| {
        let kind = error.storage_kind().map_or(0, ErrorKind::code);
        -(i32::from(error.code()) + 256 * i32::from(kind))
    })
}

/// `bytes` bytes of the buffer from `start`, if the host has ever asked for that much room.
fn part(buffer: &[u8], start: usize, bytes: usize) -> Result<&[u8], Error> {
    let end = start.checked_add(bytes).ok_or(Error::TooLarge)?;
    buffer.get(start..end).ok_or(Error::TooLarge)
}
