//! Other programs and a kernel short of memory, beside a writer: parts of its files are written
//! before their time and out of their order, and strangers commit the journal.

use super::disk::{PAGE_BYTES, neighbour_syncs, write_back};
use portcask_core::testing::sim::Dice;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// So many of the newest segments are disturbed most.
const SEGMENTS: usize = 3;

/// See the [module](self). Ends when dropped.
pub struct Disturbance {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Disturbance {
    /// Disturbs the store on the disk mounted at `root`, as the seed says.
    pub fn start(root: &Path, store: &Path, seed: u64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (root, store, told) = (root.to_owned(), store.to_owned(), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut dice = Dice::new(seed);
            while !told.load(Ordering::Relaxed) {
                // The disk may be gone at any moment, and files with it.
                let _ = disturb(&root, &store, &mut dice);
                thread::sleep(Duration::from_micros(200 + dice.below(1_000)));
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Disturbance {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It holds no promise of ours, so its end is all that matters.
            let _ = thread.join();
        }
    }
}

fn disturb(root: &Path, store: &Path, dice: &mut Dice) -> io::Result<()> {
    if dice.below(4) == 0 {
        return neighbour_syncs(root);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(store)? {
        files.push(entry?.path());
    }
    // Names end in numbers of one length. The newest segments hold what is not synced.
    files.sort();
    if dice.below(4) > 0 {
        let is_segment = |file: &PathBuf| file.to_string_lossy().contains("segment-");
        files.retain(is_segment);
        files.drain(..files.len().saturating_sub(SEGMENTS));
    }
    let Some(file) = files.get(dice.below(files.len().max(1) as u64) as usize) else {
        return Ok(());
    };
    let pages = fs::metadata(file)?.len().div_ceil(PAGE_BYTES).max(1);
    let back = dice.below(pages.min(64));
    write_back(file, pages - 1 - back, 1 + dice.below(8))
}
