//! Prints the table of promises per backend, as Markdown, for the README.
//!
//! Exits with 1 if any backend breaks one. A backend that this machine cannot run is left out,
//! and named on the standard error.

use portcask::testing::contract;
use portcask_hosts::promises::{Column, memory, std_files, wasi_on_node, wasi_on_wasmtime};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut columns = vec![memory()];
    for answer in [
        std_files().map(Some),
        wasi_on_wasmtime().map(Some),
        wasi_on_node(),
    ] {
        match answer {
            Ok(Some(column)) => columns.push(column),
            Ok(None) => eprintln!("left out: WASI on Node, because there is no `node`"),
            Err(cause) => {
                eprintln!("portcask-promises: {cause}");
                return ExitCode::from(2);
            }
        }
    }
    let shown: Vec<_> = columns.iter().map(borrowed).collect();
    print!("{}", contract::markdown_table(&shown));
    let broken: usize = columns
        .iter()
        .map(|(_, promises)| contract::broken(promises).count())
        .sum();
    ExitCode::from(u8::from(broken > 0))
}

fn borrowed((name, promises): &Column) -> (&str, &[contract::Promise]) {
    (name, promises)
}
