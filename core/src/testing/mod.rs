//! For authors of backends and tests: the storage contract as something that runs, and a disk
//! whose power can be cut anywhere.

pub mod contract;
mod files;
pub mod history;
mod names;
mod openers;
pub mod oracle;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod rot;
pub mod sim;
mod steps;
mod table;
pub mod world;
