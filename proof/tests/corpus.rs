//! Every input that a search found worth keeping, and every one that was a finding, runs here.

use portcask_proof::heap::{self, Heap};
use portcask_proof::targets::{self, Target};
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

#[global_allocator]
static HEAP: Heap = Heap;

#[test]
fn any_record_is_read_or_refused() {
    repeat("record_decode");
}

#[test]
fn any_hint_block_is_read_or_refused() {
    repeat("hint_decode");
}

#[test]
fn any_manifest_record_is_read_or_refused() {
    repeat("manifest_decode");
}

#[test]
fn any_directory_is_opened_or_refused_within_bounds() {
    repeat("open_image");
}

#[test]
fn any_life_loses_nothing_that_was_promised() {
    repeat("crash_recovery");
}

#[test]
fn any_sequence_of_verbs_does_what_a_map_does() {
    repeat("differential_ops");
}

#[test]
fn any_stream_of_requests_is_understood_alike_in_whatever_pieces_it_arrives() {
    repeat("resp_parse");
}

#[test]
fn any_session_gets_one_whole_reply_to_each_command() {
    repeat("resp_session");
}

#[test]
fn what_a_target_allocates_is_counted_here() {
    let (kept, held) = heap::peak(|| {
        drop(vec![1_u8; 5_000]);
        vec![1_u8; 1_000]
    });
    assert_eq!(held, 5_000);
    drop(kept);
    // More than any input justifies is refused, and counted all the same.
    let (refused, held) = heap::peak(|| Vec::<u8>::new().try_reserve_exact(1 << 40));
    assert!(refused.is_err() && held >= 1 << 40);
}

/// Runs the corpus of a target; a panic names the input.
fn repeat(name: &str) {
    let target = targets::ALL.iter().find(|target| target.name == name);
    let target = target.expect("a target of this name");
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let kept = inputs(&fuzz.join("corpus").join(name));
    assert!(!kept.is_empty(), "{name} has no corpus");
    // Each was a finding, told by its name; the engine's own tests hold most of them too.
    let findings = inputs(&fuzz.join("crashes").join(name));
    for input in kept.into_iter().chain(findings) {
        run(target, &input);
    }
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut inputs: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    inputs.sort();
    inputs
}

fn run(target: &Target, input: &Path) {
    let bytes = fs::read(input).expect("an input that is there");
    let ended = catch_unwind(|| (target.run)(&bytes));
    assert!(ended.is_ok(), "{} of {}", target.name, input.display());
}
