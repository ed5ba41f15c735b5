//! The server, driven through sockets as clients do.

mod basics;
mod common;
mod differential;
mod durability;
mod hostile;
mod operations;
mod redis;
mod transactions;
mod values;
