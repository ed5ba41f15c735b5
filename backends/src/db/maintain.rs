//! Looking after a store: merge, numbers, proof, copies, history.

use super::background::STEP_BYTES;
use super::{Core, Db, SharedStorage};
use portcask_core::format::file::StoreId;
use portcask_core::{
    BackupReport, Change, ChangePage, Error, Feed, MergePlan, MergeProgress, MergeReport,
    RecoveryReport, Result, Stats, Storage, VerifyReport, Version,
};

impl<S: SharedStorage> Db<S> {
    /// What merge would do now, and why.
    pub fn merge_plan(&self) -> Result<MergePlan> {
        self.core().writer.with(|engine| engine.merge_plan())?
    }

    /// Merges about `budget_bytes`: continues the merge in progress, or starts one if one is due.
    /// Writers wait for at most one step. Called from the progress of [`Db::merge_all`], it leaves the work to that.
    pub fn merge_step(&self, budget_bytes: u64) -> Result<MergeProgress> {
        let core = self.core();
        core.writer.refuse_reentry()?;
        let Some(_baton) = core.merging.take() else {
            return Ok(MergeProgress::Idle);
        };
        core.merge_piece(budget_bytes)
    }

    /// Seals the active segment and merges everything, in steps between which writers get their
    /// turn. Calls `progress` with the bytes done and the total. Leaves damaged segments alone. Called from its own
    /// `progress`, it leaves the work to the merge under way and reports none.
    pub fn merge_all(&self, mut progress: impl FnMut(u64, u64)) -> Result<MergeReport> {
        let core = self.core();
        core.writer.refuse_reentry()?;
        let Some(_baton) = core.merging.take() else {
            return Ok(MergeReport::default());
        };
        core.view.len();
        if !core.writer.with(|engine| engine.begin_merge_all())?? {
            return Ok(MergeReport::default());
        }
        loop {
            match core.merge_piece(STEP_BYTES)? {
                MergeProgress::Working {
                    done_bytes,
                    total_bytes,
                } => progress(done_bytes, total_bytes),
                MergeProgress::Done(report) => return Ok(report),
                // Somebody cleared the store meanwhile.
                MergeProgress::Idle => return Ok(MergeReport::default()),
            }
        }
    }

    /// Does all background work that is due, and waits for it: expired keys, interval sync,
    /// the durable marker, merges. With a background thread, waits for one of its rounds.
    pub fn tick(&self) -> Result<()> {
        let core = self.core();
        core.writer.refuse_reentry()?;
        core.refuse_closed()?;
        let done = core.background.wait_for_round();
        done.unwrap_or_else(|| core.round())
    }

    /// The last error of the background thread, if any. The thread continues after an error,
    /// and runs less and less often while errors persist.
    pub fn background_error(&self) -> Option<Error> {
        self.core().background.error()
    }

    /// The store in numbers.
    pub fn stats(&self) -> Result<Stats> {
        // Reads what is due outside the lock, so that under it there is nothing left to read.
        self.core().view.len();
        self.core().writer.with(|engine| engine.stats())?
    }

    /// Reads and checks every file of the store, while reads and writes continue. Calls `progress`
    /// with the bytes done and the total. Finds damage; repairs nothing.
    pub fn verify(&self, progress: impl FnMut(u64, u64)) -> Result<VerifyReport> {
        let core = self.core();
        let view = core.writer.with(|engine| {
            engine.hold_files();
            engine.view()
        })?;
        let _release = Release(core);
        let report = view?.verify(progress);
        // Asked afterwards: closing empties the index, and what is held against that must not pass for damage.
        core.refuse_closed()?;
        report
    }

    /// Copies the store to an empty `to`, while reads and writes continue. Calls `progress` with the
    /// bytes done and the total. The copy holds every write acknowledged before the call.
    pub fn backup<T: Storage>(
        &self,
        to: &T,
        progress: impl FnMut(u64, u64),
    ) -> Result<BackupReport> {
        let core = self.core();
        // Outside the lock as much as possible; an error meets the engine's own sync again.
        let _ = self.sync();
        let plan = core.writer.with(|engine| engine.begin_backup())??;
        let _release = Release(core);
        plan.copy_to(to, progress)
    }

    /// The changes of user keys from `from_seq` on (0 or 1 for the beginning), at most `limit`.
    /// Errors with [`Error::Gap`] once merge has dropped a record that the feed would need.
    ///
    /// Costs a walk over the segment that holds `from_seq`, up to that change; writes continue meanwhile.
    pub fn changes(&self, from_seq: u64, limit: usize) -> Result<ChangePage> {
        let log = self.core().writer.with(|engine| engine.log_view())??;
        log.changes(from_seq, limit)
    }

    /// The next changes of a feed: at most `limit`, and no more once keys and values together take `bytes_max`, but at
    /// least one if there is one. Errors as [`Db::changes`] does; the feed then keeps its position.
    ///
    /// The first page costs a walk over the segment up to where the feed begins, each later page only what it holds.
    pub fn next_changes(
        &self,
        feed: &mut Feed,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Change>> {
        let log = self.core().writer.with(|engine| engine.log_view())??;
        log.next_changes(feed, limit, bytes_max)
    }

    /// Passes the versions of a key to `sink`, oldest first, until it returns `false` or an error. Costs a walk
    /// over all segments, during which writes continue, and the memory of one version.
    pub fn each_version(
        &self,
        key: &[u8],
        sink: impl FnMut(Version) -> Result<bool>,
    ) -> Result<()> {
        let core = self.core();
        let log = core.writer.with(|engine| engine.log_view())??;
        let done = log.each_version(&core.view, key, sink);
        // Asked afterwards, as in every read: a version that is live must not pass for an old one.
        core.refuse_closed()?;
        done
    }

    /// Every version of a key that the log still holds, oldest first. Costs a walk over all
    /// segments, during which writes continue.
    pub fn history(&self, key: &[u8]) -> Result<Vec<Version>> {
        let core = self.core();
        let log = core.writer.with(|engine| engine.log_view())??;
        let versions = log.history(&core.view, key);
        core.refuse_closed()?;
        versions
    }

    /// What opening found and did; for a read-only handle, what its last refresh found.
    pub fn report(&self) -> Result<RecoveryReport> {
        self.core().writer.with(|engine| engine.report().clone())
    }

    /// The identity of this store, which its backups share.
    pub fn store_id(&self) -> StoreId {
        self.core().view.store_id()
    }

    /// Trusts the host's clock from now on, whatever it says.
    pub fn confirm_clock(&self) -> Result<()> {
        self.core().writer.with(|engine| engine.confirm_clock())
    }

    /// Brings a read-only handle up to date with the writer. Reads by key do so on their own when
    /// they must.
    pub fn refresh(&self) -> Result<()> {
        self.core().writer.with(|engine| engine.refresh())?
    }
}

/// Lets go of the files that were held, also when the caller's own code panics.
struct Release<'a, S: SharedStorage>(&'a Core<S>);

impl<S: SharedStorage> Drop for Release<'_, S> {
    fn drop(&mut self) {
        // Closed meanwhile: the next opening removes what nobody needs.
        let _ = self.0.writer.with(|engine| engine.release_files());
    }
}
