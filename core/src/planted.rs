//! Deliberate bugs, so that the search for bugs can be tested: a checker that catches nothing
//! checks nothing.
//!
//! Each bug is a hook of a few words where the engine keeps a promise. Without the feature
//! `planted-bugs` every hook is a constant `false` and compiles to nothing. With it, a bug is in
//! force only inside [`with`], on one thread.

/// Whether this bug is in force here and now.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
pub(crate) use soil::planted;
#[cfg(feature = "planted-bugs")]
pub use soil::with;

macro_rules! bugs {
    ($(#[doc = $deed:literal] $bug:ident,)+) => {
        /// A deliberate bug, described by what it does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(
            all(feature = "hintless", target_family = "wasm"),
            expect(dead_code, reason = "some of them concern hints")
        )]
        pub enum Bug {
            $(#[doc = $deed] $bug,)+
        }

        #[cfg(feature = "planted-bugs")]
        impl Bug {
            /// Every bug there is.
            pub const ALL: &[Self] = &[$(Self::$bug,)+];

            /// What it does wrong, as a sentence.
            pub fn deed(self) -> &'static str {
                match self {
                    $(Self::$bug => $deed.trim_ascii(),)+
                }
            }
        }
    };
}

bugs! {
    /// Does not sync the directory, so that names may be lost after all.
    DirectorySyncSkipped,
    /// Acknowledges a write as synced before it is.
    AckBeforeSync,
    /// Drops a tombstone in a merge that leaves older segments alone.
    TombstoneDropped,
    /// Drops an expired record in a merge that leaves older segments alone.
    ExpiredDropped,
    /// Merges a record away in favour of one that is not durable yet.
    MergedForUndurable,
    /// Commits a merge before its outputs are synced.
    OutputsUnsynced,
    /// Removes the inputs of a merge before the manifest lets go of them.
    InputsRemovedEarly,
    /// Points a key at merge's copy although it was written again meanwhile.
    NewerOverwritten,
    /// Takes a record of the manifest for committed before it is synced.
    CommitUnsynced,
    /// Believes a hint that was made for another segment.
    StaleHintTrusted,
    /// Merges a segment whose records are not those that its hint tells of.
    HintUnheeded,
    /// Passes over the durable marker, so that damage below it looks like a torn tail.
    MarkerIgnored,
    /// Marks as durable what was only written.
    MarkedTooMuch,
    /// Keeps the part of a batch that survived.
    HalfBatchCompleted,
    /// Gives back more of a file's end than the space that was set aside there.
    RoomCutShort,
    /// Syncs once more after a failed sync, and believes the second answer.
    FailedSyncRetried,
    /// Goes on writing after a failed sync.
    PoisonSkipped,
    /// Believes a record's lengths although their check is wrong.
    LengthBelieved,
    /// Acknowledges without looking whether a newer opener took over.
    FenceUnchecked,
    /// Lets a second writer in beside the one that holds the lock.
    LockForgotten,
    /// Starts after a crash with the sequence numbers of writes that were lost.
    SeqReissued,
    /// Takes segments into the store that its manifest does not list.
    OrphanAdopted,
    /// Deletes files that no manifest lists for deletion.
    UnnamedDeleted,
    /// Starts a segment without listing the id of the next one, whose file a crash then strands.
    ReservedForgotten,
    /// Publishes a write whose append failed.
    PublishedUnappended,
    /// Answers with a record without asking whose it is.
    KeyUncompared,
    /// Goes on in the old segment after an unclean stop, over whatever its end holds.
    OldFileContinued,
    /// Trusts records after an unclean stop that only the system's cache may hold.
    TailTrusted,
    /// Leaves a damage that it found out of the report.
    DamageHidden,
    /// Lets a page of a scan begin with the last key of the page before.
    ScanRepeated,
    /// Believes a clock that jumps, and expires keys by it.
    JumpBelieved,
}

#[cfg(feature = "planted-bugs")]
mod soil {
    use super::Bug;
    use core::cell::Cell;

    std::thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    #[inline]
    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Runs `act` with a bug in force on this thread.
    pub fn with<R>(bug: Bug, act: impl FnOnce() -> R) -> R {
        /// Weeds also when `act` panics.
        struct Weed;
        impl Drop for Weed {
            fn drop(&mut self) {
                PLANTED.set(None);
            }
        }
        PLANTED.set(Some(bug));
        let _weed = Weed;
        act()
    }
}
