//! Filling and warming a store where that is not what is measured.

use crate::Result;
use crate::engine::{Engine, Entries};
use guest::data::{Maker, Shape};

/// Entries of one batch.
pub const BATCH: usize = 1000;

/// Stores a value for every number below `keys`.
pub fn load<E: Engine>(engine: &E, shape: Shape, keys: u64) -> Result<()> {
    let mut maker = Maker::new(shape, 1);
    if !E::LOADS_IN_BATCHES {
        for number in 0..keys {
            let (key, value) = maker.entry(number);
            engine.put(key, value)?;
        }
        return Ok(());
    }
    let mut entries = Entries::default();
    for number in 0..keys {
        entries.push(maker.entry(number));
        if entries.len() == BATCH || number + 1 == keys {
            engine.put_batch(&entries)?;
            entries.clear();
        }
    }
    Ok(())
}

/// Gets every key once, so that files are in the page cache, mappings in the page table and caches full.
pub fn warm(engine: &impl Engine, shape: Shape, keys: u64) -> Result<()> {
    let mut scratch = Vec::new();
    for number in 0..keys {
        get(engine, shape, number, &mut scratch)?;
    }
    Ok(())
}

/// Gets a key that must be there and checks its value.
pub fn get(engine: &impl Engine, shape: Shape, number: u64, scratch: &mut Vec<u8>) -> Result<()> {
    let key = shape.key(number);
    let found = engine.get(key.bytes(), scratch, |value| shape.check(&key, value))?;
    found.ok_or_else(|| format!("key {number} is missing").into())
}
