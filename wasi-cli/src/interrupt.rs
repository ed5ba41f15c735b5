//! Signals. Ctrl-C: the loops of long verbs ask whether it was pressed, stop at a clean point and say
//! what they keep. A verb that cannot stop by itself within a second (it waits for input) is
//! ended by the handler, which says it in its place; the store is safe either way.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static PRESSED: AtomicBool = AtomicBool::new(false);
/// Somebody asked and knows.
static NOTICED: AtomicBool = AtomicBool::new(false);
/// Which verb is running; only the REPL runs more than one.
static VERB: AtomicU64 = AtomicU64::new(0);
static KEPT: Mutex<String> = Mutex::new(String::new());

/// Whether Ctrl-C was pressed since the verb began. Who hears yes is given time to end cleanly.
pub fn was_pressed() -> bool {
    let pressed = PRESSED.load(Ordering::Relaxed);
    if pressed {
        NOTICED.store(true, Ordering::Relaxed);
    }
    pressed
}

/// What is to be said if the process has to end now.
pub fn keep(what: impl FnOnce() -> String) {
    if cfg!(not(target_family = "wasm"))
        && let Ok(mut kept) = KEPT.lock()
    {
        *kept = what();
    }
}

/// The verb has ended and another one may begin: what was pressed counts no more.
pub fn forget() {
    VERB.fetch_add(1, Ordering::Relaxed);
    PRESSED.store(false, Ordering::Relaxed);
    NOTICED.store(false, Ordering::Relaxed);
    keep(String::new);
}

/// From now on Ctrl-C (and a request to terminate) is noticed instead of ending the process.
#[cfg(not(target_family = "wasm"))]
pub fn watch() {
    let handler = || {
        if PRESSED.swap(true, Ordering::Relaxed) {
            native::end();
        }
        // The handler's own thread must stay free for a second Ctrl-C.
        let verb = VERB.load(Ordering::Relaxed);
        std::thread::spawn(move || native::end_unless_over(verb));
    };
    // A second registration fails, and then the first one is in force.
    let _ = ctrlc::set_handler(handler);
}

/// A file that may not grow further (`ulimit -f`) is an error of its write, as a full disk is, and not the process's end.
#[cfg(unix)]
pub fn outlive_file_limits() {
    // Without the handler the system's own rule stands, and the store outlives that too.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
}

/// Only Unix ends a process for the length of its files.
#[cfg(not(unix))]
pub fn outlive_file_limits() {}

/// A guest gets no signals: its host ends it, and the store is made for that.
#[cfg(target_family = "wasm")]
pub fn watch() {}

#[cfg(not(target_family = "wasm"))]
mod native {
    use super::{KEPT, NOTICED, VERB};
    use crate::failure::Exit;
    use crate::term::fail;
    use std::io::{self, IsTerminal, Write};
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    /// For a verb to notice.
    const TO_NOTICE: Duration = Duration::from_secs(1);
    /// For a verb that noticed to sync and close.
    const TO_CLOSE: Duration = Duration::from_secs(30);

    pub fn end_unless_over(verb: u64) {
        std::thread::sleep(TO_NOTICE);
        if NOTICED.load(Ordering::Relaxed) {
            std::thread::sleep(TO_CLOSE);
        }
        if VERB.load(Ordering::Relaxed) == verb {
            end();
        }
    }

    pub fn end() -> ! {
        if io::stderr().is_terminal() {
            // Behind the progress bar, or behind the ^C of the terminal.
            let _ = io::stderr().write_all(b"\n");
        }
        let kept = KEPT.lock().map(|kept| kept.clone()).unwrap_or_default();
        let kept = if kept.is_empty() {
            "the store is consistent"
        } else {
            &kept
        };
        fail(Exit::Interrupted, &format!("interrupted: {kept}"));
        std::process::exit(Exit::Interrupted as i32);
    }
}
