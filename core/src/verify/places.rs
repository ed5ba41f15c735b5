//! The places in the index.

use crate::engine::Engine;
use crate::error::{Damage, Error, Result};
use crate::fallible;
use crate::format::KeyHash;
use crate::index::IndexCell;
use crate::keydir::Slot;
use crate::prelude::*;
use crate::report::DamageReport;
use crate::segment::read::Located;
use crate::storage::Storage;
use crate::verify::VerifyReport;

/// Places looked at between two looks at the index.
const PLACES_CHECKED: usize = 1024;

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Every place in the index must hold its own key's record.
    pub(super) fn verify_places(&self, report: &mut VerifyReport) -> Result<()> {
        let (mut from, mut buffer) = (Some(0), Vec::new());
        while let Some(cursor) = from {
            let page = self
                .index
                .read(|index| fallible::collect(index.keydir.scan(cursor).take(PLACES_CHECKED)))?;
            from = page.last().and_then(|(hash, _)| hash.hi.checked_add(1));
            for (hash, slot) in page {
                self.verify_place((hash, slot), &mut buffer, report)?;
            }
        }
        Ok(())
    }

    fn verify_place(
        &self,
        (hash, slot): (KeyHash, Slot),
        buffer: &mut Vec<u8>,
        report: &mut VerifyReport,
    ) -> Result<()> {
        // A record in memory has no place to check; a segment that is gone since has given its keys to another.
        let Ok(Located::Filed(spot)) = self.index.read(|index| index.locate_slot(slot)) else {
            return Ok(());
        };
        let wrong = match spot.read(buffer) {
            Ok(checked) => {
                let kind = checked.head.kind;
                let same = kind.is_put() && self.hash(kind.space(), &buffer[checked.key()]) == hash;
                (!same).then_some(Damage::Hint)
            }
            Err(Error::Corrupt { found }) => Some(found.damage),
            Err(_) => Some(Damage::Unreadable),
        };
        let Some(damage) = wrong else { return Ok(()) };
        let known = |d: &DamageReport| {
            d.file == spot.name() && d.offset <= spot.offset && spot.offset < d.offset + d.bytes
        };
        // Beside a writer the key may have moved while its old place was read.
        let still_there = self.index.read(|index| index.keydir.get(hash)) == Some(slot);
        if still_there && !report.damages.iter().any(known) {
            let misplaced = DamageReport {
                file: spot.name(),
                offset: spot.offset,
                bytes: spot.bytes,
                damage,
                key: None,
                live: true,
            };
            fallible::push(&mut report.damages, misplaced)?;
        }
        Ok(())
    }
}
