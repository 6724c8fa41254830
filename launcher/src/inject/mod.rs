//! Getting into a program: what it is ([`target`]), which mechanism reaches it ([`mechanism`]), where
//! the library lies ([`library`]) and what the environment must say ([`environment`]), or the filter
//! above it ([`seccomp`]); and becoming it ([`exec`]).
//!
//! Nothing here changes the host, apart from the library's own file in a cache directory.

pub mod environment;
pub mod exec;
pub mod library;
pub mod mechanism;
pub mod reach;
pub mod relay;
pub mod seccomp;
pub mod target;
