//! The harness is not blind: every deliberate bug of the engine is caught by it.
//!
//! `cargo test -p portcask-core --features planted-bugs,short-hash --test planted_bugs -- --nocapture`
//! shows what caught each and after how many runs. A bug that gets away is a hole in the harness: the
//! world, the oracle or a check has to learn something.

use portcask_core::testing::planted::{Bug, catch, look};

macro_rules! caught {
    ($($name:ident: $bug:ident,)+) => {
        $(#[test]
        fn $name() {
            is_caught(Bug::$bug);
        })+

        /// Does not compile while a bug has no test.
        const fn _has_a_test(bug: Bug) {
            match bug {
                $(Bug::$bug => {})+
            }
        }
    };
}

fn is_caught(bug: Bug) {
    let caught = catch(bug).unwrap_or_else(|| panic!("got away: {}", bug.deed()));
    let first = caught.problem.lines().next().unwrap_or_default();
    println!("{bug:?}: run {} of {}: {first}", caught.runs, caught.check);
}

caught! {
    skipping_the_sync_of_the_directory_is_caught: DirectorySyncSkipped,
    acknowledging_before_the_sync_is_caught: AckBeforeSync,
    dropping_a_tombstone_in_a_partial_merge_is_caught: TombstoneDropped,
    dropping_an_expired_record_in_a_partial_merge_is_caught: ExpiredDropped,
    merging_in_favour_of_an_undurable_record_is_caught: MergedForUndurable,
    committing_a_merge_before_its_outputs_are_synced_is_caught: OutputsUnsynced,
    removing_inputs_before_the_commit_is_caught: InputsRemovedEarly,
    pointing_a_rewritten_key_at_merges_copy_is_caught: NewerOverwritten,
    taking_an_unsynced_manifest_record_for_committed_is_caught: CommitUnsynced,
    trusting_a_stale_hint_is_caught: StaleHintTrusted,
    merging_against_the_hint_is_caught: HintUnheeded,
    ignoring_the_durable_marker_is_caught: MarkerIgnored,
    marking_more_durable_than_was_synced_is_caught: MarkedTooMuch,
    completing_half_a_batch_is_caught: HalfBatchCompleted,
    giving_back_more_than_the_room_is_caught: RoomCutShort,
    retrying_a_failed_sync_is_caught: FailedSyncRetried,
    writing_on_after_a_failed_sync_is_caught: PoisonSkipped,
    believing_a_length_before_its_check_is_caught: LengthBelieved,
    skipping_the_fence_is_caught: FenceUnchecked,
    forgetting_the_lock_is_caught: LockForgotten,
    reissuing_a_sequence_number_is_caught: SeqReissued,
    adopting_an_orphan_is_caught: OrphanAdopted,
    deleting_an_unnamed_file_is_caught: UnnamedDeleted,
    forgetting_the_reserved_id_is_caught: ReservedForgotten,
    publishing_what_was_not_appended_is_caught: PublishedUnappended,
    answering_with_another_keys_record_is_caught: KeyUncompared,
    going_on_in_the_old_segment_is_caught: OldFileContinued,
    trusting_what_only_a_cache_holds_is_caught: TailTrusted,
    hiding_a_damage_is_caught: DamageHidden,
    showing_a_key_twice_is_caught: ScanRepeated,
    believing_a_clock_that_jumps_is_caught: JumpBelieved,
}

#[test]
fn without_a_bug_the_same_search_finds_nothing() {
    assert_eq!(look(), None);
}
