//! Runs the storage contract on this platform's files and prints what it promises.
//!
//! ```text
//! contract DIR [--lines]
//! ```
//!
//! `DIR` is created if absent and should be empty; the files are left there. `--lines` prints
//! tab-separated fields for programs. Exits with 1 if a promise is broken, with 2 if it was not
//! even started. The same source runs natively and as a WASI guest.

use portcask::PlatformStorage;
use portcask::testing::contract;
use std::cell::Cell;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut directory = None;
    let mut as_lines = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--lines" => as_lines = true,
            _ => directory = Some(argument),
        }
    }
    let Some(directory) = directory else {
        eprintln!("usage: contract DIR [--lines]");
        return ExitCode::from(2);
    };
    // The suite wants many empty directories, and only last components are created.
    if let Err(refusal) = PlatformStorage::open(&directory) {
        eprintln!("contract: {refusal}");
        return ExitCode::from(2);
    }
    let count = Cell::new(0);
    let path = || format!("{directory}/{:03}", count.get());
    let open = || PlatformStorage::open(path()).expect("a directory in DIR can be opened");
    let promises = contract::check_shared(
        || {
            count.set(count.get() + 1);
            open()
        },
        |_| open(),
    );
    if as_lines {
        print!("{}", contract::lines(&promises));
    } else {
        print!("{}", contract::text_table(&promises));
    }
    match contract::broken(&promises).count() {
        0 => ExitCode::SUCCESS,
        broken => {
            eprintln!("contract: {broken} promises are broken");
            ExitCode::FAILURE
        }
    }
}
