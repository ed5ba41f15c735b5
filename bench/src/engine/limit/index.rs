//! The limit's map on disk, so that reopening it reads 28 bytes for each key and nothing else.

use super::{Key, Place};
use crate::Result;
use guest::data::KEY_BYTES_MAX;
use hashbrown::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::Path;

const ENTRY_BYTES: usize = KEY_BYTES_MAX + 8 + 4;
/// Entries read at once.
const PIECE: usize = 32 << 10;

/// Writes the map.
pub fn save(dir: &Path, places: &HashMap<Key, Place>) -> Result<()> {
    let mut to = BufWriter::with_capacity(1 << 20, File::create(dir.join("index"))?);
    for (key, place) in places {
        let mut entry = [0; ENTRY_BYTES];
        entry[..16].copy_from_slice(key);
        entry[16..24].copy_from_slice(&place.offset.to_le_bytes());
        entry[24..].copy_from_slice(&place.bytes.to_le_bytes());
        to.write_all(&entry)?;
    }
    to.into_inner()?.sync_data()?;
    Ok(())
}

/// Whether a map was written.
pub fn exists(dir: &Path) -> bool {
    dir.join("index").exists()
}

/// Removes it.
pub fn remove(dir: &Path) -> Result<()> {
    Ok(fs::remove_file(dir.join("index"))?)
}

/// Reads the map, which is empty if there is none.
pub fn load(dir: &Path) -> Result<HashMap<Key, Place>> {
    if !exists(dir) {
        return Ok(HashMap::new());
    }
    let mut from = File::open(dir.join("index"))?;
    let mut left = from.metadata()?.len() as usize / ENTRY_BYTES;
    let mut places = HashMap::with_capacity(left);
    let mut piece = vec![0; PIECE.min(left) * ENTRY_BYTES];
    while left > 0 {
        let entries = left.min(PIECE);
        let bytes = &mut piece[..entries * ENTRY_BYTES];
        from.read_exact(bytes)?;
        for entry in bytes.as_chunks::<ENTRY_BYTES>().0 {
            let (key, place) = parts(entry);
            places.insert(key, place);
        }
        left -= entries;
    }
    Ok(places)
}

fn parts(entry: &[u8; ENTRY_BYTES]) -> (Key, Place) {
    let (mut key, mut offset, mut bytes) = ([0; 16], [0; 8], [0; 4]);
    key.copy_from_slice(&entry[..16]);
    offset.copy_from_slice(&entry[16..24]);
    bytes.copy_from_slice(&entry[24..]);
    let place = Place {
        offset: u64::from_le_bytes(offset),
        bytes: u32::from_le_bytes(bytes),
    };
    (key, place)
}
