//! Manifests: the one that counts and the generations before it.

use super::VerifyReport;
use crate::engine::{Engine, Role};
use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::file::{FILE_HEADER_BYTES, FileKind, names};
use crate::index::IndexCell;
use crate::manifest_log::{self, Places};
use crate::prelude::*;
use crate::report::DamageReport;
use crate::storage::{ErrorKind, Storage};

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Checks every manifest there is. A writer knows how much of its own is durable.
    pub(super) fn verify_manifests(&self, report: &mut VerifyReport) -> Result<()> {
        let own = match &self.role {
            Role::Writer(writer) => (writer.manifest.epoch, writer.manifest.durable_bytes()),
            Role::Reader(_) => (0, 0),
        };
        let mut places = Places::default();
        for name in self.storage.list().during_any(Op::List)? {
            let Some((FileKind::Manifest, epoch)) = names::parse(&name) else {
                continue;
            };
            let durable = if epoch == own.0 { own.1 } else { 0 };
            let damage = |bytes, damage| DamageReport {
                file: name,
                offset: 0,
                bytes,
                damage,
                key: None,
                live: false,
            };
            match manifest_log::inspect(&self.storage, epoch, durable, &mut places) {
                Ok(Some(loaded)) if loaded.store != self.store => {
                    let foreign = damage(FILE_HEADER_BYTES as u64, Damage::Foreign);
                    fallible::push(&mut report.damages, foreign)?;
                }
                Ok(_) => {}
                // A newer opener's, or removed by one.
                Err(Error::NewerFormat { .. } | Error::UnknownFeature { .. }) => continue,
                Err(error) if error.storage_kind() == Some(ErrorKind::NotFound) => continue,
                Err(error) if error.storage_kind() == Some(ErrorKind::Io) => {
                    let bytes = FILE_HEADER_BYTES as u64;
                    let unread = damage(bytes, Damage::Unreadable);
                    fallible::push(&mut report.damages, unread)?;
                }
                Err(error) => return Err(error),
            }
            report.files += 1;
        }
        for damage in places.damages {
            fallible::push(&mut report.damages, damage)?;
        }
        for place in places.undecided {
            fallible::push(&mut report.undecided, place)?;
        }
        Ok(())
    }
}
