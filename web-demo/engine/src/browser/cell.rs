//! What a module without std has to bring itself: an allocator, an end for panics, and a place for what lives
//! between two calls.

use super::module::Module;
use core::cell::RefCell;

// The storage contract's suite needs std, which has both.
#[cfg(not(feature = "contract"))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The core promises not to; should it happen all the same, JavaScript meets a trap, gives the instance up and
/// opens the store anew, as after a crash.
#[cfg(not(feature = "contract"))]
#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

struct Only(RefCell<Option<Module>>);

// SAFETY: the module is built without threads, so there is nobody to share it with.
unsafe impl Sync for Only {}

static MODULE: Only = Only(RefCell::new(None));

/// Lends the module, made at the first call.
pub(super) fn with<R>(call: impl FnOnce(&mut Module) -> R) -> R {
    call(MODULE.0.borrow_mut().get_or_insert_with(Module::new))
}
