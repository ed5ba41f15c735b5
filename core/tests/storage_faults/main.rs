//! A platform that refuses: full disks, failing syncs, reads and removals, crashes in the middle of
//! recovery, and openers that meet.

#[path = "../common/mod.rs"]
mod common;

mod full_disk;
mod names;
mod openers;
mod recovery;
mod syncs_and_reads;
