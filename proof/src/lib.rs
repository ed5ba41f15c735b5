//! The evidence that nothing acknowledged is lost: campaigns that search, and the page that shows
//! what they counted.
//!
//! ```text
//!   portcask_core::testing   one simulated disk, one world, one oracle
//!        |
//!   campaigns                what is tried: small worlds, histories, real power cuts, fuzz targets
//!        |
//!   ledger                   what was counted, one JSON line a campaign  (ledger.jsonl, committed)
//!        |
//!   page                     docs/RELIABILITY.md, written from the ledger alone
//! ```
//!
//! A campaign finds nothing or stops at the first violation with all that is needed to see it
//! again: a seed, a minimal history, an image.

pub mod every_bit;
pub mod fuzz;
pub mod heap;
pub mod ledger;
pub mod page;
pub mod planted;
pub mod powercut;
pub mod prove;
pub mod targets;
mod threads;
pub mod tools;

use indicatif::{ProgressBar, ProgressStyle};

/// Progress for whoever watches a terminal.
fn bar(count: u64, what: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg:38} {wide_bar} {human_pos}/{human_len} {eta:>5}");
    let bar = ProgressBar::new(count).with_message(what.to_owned());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
