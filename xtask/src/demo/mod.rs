//! `cargo xtask demo`: one directory, written and read by three hosts, with a crash in the middle.
//!
//! ```text
//! wasmtime   import, read back, overwrite a third, delete a third
//! wasmtime   killed while it writes
//! native     reopen, verify, read back, merge
//! Node       reopen, verify, read back
//! ```
//! What must be in the store is kept beside it as a map. After the kill a prefix of what was being written must be
//! there, and everything older; every other reading must equal the map exactly.

pub mod model;
mod place;

use std::time::Instant;

use crate::hosts::{Node, Wasmtime};
use crate::repo::Repo;
use crate::setup::{self, Consent, Target, WasmToolchain};
use crate::shell::{self, Failure, Result};
use crate::wasm::{self, grouped};
use model::{Records, Rows};
use place::{Host, Place};

/// How much of the data set is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// All of it.
    Full,
    /// Enough for every step of the story.
    Short,
}

/// Records of the short story.
const SHORT_RECORDS: usize = 12_000;
/// Records that the killed run puts into one batch: a batch is there whole or not at all.
const BATCH_RECORDS: usize = 100;

/// `cargo xtask demo`: makes the machine ready, builds, tells.
pub fn command(repo: &Repo, quick: bool) -> Result<()> {
    let start = Instant::now();
    let consent = Consent::new(false);
    println!("Getting ready");
    let toolchain = WasmToolchain::ready(repo, Target::Wasip1, consent)?;
    println!("  wasm compiler: {}", toolchain.way());
    println!("  Node: {}", setup::node(consent)?);
    println!("Building the command for WASI");
    wasm::build(repo, &toolchain)?;
    let wasmtime = Wasmtime::find(repo)?;
    println!("  wasmtime: {}", wasmtime.about());
    let length = if quick { Length::Short } else { Length::Full };
    tell(repo, &wasmtime, length)?;
    println!(
        "All in {:.0} seconds, builds included.",
        start.elapsed().as_secs_f32()
    );
    Ok(())
}

/// Builds the native command and tells the story; `portcask.wasm` is there already.
pub fn tell(repo: &Repo, wasmtime: &Wasmtime, length: Length) -> Result<()> {
    println!("Building the command for this machine");
    // The short story shares what the tests have built; the full one shows real times.
    let (folder, profile) = match length {
        Length::Full => ("release", "release"),
        Length::Short => ("debug", "dev"),
    };
    let mut cargo = repo.cargo();
    cargo.args(["build", "--package", "portcask-cli", "--profile", profile]);
    shell::run(&mut cargo)?;
    let program = format!("portcask{}", std::env::consts::EXE_SUFFIX);
    let module = wasm::path(repo);
    let native = Host::native(repo.target.join(folder).join(program));
    let wasmtime = Host::wasmtime(wasmtime, &module);
    let node = Host::node(Node::new(repo), &module);

    let place = Place::new(repo.emptied("demo")?)?;
    let names = model::data_set(repo)?;
    let names = match length {
        Length::Full => names,
        Length::Short => names.into_iter().take(SHORT_RECORDS).collect(),
    };
    println!(
        "\nOne directory, three hosts: {}",
        crate::repo::shown(&place.store())
    );
    let mut records = imported(&place, &wasmtime, &names)?;
    let untouched = changed(&place, &wasmtime, &names, &mut records)?;
    let half_written = killed(&place, &wasmtime, untouched)?;
    survived(&place, &native, half_written, &mut records)?;
    reopened(&place, &node, &records)?;
    let exports = [&wasmtime, &native].map(|host| place.export(host));
    let same = place.export(&node)?;
    for export in exports {
        if export? != same {
            return Err(Failure::new(
                "two hosts read different records from one directory",
            ));
        }
    }
    println!(
        "\nAll three read the same directory and exported the same {} bytes.",
        grouped(same.len() as u64)
    );
    Ok(())
}

/// The whole data set goes in and comes back.
fn imported(place: &Place, host: &Host, names: &Rows) -> Result<Records> {
    let told = Told::start(format_args!(
        "{}: {} names into an empty directory",
        host.name(),
        grouped(names.len() as u64)
    ));
    place.import(host, "names.tsv", names)?;
    let records: Records = names.iter().cloned().collect();
    told.line(format_args!("imported in {:.1} s", told.seconds()));
    place.holds(host, &records)?;
    told.line(format_args!(
        "counted, read back and compared: all {} equal",
        grouped(records.len() as u64)
    ));
    told.end();
    Ok(records)
}

/// A third is overwritten and a third deleted. Answers the changes to the rest that the next run will begin.
fn changed(place: &Place, host: &Host, names: &Rows, records: &mut Records) -> Result<Rows> {
    let told = Told::start(format_args!(
        "{}: a third overwritten, a third deleted",
        host.name()
    ));
    let (mut overwritten, mut deleted, mut rest) = (Rows::new(), Vec::new(), Rows::new());
    for (at, (key, name)) in names.iter().enumerate() {
        match at % 3 {
            0 => overwritten.push((key.clone(), name.to_lowercase())),
            1 => deleted.push(key.clone()),
            _ => rest.push((key.clone(), format!("{name}, again"))),
        }
    }
    place.import(host, "overwritten.tsv", &overwritten)?;
    records.extend(overwritten.iter().cloned());
    place.delete(host, &deleted)?;
    for key in &deleted {
        records.remove(key);
    }
    told.line(format_args!(
        "{} overwritten, {} deleted in {:.1} s",
        grouped(overwritten.len() as u64),
        grouped(deleted.len() as u64),
        told.seconds()
    ));
    place.holds(host, records)?;
    told.line(format_args!(
        "read back and compared: all {} equal",
        grouped(records.len() as u64)
    ));
    told.end();
    Ok(rest)
}

/// A run that is killed while it writes: half of its input is still to come when it dies.
fn killed(place: &Place, host: &Host, changes: Rows) -> Result<Rows> {
    let told = Told::start(format_args!(
        "{}: killed in the middle of writing",
        host.name()
    ));
    let half = &changes[..changes.len() / 2];
    let death = place.kill_while_importing(host, half, BATCH_RECORDS)?;
    told.line(format_args!(
        "process {} was killed after it wrote {} bytes of log and received {} of {} changes",
        death.process,
        grouped(death.written_bytes),
        grouped(half.len() as u64),
        grouped(changes.len() as u64)
    ));
    told.end();
    Ok(half.to_vec())
}

/// Another host opens what the killed one left: everything older is there, and a prefix of whole batches.
fn survived(place: &Place, host: &Host, changes: Rows, records: &mut Records) -> Result<()> {
    let told = Told::start(format_args!("{}: reopened after the kill", host.name()));
    let verified = place.verify(host)?;
    told.line(format_args!("verify: {verified}"));
    let found = place.records(host)?;
    let kept = changes
        .iter()
        .take_while(|(key, value)| found.get(key) == Some(value))
        .count();
    records.extend(changes.into_iter().take(kept));
    model::compare(&found, records)?;
    if kept == 0 || kept % BATCH_RECORDS != 0 {
        return Err(Failure::new(format!(
            "{kept} changes of the killed run are there, which is not a number of whole batches"
        )));
    }
    told.line(format_args!(
        "{} changes of the killed run survived, in whole batches and without a gap; nothing older is missing",
        grouped(kept as u64)
    ));
    let before = place.log_bytes()?;
    place.merge(host)?;
    place.holds(host, records)?;
    told.line(format_args!(
        "merged: {} bytes of log became {}; read back and compared: all {} equal",
        grouped(before),
        grouped(place.log_bytes()?),
        grouped(records.len() as u64)
    ));
    told.end();
    Ok(())
}

/// The third host sees the same.
fn reopened(place: &Place, host: &Host, records: &Records) -> Result<()> {
    let told = Told::start(format_args!("{}: reopened after the merge", host.name()));
    told.line(format_args!("verify: {}", place.verify(host)?));
    place.holds(host, records)?;
    told.line(format_args!(
        "counted, read back and compared: all {} equal",
        grouped(records.len() as u64)
    ));
    told.end();
    Ok(())
}

/// One chapter of the story: a title, lines, and how long it took.
struct Told {
    start: Instant,
}

impl Told {
    fn start(title: impl std::fmt::Display) -> Self {
        println!("\n{title}");
        Self {
            start: Instant::now(),
        }
    }

    fn line(&self, words: impl std::fmt::Display) {
        println!("  {words}");
    }

    fn seconds(&self) -> f32 {
        self.start.elapsed().as_secs_f32()
    }

    fn end(self) {
        println!("  ({:.1} s)", self.seconds());
    }
}
