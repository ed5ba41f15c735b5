//! Segments as bytes: one record at a known place ([`read`]), all of them in order and across
//! damage ([`walk`]), copying them elsewhere ([`append`]), and the files: made ([`create`]), growing
//! ([`active`]), with the hint that grows beside them ([`hint_log`]).

pub(crate) mod active;
pub(crate) mod append;
pub(crate) mod create;
pub(crate) mod hint_log;
pub(crate) mod read;
pub(crate) mod walk;
