//! A WASI guest has no network, so there is no server here: nobody can have one of these.

use crate::Context;
use crate::args::{ImportArgs, MergePolicyArgs, StoreArgs, Verb};
use crate::door::Refused;
use crate::failure::{Exit, Failure, Outcome};
use crate::store::Page;
use portcask::{Ack, Batch, ChangePage, Entry, Expiry, Ttl, WriteOptions};

/// A server; there is none.
#[derive(Clone)]
pub enum Remote {}

fn no_network() -> Failure {
    Failure::new(
        Exit::Unable,
        "a WASI guest has no network: use the native portcask to reach a server",
    )
}

/// Says that there is no network.
pub fn run(_: &mut Context, _: Verb) -> Outcome {
    Err(no_network())
}

/// Says that there is no network.
pub fn import(_: &mut Context, _: &ImportArgs, _: &str) -> Outcome {
    Err(no_network())
}

impl Remote {
    pub fn check(_: &StoreArgs, _: &MergePolicyArgs) -> Result<(), Failure> {
        Err(no_network())
    }

    pub fn open(_: &str, _: &StoreArgs) -> Result<Self, Failure> {
        Err(no_network())
    }

    pub fn name(&self) -> &str {
        match *self {}
    }

    pub fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        match *self {}
    }

    pub fn entry(&self, _: &[u8]) -> Result<Option<Entry>, Failure> {
        match *self {}
    }

    pub fn contains_key(&self, _: &[u8]) -> Result<bool, Failure> {
        match *self {}
    }

    pub fn ttl(&self, _: &[u8]) -> Result<(Ttl, Option<u64>), Failure> {
        match *self {}
    }

    pub fn len(&self) -> Result<u64, Failure> {
        match *self {}
    }

    pub fn put(
        &self,
        _: &[u8],
        _: &[u8],
        _: &WriteOptions,
    ) -> Result<Result<Option<u64>, Refused>, Failure> {
        match *self {}
    }

    pub fn delete(&self, _: &[u8], _: &WriteOptions) -> Result<Result<bool, Refused>, Failure> {
        match *self {}
    }

    pub fn expire(&self, _: &[u8], _: Expiry) -> Result<bool, Failure> {
        match *self {}
    }

    pub fn clear(&self) -> Result<u64, Failure> {
        match *self {}
    }

    pub fn write_batch(&self, _: &Batch, _: Option<Ack>) -> Result<(), Failure> {
        match *self {}
    }

    pub fn oldest_change(&self) -> Result<u64, Failure> {
        match *self {}
    }

    pub fn changes(&self, _: u64, _: usize) -> Result<ChangePage, Failure> {
        match *self {}
    }

    pub fn entries<T>(
        &self,
        _: u64,
        _: usize,
        _: &[u8],
        _: impl FnMut(Entry) -> T,
    ) -> Result<Page<T>, Failure> {
        match *self {}
    }

    pub fn keys(&self, _: u64, _: usize, _: &[u8]) -> Result<Page<Vec<u8>>, Failure> {
        match *self {}
    }
}
