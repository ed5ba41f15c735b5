//! For authors of backends and tests: the storage contract as something that runs, and a disk
//! whose power can be cut anywhere.

pub mod contract;
pub mod damage;
mod files;
pub mod history;
mod names;
mod openers;
pub mod oracle;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod regions;
pub mod rot;
pub mod sim;
pub mod specimen;
pub mod steps;
mod table;
pub mod world;
