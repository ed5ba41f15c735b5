//! The server, driven through sockets as clients do.

mod basics;
mod common;
mod crate_client;
mod differential;
mod durability;
mod hostile;
mod hostile_load;
mod lanes;
mod long_values;
mod observing;
mod operations;
mod pipelines;
mod process;
mod pubsub;
mod reads;
mod real_redis;
mod settings;
mod starting;
mod tls;
mod transactions;
mod upkeep;
mod users;
mod values;
mod waiting;
