//! The libraries for every program of the host: which shall be there, and which are.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::commands::system::file_change;
use crate::commands::system::image::Image;
use crate::error::{Error, Exit};
use crate::host::observe::loaders;
use crate::inject::library::{empty, system_copy};
use crate::root::{self, Root, is_directory};
use mptcpize_model::file_change::FileChange;

/// What the name of every library of ours for the whole host begins with.
pub(super) const NAME: &str = "libmptcpize-system-";

/// The libraries that shall be there, each a copy of `source` with `settings` (`NAME=value`) in it,
/// and the name that leads each loader to its own.
///
/// # Errors
/// 5: no loader of glibc is there; 1: a copy cannot be made, or a file not be read.
pub(super) fn wanted(
    image: &Image,
    source: &[u8],
    settings: &[String],
) -> Result<(String, Vec<FileChange>), Error> {
    let loaders = loaders::find(&image.root);
    if !loaders.first().is_some_and(|loader| loader.native) {
        return Err(Error::new(Exit::Missing, "there is no loader that reads /etc/ld.so.preload")
            .why("glibc's is not here; musl's reads LD_PRELOAD alone")
            .fix("mptcpize enable UNIT, or mptcpize run"));
    }
    let copy = system_copy::with_settings(source, settings).map_err(|flaw| {
        Error::new(Exit::Failed, "the library cannot be installed for every program")
            .why(flaw)
            .fix("reinstall mptcpize")
    })?;
    let file = format!("{NAME}{}.so", system_copy::tag(&copy));
    let mut libraries = Vec::new();
    for loader in loaders {
        let why = match loader.native {
            true => "the library, with the settings of /etc/mptcpize.toml in it",
            false => "an empty one: 32-bit programs stay on TCP, and silent",
        };
        let path = Path::new("/usr").join(&loader.lib).join("mptcpize").join(&file);
        let mut library = file_change::read(&image.root, path, why)?;
        library.after = Some(match loader.native {
            true => copy.clone(),
            false => empty::bytes(empty::Kind::I386),
        });
        libraries.push(library);
    }
    // The loader puts its own directory there, so one line counts for all.
    Ok((format!("/usr/$LIB/mptcpize/{file}"), libraries))
}

/// The directories in which libraries of ours may be, whether they are there or not.
pub(super) fn directories(root: &Root) -> Vec<PathBuf> {
    let below = |directory: &Path| {
        let found = root.directory(directory).ok().flatten();
        let is_directory = |name: &_| found.as_ref()?.stat(name).map(|found| is_directory(&found));
        let mut names = found.as_ref().map(root::Dir::names).unwrap_or_default();
        names.retain(|name| is_directory(name) == Some(true));
        names.into_iter().map(|name| directory.join(name)).collect::<Vec<_>>()
    };
    let (usr, lib) = (Path::new("/usr"), Path::new("/usr/lib"));
    let mut found = below(usr);
    found.retain(|path| ["lib", "lib32", "lib64"].iter().any(|lib| path.ends_with(lib)));
    // The multiarch directories: lib/x86_64-linux-gnu.
    found.extend(below(lib));
    found.iter().map(|directory| directory.join("mptcpize")).collect()
}

fn entries(root: &Root, directory: &Path) -> Vec<PathBuf> {
    root.names(directory).into_iter().map(|name| directory.join(name)).collect()
}

/// Our libraries for the whole host, of any release.
pub(super) fn installed(root: &Root) -> Vec<PathBuf> {
    let all = directories(root).into_iter().flat_map(|directory| entries(root, &directory));
    let mut found: Vec<PathBuf> = all.filter(|path| is_ours(path)).collect();
    found.sort();
    found.dedup();
    found
}

fn is_ours(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(NAME))
}

/// Does an entry of ld.so.preload(8) name a library of ours?
pub(super) fn is_our_name(name: &[u8]) -> bool {
    is_ours(Path::new(&OsString::from_vec(name.to_vec())))
}
