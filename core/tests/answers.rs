//! What an answer promises, also where it is no.

use portcask_core::testing::sim::{NothingKept, SimDisk};
use portcask_core::{Ack, Condition, Engine, Error, Options, WriteOptions};

fn store(disk: &SimDisk) -> Engine<SimDisk> {
    Engine::open(disk.clone(), Options::default()).unwrap()
}

fn synced(condition: Option<Condition>) -> WriteOptions {
    WriteOptions {
        ack: Some(Ack::Synced),
        condition,
        ..WriteOptions::default()
    }
}

#[test]
fn a_durable_refusal_rests_on_durable_data() {
    let disk = SimDisk::new(1);
    let mut first = store(&disk);
    first.put(b"k", b"v").unwrap();
    let refused = first.put_with(b"k", b"w", &synced(Some(Condition::Absent)));
    assert!(matches!(refused, Err(Error::ConditionFailed { .. })));
    let cut = disk.crash(&mut NothingKept);
    assert_eq!(store(&cut).get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn a_durable_delete_of_an_absent_key_rests_on_durable_data() {
    let disk = SimDisk::new(3);
    let mut first = store(&disk);
    first.put_with(b"k", b"v", &synced(None)).unwrap();
    first.delete(b"k").unwrap();
    assert_eq!(first.delete_with(b"k", &synced(None)), Ok(None));
    let cut = disk.crash(&mut NothingKept);
    assert_eq!(store(&cut).get(b"k").unwrap(), None);
}
