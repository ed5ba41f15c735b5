//! Reads by key, in order, back in time, and of everything.

use crate::scene::keys;
use crate::verb::*;
use portcask_core::testing::world::name;
use portcask_core::{Result, dump, salvage};

pub const READS: &[Verb] = &[
    verb("get", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.get(&name(2))?))
    }),
    verb("get from the buffer", buffered, |scene| {
        Ok(format!("{:?}", scene.store()?.get(&name(2))?))
    }),
    verb("get an absent key", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.get(b"absent")?))
    }),
    verb("get an expired key", expired, |scene| {
        Ok(format!("{:?}", scene.store()?.get(&name(5))?))
    }),
    verb("get_into", nothing, |scene| {
        let mut value = Vec::new();
        let there = scene.store()?.get_into(&name(3), &mut value)?;
        Ok(format!("{there} {value:?}"))
    }),
    verb("long_value", nothing, |scene| {
        let value = scene.store()?.long_value(&name(3), 0)?;
        let mut bytes = [0; 100];
        let read = value.map(|it| it.read_at(0, &mut bytes)).transpose()?;
        Ok(format!("{read:?} {bytes:?}"))
    }),
    verb("get_entry", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.get_entry(&name(4))?))
    }),
    verb("get_many", nothing, |scene| {
        let keys: Vec<Vec<u8>> = keys().collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        Ok(format!("{:?}", scene.store()?.get_many(&keys)?))
    }),
    verb("contains_key", nothing, |scene| {
        Ok(format!("{}", scene.store()?.contains_key(&name(8))?))
    }),
    verb("get_meta", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.get_meta(b"applied")?))
    }),
    verb("ttl", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.ttl(&name(4))?))
    }),
    verb("scan", buffered, |scene| {
        let store = scene.store()?;
        let first = store.scan(0, 3)?;
        let second = store.scan(first.next, 100)?;
        Ok(format!("{first:?} {second:?}"))
    }),
    verb("scan_keys", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.scan_keys(0, 100)?))
    }),
    verb("visit", nothing, |scene| {
        let mut met = String::new();
        let next = scene.store()?.visit(0, 100, |entry| {
            met += &format!("{:?}", entry?);
            Ok(())
        })?;
        Ok(format!("{met} {next}"))
    }),
    verb("iter", buffered, |scene| {
        let all: Result<Vec<_>> = scene.store()?.iter().collect();
        Ok(format!("{:?}", all?))
    }),
    verb("keys", expired, |scene| {
        let all: Result<Vec<_>> = scene.store()?.keys().collect();
        Ok(format!("{:?}", all?))
    }),
    verb("scan_prefix", nothing, |scene| {
        let all: Result<Vec<_>> = scene.store()?.scan_prefix(b"key-").collect();
        Ok(format!("{:?}", all?))
    }),
    verb("scan_prefix of the ordered index", ordered, |scene| {
        let all: Result<Vec<_>> = scene.store()?.scan_prefix(b"key-").collect();
        Ok(format!("{:?}", all?))
    }),
    verb("range", nothing, |scene| {
        let all: Result<Vec<_>> = scene.store()?.range(name(2)..name(8))?.collect();
        Ok(format!("{:?}", all?))
    }),
    verb("range of the ordered index", ordered, |scene| {
        let all: Result<Vec<_>> = scene.store()?.range(name(2)..=name(8))?.collect();
        Ok(format!("{:?}", all?))
    }),
    verb("len", nothing, |scene| {
        Ok(format!("{}", scene.store()?.len()))
    }),
    // What could not be looked at is still counted.
    verb("len with expired keys", expired, |scene| {
        Ok(format!("{}", scene.store()?.len()))
    })
    .showing(Shows::Anything),
    verb("sweep", expired, |scene| {
        Ok(format!("{}", scene.store()?.sweep(10)))
    }),
];

pub const HISTORY: &[Verb] = &[
    verb("changes", buffered, |scene| {
        let store = scene.store()?;
        let first = store.changes(0, 4)?;
        Ok(format!(
            "{first:?} {:?}",
            store.changes(first.next_seq, 100)?
        ))
    }),
    verb("history", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.history(&name(2))?))
    }),
    verb("stats", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.stats()?))
    }),
    verb("merge_plan", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.merge_plan()?))
    }),
    // Bytes that cannot be read are damage in its report.
    verb("verify", buffered, |scene| {
        let report = scene.store()?.verify(|_, _| {})?;
        Ok(format!("{:?}", (report.records, report.live_records)))
    })
    .showing(Shows::FailedCalls),
    verb("salvage", killed, |scene| {
        let mut saved = String::new();
        let report = salvage(scene.world.disk.clone(), |entry| {
            saved += &format!("{entry:?}");
            Ok(())
        })?;
        Ok(format!("{saved} {report:?}"))
    })
    .showing(Shows::FailedCalls),
    verb(
        "dump",
        |scene| {
            killed(scene);
            scene.files = scene.world.disk.files().into_keys().collect();
        },
        |scene| {
            let mut text = String::new();
            for file in &scene.files {
                dump(&scene.world.disk, file, |line| {
                    text += line;
                    Ok(())
                })?;
            }
            Ok(text)
        },
    ),
];
