//! How a key is found, for people who want to know.

use super::Engine;
use crate::error::Result;
use crate::format::Space;
use crate::format::file::names;
use crate::index::IndexCell;
use crate::prelude::*;
use crate::segment::read::Located;
use crate::storage::{FileName, Storage};

/// Where a key's newest record is and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The segment file.
    pub file: FileName,
    /// Where in the file the record begins.
    pub offset: u64,
    /// The record's length: its head, the key, the value.
    pub record_bytes: u64,
    /// What a get reads: the index knows lengths beyond 1 KiB up to 0.1 %.
    pub read_bytes: u64,
    /// Length of the key.
    pub key_bytes: u64,
    /// Length of the value.
    pub value_bytes: u64,
    /// The place of this version in the order of all changes.
    pub seq: u64,
    /// When the key's life ends, in milliseconds since 1970.
    pub expiry_ms: Option<u64>,
    /// The record is still in this process's buffer: it was not given to the system yet.
    pub buffered: bool,
    /// A sync covered the record: it survives a power cut.
    pub durable: bool,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// How a key is found, or `None` if there is no such key. Costs what [`Engine::get`] costs: the record is
    /// read, checked and proven to be the key's.
    pub fn explain(&self, key: &[u8]) -> Result<Option<Explanation>> {
        let mut buffer = Vec::new();
        let found = self.reader().search(Space::User, key, |located| {
            let buffered = matches!(located, Located::Buffered(..));
            let Some((spot, checked)) = located.read(&mut buffer)? else {
                return Ok(None);
            };
            spot.prove_key(&checked, &buffer, (Space::User, key))?;
            let durable = self.index.read(|index| {
                let slot = index.slot_of(spot.segment);
                let segment = slot.and_then(|slot| index.segment(slot));
                segment.is_some_and(|segment| spot.offset < segment.durable_end)
            });
            Ok(Some(Explanation {
                file: names::segment(spot.segment),
                offset: spot.offset,
                record_bytes: checked.value().end as u64,
                read_bytes: spot.bytes,
                key_bytes: checked.key().len() as u64,
                value_bytes: checked.value().len() as u64,
                seq: checked.head.seq,
                expiry_ms: checked.head.expiry_ms,
                buffered,
                durable,
            }))
        })?;
        Ok(found.filter(|found| self.reader().is_alive(found.expiry_ms)))
    }
}
