//! Every verb of the engine, with its first storage call failing, its second, its third ... until it
//! gets through without meeting the failure: once only, and from that call on for ever. The same for
//! every allocation that may be refused.
//!
//! Each time: nothing panics; the answer is the right one or a typed error; reads under the failure
//! are right or refused; the running store goes on or is poisoned; and when the medium is well
//! again, the store opens after the death of the process and after power cuts, shows what the oracle
//! allows, and takes writes.

mod openings;
mod reads;
mod scene;
mod trial;
mod upkeep;
mod verb;
mod writes;

use openings::OPENINGS;
use reads::{HISTORY, READS};
use trial::{Mode, exhaust};
use upkeep::{COPIES, LARGE, MERGES, UPKEEP};
use verb::Verb;
use writes::WRITES;

fn storage_calls(verbs: &[Verb]) {
    let modes = [
        Mode::CallOnce,
        Mode::CallsFrom,
        Mode::ReadsFrom,
        Mode::ReadTwice,
    ];
    for mode in modes {
        verbs.iter().for_each(|verb| exhaust(verb, mode));
    }
}

fn allocations(verbs: &[Verb]) {
    for mode in [Mode::AllocationOnce, Mode::AllocationsFrom] {
        verbs.iter().for_each(|verb| exhaust(verb, mode));
    }
}

#[test]
fn any_storage_call_of_an_opening_may_fail() {
    storage_calls(OPENINGS);
}

#[test]
fn any_storage_call_of_a_read_may_fail() {
    storage_calls(READS);
    storage_calls(HISTORY);
}

#[test]
fn any_storage_call_of_a_write_may_fail() {
    storage_calls(WRITES);
}

#[test]
fn any_storage_call_of_upkeep_may_fail() {
    storage_calls(UPKEEP);
}

#[test]
fn any_storage_call_of_a_merge_may_fail() {
    storage_calls(MERGES);
}

#[test]
fn any_two_reads_of_a_large_value_may_fail() {
    LARGE.iter().for_each(|verb| exhaust(verb, Mode::ReadTwice));
}

#[test]
fn any_storage_call_of_a_copy_may_fail() {
    storage_calls(COPIES);
}

#[test]
fn any_allocation_of_an_opening_may_be_refused() {
    allocations(OPENINGS);
}

#[test]
fn any_allocation_of_a_read_may_be_refused() {
    allocations(READS);
    allocations(HISTORY);
}

#[test]
fn any_allocation_of_a_write_may_be_refused() {
    allocations(WRITES);
}

#[test]
fn any_allocation_of_upkeep_may_be_refused() {
    allocations(UPKEEP);
}

#[test]
fn any_allocation_of_a_merge_may_be_refused() {
    allocations(MERGES);
}

#[test]
fn any_allocation_of_a_copy_may_be_refused() {
    allocations(COPIES);
}
