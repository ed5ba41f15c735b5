//! The portcask command.
fn main() {}
