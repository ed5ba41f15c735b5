//! Who listens to what, and getting messages to them.
//!
//! ```text
//!   publisher --- hub: who listens --- a mailbox for each client ... its own connection --- bytes out
//!   a command's deeds --- events: what they are called --- hub
//! ```
//!
//! A publisher never waits for a subscriber: it adds to a mailbox in memory, and a mailbox that grows
//! beyond its limits closes its client instead.

pub(crate) mod events;
mod expiries;
mod hub;
mod mailbox;

pub use events::Classes;
pub(crate) use events::{Deed, Events};
pub(crate) use hub::{Hub, Kind, Subscriptions};
pub(crate) use mailbox::Mailbox;
