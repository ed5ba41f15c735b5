//! The promises about one file's bytes, and about the host's clock and randomness.

use super::contract::{Outcome, Trial, Verdict, ensure, name, pattern, read};
use crate::prelude::*;
use crate::storage::{Access, ErrorKind, File, Storage};

/// A large value's append, in bytes.
const BIG_APPEND_BYTES: usize = 8 << 20;

/// Just above what 32 bits can count.
const BEYOND_4_GIB: u64 = (1 << 32) + 7;

/// The trials, in the order of the contract's clauses.
pub(super) fn trials<S: Storage>() -> [Trial<S>; 16] {
    [
        (
            "what was appended is read back, from any offset",
            appended_is_read_back,
        ),
        (
            "append overwrites whatever lies past the logical end",
            append_overwrites,
        ),
        (
            "an empty append and an empty pread change nothing",
            empty_calls,
        ),
        ("8 MiB go in by one append", big_append),
        (
            "pread is short only at the end of the file, and there it is no error",
            pread_at_the_end,
        ),
        (
            "offsets beyond 4 GiB are told apart from those below",
            beyond_4_gib,
        ),
        (
            "an offset no file can have is an error and not a panic",
            impossible_offset,
        ),
        (
            "two handles of one file see each other's bytes",
            two_handles,
        ),
        (
            "a handle lives until its last clone is dropped",
            clones_share,
        ),
        (
            "a handle opened for reading cannot write",
            read_handle_cannot_write,
        ),
        (
            "truncate shortens and never lengthens",
            truncate_only_shortens,
        ),
        ("sync makes bytes survive a power loss", sync),
        (
            "preallocate sets space aside and leaves the bytes alone",
            preallocate,
        ),
        (
            "a lengthened file ends in zeros, takes appends into them and can be cut again",
            lengthen,
        ),
        ("the clock shows a time after 2020", clock),
        ("entropy never repeats", entropy),
    ]
}

fn appended_is_read_back<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    let bytes = pattern(1, 10_000);
    let mut end = 0;
    for piece in bytes.chunks(777) {
        file.append(end as u64, piece)?;
        end += piece.len();
        let len = file.len()?;
        ensure!(
            len == end as u64,
            "len is {len} after {end} bytes were appended"
        );
    }
    for (offset, count) in [(0, 10_000), (0, 1), (9_999, 1), (776, 2), (1_234, 5_678)] {
        let found = read(&file, offset as u64, count)?;
        ensure!(
            found == bytes[offset..offset + count],
            "other bytes at {offset}"
        );
    }
    Ok(Outcome::Kept)
}

fn append_overwrites<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.append(0, &pattern(1, 1_000))?;
    file.append(400, &pattern(2, 100))?;
    file.append(500, &pattern(3, 900))?;
    let found = read(&file, 0, 1_400)?;
    ensure!(
        found[..400] == pattern(1, 400)[..],
        "bytes below the append changed"
    );
    ensure!(
        found[400..500] == pattern(2, 100)[..],
        "old bytes stayed at the append's offset"
    );
    ensure!(
        found[500..] == pattern(3, 900)[..],
        "an append over the old end went elsewhere"
    );
    Ok(Outcome::Kept)
}

fn empty_calls<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.append(0, b"")?;
    ensure!(file.len()? == 0, "an empty append gave the file a length");
    file.append(0, b"abc")?;
    file.append(3, b"")?;
    ensure!(file.len()? == 3, "an empty append changed the length");
    ensure!(file.pread(1, &mut [])? == 0, "an empty pread gave bytes");
    ensure!(
        read(&file, 0, 3)? == b"abc",
        "an empty append changed bytes"
    );
    Ok(Outcome::Kept)
}

fn big_append<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    let bytes = pattern(1, BIG_APPEND_BYTES);
    file.append(0, b"small")?;
    file.append(5, &bytes)?;
    ensure!(file.len()? == 5 + bytes.len() as u64, "the length is wrong");
    ensure!(
        read(&file, 5, bytes.len())? == bytes,
        "other bytes came back"
    );
    Ok(Outcome::Kept)
}

fn pread_at_the_end<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    let mut into = [7; 64];
    ensure!(file.pread(0, &mut into)? == 0, "an empty file gave bytes");
    file.append(0, b"0123456789")?;
    let count = file.pread(4, &mut into)?;
    ensure!(
        count == 6 && into[..6] == *b"456789",
        "10 bytes from 4 gave {count}"
    );
    for offset in [10, 11, 1 << 33, u64::MAX - 1, u64::MAX] {
        let count = file.pread(offset, &mut into)?;
        ensure!(count == 0, "{count} bytes at {offset}, past the end");
    }
    Ok(Outcome::Kept)
}

fn beyond_4_gib<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.append(0, &pattern(1, 100))?;
    // A hole and not 4 GiB of bytes: where holes cost space, the platform may refuse.
    if let Err(refusal) = file.append(BEYOND_4_GIB, b"far") {
        return Ok(Outcome::Observed(format!("not tried: {refusal}")));
    }
    let len = file.len()?;
    ensure!(len == BEYOND_4_GIB + 3, "the length is {len}");
    ensure!(
        read(&file, BEYOND_4_GIB, 3)? == b"far",
        "other bytes came back"
    );
    ensure!(
        read(&file, 0, 100)? == pattern(1, 100),
        "the offset was cut to 32 bits"
    );
    file.truncate(100)?;
    Ok(Outcome::Kept)
}

fn impossible_offset<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    for offset in [u64::MAX, u64::MAX - 1, 1 << 63, i64::MAX as u64] {
        ensure!(
            file.append(offset, b"xyz").is_err(),
            "an append at {offset} succeeded"
        );
    }
    ensure!(file.len()? == 0, "a refused append gave the file a length");
    Ok(Outcome::Kept)
}

fn two_handles<S: Storage>(storage: &S) -> Verdict {
    let writer = storage.create(&name("a"))?;
    let reader = storage.open(&name("a"), Access::Read)?;
    let second = storage.open(&name("a"), Access::Write)?;
    writer.append(0, b"one")?;
    ensure!(read(&reader, 0, 3)? == b"one", "the reader saw other bytes");
    second.append(3, b"two")?;
    ensure!(
        read(&reader, 0, 6)? == b"onetwo",
        "the reader missed the second writer"
    );
    ensure!(writer.len()? == 6, "the first writer sees an old length");
    Ok(Outcome::Kept)
}

fn clones_share<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    let clone = file.clone();
    file.append(0, b"abc")?;
    drop(file);
    clone.append(3, b"def")?;
    ensure!(
        read(&clone, 0, 6)? == b"abcdef",
        "the clone saw other bytes"
    );
    Ok(Outcome::Kept)
}

fn read_handle_cannot_write<S: Storage>(storage: &S) -> Verdict {
    storage.create(&name("a"))?.append(0, b"abc")?;
    let reader = storage.open(&name("a"), Access::Read)?;
    ensure!(reader.append(0, b"xyz").is_err(), "its append succeeded");
    ensure!(reader.truncate(1).is_err(), "its truncate succeeded");
    ensure!(read(&reader, 0, 3)? == b"abc", "the bytes changed");
    Ok(Outcome::Kept)
}

fn truncate_only_shortens<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.append(0, &pattern(1, 1_000))?;
    file.truncate(5_000)?;
    ensure!(file.len()? == 1_000, "truncate to more lengthened");
    file.truncate(300)?;
    ensure!(file.len()? == 300, "truncate did not shorten");
    file.append(300, &pattern(2, 50))?;
    let found = read(&file, 0, 350)?;
    ensure!(
        found[..300] == pattern(1, 300)[..],
        "bytes below the cut changed"
    );
    ensure!(
        found[300..] == pattern(2, 50)[..],
        "the append after the cut went elsewhere"
    );
    file.truncate(0)?;
    ensure!(file.len()? == 0, "truncate to nothing left something");
    Ok(Outcome::Kept)
}

fn sync<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.sync()?;
    file.append(0, b"abc")?;
    file.sync()?;
    file.truncate(1)?;
    file.sync()?;
    ensure!(read(&file, 0, 1)? == b"a", "sync changed bytes");
    if storage.capabilities().data_sync {
        Ok(Outcome::Claimed)
    } else {
        Ok(Outcome::Declined("nothing survives a power loss".into()))
    }
}

fn preallocate<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.append(0, b"abc")?;
    match file.preallocate(1 << 20) {
        Ok(()) => ensure!(
            storage.capabilities().preallocate,
            "it works although the capabilities decline it"
        ),
        Err(refusal) if refusal.kind == ErrorKind::Unsupported => {
            ensure!(
                !storage.capabilities().preallocate,
                "it is claimed, but refused: {refusal}"
            );
            return Ok(Outcome::Declined("a disk may run full mid-append".into()));
        }
        Err(refusal) => return Err(refusal.into()),
    }
    ensure!(read(&file, 0, 3)? == b"abc", "the bytes changed");
    file.append(3, &pattern(1, 100_000))?;
    ensure!(
        read(&file, 3, 100_000)? == pattern(1, 100_000),
        "an append into it went elsewhere"
    );
    Ok(Outcome::Kept)
}

fn lengthen<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.append(0, b"abc")?;
    let len = match file.lengthen(3, 5_000) {
        Ok(len) => len,
        Err(refusal) if refusal.kind == ErrorKind::Unsupported => {
            ensure!(file.len()? == 3, "it is refused, but the length changed");
            return Ok(Outcome::Declined("each sync writes a new length".into()));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    ensure!(
        (3..=5_003).contains(&len),
        "it is {len} bytes long, and 5,003 were asked for"
    );
    ensure!(file.len()? == len, "it is not as long as was answered");
    let zeros = len as usize - 3;
    ensure!(read(&file, 0, 3)? == b"abc", "the bytes changed");
    ensure!(read(&file, 3, zeros)? == vec![0; zeros], "no zeros follow");
    let bytes = pattern(1, zeros + 500);
    file.append(3, &bytes[..10])?;
    ensure!(
        read(&file, 0, 13)? == [b"abc", &bytes[..10]].concat(),
        "an append into it went elsewhere"
    );
    ensure!(file.len()? == len, "an append into it changed the length");
    file.append(13, &bytes[10..])?;
    ensure!(
        read(&file, 3, zeros + 500)? == bytes,
        "an append past its end went elsewhere"
    );
    let end = 3 + bytes.len() as u64;
    file.lengthen(end, 5_000)?;
    file.truncate(end)?;
    file.sync()?;
    ensure!(file.len()? == end, "it was not cut to its end");
    ensure!(read(&file, 3, zeros + 500)? == bytes, "a cut lost bytes");
    Ok(Outcome::Kept)
}

fn clock<S: Storage>(storage: &S) -> Verdict {
    const YEAR_2020_MS: u64 = 1_577_836_800_000;
    match storage.now_ms() {
        None => Ok(Outcome::Declined("this host has no clock".into())),
        Some(now) if now > YEAR_2020_MS => Ok(Outcome::Kept),
        Some(now) => Ok(Outcome::Observed(format!("it shows {now} ms after 1970"))),
    }
}

fn entropy<S: Storage>(storage: &S) -> Verdict {
    let mut drawn = Vec::new();
    for _ in 0..64 {
        drawn.push(storage.entropy()?);
    }
    ensure!(
        drawn.iter().all(|one| *one != [0; 16]),
        "it gave only zeros"
    );
    drawn.sort_unstable();
    drawn.dedup();
    ensure!(drawn.len() == 64, "64 draws gave {} values", drawn.len());
    Ok(Outcome::Kept)
}
