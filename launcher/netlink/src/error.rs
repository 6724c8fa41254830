//! The error of every request: the kernel's error number and its own explanation.

use std::fmt;
use std::io;

/// The kernel refused a request, or could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelError {
    /// The error number, as in errno(3).
    pub errno: i32,
    /// The explanation that came with the refusal (extended acknowledgement,
    /// Documentation/userspace-api/netlink/intro.rst), where there was one.
    pub text: Option<String>,
}

impl KernelError {
    /// An error number with an explanation.
    pub fn new(errno: i32, text: impl Into<String>) -> Self {
        KernelError { errno, text: Some(text.into()) }
    }

    /// An error number without an explanation.
    pub fn from_errno(errno: i32) -> Self {
        KernelError { errno, text: None }
    }

    /// Does the caller lack a capability, most often `CAP_NET_ADMIN` (`EPERM`, `EACCES`)?
    pub fn is_denied(&self) -> bool {
        matches!(self.errno, libc::EPERM | libc::EACCES)
    }
}

impl From<io::Error> for KernelError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => KernelError::from_errno(errno),
            None => KernelError::new(libc::EIO, error.to_string()),
        }
    }
}

impl From<KernelError> for io::Error {
    /// Keeps the error number and loses the explanation.
    fn from(error: KernelError) -> Self {
        io::Error::from_raw_os_error(error.errno)
    }
}

impl fmt::Display for KernelError {
    /// The explanation, else the text of perror(3) in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        let text = io::Error::from_raw_os_error(self.errno).to_string();
        // Rust appends ` (os error 19)`.
        let end = text.find(" (os error ").unwrap_or(text.len());
        f.write_str(&text[..end].to_lowercase())
    }
}

impl std::error::Error for KernelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_an_explanation_reads_as_perror_has_it() {
        assert_eq!(KernelError::from_errno(libc::ENODEV).to_string(), "no such device");
        assert_eq!(KernelError::new(libc::EINVAL, "not so").to_string(), "not so");
    }

    #[test]
    fn lack_of_a_capability_is_told_from_other_refusals() {
        assert!(KernelError::from_errno(libc::EPERM).is_denied());
        assert!(!KernelError::from_errno(libc::ENODEV).is_denied());
    }
}
