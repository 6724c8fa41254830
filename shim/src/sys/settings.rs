//! A block of settings in the library's own file, which is filled after the library was built.
//!
//! Not here: what the settings mean (`system.rs`).

#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};
use core::hint::black_box;

/// How many bytes the strings may have, with the empty one (`inject::library::system_copy` has the
/// same number).
const ROOM: usize = 4080;

/// Room for strings, each with its NUL, and an empty one last; a mark before it says where it is.
#[repr(C, align(16))]
pub(crate) struct Settings {
    mark: [u8; 16],
    text: [u8; ROOM],
}

impl Settings {
    /// A block without strings, behind this mark.
    pub(crate) const fn empty(mark: [u8; 16]) -> Self {
        Settings { mark, text: [0; ROOM] }
    }

    /// The first string, for [`tail`] to lead to the others; empty where there is none.
    pub(crate) fn first(&'static self) -> &'static CStr {
        // The compiler must not take the bytes to be 0: the launcher writes others into the file.
        let text = black_box(self).text.as_ptr().cast::<c_char>();
        // SAFETY: the launcher writes strings and an empty one, shorter than the block, whose last
        // byte is never written; a static of the library, which is never unloaded.
        unsafe { CStr::from_ptr(text) }
    }
}

/// What begins `skip` bytes behind the start of a string: a part of it when `skip` is at most its
/// length, the next of a block's strings when it is one more.
pub(crate) fn tail(text: &CStr, skip: usize) -> &CStr {
    // SAFETY: inside the string or its NUL, or the start of the next string: a block ends with an
    // empty one, behind which no caller reads.
    unsafe { CStr::from_ptr(text.as_ptr().add(skip)) }
}
