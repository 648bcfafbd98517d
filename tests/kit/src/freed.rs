//! A test allocator that searches every freed block for plaintext.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The byte that fills the plaintext of a test.
pub const MARK: u8 = 0x5A;
/// This many marks in a row count as plaintext.
const RUN: usize = 16;

thread_local! {
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    static FOUND: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which searches each block that is freed.
#[derive(Debug)]
pub struct Freed;

/// Runs `f`, and counts the blocks with plaintext that this thread frees meanwhile.
pub fn with_plaintext<T>(f: impl FnOnce() -> T) -> (T, usize) {
    FOUND.set(0);
    WATCHING.set(true);
    let value = f();
    WATCHING.set(false);
    (value, FOUND.get())
}

// SAFETY: every block is the system's own, allocated and freed with the layout that the caller gives. `realloc` is the
// default one, which allocates, copies and frees, so that a block that moves is looked into as well.
unsafe impl GlobalAlloc for Freed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that every byte of a block can be read when it is freed.
        // SAFETY: the caller's layout, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if WATCHING.get() {
            let mut run = 0;
            for at in 0..layout.size() {
                // SAFETY: the block has `layout.size()` bytes, and was zeroed when it was allocated.
                let byte = unsafe { block.add(at).read_volatile() };
                run = if byte == MARK { run + 1 } else { 0 };
                if run == RUN {
                    FOUND.set(FOUND.get() + 1);
                    break;
                }
            }
        }
        // SAFETY: the caller's block and layout, passed on.
        unsafe { System.dealloc(block, layout) }
    }
}
