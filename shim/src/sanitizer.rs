//! What AddressSanitizer asks a program for: the settings that it is built with.
//!
//! Its runtime, where that is a library of its own (`-fsanitize=address` of GCC, `-shared-libasan` of
//! Clang), wants to be the first that the loader lists, and ends the program where another one is: a
//! preload always is. Whoever preloads for a whole host is to switch that look off, by a setting of the
//! runtime (from GCC 8 and Clang 5 on). In the environment it would reach only programs that inherit
//! one; here it reaches each that has us in it. The word of the program itself comes first, because the
//! loader asks the program first, and `ASAN_OPTIONS` counts after both.

#![allow(unsafe_code)]

use core::ffi::c_char;

/// The settings, as a NUL-terminated string that stays. Called by the runtime while it starts, before
/// the constructor of this library has run (<sanitizer/asan_interface.h>).
#[unsafe(no_mangle)]
pub(crate) extern "C" fn __asan_default_options() -> *const c_char {
    c"verify_asan_link_order=0".as_ptr()
}
