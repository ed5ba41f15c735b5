//! Machine code of modules that were run before, beside this program.
//!
//! ```text
//! portcask-host-cache/HASH   the code of the module with this hash, then the code's own hash
//! ```
//!
//! A file that is not whole is compiled again; a cache that cannot be written is done without.

use crate::Guest;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;

const HASH_BYTES: usize = 16;

/// The module as a guest, from the cache or else compiled now and kept for the next time.
pub fn load_or_compile(module: &[u8]) -> wasmtime::Result<Guest> {
    let place = place_of(module);
    if let Some(code) = place.as_deref().and_then(|place| fs::read(place).ok())
        && let Some((code, sum)) = code.split_last_chunk::<HASH_BYTES>()
        && hash(code) == *sum
    {
        // SAFETY: the file is one that this function wrote beside this program, whole by its
        // hash. Whoever else can write there can replace the program itself.
        if let Ok(guest) = unsafe { Guest::from_precompiled(code) } {
            return Ok(guest);
        }
    }
    let code = Guest::precompile(module)?;
    if let Some(place) = place {
        keep(&place, &code);
    }
    // SAFETY: `code` was made by the line above.
    unsafe { Guest::from_precompiled(&code) }
}

/// Writes under another name first: a run at the same time sees the whole file or none.
fn keep(place: &std::path::Path, code: &[u8]) {
    let unfinished = place.with_extension(std::process::id().to_string());
    let whole = [code, &hash(code)].concat();
    let _ = place
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&unfinished, whole))
        .and_then(|()| fs::rename(&unfinished, place));
}

fn place_of(module: &[u8]) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let name: String = hash(module)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(program.parent()?.join("portcask-host-cache").join(name))
}

/// 128 bits against accidents, not against enemies.
fn hash(bytes: &[u8]) -> [u8; HASH_BYTES] {
    let mut sum = [0; HASH_BYTES];
    for (salt, half) in sum.chunks_exact_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        hasher.write_usize(salt);
        hasher.write(bytes);
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    sum
}
