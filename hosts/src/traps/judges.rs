//! Who looks at what a stopped guest left: the native engine, and the same command on Node.

use super::image::Image;
use super::{STORE, Verdict, scratch, words};
use crate::node;
use portcask::std_files::StdFiles;
use portcask::testing::oracle::{Contents, Oracle};
use portcask::{Engine, Error, Options, RecoveryReport, Ttl};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

type Store = Engine<StdFiles>;

/// Keys of the judges' own: that writes are taken again is part of being whole.
const NATIVE_KEY: &[u8] = b"after the crash";
const NODE_KEY: &str = "after-node";

/// What the command exits with where there is no store.
const NO_STORE: i32 = 5;

/// Opens the image natively: first for reading, then as its writer, writes, closes, and opens again.
///
/// What it shows must be allowed by the oracle, the same to the reader and to the writer, by
/// iteration and by get; nothing may be reported as damaged, by recovery or by verify. Returns
/// what the image holds.
pub(super) fn native(
    image: &Image,
    oracle: &Oracle,
    keys: &BTreeSet<Vec<u8>>,
) -> Verdict<Contents> {
    let dir = scratch().map_err(words)?;
    image.lay_out(dir.path()).map_err(words)?;
    let read = shown_to_a_reader(dir.path(), keys)?;
    let mut store = opened(dir.path())?;
    let found = contents(&store, keys)?;
    oracle.judge(0, &found, now_ms())?;
    if found != read {
        return Err(format!(
            "a reader was shown other things than the writer: {read:?}"
        ));
    }
    store.put(NATIVE_KEY, b"1").map_err(words)?;
    store.close().map_err(words)?;
    let store = opened(dir.path())?;
    if !store.report().clean {
        return Err(format!("not clean after a close: {}", store.report()));
    }
    let mut expected = found.clone();
    expected.insert(NATIVE_KEY.to_vec(), (b"1".to_vec(), None));
    if contents(&store, keys)? != expected {
        return Err("another opening shows other things".into());
    }
    Ok(found)
}

/// Starts the command on Node on the image: as a reader, then as the writer. Both must show `found`.
pub(super) fn on_node(module: &Path, image: &Image, found: &Contents) -> Verdict<()> {
    let dir = scratch().map_err(words)?;
    image.lay_out(dir.path()).map_err(words)?;
    let lines = format!("export\nping\nput {NODE_KEY} 1\nexport\nping\nverify --json\n");
    let args = ["--dir", STORE, "--quiet", "repl"];
    let preopens = [(dir.path().into(), STORE.into())];
    let output = node::run_wasi(module, &args, &[], &preopens, lines.as_bytes()).map_err(words)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let parts: Vec<&str> = said.split("PONG\n").collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    let complaint = || format!("on Node ({}): {said}{errors}", output.status);
    let [read, written, verified] = parts[..] else {
        return Err(complaint());
    };
    let mut expected = found.clone();
    if exported(read)? != expected {
        return Err(complaint());
    }
    expected.insert(NODE_KEY.into(), (b"1".to_vec(), None));
    // A script's code is that of its first error: the reader's, where the guest died before there was a store.
    let had_none = errors.lines().count() == 1 && errors.contains("there is no store here");
    let code = if found.is_empty() && had_none {
        NO_STORE
    } else {
        0
    };
    let is_sound = output.status == code && verified.starts_with("{\"sound\":true,");
    if exported(written)? != expected || !is_sound {
        return Err(complaint());
    }
    Ok(())
}

fn opened(dir: &Path) -> Verdict<Store> {
    let storage = StdFiles::open(dir).map_err(words)?;
    let store = Engine::open(storage, Options::default()).map_err(words)?;
    nothing_is_lost(store.report())?;
    let verified = store.verify(|_, _| ()).map_err(words)?;
    if !verified.is_sound() {
        return Err(format!("verify found {:?}", verified.damages));
    }
    Ok(store)
}

/// What is there before a writer repairs anything. A store that was not finished is none.
fn shown_to_a_reader(dir: &Path, keys: &BTreeSet<Vec<u8>>) -> Verdict<Contents> {
    let storage = StdFiles::open_existing(dir).map_err(words)?;
    match Engine::open(storage, Options::read_only()) {
        Ok(store) => {
            nothing_is_lost(store.report())?;
            contents(&store, keys)
        }
        Err(Error::NoStore) => Ok(Contents::new()),
        Err(error) => Err(format!("a reader is refused: {error}")),
    }
}

/// A guest that dies damages nothing: what it wrote is there, and the rest never was.
fn nothing_is_lost(report: &RecoveryReport) -> Verdict<()> {
    let is_whole = report.damages.is_empty() && !report.stepped_back && !report.degraded;
    match is_whole {
        true => Ok(()),
        false => Err(format!("recovery says: {report}")),
    }
}

/// The contents by iteration, each key asked for by itself as well, and those of `keys` that are
/// not there.
fn contents(store: &Store, keys: &BTreeSet<Vec<u8>>) -> Verdict<Contents> {
    let mut contents = Contents::new();
    for entry in store.iter() {
        let entry = entry.map_err(words)?;
        let got = store.get(&entry.key).map_err(words)?;
        let ttl = entry.expiry_ms.map_or(Ttl::Forever, Ttl::ExpiresAtMs);
        let is_same = got.as_ref() == Some(&entry.value)
            && store.ttl(&entry.key).map_err(words)? == ttl
            && contents
                .insert(entry.key.clone(), (entry.value, entry.expiry_ms))
                .is_none();
        if !is_same {
            let key = String::from_utf8_lossy(&entry.key);
            return Err(format!("iteration and get differ at {key}"));
        }
    }
    for key in keys.iter().filter(|key| !contents.contains_key(*key)) {
        if store.get(key).map_err(words)?.is_some() {
            let key = String::from_utf8_lossy(key);
            return Err(format!("get shows {key} and iteration does not"));
        }
    }
    Ok(contents)
}

/// What the lines of an export say.
fn exported(lines: &str) -> Verdict<Contents> {
    let record = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |field| Some(record.get(field)?.as_str()?.as_bytes().to_vec());
        let expiry = record.get("expires_ms").and_then(|ms| ms.as_u64());
        Some((text("key")?, (text("value")?, expiry)))
    };
    let records = lines.lines().map(record).collect::<Option<_>>();
    records.ok_or_else(|| format!("no export: {lines}"))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
