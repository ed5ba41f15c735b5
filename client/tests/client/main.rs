//! The client, against a server of its own, against Redis, and against servers that fail on purpose.

mod failures;
mod foreign;
mod log;
mod page;
#[path = "../../../server/tests/server/real_redis.rs"]
mod real_redis;
#[cfg(feature = "tls")]
mod secure;
mod servers;
mod together;
mod verbs;
