use super::*;

fn entry(id: u64, base_seq: u64, last_seq: u64, state: SegmentState) -> SegmentEntry {
    SegmentEntry {
        id,
        salt: id * 1000,
        base_seq,
        last_seq,
        state,
        valid_bytes: 80,
        records: last_seq - base_seq,
    }
}

fn state() -> State {
    let mut state = State::new(*b"sixteen of these");
    for edit in [
        Edit::NextId(10),
        Edit::Add(entry(1, 0, 10, SegmentState::Sealed)),
        Edit::Add(entry(2, 10, 20, SegmentState::Sealed)),
        Edit::Add(entry(3, 20, 20, SegmentState::Active)),
    ] {
        state.apply(&edit).unwrap();
    }
    state.check_invariants().unwrap();
    state
}

fn rebuilt(state: &State) -> State {
    let mut again = State::empty();
    for edit in state.snapshot().unwrap() {
        again.apply(&edit).unwrap();
    }
    again
}

#[test]
fn a_snapshot_rebuilds_the_state() {
    let mut state = state();
    assert_eq!(rebuilt(&State::new([1; 16])), State::new([1; 16]));
    for edit in [
        Edit::SeqBound(1 << 24),
        Edit::HistoryFloor(4),
        Edit::Clock(5),
        Edit::Pending(5),
        Edit::Condemn(&[7, 6]),
        Edit::CleanClose {
            valid_bytes: 500,
            last_seq: 30,
            records: 9,
        },
        Edit::Seal {
            id: 3,
            valid_bytes: 600,
            last_seq: 31,
            records: 10,
            footer: true,
        },
        Edit::CleanClose {
            valid_bytes: 0,
            last_seq: 31,
            records: 0,
        },
        Edit::Clear,
    ] {
        state.apply(&edit).unwrap();
        state.check_invariants().unwrap();
        assert_eq!(rebuilt(&state), state, "after {edit:?}");
    }
}

/// The error of one edit, and that it changed nothing.
fn refused(state: &State, edit: Edit<'_>) -> EditDamage {
    let mut after = state.try_clone().unwrap();
    let damage = after.apply(&edit).expect_err("the edit is refused");
    assert_eq!(after, *state, "{edit:?}");
    damage
}

#[test]
fn a_merge_takes_the_place_of_its_inputs() {
    let mut state = state();
    state.apply(&Edit::Pending(5)).unwrap();
    let output = entry(5, 0, 20, SegmentState::Sealed);
    state
        .apply(&Edit::Replace {
            remove: &[1, 2],
            with: &[output],
        })
        .unwrap();
    state.check_invariants().unwrap();
    let ids: Vec<u64> = state.segments.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [5, 3]);
    assert_eq!(
        (&state.pending[..], &state.condemned[..]),
        (&[][..], &[1, 2][..])
    );
    assert_eq!(state.segment(5).map(|entry| entry.last_seq), Some(20));
    state.apply(&Edit::Forget(&[2, 99])).unwrap();
    assert_eq!(state.condemned, [1]);
}

#[test]
fn only_a_run_of_neighbours_in_its_order_can_be_replaced() {
    let state = state();
    for (remove, damage) in [
        (&[][..], EditDamage::NotNeighbours),
        (&[1, 3], EditDamage::NotNeighbours),
        (&[2, 1], EditDamage::NotNeighbours),
        (&[2, 3, 4], EditDamage::NotNeighbours),
        (&[4], EditDamage::Unknown),
    ] {
        let with = &[];
        assert_eq!(refused(&state, Edit::Replace { remove, with }), damage);
    }
}

#[test]
fn an_id_means_one_file_and_for_ever() {
    let mut state = state();
    state.apply(&Edit::Pending(5)).unwrap();
    state.apply(&Edit::Condemn(&[6])).unwrap();
    let sealed = |id| entry(id, 0, 0, SegmentState::Sealed);
    let replace = |with| Edit::Replace { remove: &[1], with };
    for edit in [
        Edit::Add(sealed(1)),
        Edit::Add(sealed(6)),
        Edit::Pending(1),
        Edit::Pending(5),
        Edit::Pending(6),
        Edit::Condemn(&[7, 3]),
        replace(&[sealed(2)]),
        replace(&[sealed(1)]),
        replace(&[sealed(6)]),
        replace(&[sealed(7), sealed(7)]),
    ] {
        assert_eq!(refused(&state, edit), EditDamage::Duplicate);
    }
}

#[test]
fn a_sealed_segment_never_changes_again() {
    let state = state();
    let seal = |id| Edit::Seal {
        id,
        valid_bytes: 90,
        last_seq: 10,
        records: 1,
        footer: true,
    };
    assert_eq!(refused(&state, seal(1)), EditDamage::NotActive);
    assert_eq!(refused(&state, seal(9)), EditDamage::Unknown);
    let mut state = state;
    state.apply(&seal(3)).unwrap();
    assert_eq!(state.active(), None);
    let close = Edit::CleanClose {
        valid_bytes: 90,
        last_seq: 10,
        records: 1,
    };
    assert_eq!(refused(&state, close), EditDamage::NothingActive);
}

#[test]
fn a_hash_key_is_set_once() {
    let state = state();
    let other = Edit::HashKey([3; 16]);
    assert_eq!(refused(&state, other), EditDamage::HashKeyChanged);
}

#[test]
fn clear_condemns_every_segment_and_no_other_file() {
    let mut state = state();
    state.apply(&Edit::Pending(5)).unwrap();
    state.apply(&Edit::Clear).unwrap();
    assert_eq!((state.segments.len(), &state.pending[..]), (0, &[5][..]));
    assert_eq!(state.condemned, [1, 2, 3]);
}

#[test]
fn a_clean_close_says_where_the_active_segment_ends() {
    let mut state = state();
    let close = Edit::CleanClose {
        valid_bytes: 900,
        last_seq: 31,
        records: 11,
    };
    state.apply(&close).unwrap();
    assert!(state.clean);
    assert_eq!(state.last_seq, 31);
    assert_eq!(state.active().map(|entry| entry.valid_bytes), Some(900));
}

#[test]
fn a_state_that_cannot_be_is_told_from_one_that_can() {
    let broken = |break_it: fn(&mut State)| {
        let mut state = state();
        break_it(&mut state);
        state.check_invariants()
    };
    assert_eq!(broken(|_| {}), Ok(()));
    for (found, damage) in [
        (broken(|state| state.next_id = 3), EditDamage::IdOutOfRange),
        (
            broken(|state| state.pending.push(0)),
            EditDamage::IdOutOfRange,
        ),
        (broken(|state| state.pending.push(2)), EditDamage::Duplicate),
        (
            broken(|state| state.condemned = vec![6, 6]),
            EditDamage::Duplicate,
        ),
        (
            broken(|state| state.segments[1].state = SegmentState::Active),
            EditDamage::NotNewest,
        ),
        (
            broken(|state| state.segments[1].valid_bytes = 79),
            EditDamage::LengthOutOfRange,
        ),
        (
            broken(|state| state.segments[1].valid_bytes = u64::MAX),
            EditDamage::LengthOutOfRange,
        ),
        (
            broken(|state| state.segments.swap(0, 1)),
            EditDamage::SeqOverlap,
        ),
    ] {
        assert_eq!(found, Err(damage));
    }
}

#[test]
fn a_store_has_no_more_segments_than_can_be_opened_again() {
    let mut state = State::new([1; 16]);
    let many = (1..=SEGMENTS_MAX as u64).map(|id| entry(id, 0, 0, SegmentState::Sealed));
    state.segments = many.collect();
    let next = SEGMENTS_MAX as u64 + 1;
    let add = Edit::Add(entry(next, 0, 0, SegmentState::Sealed));
    assert_eq!(refused(&state, add), EditDamage::TooMany);
}
