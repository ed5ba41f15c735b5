//! For authors of backends and tests: the storage contract as something that runs, and a disk
//! whose power can be cut anywhere.

pub mod contract;
mod files;
mod names;
mod openers;
pub mod oracle;
pub mod sim;
mod table;
pub mod world;
