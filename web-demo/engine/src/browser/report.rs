//! Reports as JSON, which JavaScript reads faster than anything that we could invent.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;
use portcask::{DamageReport, Error, MergeReport, RecoveryReport, Stats, VerifyReport, fallible};

/// `{"name":value,..}`, one field at a time.
struct Object<'a> {
    into: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    fn new(into: &'a mut Vec<u8>) -> Result<Self, Error> {
        fallible::push(into, b'{')?;
        Ok(Self { into, empty: true })
    }

    fn name(&mut self, name: &str) -> Result<&mut Vec<u8>, Error> {
        if !core::mem::take(&mut self.empty) {
            fallible::push(self.into, b',')?;
        }
        text(self.into, name)?;
        fallible::push(self.into, b':')?;
        Ok(self.into)
    }

    /// A number or a truth value.
    fn plain(&mut self, name: &str, value: impl Display) -> Result<&mut Self, Error> {
        let value = value.to_string();
        fallible::extend(self.name(name)?, value.as_bytes())?;
        Ok(self)
    }

    fn numbers(&mut self, fields: &[(&str, u64)]) -> Result<(), Error> {
        for (name, value) in fields {
            self.plain(name, value)?;
        }
        Ok(())
    }

    fn list<T>(
        &mut self,
        name: &str,
        items: &[T],
        item: impl Fn(&mut Vec<u8>, &T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let into = self.name(name)?;
        fallible::push(into, b'[')?;
        for (at, one) in items.iter().enumerate() {
            if at > 0 {
                fallible::push(into, b',')?;
            }
            item(into, one)?;
        }
        Ok(fallible::push(into, b']')?)
    }

    fn end(self) -> Result<(), Error> {
        Ok(fallible::push(self.into, b'}')?)
    }
}

/// A string. Only names and the engine's own words come here, which need no escapes but these.
fn text(into: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    fallible::push(into, b'"')?;
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => fallible::extend(into, &[b'\\', byte])?,
            0..32 => fallible::push(into, b' ')?,
            _ => fallible::push(into, byte)?,
        }
    }
    Ok(fallible::push(into, b'"')?)
}

fn damage(into: &mut Vec<u8>, damage: &DamageReport) -> Result<(), Error> {
    let mut object = Object::new(into)?;
    text(object.name("file")?, damage.file.as_str())?;
    object.numbers(&[("offset", damage.offset), ("bytes", damage.bytes)])?;
    let words: String = damage.damage.to_string();
    text(object.name("damage")?, &words)?;
    object.plain("live", damage.live)?;
    object.end()
}

pub(super) fn recovery(into: &mut Vec<u8>, report: &RecoveryReport) -> Result<(), Error> {
    let words = report.to_string();
    let mut object = Object::new(into)?;
    text(object.name("summary")?, &words)?;
    object.plain("created", report.created)?;
    object.plain("clean", report.clean)?;
    object.plain("degraded", report.degraded)?;
    object.plain("clockJumped", report.clock_jump.is_some())?;
    object.numbers(&[
        ("epoch", report.epoch),
        ("keys", report.keys),
        ("scannedRecords", report.scanned_records),
        ("scannedBytes", report.scanned_bytes),
        ("hintedBytes", report.hinted_bytes),
        ("tornBytes", report.torn_bytes),
        ("tornRecords", report.torn_records),
        ("undecidableBytes", report.undecidable_bytes),
        ("undecidableRecords", report.undecidable_records),
        ("rewrittenRecords", report.rewritten_records),
        ("damagesOmitted", report.damages_omitted),
    ])?;
    object.list("damages", &report.damages, damage)?;
    object.list("undecided", &report.undecided, damage)?;
    object.list("orphans", &report.orphans, |into, name| {
        text(into, name.as_str())
    })?;
    object.end()
}

pub(super) fn stats(into: &mut Vec<u8>, stats: &Stats, handles: usize) -> Result<(), Error> {
    let mut object = Object::new(into)?;
    object.numbers(&[
        ("keys", stats.keys),
        ("liveBytes", stats.live_bytes),
        ("deadBytes", stats.dead_bytes),
        ("tombstoneBytes", stats.tombstone_bytes),
        ("totalBytes", stats.total_bytes),
        ("fragmentationPercent", stats.fragmentation_percent.into()),
        ("memoryBytes", stats.memory_bytes),
        ("lastSeq", stats.last_seq),
        ("epoch", stats.epoch),
        ("handles", handles as u64),
    ])?;
    object.list("segments", &stats.segments, |into, segment| {
        let mut object = Object::new(into)?;
        object.numbers(&[
            ("id", segment.id),
            ("sizeBytes", segment.size_bytes),
            ("liveBytes", segment.live_bytes),
            ("deadBytes", segment.dead_bytes),
            ("tombstoneBytes", segment.tombstone_bytes),
            ("liveKeys", segment.live_keys),
        ])?;
        object.plain("active", segment.active)?;
        object.plain("damaged", segment.damaged)?;
        object.end()
    })?;
    object.end()
}

pub(super) fn merge(into: &mut Vec<u8>, report: &MergeReport) -> Result<(), Error> {
    let mut object = Object::new(into)?;
    object.numbers(&[
        ("inputs", report.inputs as u64),
        ("outputs", report.outputs as u64),
        ("bytesBefore", report.bytes_before),
        ("bytesAfter", report.bytes_after),
        ("recordsKept", report.records_kept),
        ("recordsDropped", report.records_dropped),
    ])?;
    object.end()
}

pub(super) fn verify(into: &mut Vec<u8>, report: &VerifyReport) -> Result<(), Error> {
    let mut object = Object::new(into)?;
    object.plain("sound", report.is_sound())?;
    object.numbers(&[
        ("files", report.files),
        ("records", report.records),
        ("liveRecords", report.live_records),
        ("bytes", report.bytes),
    ])?;
    object.list("damages", &report.damages, damage)?;
    object.list("undecided", &report.undecided, damage)?;
    object.end()
}
