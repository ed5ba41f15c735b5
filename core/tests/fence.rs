//! Two writers in one directory without a lock: a second one opens in the middle of whatever the
//! first is doing. At most one is acknowledged from then on, and nothing acknowledged is lost.

use portcask_core::testing::sim::{Dice, Laws, NothingKept, SimDisk};
use portcask_core::testing::world::{Store, World};
use portcask_core::{Ack, Engine, Error, MergeProgress, Options, WriteOptions};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

type Shared<T> = Rc<RefCell<T>>;
/// Key, value: `None` once deleted.
type Acked = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn options() -> Options {
    World::options()
}

fn how(ack: Ack) -> WriteOptions {
    WriteOptions {
        ack: Some(ack),
        ..WriteOptions::default()
    }
}

/// Everything one writer does, noting each acknowledgement, and in `trying` the write that is under
/// way. Stops at the first refusal.
fn work(
    store: &mut Store,
    prefix: &str,
    acked: &mut Acked,
    trying: &mut Acked,
) -> Result<(), Error> {
    let key = |n: u32| format!("{prefix}{n}").into_bytes();
    let mut put = |store: &mut Store, n: u32, value: &[u8], ack| {
        *trying = Acked::from([(key(n), Some(value.to_vec()))]);
        store.put_with(&key(n), value, &how(ack))?;
        acked.append(trying);
        Ok::<_, Error>(())
    };
    for n in 0..3 {
        put(store, n, b"first", Ack::Written)?;
    }
    put(store, 0, b"synced", Ack::Synced)?;
    store.rotate()?;
    put(store, 1, b"again", Ack::Written)?;
    store.rotate()?;
    store.merge_all(|_, _| {})?;
    put(store, 2, b"last", Ack::Synced)?;
    *trying = Acked::from([(key(1), None)]);
    store.delete(&key(1))?;
    acked.append(trying);
    Ok(())
}

/// Whatever was acknowledged is there; what was under way may be.
fn check(disk: &SimDisk, acked: &Acked, trying: &Acked) -> Result<(), String> {
    let store: Store = Engine::open(disk.clone(), options()).map_err(|e| format!("open: {e}"))?;
    let report = store.report();
    if report.degraded || !report.damages.is_empty() {
        return Err(format!("damage: {report}"));
    }
    for (key, value) in acked {
        let got = store.get(key).map_err(|e| format!("get: {e}"))?;
        if got != *value && trying.get(key) != Some(&got) {
            return Err(format!(
                "{} is {got:?}, acknowledged as {value:?}",
                String::from_utf8_lossy(key)
            ));
        }
    }
    Ok(())
}

/// The second writer comes in before the `nth` call of the first.
fn invade(nth: u64, laws: Laws, close: bool) -> Result<bool, String> {
    let disk = SimDisk::with_laws(nth, laws);
    let theirs: Shared<(Acked, Option<Error>)> = Rc::default();
    let noted = Rc::clone(&theirs);
    disk.interrupt(nth, move |disk| {
        let mut noted = noted.borrow_mut();
        let (acked, error) = &mut *noted;
        let result = (|| {
            let mut store: Store = Engine::open(disk.clone(), options())?;
            work(&mut store, "b", acked, &mut Acked::new())?;
            if close { store.close() } else { Ok(()) }
        })();
        *error = result.err();
    });
    let (mut ours, mut trying) = (Acked::new(), Acked::new());
    let result = (|| {
        let mut store: Store = Engine::open(disk.clone(), options())?;
        for round in 0..2 {
            let prefix = if round == 0 { "a" } else { "c" };
            work(&mut store, prefix, &mut ours, &mut trying)?;
        }
        store.close()
    })();
    let struck = !disk.is_waiting();
    let (mut acked, error) = theirs.borrow().clone();
    if let Some(error) = error {
        return Err(format!("the second writer was refused: {error}"));
    }
    if !struck {
        return result
            .map(|()| false)
            .map_err(|e| format!("alone, refused: {e}"));
    }
    match result {
        Ok(()) | Err(Error::Fenced { .. }) => {}
        // A file that the new writer removed, or a name that it took first.
        Err(Error::Storage { .. }) => {}
        Err(other) => return Err(format!("the first writer got {other}")),
    }
    acked.extend(ours);
    check(&disk, &acked, &trying)?;
    Ok(true)
}

#[test]
fn a_second_writer_may_come_in_before_any_call_of_the_first() {
    for close in [false, true] {
        for nth in 1.. {
            match invade(nth, Laws::GUEST, close) {
                Ok(true) => {}
                Ok(false) => {
                    assert!(nth > 100, "only {nth} calls");
                    break;
                }
                Err(problem) => panic!("before call {nth}, close {close}: {problem}"),
            }
        }
    }
}

#[test]
fn a_power_cut_after_a_takeover_keeps_what_either_had_synced() {
    for nth in (1..160).step_by(5) {
        let disk = SimDisk::with_laws(nth, Laws::GUEST);
        let synced: Shared<Vec<Vec<u8>>> = Rc::default();
        let noted = Rc::clone(&synced);
        disk.interrupt(nth, move |disk| {
            let mut store: Store = Engine::open(disk.clone(), options()).unwrap();
            store.put_with(b"b", b"1", &how(Ack::Synced)).unwrap();
            noted.borrow_mut().push(b"b".to_vec());
            store.rotate().unwrap();
            store.put_with(b"bb", b"1", &how(Ack::Synced)).unwrap();
            noted.borrow_mut().push(b"bb".to_vec());
        });
        let _ = Engine::open(disk.clone(), options()).and_then(|mut store: Store| {
            for n in 0..9 {
                let key = vec![b'a', n];
                store.put_with(&key, b"1", &how(Ack::Synced))?;
                synced.borrow_mut().push(key);
                store.rotate()?;
            }
            store.close()
        });
        let acked: Acked = synced
            .borrow()
            .iter()
            .map(|key| (key.clone(), Some(b"1".to_vec())))
            .collect();
        for seed in 0..6 {
            let after = disk.crash(&mut Dice::new(seed));
            check(&after, &acked, &Acked::new())
                .unwrap_or_else(|e| panic!("call {nth}, luck {seed}: {e}"));
        }
        check(&disk.crash(&mut NothingKept), &acked, &Acked::new()).unwrap();
    }
}

#[test]
fn of_two_openers_that_race_one_alone_writes_on() {
    for nth in 1.. {
        let disk = SimDisk::with_laws(nth, Laws::GUEST);
        let mut before: Store = Engine::open(disk.clone(), options()).unwrap();
        before.put(b"k", b"0").unwrap();
        drop(before);
        let second: Shared<Option<Store>> = Rc::default();
        let opened = Rc::clone(&second);
        disk.interrupt(nth, move |disk| {
            *opened.borrow_mut() = Some(Engine::open(disk.clone(), options()).unwrap());
        });
        let first: Result<Store, Error> = Engine::open(disk.clone(), options());
        if disk.is_waiting() {
            assert!(nth > 30, "only {nth} calls");
            return;
        }
        let mut first = first.ok();
        let mut second = second.borrow_mut().take();
        let takes = |store: &mut Option<Store>| {
            let taken = store.as_mut().map(|store| store.put(b"k", b"1"));
            usize::from(matches!(taken, Some(Ok(_))))
        };
        let taken = takes(&mut second) + takes(&mut first);
        assert_eq!(taken, 1, "before call {nth}");
    }
}

#[test]
fn a_merge_during_which_another_takes_over_removes_no_file_of_the_newer_state() {
    for nth in 1.. {
        let disk = SimDisk::with_laws(nth, Laws::GUEST);
        let mut first: Store = Engine::open(disk.clone(), options()).unwrap();
        let mut acked = Acked::new();
        for value in [b"1", b"2"] {
            for key in [b"a", b"b"] {
                first.put(key, value).unwrap();
                acked.insert(key.to_vec(), Some(value.to_vec()));
            }
            first.rotate().unwrap();
        }
        assert_eq!(first.begin_merge_all(), Ok(true));
        disk.interrupt(nth, |disk| {
            drop::<Store>(Engine::open(disk.clone(), options()).unwrap());
        });
        while let Ok(MergeProgress::Working { .. }) = first.merge_step(1 << 20) {}
        if disk.is_waiting() {
            assert!(nth > 20, "only {nth} calls");
            return;
        }
        check(&disk, &acked, &Acked::new()).unwrap_or_else(|e| panic!("before call {nth}: {e}"));
    }
}
