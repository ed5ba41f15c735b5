//! Bytes as choices. An input that ends early goes on as zeros, so every input is a case, and a
//! byte cut out of the middle moves the rest without changing its meaning much.

use arbitrary::{Arbitrary, Result, Unstructured};
use portcask_core::Ack;
use portcask_core::format::record::Kind;
use portcask_core::testing::sim::Laws;
use portcask_core::testing::world::{KEYS, Step};

/// One byte.
pub fn byte(u: &mut Unstructured<'_>) -> u8 {
    u.arbitrary().unwrap_or(0)
}

/// Two bytes.
pub fn short(u: &mut Unstructured<'_>) -> u16 {
    u.arbitrary().unwrap_or(0)
}

/// One of them, chosen by one byte. There is at least one.
pub fn pick<T: Copy>(u: &mut Unstructured<'_>, from: &[T]) -> T {
    from[usize::from(byte(u)) % from.len()]
}

/// What is left, without taking it.
pub fn rest(u: &Unstructured<'_>) -> Vec<u8> {
    u.peek_bytes(u.len()).unwrap_or_default().to_vec()
}

/// A record's kind.
pub fn kind(u: &mut Unstructured<'_>) -> Kind {
    let kinds = [
        Kind::Put,
        Kind::Tombstone,
        Kind::Marker,
        Kind::MetaPut,
        Kind::MetaTombstone,
    ];
    pick(u, &kinds)
}

/// A number, often one at which something ends.
pub fn number(u: &mut Unstructured<'_>) -> u64 {
    match byte(u) % 12 {
        0..4 => byte(u).into(),
        4 => short(u).into(),
        5 => u.arbitrary::<u32>().unwrap_or(0).into(),
        6 => u.arbitrary().unwrap_or(0),
        7 => 1 << (byte(u) % 64),
        8 => (1 << (byte(u) % 64)) - 1,
        9 => u64::MAX - u64::from(byte(u)),
        10 => 80 + u64::from(byte(u)),
        _ => 0,
    }
}

/// Yes for one byte in `count`.
pub fn one_in(u: &mut Unstructured<'_>, count: u8) -> bool {
    byte(u).is_multiple_of(count)
}

/// Up to `most` bytes.
pub fn bytes(u: &mut Unstructured<'_>, most: usize) -> Vec<u8> {
    let count = usize::from(byte(u)).min(most).min(u.len());
    u.bytes(count).map(<[u8]>::to_vec).unwrap_or_default()
}

/// A disk under an operating system, or one lent to a sandbox.
pub fn laws(u: &mut Unstructured<'_>) -> Laws {
    pick(u, &[Laws::DISK, Laws::GUEST])
}

/// A [`Step`] that a healthy disk under a steady clock takes: no injected faults, and a history of
/// them takes less than a day. (A power cut makes the store forget which time it trusted since its
/// last segment began; together with a jump of the clock, keys that had expired are there again.)
pub struct Sound(pub Step);

impl<'a> Arbitrary<'a> for Sound {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let key = |u: &mut Unstructured<'a>| byte(u) % KEYS;
        let keys = |u: &mut Unstructured<'a>, most: u8| -> Vec<u8> {
            (0..byte(u) % most).map(|_| byte(u) % KEYS).collect()
        };
        Ok(Self(match byte(u) % 24 {
            0..6 => Step::Put {
                key: key(u),
                bytes: pick(u, &[8, 0, 1, 20, 33, 40, 300, 1_100, 3_000, 40_000, 8, 8]),
                ack: pick(u, &[Ack::Written, Ack::Buffered, Ack::Synced]),
                life_ms: match byte(u) {
                    0..160 => None,
                    life => Some(u64::from(life - 159)),
                },
            },
            6..8 => Step::Delete(key(u)),
            8..10 => Step::Batch(keys(u, 5), keys(u, 4)),
            10 => Step::Sync,
            11 => Step::Flush,
            12 => Step::Rotate,
            13 => Step::MergeStep(1 + u64::from(byte(u)) * 8),
            14 => Step::MergeStep(1 + u64::from(byte(u)) * 256),
            15 => Step::MergeAll,
            16 => Step::Tick,
            17 => Step::Reopen,
            18 => Step::Kill,
            19 => Step::Wait(byte(u).into()),
            20 => Step::Expire(key(u), 1 + u64::from(byte(u))),
            21 => Step::SecondOpener,
            22 => Step::Wait(60_000),
            _ => match byte(u) % 4 {
                0 => Step::Clear,
                _ => Step::Rotate,
            },
        }))
    }
}
