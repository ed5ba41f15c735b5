//! A directory somebody has been at: a store that was really made, then edited byte by byte, cut,
//! swapped, robbed, or given records that lie behind right checks.

use super::forge::{self, Head};
use super::input::{Sound, byte, bytes, laws, number, one_in, pick, short};
use super::manifest_decode::AnyEdit;
use arbitrary::{Arbitrary, Result, Unstructured};
use portcask_core::format::check;
use portcask_core::format::file::{
    FENCE_OFFSET, FILE_HEADER_BYTES, FOOTER_BYTES, FileHeader, FileKind, encode_fence, names,
};
use portcask_core::format::hint;
use portcask_core::format::manifest::{self, Edit, MANIFEST_RECORDS_OFFSET, State};
use portcask_core::format::record::{self, Site};
use portcask_core::testing::sim::{Dice, Laws};
use portcask_core::testing::world::{Step, World};
use portcask_core::{FileName, JUMP_MS};
use std::collections::BTreeMap;

/// The bytes of every file.
pub type Files = BTreeMap<FileName, Vec<u8>>;

/// Steps of the store that is edited then: the case has to stay cheap.
const STEPS_MAX: u8 = 48;
/// Edits of one case.
const EDITS_MAX: usize = 24;
/// What a cut or a gap may add to a file.
const GROWTH_BYTES_MAX: u16 = 5_000;

/// A directory.
pub struct Image {
    /// What the disk is.
    pub laws: Laws,
    /// Its files.
    pub files: Files,
}

impl<'a> Arbitrary<'a> for Image {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let laws = laws(u);
        let mut files = match byte(u) % 8 {
            0 => Files::new(),
            1 | 2 => golden(),
            _ => lived(u, laws)?,
        };
        for _ in 0..EDITS_MAX {
            if u.is_empty() {
                break;
            }
            edit(&mut files, u);
        }
        Ok(Self { laws, files })
    }
}

/// The committed store of the format's first version.
pub fn golden() -> Files {
    macro_rules! files {
        ($($name:literal),*) => {
            [$(($name, &include_bytes!(concat!("../../../core/tests/golden/v1/", $name))[..])),*]
        };
    }
    let files = files![
        "manifest-0000000001",
        "segment-0000000001",
        "segment-0000000002",
        "segment-0000000003",
        "hint-0000000001",
        "hint-0000000002",
        "hint-0000000003"
    ];
    let named = |(name, bytes): (&str, &[u8])| Some((FileName::new(name)?, bytes.to_vec()));
    files.into_iter().filter_map(named).collect()
}

/// What a store leaves behind that was closed, killed, or whose power failed.
fn lived(u: &mut Unstructured<'_>, laws: Laws) -> Result<Files> {
    let mut world = World::new(byte(u).into(), laws);
    let (end, luck) = (byte(u), byte(u));
    for _ in 0..byte(u) % STEPS_MAX {
        let step = match byte(u) {
            0..8 => Step::SetClock(number(u) >> 1),
            8..16 => Step::Wait(JUMP_MS - 100 + u64::from(byte(u))),
            _ => Sound::arbitrary(u)?.0,
        };
        // A refusal (a second opener beside a lock, say) is no finding here.
        let _ = world.apply(&step);
    }
    match (world.store.take(), end % 4) {
        (Some(store), 0 | 1) => drop(store.close()),
        (Some(mut store), 2) => drop(store.flush()),
        _ => world.disk = world.disk.crash(&mut Dice::new(luck.into())),
    }
    Ok(world.disk.files())
}

fn edit(files: &mut Files, u: &mut Unstructured<'_>) {
    let deed = byte(u) % 26;
    if deed == 0 {
        // A file from nowhere.
        let kind = pick(u, &[FileKind::Segment, FileKind::Hint, FileKind::Manifest]);
        let name = match byte(u) {
            small @ 0..240 => names::of(kind, u64::from(small % 12)),
            240..248 => names::of(kind, number(u)),
            248..252 => names::lock(),
            _ => names::reserve(),
        };
        let mut bytes = bytes(u, 255);
        if one_in(u, 2) {
            bytes.splice(..0, *b"PORTCASK\x01\x00");
        }
        files.insert(name, bytes);
        return;
    }
    let Some(name) = some_name(files, u) else {
        return;
    };
    match deed {
        1 => drop(files.remove(&name)),
        2 | 3 => {
            // Swapped, or another's bytes under this name.
            let Some(other) = some_name(files, u) else {
                return;
            };
            let theirs = files.get(&other).cloned().unwrap_or_default();
            if let Some(ours) = files.insert(name, theirs)
                && deed == 2
            {
                files.insert(other, ours);
            }
        }
        4 => {
            let (kind, id) = names::parse(&name).unwrap_or((FileKind::Segment, 1));
            let id = match byte(u) % 4 {
                0 => number(u),
                _ => id.saturating_add(u64::from(byte(u) % 4)),
            };
            let copy = files.get(&name).cloned().unwrap_or_default();
            files.insert(names::of(kind, id), copy);
        }
        _ => {
            let other = some_name(files, u).and_then(|other| files.get(&other).cloned());
            if let Some(file) = files.get_mut(&name) {
                edit_bytes(deed, file, &other.unwrap_or_default(), u);
            }
        }
    }
}

fn edit_bytes(deed: u8, file: &mut Vec<u8>, other: &[u8], u: &mut Unstructured<'_>) {
    match deed {
        5 | 6 => {
            let (at, mask) = (place(file, u), byte(u).max(1));
            if let Some(byte) = file.get_mut(at) {
                *byte ^= mask;
            }
        }
        7 => {
            let at = place(file, u);
            put_over(file, at, &bytes(u, 64));
        }
        8 => file.truncate(place(file, u)),
        9 => file.extend_from_slice(&bytes(u, 255)),
        10 => {
            let zeros = usize::from(short(u) % GROWTH_BYTES_MAX);
            file.resize(file.len() + zeros, 0);
        }
        11 => {
            // A block that landed elsewhere.
            let (from, to) = (place(other, u), place(file, u));
            let block = &other[from..(from + 512).min(other.len())];
            put_over(file, to, block);
        }
        12 => {
            // Zeros or nothing where something was.
            let (from, count) = (place(file, u), usize::from(short(u)));
            let to = (from + count).min(file.len());
            match byte(u) % 2 {
                0 => file[from..to].fill(0),
                _ => drop(file.drain(from..to)),
            }
        }
        13 => {
            let fence = encode_fence(number(u));
            put_over(file, FENCE_OFFSET as usize, &fence);
        }
        14 | 15 => forge_header(file, u),
        _ => match FileHeader::decode(file).map(|header| (header.kind, header)) {
            Ok((FileKind::Segment, header)) => forge_record(file, &header, u),
            Ok((FileKind::Hint, header)) => forge_block(file, &header, u),
            Ok((FileKind::Manifest, header)) => forge_change(file, &header, u),
            Err(_) => {}
        },
    }
}

/// A field of the header, or of a segment's footer, says something else and the check is right.
fn forge_header(file: &mut [u8], u: &mut Unstructured<'_>) {
    let len = file.len();
    let fields = [
        (8, 2),
        (10, 1),
        (12, 4),
        (20, 8),
        (28, 8),
        (36, 8),
        (60, 8),
        (68, 8),
    ];
    let totals = [(88, 8), (96, 8), (104, 8), (112, 8), (120, 8)];
    let of_footer = one_in(u, 3);
    let said = number(u).to_le_bytes();
    if of_footer && len >= FILE_HEADER_BYTES + FOOTER_BYTES {
        let (at, bytes) = pick(u, &totals);
        let footer = &mut file[len - FOOTER_BYTES..];
        footer[at..at + bytes].copy_from_slice(&said[..bytes]);
        forge::seal_plain(footer);
    } else if let Some(header) = file.get_mut(..FILE_HEADER_BYTES) {
        let (at, bytes) = pick(u, &fields);
        header[at..at + bytes].copy_from_slice(&said[..bytes]);
        forge::seal_plain(header);
    }
}

/// A record that lies: another in the place of one, between two, or behind the last.
fn forge_record(file: &mut Vec<u8>, header: &FileHeader, u: &mut Unstructured<'_>) {
    let site = Site {
        salt: header.salt,
        base_seq: header.base_seq,
    };
    let mut places = Vec::new();
    let mut at = FILE_HEADER_BYTES;
    while let Some(Ok(found)) = file
        .get(at..)
        .map(|rest| record::decode(rest, site, at as u64))
    {
        places.push((at, found));
        let Some(next) = usize::try_from(found.record_bytes()).ok() else {
            break;
        };
        at = at.saturating_add(next);
    }
    let end = at.min(file.len());
    let nth = usize::from(byte(u)) % (places.len() + 1);
    let (at, old) = places
        .get(nth)
        .map_or((end, None), |(at, old)| (*at, Some(old)));
    let how = byte(u);
    let (key, value) = (format!("key-{}", byte(u) % 12).into_bytes(), bytes(u, 40));
    let mut head = Head {
        tag: pick(u, &[1, 2, 3, 4, 5, 0x09, 0x13, 0x21, 0x41, 0x0c]),
        numbers: vec![number(u), key.len() as u64, value.len() as u64],
        body_crc: check::body(&key, &value),
        key_check: check::key(&key),
    };
    if let Some(old) = old
        && how & 1 != 0
    {
        head.numbers[0] = old.head.seq.wrapping_sub(site.base_seq);
        head.body_crc = old.head.body_crc;
        head.key_check = old.head.key_check;
        head.numbers[1] = old.head.key_bytes.into();
        head.numbers[2] = old.head.value_bytes.into();
    }
    let extensions = (head.tag >> 3 & 1) + (head.tag >> 4 & 1) + 2 * (head.tag >> 5 & 1);
    head.numbers.extend((0..extensions).map(|_| number(u)));
    if how & 2 != 0 {
        let which = usize::from(byte(u)) % head.numbers.len();
        head.numbers[which] = number(u);
    }
    if how & 4 != 0 {
        head.tag ^= byte(u);
    }
    let mut made = head.encode(site, at as u64);
    match how >> 4 & 3 {
        // The head alone, over what was there: the old body may be its body.
        0 => put_over(file, at, &made),
        1 => {
            made.extend_from_slice(&key);
            made.extend_from_slice(&value);
            put_over(file, at, &made);
        }
        2 => {
            made.extend_from_slice(&key);
            made.extend_from_slice(&value);
            file.truncate(at);
            file.extend_from_slice(&made);
        }
        _ => {
            made.extend_from_slice(&key);
            made.extend_from_slice(&value);
            file.splice(at..at, made);
        }
    }
}

/// A hint's block that says something else of the segment.
fn forge_block(file: &mut Vec<u8>, header: &FileHeader, u: &mut Unstructured<'_>) {
    let mut places = Vec::new();
    let mut at = FILE_HEADER_BYTES;
    while let Some(Ok((block, len))) = file
        .get(at..)
        .map(|rest| hint::decode_block(rest, header.salt, at as u64))
    {
        let payload = file[at + hint::BLOCK_HEAD_BYTES..at + len].to_vec();
        places.push((at, len, (block.from, block.to, block.count), payload));
        at += len;
    }
    let end = (at, 0, (80, 80, 0), Vec::new());
    let nth = usize::from(byte(u)) % (places.len() + 1);
    let (at, len, mut said, mut payload) = places.get(nth).cloned().unwrap_or(end);
    match byte(u) % 6 {
        0 => said.0 = number(u),
        1 => said.1 = number(u),
        2 => said.2 = number(u) as u32,
        3 => {
            let (at, mask) = (place(&payload, u), byte(u).max(1));
            if let Some(byte) = payload.get_mut(at) {
                *byte ^= mask;
            }
        }
        4 => {
            // One more record than there is.
            payload.extend_from_slice(&[1, 14]);
            payload.extend_from_slice(&u.arbitrary::<[u8; 12]>().unwrap_or_default());
            said = (said.0, said.1.saturating_add(14), said.2.wrapping_add(1));
        }
        _ => payload = bytes(u, 64),
    }
    let made = forge::hint_block(&payload, said, header.salt, at as u64);
    file.splice(at.min(file.len())..(at + len).min(file.len()), made);
}

/// A change of the set of files that nobody made, or another complete state.
fn forge_change(file: &mut Vec<u8>, header: &FileHeader, u: &mut Unstructured<'_>) {
    let mut state = State::empty();
    let mut ends = vec![MANIFEST_RECORDS_OFFSET as usize];
    let mut at = MANIFEST_RECORDS_OFFSET as usize;
    while let Some(Ok((edits, len))) = file
        .get(at..)
        .map(|rest| manifest::decode_record(rest, header.salt, at as u64))
    {
        let _ = state.apply_all(edits);
        at += len;
        ends.push(at);
    }
    let whole = one_in(u, 2);
    let drawn;
    let (at, made) = if whole {
        change_state(&mut state, u);
        (
            MANIFEST_RECORDS_OFFSET as usize,
            state.snapshot().expect("memory"),
        )
    } else {
        let at = pick(u, &ends);
        drawn = AnyEdit::several(u);
        (at, drawn.iter().map(AnyEdit::edit).collect())
    };
    let made = match byte(u) % 8 {
        0 => forge::manifest_record(&bytes(u, 255), number(u) as u32, header.salt, at as u64),
        _ => manifest::encode_record(&made, header.salt, at as u64).expect("memory"),
    };
    file.truncate(at);
    put_over(file, at, &made);
}

fn change_state(state: &mut State, u: &mut Unstructured<'_>) {
    let count = state.segments.len().max(1);
    let which = usize::from(byte(u)) % count;
    let field = byte(u) % 14;
    let said = number(u);
    match field {
        0 => state.seq_bound = said,
        1 => state.last_seq = said,
        2 => state.history_floor = said,
        3 => state.next_id = said,
        4 => state.clock_ms = said,
        5 => state.clean = !state.clean,
        6 => state.hash_key[0] ^= 1,
        7 => drop(state.apply(&Edit::Condemn(&[said]))),
        _ => {}
    }
    let Some(entry) = state.segments.get_mut(which) else {
        return;
    };
    match field {
        8 => entry.salt ^= said,
        9 => entry.base_seq = said,
        10 => entry.last_seq = said,
        11 => entry.valid_bytes = said,
        12 => entry.records = said,
        13 => {
            use manifest::SegmentState::{Active, Cut, Sealed};
            entry.state = pick(u, &[Active, Cut, Sealed]);
        }
        _ => {}
    }
}

fn some_name(files: &Files, u: &mut Unstructured<'_>) -> Option<FileName> {
    let nth = usize::from(byte(u)) % files.len().max(1);
    files.keys().nth(nth).copied()
}

/// A place in the bytes, or their end.
fn place(bytes: &[u8], u: &mut Unstructured<'_>) -> usize {
    usize::from(short(u)) % (bytes.len() + 1)
}

/// Writes over what is there, and beyond it.
fn put_over(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    // A forged length may point anywhere; a file that is mostly hole teaches nothing.
    let at = at.min(file.len() + 64);
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}
