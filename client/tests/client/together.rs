//! Many threads on one handle.

use crate::servers::start;
use portcask_client::{Batch, Condition, Error};
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn transactions_of_many_threads_count_every_step() {
    let server = start();
    let db = server.connect();
    let steps = 25;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..steps {
                    // Others may win 32 times in a row; then it is said, and the step is not counted.
                    loop {
                        let step = db.transaction(|t| {
                            let count = t.get(b"count")?.unwrap_or_else(|| b"0".to_vec());
                            let count: u64 = String::from_utf8(count).unwrap().parse().unwrap();
                            t.put(b"count", (count + 1).to_string());
                            Ok(())
                        });
                        match step {
                            Ok(()) => break,
                            Err(Error::Contended) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(
        db.get(b"count").unwrap().unwrap(),
        (4 * steps).to_string().into_bytes()
    );
}

#[test]
fn of_many_conditional_batches_on_one_key_one_wins_and_is_whole() {
    let server = start();
    let db = server.connect();
    for round in 0..10 {
        let (key, wins) = (format!("lock{round}"), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (db, key, wins) = (&db, &key, &wins);
                scope.spawn(move || {
                    let mut batch = Batch::new();
                    batch.put(key.as_str(), number.to_string());
                    batch.put(format!("{key}-owner"), number.to_string());
                    batch.require(key.as_str(), Condition::Absent);
                    match db.write(&batch) {
                        Ok(()) => wins.fetch_add(1, Ordering::Relaxed),
                        Err(Error::ConditionFailed { .. }) => 0,
                        Err(error) => panic!("{error}"),
                    }
                });
            }
        });
        assert_eq!(wins.load(Ordering::Relaxed), 1);
        let owner = format!("{key}-owner");
        let both = db.get_many(&[key.as_bytes(), owner.as_bytes()]).unwrap();
        assert!(both[0].is_some());
        assert_eq!(both[0], both[1]);
    }
}

#[test]
fn a_transaction_that_fails_leaves_nothing_and_its_line_watches_no_more() {
    let server = start();
    let db = server.connect();
    db.put(b"k", b"1").unwrap();
    let failed = db.try_transaction(|t| {
        t.get(b"k")?;
        t.put(b"k", "2");
        Err::<(), _>(Error::Contended)
    });
    assert_eq!(failed, Err(Error::Contended));
    assert_eq!(db.get(b"k").unwrap().as_deref(), Some(&b"1"[..]));
    db.transaction(|t| {
        t.put(b"other", "3");
        Ok(())
    })
    .unwrap();
    assert_eq!(db.get(b"other").unwrap().as_deref(), Some(&b"3"[..]));
}
