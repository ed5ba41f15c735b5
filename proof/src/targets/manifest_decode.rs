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
                let drawn = AnyEdit::several(u);
                let edits: Vec<_> = drawn.iter().map(AnyEdit::edit).collect();
                let bytes = manifest::encode_record(&edits, salt, at).expect("memory");
                let (mut read, length) = manifest::decode_record(&bytes, salt, at).expect("right");
                for edit in &edits {
                    assert_eq!(read.read(), Ok(Some(*edit)));
                    make(&mut state, edit);
                }
                assert_eq!((read.read(), length), (Ok(None), bytes.len()));
                assert_snapshot_makes(&state);
                examine(&bytes, salt, at);
            }
        }
    }
}

fn examine(bytes: &[u8], salt: u64, at: u64) {
    let read = || manifest::decode_record(bytes, salt, at);
    let (sensible, held) = heap::peak(|| read().map(|(edits, _)| edits.make_sense()));
    // An id takes a byte at least, a segment 14, and what they are in memory is known.
    assert!(held <= 256 + 80 * bytes.len(), "{held} of {}", bytes.len());
    let Ok((mut edits, length)) = read() else {
        return;
    };
    assert!(length <= bytes.len() && length > MANIFEST_HEAD_BYTES);
    if sensible != Ok(Ok(true)) {
        return;
    }
    let (mut state, mut again, mut count) = (State::empty(), vec![0; MANIFEST_HEAD_BYTES], 0_u32);
    while let Ok(Some(edit)) = edits.read() {
        make(&mut state, &edit);
        let one = manifest::encode_record(&[edit], salt, at).expect("memory");
        again.extend_from_slice(&one[MANIFEST_HEAD_BYTES..]);
        count += 1;
    }
    assert_snapshot_makes(&state);
    let payload = &again[MANIFEST_HEAD_BYTES..];
    let again = forge::manifest_record(payload, count, salt, at);
    assert_eq!(again, bytes[..length], "one encoding");
    for (salt, at) in forge::elsewhere(salt, at) {
        assert!(manifest::decode_record(bytes, salt, at).is_err());
    }
    assert!(manifest::decode_record(&bytes[..length - 1], salt, at).is_err());
}

fn make(state: &mut State, edit: &Edit<'_>) {
    let before = state.try_clone().expect("memory");
    let (made, held) = heap::peak(|| state.apply(edit));
    let listed = before.segments.len() + before.pending.len() + before.condemned.len();
    let bytes = 512 + 128 * (listed + size(edit));
    assert!(held <= bytes, "{held} bytes to make {edit:?}");
    if made.is_err() {
        assert_eq!(*state, before, "a refused edit changes nothing: {edit:?}");
    }
}

fn assert_snapshot_makes(state: &State) {
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
fn size(edit: &Edit<'_>) -> usize {
    match edit {
        Edit::Replace { remove, with } => remove.len() + with.len(),
        Edit::Forget(ids) | Edit::Condemn(ids) => ids.len(),
        _ => 1,
    }
}

/// An [`Edit`], mostly of ids that exist, with its lists.
pub enum AnyEdit {
    /// One without lists.
    Plain(Edit<'static>),
    /// [`Edit::Replace`]
    Replace(Vec<u64>, Vec<SegmentEntry>),
    /// [`Edit::Forget`]
    Forget(Vec<u64>),
    /// [`Edit::Condemn`]
    Condemn(Vec<u64>),
}

impl AnyEdit {
    /// One record's edits; at least one.
    pub fn several(u: &mut Unstructured<'_>) -> Vec<Self> {
        (0..=byte(u) % 6)
            .map(|_| Self::arbitrary(u).unwrap_or(Self::Plain(Edit::Clear)))
            .collect()
    }

    /// The edit itself.
    pub fn edit(&self) -> Edit<'_> {
        match self {
            Self::Plain(edit) => *edit,
            Self::Replace(remove, with) => Edit::Replace { remove, with },
            Self::Forget(ids) => Edit::Forget(ids),
            Self::Condemn(ids) => Edit::Condemn(ids),
        }
    }
}

impl<'a> Arbitrary<'a> for AnyEdit {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let ids = |u: &mut Unstructured<'_>| (0..byte(u) % 5).map(|_| id(u)).collect();
        Ok(Self::Plain(match byte(u) % 16 {
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
            11 => {
                let remove = ids(u);
                let with = (0..byte(u) % 3).map(|_| segment(u)).collect();
                return Ok(Self::Replace(remove, with));
            }
            12 => return Ok(Self::Forget(ids(u))),
            13 => Edit::Clear,
            14 => Edit::CleanClose {
                valid_bytes: number(u),
                last_seq: number(u),
                records: number(u),
            },
            _ => return Ok(Self::Condemn(ids(u))),
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
