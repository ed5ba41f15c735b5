//! For authors of backends: the storage contract as something that runs.

pub mod contract;
mod files;
mod names;
mod openers;
mod table;
