//! Becoming the program: the environment as it was inherited, changed only where asked, and
//! execve(2) in place, so that PID, descriptors, signal dispositions and mask stay the caller's.
//!
//! Not `Command::exec`: that one clears the signal mask and restores SIGPIPE's default.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

use crate::error::{Error, Exit, reason};
use crate::inject::target::Target;
use crate::inject::target::elf::ReadAt;

/// The environment, entry by entry, in order, malformed ones included.
#[derive(Clone, Debug)]
pub struct Environment(Vec<CString>);

impl Environment {
    /// The environment of this process.
    pub fn inherited() -> Self {
        unsafe extern "C" {
            static environ: *const *const c_char;
        }
        let mut entries = Vec::new();
        // SAFETY: libc keeps `environ` null or pointing to an array that ends with null; this
        // process has one thread and never changes its own environment.
        unsafe {
            let mut entry = environ;
            while !entry.is_null() && !(*entry).is_null() {
                entries.push(CStr::from_ptr(*entry).to_owned());
                entry = entry.add(1);
            }
        }
        Environment(entries)
    }

    /// The value of a variable; the first, when it is there twice (as getenv(3)).
    pub fn get(&self, name: &str) -> Option<OsString> {
        self.0.iter().find_map(|entry| value(entry, name)).map(OsStr::to_owned)
    }

    /// Takes a variable out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|entry| value(entry, name).is_none());
    }

    /// Sets a variable in its place, or at the end; further entries of the name are dropped.
    pub fn set(&mut self, name: &str, to: &OsStr) {
        let mut entry = OsString::from(name);
        entry.push("=");
        entry.push(to);
        let entry = terminated(&entry);
        let place = self.0.iter().position(|entry| value(entry, name).is_some());
        self.0.retain(|entry| value(entry, name).is_none());
        match place {
            Some(place) => self.0.insert(place, entry),
            None => self.0.push(entry),
        }
    }
}

fn value<'a>(entry: &'a CStr, name: &str) -> Option<&'a OsStr> {
    let rest = entry.to_bytes().strip_prefix(name.as_bytes())?;
    rest.strip_prefix(b"=").map(OsStr::from_bytes)
}

/// A C string; what comes from `execve` and the environment has no NUL inside.
fn terminated(text: &OsStr) -> CString {
    let mut bytes = text.to_owned().into_vec();
    bytes.retain(|byte| *byte != 0);
    CString::new(bytes).unwrap_or_default()
}

/// Executes the target with `argv`; returns only the error.
///
/// A file that is neither a program nor a `#!` script is given to the shell, as execvp(3) does;
/// but not one that begins with a hole: the shell would read a sparse file of gigabytes to its end.
pub fn exec(target: &Target, argv: &[OsString], environment: &Environment) -> Error {
    let path = terminated(target.path.as_os_str());
    let arguments: Vec<CString> = argv.iter().map(|argument| terminated(argument)).collect();
    let mut error = execve(&path, &arguments, &environment.0);
    if error.raw_os_error() == Some(libc::ENOEXEC) && !begins_with_a_hole(&target.path) {
        let shell = c"/bin/sh".to_owned();
        let rest = arguments.into_iter().skip(1);
        let arguments: Vec<CString> = [shell.clone(), path].into_iter().chain(rest).collect();
        error = execve(&shell, &arguments, &environment.0);
    }
    explain(target, argv, &error)
}

/// Does it begin with a NUL? No text does; what else the shell makes of it is its own affair.
fn begins_with_a_hole(path: &Path) -> bool {
    let mut start = [1; 1];
    let got = File::open(path).and_then(|file| ReadAt::read_at(&file, 0, &mut start));
    got.is_ok_and(|got| got == 1) && start == [0]
}

fn execve(path: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let array = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (array(arguments), array(environment));
    // SAFETY: `path` is terminated; both arrays hold terminated strings that outlive the call and
    // end with null.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// The exit codes of env(1): 127 when there is nothing to execute, 126 when it cannot be.
fn explain(target: &Target, argv: &[OsString], error: &io::Error) -> Error {
    let name = argv.first().cloned().unwrap_or_default();
    let what = format!("cannot run {}", name.to_string_lossy());
    match error.raw_os_error() {
        Some(libc::ENOENT) => match target.missing() {
            Some(missing) => Error::new(Exit::NotFound, what)
                .why(format!("{} needs {}, which does not exist", target.path.display(), missing))
                .fix(match target.path == target.binary {
                    true => "install the package that has it",
                    false => {
                        "install the package that has it, or correct the first line of the script"
                    }
                }),
            None => Error::new(Exit::NotFound, what).why(reason(error)),
        },
        Some(libc::E2BIG) => Error::new(Exit::NotExecutable, what)
            .why(reason(error))
            .fix("pass fewer arguments, or a smaller environment (execve(2), limits on size)"),
        Some(libc::ENOEXEC) => Error::new(Exit::NotExecutable, what)
            .why(format!("{} is neither a program for this host nor text", target.path.display())),
        _ => Error::new(Exit::NotExecutable, what).why(reason(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_replaced_in_place_and_only_once() {
        let text = ["A=1", "LD_PRELOAD=x", "broken", "LD_PRELOAD=y", "LD_PRELOADX=z"];
        let mut environment =
            Environment(text.iter().map(|entry| terminated(OsStr::new(entry))).collect());
        assert_eq!(environment.get("LD_PRELOAD"), Some("x".into()));
        assert_eq!(environment.get("broken"), None);
        environment.set("LD_PRELOAD", OsStr::new("n"));
        environment.set("NEW", OsStr::new(""));
        let entries: Vec<&str> =
            environment.0.iter().filter_map(|entry| entry.to_str().ok()).collect();
        assert_eq!(entries, ["A=1", "LD_PRELOAD=n", "broken", "LD_PRELOADX=z", "NEW="]);
        environment.remove("LD_PRELOAD");
        assert_eq!((environment.get("LD_PRELOAD"), environment.0.len()), (None, 4));
    }
}
