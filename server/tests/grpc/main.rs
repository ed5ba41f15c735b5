//! The gRPC door, as a generated client uses it.
#![cfg(feature = "grpc")]

mod calls;
mod common;
mod secure;
mod watching;
