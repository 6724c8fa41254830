//! The binary: arguments in, exit code out.
//!
//! The C entry point instead of Rust's: the standard runtime would ignore SIGPIPE and open
//! /dev/null on closed descriptors before `main`, and the program that `run` executes must find
//! its signal dispositions and descriptors as its caller left them.

#![no_main]
#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

use mptcpize::{cli, commands, output};

/// Called by libc with the arguments of the process.
///
/// # Safety
/// `argv` holds `argc` pointers to NUL-terminated strings, as C promises of `main`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    let arguments: Vec<OsString> = (0..count)
        .map(|index| {
            // SAFETY: `index` is below `argc`, so it names a valid, terminated string.
            let text = unsafe { CStr::from_ptr(*argv.add(index)) };
            OsStr::from_bytes(text.to_bytes()).to_owned()
        })
        .collect();
    let parsed = cli::parse(arguments.clone());
    // What cannot be parsed says by its words alone that JSON is wanted.
    output::json::want(
        parsed.as_ref().map_or_else(|_| cli::asks_for_json(&arguments), |cli| cli.json),
    );
    let parsed = parsed.map_err(|error| commands::mistake::explained(error, &arguments));
    output::finish(parsed.and_then(commands::dispatch))
}
