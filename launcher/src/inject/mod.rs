//! Getting into a program: what it is ([`target`], [`elf`], [`go`] by its `build_info`, [`script`]), which way reaches
//! it ([`via`]); where the library lies ([`library`], for services [`placed`]) and what the environment must say
//! ([`preload`], [`godebug`]), or the filter above it ([`seccomp`]); and becoming it ([`exec`]).
//!
//! Nothing here changes the host, apart from the library's own file in a cache directory.

mod build_info;
pub mod elf;
pub mod empty_library;
pub mod exec;
pub mod go;
pub mod godebug;
pub mod library;
pub mod placed;
pub mod preload;
pub mod script;
pub mod seccomp;
mod sections;
pub mod system_library;
pub mod target;
pub mod trace_file;
pub mod via;
