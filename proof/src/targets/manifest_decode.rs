//! A manifest's records from any bytes, and the state that their edits make.

use super::forge;
use super::input::{byte, number, one_in, pick, rest};
use crate::heap;
use arbitrary::{Arbitrary, Unstructured};
use portcask_core::format::FILE_BYTES_MAX;
use portcask_core::format::manifest::{
    self, Edit, MANIFEST_HEAD_BYTES, SegmentEntry, SegmentState, State,
};

/// Decodes a record at its place and makes its edits. What is accepted has one encoding, an edit
/// that is refused changes nothing, and a state that holds is made again by its snapshot.
pub fn manifest_decode(data: &[u8]) {
    let u = &mut Unstructured::new(data);
    let shape = byte(u) % 4;
    let salt = u.arbitrary().unwrap_or(0);
    let at = number(u) & FILE_BYTES_MAX;
    match shape {
        0 => examine(&rest(u), salt, at),
        1 => {
            let edits = byte(u).into();
            examine(&forge::manifest_record(&rest(u), edits, salt, at), salt, at);
        }
        _ => {
            // Several records, as in a file: the state goes on from one to the next.
            let mut state = State::empty();
            while !u.is_empty() {
                let edits = edits(u);
                let bytes = manifest::encode_record(&edits, salt, at).expect("memory");
                let found = manifest::decode_record(&bytes, salt, at);
                make(&mut state, &edits);
                assert_eq!(found, Ok((edits, bytes.len())));
                examine(&bytes, salt, at);
            }
        }
    }
}

fn examine(bytes: &[u8], salt: u64, at: u64) {
    let (found, held) = heap::peak(|| manifest::decode_record(bytes, salt, at));
    // An edit takes a byte at least and 64 in memory at most, and a vector some room to grow.
    assert!(held <= 256 + 80 * bytes.len(), "{held} of {}", bytes.len());
    let Ok((edits, length)) = found else { return };
    assert!(length <= bytes.len() && length > MANIFEST_HEAD_BYTES && !edits.is_empty());
    let again = manifest::encode_record(&edits, salt, at).expect("memory");
    assert_eq!(again, bytes[..length], "one encoding");
    for (salt, at) in forge::elsewhere(salt, at) {
        assert!(manifest::decode_record(bytes, salt, at).is_err());
    }
    assert!(manifest::decode_record(&bytes[..length - 1], salt, at).is_err());
    make(&mut State::empty(), &edits);
}

fn make(state: &mut State, edits: &[Edit]) {
    for edit in edits {
        let before = state.try_clone().expect("memory");
        let (made, held) = heap::peak(|| state.apply(edit));
        let listed = before.segments.len() + before.pending.len() + before.condemned.len();
        let bytes = 512 + 128 * (listed + size(edit));
        assert!(held <= bytes, "{held} bytes to make {edit:?}");
        if made.is_err() {
            assert_eq!(*state, before, "a refused edit changes nothing: {edit:?}");
        }
    }
    if state.check_invariants().is_ok() {
        let mut again = State::empty();
        for edit in state.snapshot().expect("memory") {
            let made = again.apply(&edit);
            assert_eq!(made, Ok(()), "the snapshot of {state:?} makes {edit:?}");
        }
        assert_eq!(again, *state, "a snapshot makes the state again");
        let active = state.segments.last();
        let active = active.filter(|entry| entry.state == SegmentState::Active);
        assert_eq!(state.active(), active);
        for entry in &state.segments {
            assert_eq!(state.segment(entry.id), Some(entry));
        }
    }
}

/// Ids and segments that an edit names.
fn size(edit: &Edit) -> usize {
    match edit {
        Edit::Replace { remove, with } => remove.len() + with.len(),
        Edit::Forget(ids) | Edit::Condemn(ids) => ids.len(),
        _ => 1,
    }
}

/// One record's edits; at least one.
pub fn edits(u: &mut Unstructured<'_>) -> Vec<Edit> {
    (0..=byte(u) % 6)
        .map(|_| AnyEdit::arbitrary(u).map_or(Edit::Clear, |edit| edit.0))
        .collect()
}

/// An [`Edit`], mostly of ids that exist.
struct AnyEdit(Edit);

impl<'a> Arbitrary<'a> for AnyEdit {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let ids = |u: &mut Unstructured<'_>| (0..byte(u) % 5).map(|_| id(u)).collect();
        Ok(Self(match byte(u) % 16 {
            0 => Edit::HashKey(u.arbitrary().unwrap_or_default()),
            1 => Edit::SeqBound(number(u)),
            2 => Edit::LastSeq(number(u)),
            3 => Edit::HistoryFloor(number(u)),
            4 => Edit::NextId(number(u)),
            5 => Edit::Clock(number(u)),
            6 | 7 => Edit::Add(segment(u)),
            8 | 9 => Edit::Seal {
                id: id(u),
                valid_bytes: number(u),
                last_seq: number(u),
                records: number(u),
                footer: one_in(u, 2),
            },
            10 => Edit::Pending(id(u)),
            11 => Edit::Replace {
                remove: ids(u),
                with: (0..byte(u) % 3).map(|_| segment(u)).collect(),
            },
            12 => Edit::Forget(ids(u)),
            13 => Edit::Clear,
            14 => Edit::CleanClose {
                valid_bytes: number(u),
                last_seq: number(u),
                records: number(u),
            },
            _ => Edit::Condemn(ids(u)),
        }))
    }
}

fn id(u: &mut Unstructured<'_>) -> u64 {
    match byte(u) {
        small @ 0..240 => u64::from(small % 12),
        _ => number(u),
    }
}

fn segment(u: &mut Unstructured<'_>) -> SegmentEntry {
    SegmentEntry {
        id: id(u),
        salt: u.arbitrary().unwrap_or(0),
        base_seq: number(u),
        last_seq: number(u),
        state: pick(
            u,
            &[
                SegmentState::Sealed,
                SegmentState::Active,
                SegmentState::Cut,
            ],
        ),
        valid_bytes: number(u),
        records: number(u),
    }
}
