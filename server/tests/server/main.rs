//! The server, driven through sockets as clients do.

mod basics;
mod common;
mod crate_client;
mod differential;
mod durability;
mod hostile;
mod hostile_load;
mod operations;
mod process;
mod pubsub;
mod real_redis;
mod transactions;
mod values;
mod waiting;
