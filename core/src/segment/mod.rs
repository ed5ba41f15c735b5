//! Segments as bytes: one record at a known place ([`read`]), a value too long to be held ([`long`]),
//! all of them in order and across damage ([`walk`]), what a hint tells of them ([`told`]), copying
//! them elsewhere ([`append`]), and the files: made ([`create`]), growing ([`active`]), with space ahead
//! of them ([`room`]) and the hint that grows beside them ([`hint_log`]).

pub(crate) mod active;
pub(crate) mod append;
pub(crate) mod create;
#[cfg(not(all(feature = "hintless", target_family = "wasm")))]
pub(crate) mod hint_log;
#[cfg(all(feature = "hintless", target_family = "wasm"))]
#[path = "hint_log_none.rs"]
pub(crate) mod hint_log;
pub(crate) mod long;
pub(crate) mod read;
pub(crate) mod room;
#[cfg(not(all(feature = "hintless", target_family = "wasm")))]
pub(crate) mod told;
#[cfg(all(feature = "hintless", target_family = "wasm"))]
#[path = "told_none.rs"]
pub(crate) mod told;
pub(crate) mod walk;
