//! Ctrl-C: the loops of long verbs ask whether it was pressed, stop at a clean point and say
//! what they keep. A verb that cannot stop by itself within a second (it waits for input) is
//! ended by the handler, which says it in its place; the store is safe either way.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

static PRESSED: AtomicBool = AtomicBool::new(false);
static KEPT: Mutex<String> = Mutex::new(String::new());

/// Whether Ctrl-C was pressed since [`watch`].
pub fn was_pressed() -> bool {
    PRESSED.load(Ordering::Relaxed)
}

/// What is to be said if the process has to end now.
pub fn keep(what: impl FnOnce() -> String) {
    if cfg!(not(target_family = "wasm"))
        && let Ok(mut kept) = KEPT.lock()
    {
        *kept = what();
    }
}

/// From now on Ctrl-C (and a request to terminate) is noticed instead of ending the process.
#[cfg(not(target_family = "wasm"))]
pub fn watch() {
    use crate::failure::Exit;
    use std::time::Duration;

    let handler = || {
        let is_second = PRESSED.swap(true, Ordering::Relaxed);
        if !is_second {
            // The handler has a thread of its own, which is free to wait.
            std::thread::spawn(|| {
                std::thread::sleep(Duration::from_secs(1));
                end();
            });
            return;
        }
        end();
    };
    fn end() {
        let kept = KEPT.lock().map(|kept| kept.clone()).unwrap_or_default();
        let rest = if kept.is_empty() {
            "the store is consistent".to_owned()
        } else {
            kept
        };
        crate::term::complain(&format!("interrupted: {rest}"));
        std::process::exit(Exit::Interrupted as i32);
    }
    // A second registration fails, and then the first one is in force.
    let _ = ctrlc::set_handler(handler);
}

/// A guest gets no signals: its host ends it, and the store is made for that.
#[cfg(target_family = "wasm")]
pub fn watch() {}
