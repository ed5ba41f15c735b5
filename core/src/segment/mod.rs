//! Segments as bytes: one record at a known place ([`read`]), all of them in order and across
//! damage ([`walk`]), and copying them elsewhere ([`append`]).

pub(crate) mod append;
pub(crate) mod read;
pub(crate) mod walk;
