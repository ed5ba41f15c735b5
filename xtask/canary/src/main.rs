//! A program without std around the engine. It holds what std would bring (allocator, panic handler), so that a
//! second copy, from any dependency, is an error of the compiler. Exit code 0: the engine also works.
#![no_std]
#![no_main]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{c_int, c_void};

use portcask_core::memory::MemoryStorage;
use portcask_core::{Engine, Options, Result};

#[link(name = "c")]
unsafe extern "C" {
    fn posix_memalign(place: *mut *mut c_void, align: usize, bytes: usize) -> c_int;
    fn free(place: *mut c_void);
    fn abort() -> !;
}

struct CHeap;

// SAFETY: posix_memalign answers a block of the asked size and alignment or an error; free takes it back.
unsafe impl GlobalAlloc for CHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut place = core::ptr::null_mut();
        let align = layout.align().max(align_of::<*mut c_void>());
        // SAFETY: `place` is ours, and the alignment is a power of two and at least a pointer's.
        let outcome = unsafe { posix_memalign(&mut place, align, layout.size()) };
        if outcome == 0 {
            place.cast()
        } else {
            core::ptr::null_mut()
        }
    }

    unsafe fn dealloc(&self, place: *mut u8, _: Layout) {
        // SAFETY: the caller got `place` from `alloc`.
        unsafe { free(place.cast()) }
    }
}

#[global_allocator]
static HEAP: CHeap = CHeap;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort has no conditions.
    unsafe { abort() }
}

/// The precompiled `alloc` names it; nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// `_Unwind_Resume` of the precompiled `alloc`, in builds without optimisation.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: abort has no conditions.
    unsafe { abort() }
}

#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, _: *const *const u8) -> c_int {
    match a_store_works() {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(_) => 2,
    }
}

/// Writes, deletes, closes, opens again and reads.
fn a_store_works() -> Result<bool> {
    let disk = MemoryStorage::new();
    let mut store = Engine::open(disk.clone(), Options::default())?;
    store.put(b"bird", b"tweet")?;
    store.put(b"cat", b"meow")?;
    store.delete(b"bird")?;
    store.close()?;
    let store: Engine<_> = Engine::open(disk, Options::default())?;
    let cat = store.get(b"cat")?;
    Ok(cat.as_deref() == Some(&b"meow"[..]) && store.get(b"bird")?.is_none())
}
