//! What an answer promises, also where it is no.

use portcask_core::testing::sim::{Laws, NothingKept, SimDisk};
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

#[test]
fn a_written_answer_without_a_write_survives_the_process_like_what_it_rests_on() {
    let disk = SimDisk::new(4);
    let mut first = store(&disk);
    first.put_with(b"k", b"v", &synced(None)).unwrap();
    let buffered = WriteOptions {
        ack: Some(Ack::Buffered),
        ..WriteOptions::default()
    };
    first.delete_with(b"k", &buffered).unwrap();
    assert_eq!(first.delete(b"k"), Ok(false));
    drop(first);
    assert_eq!(store(&disk).get(b"k").unwrap(), None);
}

#[test]
fn a_written_answer_without_a_write_is_refused_once_a_newer_writer_took_over() {
    let disk = SimDisk::with_laws(5, Laws::GUEST);
    let mut first = store(&disk);
    let mut second = store(&disk);
    second.put(b"k", b"v").unwrap();
    let answer = first.delete(b"k");
    assert!(matches!(answer, Err(Error::Fenced { .. })), "{answer:?}");
}
