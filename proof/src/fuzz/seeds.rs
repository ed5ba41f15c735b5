//! What a search begins with: pieces of the committed store behind their true salts, and random
//! choices for the targets that make their cases from bytes.

use super::folder;
use crate::targets::{self, golden};
use portcask_core::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind};
use portcask_core::format::hint;
use portcask_core::format::manifest::{self, MANIFEST_RECORDS_OFFSET};
use portcask_core::format::record::{self, Site};
use portcask_core::testing::sim::Dice;
use std::fs;
use std::io;
use std::process::ExitCode;

/// Random inputs for each target.
const RANDOM_INPUTS: u64 = 24;

/// Writes the seeds into the committed corpora, beside what is there.
pub fn seeds() -> ExitCode {
    match random().and_then(|()| from_golden()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every input is a case, so random bytes are random cases.
fn random() -> io::Result<()> {
    for target in &targets::ALL {
        for seed in 0..RANDOM_INPUTS {
            let mut dice = Dice::new(seed);
            let bytes = dice.below(target.input_bytes_max as u64);
            let input: Vec<u8> = (0..bytes).map(|_| dice.below(256) as u8).collect();
            write(target.name, &format!("random-{seed}"), &input)?;
        }
    }
    Ok(())
}

fn from_golden() -> io::Result<()> {
    for (name, bytes) in golden() {
        let Ok(header) = FileHeader::decode(&bytes) else {
            continue;
        };
        match header.kind {
            FileKind::Segment => {
                let site = Site {
                    salt: header.salt,
                    base_seq: header.base_seq,
                };
                let mut at = FILE_HEADER_BYTES;
                while let Ok(found) = record::decode(&bytes[at..], site, at as u64) {
                    let end = at + found.record_bytes() as usize;
                    let mut input = vec![0];
                    input.extend_from_slice(&site.salt.to_le_bytes());
                    input.extend(number(site.base_seq));
                    input.extend(number(at as u64));
                    input.extend_from_slice(&bytes[at..end]);
                    write("record_decode", &format!("{name}-{at}"), &input)?;
                    at = end;
                }
            }
            FileKind::Hint => {
                let mut at = FILE_HEADER_BYTES;
                while let Ok((_, len)) = hint::decode_block(&bytes[at..], header.salt, at as u64) {
                    let input = raw(header.salt, at, &bytes[at..at + len]);
                    write("hint_decode", &format!("{name}-{at}"), &input)?;
                    at += len;
                }
            }
            FileKind::Manifest => {
                let mut at = MANIFEST_RECORDS_OFFSET as usize;
                while let Ok((_, len)) =
                    manifest::decode_record(&bytes[at..], header.salt, at as u64)
                {
                    let input = raw(header.salt, at, &bytes[at..at + len]);
                    write("manifest_decode", &format!("{name}-{at}"), &input)?;
                    at += len;
                }
            }
        }
    }
    Ok(())
}

/// The case of these bytes at their place.
fn raw(salt: u64, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut input = vec![0];
    input.extend_from_slice(&salt.to_le_bytes());
    input.extend(number(at as u64));
    input.extend_from_slice(bytes);
    input
}

/// A number as a target reads it.
fn number(n: u64) -> Vec<u8> {
    let mut input = vec![6];
    input.extend_from_slice(&n.to_le_bytes());
    input
}

fn write(target: &str, name: &str, input: &[u8]) -> io::Result<()> {
    let corpus = folder().join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    fs::write(corpus.join(name), input)
}
