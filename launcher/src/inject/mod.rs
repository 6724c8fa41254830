//! Getting the library into a program: what the program is ([`target`], [`elf`], [`go`],
//! [`script`]), where the library lies ([`library`]), what the environment must say
//! ([`preload`], [`godebug`]), and becoming the program ([`exec`]).
//!
//! Nothing here changes the host, apart from the library's own file in a cache directory.

pub mod elf;
pub mod exec;
pub mod go;
pub mod godebug;
pub mod library;
pub mod preload;
pub mod script;
pub mod target;
