//! Syncs and reads that fail: nothing is believed after the first, and the second is never an absence.

use crate::common::{Script, check, file};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{Call, Fault};
use portcask_core::{Damage, Error};

#[test]
fn the_first_failed_sync_poisons_and_reopening_heals() {
    let script = "put a 1 synced; put b 2; fail sync; put c 3 synced; put d 4; sync; rotate; del a; \
                  merge; get a";
    check(
        script,
        "!Storage !Poisoned !Poisoned !Poisoned !Poisoned !Poisoned a=1",
    );
    // What was not durable is not shown as if it were.
    check(
        "put a 1 synced; put b 2; fail sync; sync; get a; get b",
        "!Storage a=1 !Poisoned",
    );
    for cut in ["kill", "cut", "cut all", "cut 3"] {
        let mut world = Script::new();
        world.run(&format!("{script}; {cut}"));
        let said = world.run("put e 5; scan").said.pop().unwrap();
        let prefixes = ["a=1 e=5", "a=1 b=2 e=5", "a=1 b=2 c=3 e=5"];
        assert!(prefixes.contains(&said.as_str()), "{said}");
    }
}

#[test]
fn a_sync_that_fails_once_is_never_taken_back_by_one_that_succeeds() {
    // The platform drops what it could not write, and the next sync has nothing to complain of.
    for seed in 0..40 {
        let mut world = Script::new();
        world.run("put a 1 synced; put b 2; fail sync; sync; sync; put c 3 synced");
        assert_eq!(world.said, ["!Storage", "!Poisoned", "!Poisoned"]);
        world.cut(Some(&seed.to_string()));
        let said = world.run("scan").said.pop().unwrap();
        assert!(["a=1", "a=1 b=2"].contains(&said.as_str()), "{said}");
    }
}

#[test]
fn an_unreadable_sector_costs_its_keys_and_is_never_an_absence() {
    let mut world = Script::new();
    world.run("put a 1; put b x*9000; put c 3; rotate; put d 4; close");
    let bytes = world.disk.bytes(&file("segment-0000000001")).unwrap().len() as u64;
    world
        .disk
        .make_unreadable(&file("segment-0000000001"), 4096..8192);
    world.check("get b; get a; get c; get d", "!Storage a=1 c=3 d=4");
    world.check(
        "lose hint-0000000001; kill; get b; get a; get c; get d",
        "!Storage a=1 c=3 d=4",
    );
    // Where nobody can say whose the sector was, nothing is called absent.
    world.run("kill; lose hint-0000000001");
    world
        .disk
        .make_unreadable(&file("segment-0000000001"), 0..bytes);
    world.check("get a; get nothing; get d", "!MaybeStale !MaybeStale d=4");
}

/// Nobody may take what cannot be read now for a torn tail: it is synced, and comes back.
#[test]
fn what_lies_under_a_reserved_name_and_cannot_be_looked_at_is_not_removed() {
    let mut world = Script::new();
    world.run("put a 1; kill");
    let reserved = file("segment-0000000002");
    assert_eq!(world.disk.bytes(&reserved), None);
    world.disk.set_bytes(&reserved, b"a stranger's");
    world.disk.make_unreadable(&reserved, 0..12);
    world.check("get a; rotate; kill; heal; get a; close", "a=1 a=1");
    assert_eq!(
        world.disk.bytes(&reserved).as_deref(),
        Some(&b"a stranger's"[..])
    );
}

#[test]
fn what_cannot_be_read_while_a_store_opens_is_there_when_it_can_be_read_again() {
    let past =
        "put a 1; batch b=2 c=3; rotate; del a; put d 4; sync; put b 5 synced; put e 6 synced";
    let mut whole = Script::new();
    whole.run(past);
    for (name, bytes) in whole.disk.files() {
        for from in [0, 80, bytes.len() as u64 / 2] {
            let mut world = Script::new();
            world.run(past).run("kill");
            world.disk.make_unreadable(&name, from..bytes.len() as u64);
            world.run("put f 7 synced");
            let taken = world.said.is_empty();
            world.said.clear();
            let expected = match taken {
                true => "b=5 c=3 d=4 e=6 f=7",
                false => "b=5 c=3 d=4 e=6",
            };
            world.check(
                "kill; heal; scan; kill; scan",
                &format!("{expected} {expected}"),
            );
        }
    }
}

#[test]
fn a_history_leaves_out_no_version_that_cannot_be_read_now() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put a 2");
    world
        .disk
        .make_unreadable(&file("segment-0000000001"), 0..4096);
    let refused = world.store().unwrap().history(b"a");
    let unreadable = Damage::Unreadable;
    assert!(matches!(refused, Err(Error::Corrupt { found }) if found.damage == unreadable));
    world.disk.heal();
    assert_eq!(world.store().unwrap().history(b"a").unwrap().len(), 2);
}

#[test]
fn an_expired_key_that_cannot_be_read_is_swept_another_time() {
    let mut world = Script::new();
    world.run("put a 1 ttl=5; put b 2; wait 10");
    world
        .disk
        .inject(Fault::once(1, ErrorKind::Io).on(Call::Read));
    let store = world.store().unwrap();
    // It could not be looked at, so it still counts; it is hidden all the same.
    assert_eq!(store.len(), 2);
    assert_eq!(store.get(b"a"), Ok(None));
    assert_eq!(store.len(), 1);
}
