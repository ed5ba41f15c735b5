//! The program's memory, and how soon it goes back to the system.

use std::ffi::{c_int, c_long};

/// The system's own keeps long replies that were given back: beside many clients that do not read, twice as much
/// memory as the limits allow.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long memory that was given up may wait for somebody who needs it again. The allocator's own second is long
/// beside the time in which an index grows: for each key it then holds half as much again as the index takes.
const WAIT_MS: c_long = 10;

/// What the allocator calls `mi_option_purge_delay`.
const PURGE_DELAY: c_int = 15;

// SAFETY: they take any number, and change or read one entry of the allocator's table of options, which its threads
// may do at any time; `MEMORY` links them.
unsafe extern "C" {
    safe fn mi_option_set(option: c_int, value: c_long);
    #[cfg(test)]
    safe fn mi_option_get(option: c_int) -> c_long;
}

/// Has memory go back to the system soon, unless the environment says when.
pub(crate) fn give_back_soon() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        mi_option_set(PURGE_DELAY, WAIT_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::{PURGE_DELAY, WAIT_MS, give_back_soon, mi_option_get};

    #[test]
    fn the_option_that_is_set_is_the_one_that_was_a_second() {
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!(mi_option_get(PURGE_DELAY), 1000);
            give_back_soon();
            assert_eq!(mi_option_get(PURGE_DELAY), WAIT_MS);
        }
    }
}
