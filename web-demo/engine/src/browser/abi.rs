//! The functions of the module, as JavaScript sees them.

use super::cell::with;

/// Writes functions that only hand their arguments on.
macro_rules! exports {
    ($($(#[$about:meta])* $name:ident($($argument:ident: $kind:ty),*);)+) => {$(
        $(#[$about])*
        // SAFETY: no other function of the program has this name.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: $kind),*) -> i32 {
            with(|module| {
                let done = module.$name($($argument),*);
                module.tell(done)
            })
        }
    )+};
}

/// Makes room for what a call is about and answers where, 0 if there is no memory.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u8 {
    with(|module| module.room(bytes))
}

/// Where the last answer is.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const u8 {
    with(|module| module.answer.as_ptr())
}

/// Where the last refusal is.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn refused() -> *const u8 {
    with(|module| module.refused.as_ptr())
}

exports! {
    /// Takes an open handle in, under the name in the room; 0 if the engine could not use the name.
    seat(handle: u32, name_bytes: usize);
    /// The names to be seated next, one a line, for so many new segments.
    wanted(segments: usize);
    /// Likewise, for a store that lies there and is to be opened: its first segments are as many as were asked for last.
    wanted_to_open();
    /// A handle to close, its file to be deleted; -1 if there is none.
    give_back(all: bool);
    /// Another number whenever a file has come or gone.
    changes();
    /// Opens the store that lies there, if any; the answer is the report of the recovery.
    open(bytes: usize);
    /// Opens a store that was closed in an orderly way; the same answer, 0 where anything else lies.
    reopen(bytes: usize);
    /// Begins a store where none lies; the same answer.
    create(bytes: usize);
    /// The value of a key.
    get(key_bytes: usize);
    /// A value with its sequence number and expiry.
    entry(key_bytes: usize);
    /// A value of the system key space.
    get_meta(key_bytes: usize);
    /// Takes a batch.
    commit(bytes: usize, synced: bool);
    /// Makes everything written durable.
    sync();
    /// A page of entries.
    scan(bytes: usize);
    /// The store in numbers.
    stats();
    /// Merges for about so many bytes.
    merge_step(budget_bytes: f64);
    /// Seals segments at another size.
    retune(segment_bytes: f64);
    /// Begins to merge everything.
    merge_all();
    /// Merges everything at once, where there is little room.
    merge_in_need();
    /// The small work of an idle moment.
    tick();
    /// Removes every key.
    clear();
    /// Believes the clock now.
    confirm_clock();
    /// Closes the store.
    close();
}

#[cfg(feature = "full")]
exports! {
    /// A file as annotated text.
    dump(name_bytes: usize);
    /// Checks a part of a store that was opened to be read; the answer is the report once there is no further part.
    verify(part: usize);
    /// Every version of a key that the log still holds.
    history(key_bytes: usize);
}

#[cfg(feature = "contract")]
exports! {
    /// Tries one promise in the directory as it is, which must be empty; the answer tells what came of it.
    promise(which: usize);
}
