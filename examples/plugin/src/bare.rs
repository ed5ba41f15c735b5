//! What a guest without std has to bring itself: an allocator, an end for panics, and a place for what lives
//! between two calls.

use core::cell::RefCell;

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

// Copying and comparing memory, which the compiler takes for granted.
#[link(name = "c")]
unsafe extern "C" {}

/// The engine promises not to; should it happen all the same, the host meets a trap and loads the plugin again, as
/// after a crash.
#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// A value that the functions of the plugin share.
pub struct Only<T>(RefCell<T>);

// SAFETY: the module is built without threads, so there is nobody to share it with.
unsafe impl<T> Sync for Only<T> {}

impl<T> Only<T> {
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Lends the value for one call of the host.
    pub fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> R {
        call(&mut self.0.borrow_mut())
    }
}
