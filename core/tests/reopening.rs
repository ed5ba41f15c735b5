//! What an opening after the end of a process scans and copies: no more than it must.

// Twenty thousand keys do not go without collisions into sixteen bits.
#![cfg(not(feature = "short-hash"))]

mod common;

use common::Script;
use portcask_core::format::file::names;
use portcask_core::testing::sim::AllKept;
use portcask_core::{Ack, Batch, Expiry, WriteOptions};

/// Puts of `records` keys of four bytes, with values of ten.
fn fill(script: &mut Script, from: u32, records: u32, ack: Ack) {
    let how = WriteOptions {
        ack: Some(ack),
        ..WriteOptions::default()
    };
    let store = script.store().unwrap();
    for key in from..from + records {
        store
            .put_with(&key.to_be_bytes(), b"ten bytes!", &how)
            .unwrap();
    }
}

#[test]
fn what_was_synced_before_a_kill_comes_from_hints_and_is_not_copied() {
    let mut script = Script::new();
    fill(&mut script, 0, 20_000, Ack::Buffered);
    script.check("sync; put late x*10; kill", "");
    let report = script.store().unwrap().report().clone();
    assert_eq!(report.keys, 20_001);
    assert!(report.hinted_bytes > 20_000 * 28, "{report:?}");
    // The marker, whose hint entry was not written yet, and what came after it.
    assert!(report.scanned_records <= 1, "{report:?}");
    assert_eq!(report.rewritten_records, 1, "{report:?}");
    assert!(report.is_spotless(), "{report:?}");
}

#[test]
fn without_a_sync_everything_is_copied_and_nothing_is_lost() {
    let mut script = Script::new();
    fill(&mut script, 0, 20_000, Ack::Written);
    script.run("kill");
    let report = script.store().unwrap().report().clone();
    assert_eq!((report.keys, report.rewritten_records), (20_000, 20_000));
    script.check("verify", "sound");
}

/// The search for the greatest marker begins at the end and goes back block by block of the hint: it
/// must not stop before it.
#[test]
fn a_marker_many_hint_blocks_back_still_tells_damage_from_a_torn_tail() {
    let mut script = Script::new();
    fill(&mut script, 0, 1_000, Ack::Buffered);
    script.run("sync");
    fill(&mut script, 1_000, 15_000, Ack::Written);
    script.run("kill");
    let whole = script.disk.clone();
    let segment = names::segment(1);
    let hint = whole.bytes(&names::hint(1)).unwrap();
    assert!(hint.len() > 3 * (60 << 10), "several blocks");

    let flip = |script: &Script, key: u32| {
        let record: Vec<u8> = [&key.to_be_bytes()[..], b"ten bytes!"].concat();
        let bytes = script.disk.bytes(&segment).unwrap();
        let at = bytes.windows(record.len()).position(|w| w == record);
        assert!(script.disk.flip(&segment, at.unwrap() + 6, 1));
    };

    // Below the marker: it was durable, so it is damage, of that key alone.
    script.disk = whole.crash(&mut AllKept);
    flip(&script, 500);
    let report = script.store().unwrap().report().clone();
    assert_eq!(report.rewritten_records, 15_000, "{report:?}");
    assert_eq!(report.damages.len(), 1, "{report:?}");
    let store = script.store().unwrap();
    assert!(store.get(&500_u32.to_be_bytes()).is_err());
    assert!(store.get(&501_u32.to_be_bytes()).unwrap().is_some());

    // Behind it: nobody was told that it is durable, so the log ends there.
    script.store = None;
    script.disk = whole.crash(&mut AllKept);
    flip(&script, 8_000);
    let report = script.store().unwrap().report().clone();
    assert_eq!(report.rewritten_records, 7_000, "{report:?}");
    assert!(report.damages.is_empty(), "{report:?}");
}

/// Opening counts what lives from the finished keydir, writing counts change by change.
#[test]
fn what_an_opening_counts_is_what_was_counted_while_writing() {
    let mut script = Script::new();
    for round in 0..6_u32 {
        let store = script.store().unwrap();
        for step in 0..400_u32 {
            let mixed = (round * 400 + step).wrapping_mul(2_654_435_761) >> 8;
            let key = (mixed % 150).to_be_bytes();
            let value = vec![b'v'; (mixed % 700) as usize];
            let hour = WriteOptions {
                expiry: Expiry::AfterMs(3_600_000),
                ..WriteOptions::default()
            };
            match mixed % 7 {
                0 => store.delete(&key).map(drop),
                1 => store.write(Batch::new().put_meta(key, value)).map(drop),
                2 => store.write(Batch::new().delete_meta(key)).map(drop),
                3 => store.put_with(&key, &value, &hour).map(drop),
                _ => store.put(&key, &value).map(drop),
            }
            .unwrap();
        }
        script.run("rotate");
        let counts = |script: &mut Script| {
            let stats = script.store().unwrap().stats().unwrap();
            let segments = stats.segments.into_iter();
            let each: Vec<_> = segments
                .map(|it| (it.id, it.live_bytes, it.live_keys, it.tombstone_bytes))
                .collect();
            (stats.keys, each)
        };
        let before = counts(&mut script);
        assert!(before.1.len() > round as usize);
        script.run("close");
        assert_eq!(counts(&mut script), before, "round {round}");
    }
}
