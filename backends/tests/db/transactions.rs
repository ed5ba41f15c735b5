//! Transactions: alone, whole, and without a trace when they fail.

use super::gate::Call;
use super::{World, key};
use portcask::{Ack, ChangeKind, Error, Expiry};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

#[test]
fn a_transaction_reads_its_own_writes_and_commits_as_one_batch() {
    let world = World::new();
    let db = world.open();
    db.put(b"a", b"1").unwrap();
    db.put(b"gone", b"1").unwrap();
    db.transaction(|t| {
        assert_eq!(t.get(b"a")?.as_deref(), Some(&b"1"[..]));
        t.put(b"a", b"2");
        t.put(b"b", b"3");
        t.put_with(b"over", b"x", Expiry::AfterMs(0));
        t.put_meta(b"applied", b"7");
        assert_eq!(t.get(b"a")?.as_deref(), Some(&b"2"[..]));
        assert!(t.contains_key(b"b")?);
        assert!(!t.contains_key(b"over")?);
        assert_eq!(t.get_meta(b"applied")?.as_deref(), Some(&b"7"[..]));
        assert!(t.delete(b"gone")?);
        assert!(!t.delete(b"gone")?);
        assert_eq!(t.get(b"gone")?, None);
        // Nobody else sees any of it.
        assert_eq!(db.get(b"a")?.as_deref(), Some(&b"1"[..]));
        assert_eq!(db.get(b"b")?, None);
        assert!(db.contains_key(b"gone")?);
        Ok(())
    })
    .unwrap();
    assert_eq!(db.get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(db.get(b"b").unwrap().as_deref(), Some(&b"3"[..]));
    assert_eq!(db.get(b"gone").unwrap(), None);
    assert_eq!(db.get_meta(b"applied").unwrap().as_deref(), Some(&b"7"[..]));
    let changes = db.changes(3, 10).unwrap().changes;
    let seqs: Vec<u64> = changes.iter().map(|change| change.seq).collect();
    assert_eq!(seqs, [3, 4, 5, 6]);
    assert_eq!(changes[2].kind, ChangeKind::Delete);
}

#[test]
fn an_error_drops_everything_and_keeps_its_own_type() {
    #[derive(Debug, PartialEq)]
    enum Refusal {
        TooPoor,
        Store(Error),
    }
    impl From<Error> for Refusal {
        fn from(error: Error) -> Self {
            Self::Store(error)
        }
    }
    let world = World::new();
    let db = world.open();
    db.put(b"a", b"1").unwrap();
    let seq = db.stats().unwrap().last_seq;
    let done: Result<(), Refusal> = db.try_transaction(|t| {
        t.put(b"a", b"2");
        t.delete(b"a")?;
        Err(Refusal::TooPoor)
    });
    assert_eq!(done, Err(Refusal::TooPoor));
    assert_eq!(db.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.stats().unwrap().last_seq, seq);
}

#[test]
fn a_panic_drops_everything_and_the_store_goes_on() {
    let world = World::new();
    let db = world.open();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        db.transaction::<()>(|t| {
            t.put(b"a", b"1");
            panic!("on purpose");
        })
    }));
    assert!(caught.is_err());
    assert_eq!(db.get(b"a").unwrap(), None);
    db.put(b"a", b"2").unwrap();
    db.transaction(|t| {
        t.put(b"a", b"3");
        Ok(())
    })
    .unwrap();
    assert_eq!(db.get(b"a").unwrap().as_deref(), Some(&b"3"[..]));
}

#[test]
fn writing_past_ones_own_transaction_is_refused_and_does_not_hang() {
    let world = World::new();
    let db = world.open();
    db.transaction(|t| {
        t.put(b"a", b"1");
        assert_eq!(db.put(b"a", b"2"), Err(Error::InTransaction));
        assert_eq!(db.delete(b"a"), Err(Error::InTransaction));
        assert_eq!(db.sync(), Err(Error::InTransaction));
        assert_eq!(db.close(), Err(Error::InTransaction));
        assert_eq!(db.tick(), Err(Error::InTransaction));
        assert_eq!(db.transaction(|_| Ok(())), Err(Error::InTransaction));
        assert!(db.merge_all(|_, _| {}).is_err());
        Ok(())
    })
    .unwrap();
    assert_eq!(db.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn transactions_of_many_threads_lose_no_update() {
    const THREADS: usize = 4;
    const STEPS: u64 = 200;
    let world = World::new();
    let db = world.open();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..STEPS {
                    db.transaction(|t| {
                        let now = t.get(b"n")?.map_or(0, |v| number(&v));
                        t.put(b"n", (now + 1).to_le_bytes());
                        Ok(())
                    })
                    .unwrap();
                }
            });
        }
    });
    let total = number(&db.get(b"n").unwrap().unwrap());
    assert_eq!(total, THREADS as u64 * STEPS);
}

#[test]
fn other_writers_come_before_or_after_a_transaction_and_never_into_it() {
    const ACCOUNTS: usize = 8;
    let world = World::new();
    let db = world.open();
    for n in 0..ACCOUNTS {
        db.put(&key(n), &100u64.to_le_bytes()).unwrap();
    }
    thread::scope(|scope| {
        for thread in 0..4 {
            let db = &db;
            scope.spawn(move || {
                for step in 0..200 {
                    let (from, to) = ((thread + step) % ACCOUNTS, (thread * 3 + 1) % ACCOUNTS);
                    db.transaction(|t| {
                        let sum: u64 = (0..ACCOUNTS)
                            .map(|n| Ok(number(&t.get(&key(n))?.unwrap())))
                            .sum::<portcask::Result<u64>>()?;
                        assert_eq!(sum, 100 * ACCOUNTS as u64);
                        let coins = number(&t.get(&key(from))?.unwrap());
                        if coins > 0 && from != to {
                            let more = number(&t.get(&key(to))?.unwrap()) + 1;
                            t.put(key(from), (coins - 1).to_le_bytes());
                            t.put(key(to), more.to_le_bytes());
                        }
                        Ok(())
                    })
                    .unwrap();
                }
            });
        }
    });
}

#[test]
fn reads_go_on_while_a_transaction_runs_and_see_it_whole_afterwards() {
    let world = World::new();
    let db = world.open();
    db.put(b"a", b"old").unwrap();
    db.transaction(|t| {
        t.put(b"a", b"new");
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                for _ in 0..1_000 {
                    assert_eq!(db.get(b"a").unwrap().as_deref(), Some(&b"old"[..]));
                }
            });
            reader.join().unwrap();
        });
        Ok(())
    })
    .unwrap();
    assert_eq!(db.get(b"a").unwrap().as_deref(), Some(&b"new"[..]));
}

#[test]
fn a_durable_transaction_lets_others_write_while_it_waits_for_its_sync() {
    let world = World::new();
    let db = world.open();
    world.gates.hold(Call::Sync);
    thread::scope(|scope| {
        let transaction = scope.spawn(|| {
            db.transaction(|t| {
                t.acknowledge_at(Ack::Synced);
                t.put(b"a", b"1");
                Ok(())
            })
        });
        world.gates.wait_until(|seen| seen.held_syncs == 1);
        db.put(b"b", b"2").unwrap();
        assert!(!transaction.is_finished());
        world.gates.release(Call::Sync);
        transaction.join().unwrap().unwrap();
    });
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}
