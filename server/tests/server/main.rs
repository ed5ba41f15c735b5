//! The server, driven through sockets as clients do.

mod basics;
mod common;
mod crate_client;
mod differential;
mod durability;
mod hostile;
mod observing;
mod operations;
mod real_redis;
mod settings;
mod starting;
mod tls;
mod transactions;
mod users;
mod values;
