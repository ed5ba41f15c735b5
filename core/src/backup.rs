//! Backup to, and restore from, another storage: whole or nothing, whatever happens in between.
//!
//! Segments are copied byte by byte with their salts and checks, hints along with them; the
//! manifest that makes a store of them is written last. A directory in which that did not happen
//! holds segments without a manifest, which no opener takes for a store.

use crate::engine::{Engine, Role};
use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FOOTER_BYTES, FileKind, Footer, StoreId};
use crate::format::manifest::{SegmentState, State};
use crate::index::IndexCell;
use crate::manifest_log::{self, ManifestLog};
use crate::options::{OpenMode, Options};
use crate::prelude::*;
use crate::segment::create::{fresh_salt, sync_names};
use crate::segment::walk::{State as Found, Step, Walker};
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Files written, the manifest included.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
    /// The copy holds every write up to this sequence number.
    pub last_seq: u64,
}

/// A point in a store's history, held fast so that it can be copied while writes go on.
/// Files it needs are not removed until [`Engine::end_backup`].
pub struct BackupPlan<F> {
    store: StoreId,
    state: State,
    files: Vec<Source<F>>,
    last_seq: u64,
}

struct Source<F> {
    name: FileName,
    file: F,
    bytes: u64,
    /// A hint may be cut short; a segment may not.
    is_cache: bool,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Copies the store to an empty `to`, telling `progress` the bytes done and in all. What it
    /// holds is every write acknowledged before the call.
    pub fn backup<T: Storage>(
        &mut self,
        to: &T,
        progress: impl FnMut(u64, u64),
    ) -> Result<BackupReport> {
        let plan = self.begin_backup()?;
        let done = plan.copy_to(to, progress);
        self.end_backup(plan);
        done
    }

    /// Syncs, and holds this moment fast. A front end copies outside its lock.
    pub fn begin_backup(&mut self) -> Result<BackupPlan<S::File>> {
        if matches!(self.role, Role::Writer(_)) {
            self.sync()?;
            self.hold_files();
        }
        self.plan_backup().inspect_err(|_| self.release_files())
    }

    fn plan_backup(&self) -> Result<BackupPlan<S::File>> {
        let mut state = self.state().try_clone()?;
        let last_seq = self.last_seq();
        let mut files = Vec::new();
        for entry in &mut state.segments {
            let found = self.index.read(|index| {
                let segment = index.segment(index.slot_of(entry.id)?)?;
                Some((segment.file.clone(), segment.end))
            });
            // A copy without it would be a store that lost a file.
            let (file, end) = found
                .ok_or_else(|| Error::corrupt(names::segment(entry.id), 0, Damage::Missing))?;
            if entry.state == SegmentState::Active {
                entry.valid_bytes = end;
                entry.last_seq = entry.last_seq.max(last_seq);
            }
            // A footer is the second copy of the salt, without which no record validates.
            let footer = match entry.state {
                SegmentState::Sealed if has_footer(&file, end) => FOOTER_BYTES as u64,
                _ => {
                    entry.state = SegmentState::Cut;
                    0
                }
            };
            let segment = Source {
                name: names::segment(entry.id),
                file,
                bytes: end + footer,
                is_cache: false,
            };
            fallible::push(&mut files, segment)?;
            let hint = names::hint(entry.id);
            if let Ok(file) = self.storage.open(&hint, Access::Read)
                && let Ok(bytes) = file.len()
            {
                let hint = Source {
                    name: hint,
                    file,
                    bytes,
                    is_cache: true,
                };
                fallible::push(&mut files, hint)?;
            }
        }
        state.last_seq = state.last_seq.max(last_seq);
        state.clean = true;
        state.pending.clear();
        state.condemned.clear();
        Ok(BackupPlan {
            store: self.store,
            state,
            files,
            last_seq,
        })
    }

    /// Lets go of the moment that a plan held fast.
    pub fn end_backup(&mut self, plan: BackupPlan<S::File>) {
        drop(plan);
        self.release_files();
    }
}

impl<F: File> BackupPlan<F> {
    /// The sequence number up to which the copy is complete.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Writes the manifest that makes a store of the copied files.
    fn seal<T: Storage>(&self, to: &T) -> Result<u64> {
        let claimed = manifest_log::claim(to, &[])?;
        let (epoch, salt) = (claimed.0, fresh_salt(to)?);
        let now = to.now_ms().unwrap_or(0);
        ManifestLog::start(
            claimed,
            self.store,
            salt,
            now,
            Box::new(self.state.try_clone()?),
        )?;
        sync_names(to)?;
        let name = names::manifest(epoch);
        let file = to.open(&name, Access::Read).during(Op::Open, name)?;
        file.len().during(Op::Read, name)
    }

    /// Copies to an empty storage; the manifest comes last.
    pub fn copy_to<T: Storage>(
        &self,
        to: &T,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<BackupReport> {
        let present = to.list().during_any(Op::List)?;
        if present.iter().any(|name| names::parse(name).is_some()) {
            return Err(Error::NotEmpty);
        }
        let total = self.files.iter().map(|source| source.bytes).sum();
        let mut report = BackupReport {
            last_seq: self.last_seq,
            ..BackupReport::default()
        };
        let mut buffer = fallible::zeroed(COPY_BYTES)?;
        for source in &self.files {
            let name = source.name;
            let out = to.create(&name).during(Op::Create, name)?;
            let mut at = 0;
            while at < source.bytes {
                let piece = (source.bytes - at).min(COPY_BYTES as u64) as usize;
                let got = source
                    .file
                    .pread(at, &mut buffer[..piece])
                    .during(Op::Read, name)?;
                if got == 0 && source.is_cache {
                    break;
                }
                if got == 0 {
                    return Err(Error::corrupt(name, at, Damage::Truncated));
                }
                out.append(at, &buffer[..got]).during(Op::Append, name)?;
                at += got as u64;
                report.bytes += got as u64;
                progress(report.bytes, total);
            }
            out.sync().during(Op::Sync, name)?;
            report.files += 1;
            if !source.is_cache {
                self.check_copy(&out, name)?;
            }
        }
        sync_names(to)?;
        report.bytes += self.seal(to)?;
        report.files += 1;
        Ok(report)
    }

    /// Reads the copy back: a backup that does not verify is none.
    fn check_copy<G: File>(&self, copy: &G, name: FileName) -> Result<()> {
        let Some(entry) = self
            .state
            .segments
            .iter()
            .find(|entry| names::segment(entry.id) == name)
        else {
            return Ok(());
        };
        let site = crate::format::record::Site {
            salt: entry.salt,
            base_seq: entry.base_seq,
        };
        let start = FILE_HEADER_BYTES as u64;
        let mut walker = Walker::new(Borrowed(copy), entry.id, site, start, entry.valid_bytes);
        while let Some(step) = walker.next()? {
            let wrong = match step {
                Step::Record if walker.found().state == Found::Intact => None,
                Step::Record => Some((walker.found().offset, Damage::Body)),
                Step::Gap => Some((walker.gap().from, walker.gap().damage)),
            };
            if let Some((offset, damage)) = wrong {
                return Err(Error::corrupt(name, offset, damage));
            }
        }
        Ok(())
    }
}

/// Copies a backup (or any closed or readable store) into an empty storage. Whole or nothing.
pub fn restore<S: Storage + Clone, T: Storage>(
    from: &S,
    to: &T,
    progress: impl FnMut(u64, u64),
) -> Result<BackupReport> {
    let options = Options {
        mode: OpenMode::Strict,
        ..Options::read_only()
    };
    let mut source: Engine<S> = Engine::open(from.clone(), options)?;
    source.backup(to, progress)
}

/// Whether a directory holds a complete store: some manifest in it is valid.
pub fn is_store<S: Storage>(storage: &S) -> Result<bool> {
    let names = storage.list().during_any(Op::List)?;
    let any = names
        .iter()
        .any(|name| matches!(names::parse(name), Some((FileKind::Manifest, _))));
    Ok(any
        && manifest_log::survey(storage, &names, u64::MAX)?
            .newest
            .is_some())
}

fn has_footer<F: File>(file: &F, end: u64) -> bool {
    let mut footer = [0; FOOTER_BYTES];
    let got = file.pread(end, &mut footer).unwrap_or(0);
    Footer::decode(&footer[..got]).is_ok_and(|footer| footer.data_end == end)
}

/// Lends a file to a walk.
struct Borrowed<'a, F>(&'a F);

impl<F: File> File for Borrowed<'_, F> {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), crate::storage::StorageError> {
        self.0.append(offset, bytes)
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, crate::storage::StorageError> {
        self.0.pread(offset, into)
    }

    fn sync(&self) -> Result<(), crate::storage::StorageError> {
        self.0.sync()
    }

    fn len(&self) -> Result<u64, crate::storage::StorageError> {
        self.0.len()
    }

    fn truncate(&self, _: u64) -> Result<(), crate::storage::StorageError> {
        Err(crate::storage::StorageError::new(ErrorKind::Unsupported))
    }
}
