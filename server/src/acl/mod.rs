//! Who may do what: users, their passwords, and the commands and keys that they may use.
//!
//! The rules are a subset of Redis 7's: whatever is understood is also enforced, the rest is refused when the server
//! starts.

mod guesses;
mod password;
mod rules;
mod users;

pub(crate) use guesses::{Guesses, LoginError};
pub(crate) use rules::CATEGORIES;
pub use rules::{RuleError, User};
pub(crate) use users::Users;
