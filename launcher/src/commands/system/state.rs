//! What there is of `enable --system` on a host or in an image: read from the files that it writes, and from
//! those that they name.
//!
//! Not here: what is wrong with it (`mptcpize_model::checks`), and files that no file names any more
//! (`commands::system::leftovers`).

use std::path::{Path, PathBuf};

use crate::commands::system::libraries::is_our_name;
use crate::host::observe::loaders;
use crate::inject::library::system_copy;
use crate::root::Root;
use mptcpize_model::environment::preloads;
use mptcpize_model::preload_file;
use mptcpize_model::system::{Standing, SystemMechanism};

/// The file that glibc's loader reads (ld.so(8)).
const PRELOAD: &str = "/etc/ld.so.preload";

/// The files that name the library by the environment.
const ENVIRONMENT: [&str; 3] = [
    "/etc/environment",
    "/etc/systemd/system.conf.d/50-mptcpize.conf",
    "/etc/environment.d/99-mptcpize.conf",
];

/// What there is of it; `None` where no file names a library of ours.
pub(in crate::commands) fn standing(root: &Root) -> Option<Standing> {
    let preloaded = root.read(Path::new(PRELOAD)).unwrap_or_default();
    if let Some(library) = preload_file::names(&preloaded).find(|name| is_our_name(name)) {
        let library = String::from_utf8_lossy(library).into_owned();
        return Some(of(root, SystemMechanism::Preload, library, vec![PRELOAD.to_owned()], vec![]));
    }
    let named: Vec<(&str, Option<String>)> =
        ENVIRONMENT.into_iter().map(|file| (file, named_by(root, file))).collect();
    let library = named.iter().find_map(|(_, library)| library.clone())?;
    let (with, without): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|(_, named)| named.as_ref() == Some(&library));
    let files = |all: Vec<(&str, Option<String>)>| {
        all.into_iter().map(|(file, _)| file.to_owned()).collect()
    };
    Some(of(root, SystemMechanism::Environment, library, files(with), files(without)))
}

/// The library of ours that the environment has by a file.
fn named_by(root: &Root, file: &str) -> Option<String> {
    let text = root.read(Path::new(file)).ok()?;
    let mut all = preloads(&String::from_utf8_lossy(&text)).into_iter();
    all.find(|name| is_our_name(name.as_bytes()))
}

/// The rest of it, from the library's name.
fn of(
    root: &Root,
    mechanism: SystemMechanism,
    library: String,
    named_in: Vec<String>,
    unnamed: Vec<String>,
) -> Standing {
    let mut gone = Vec::new();
    let mut version = None;
    for loader in loaders::find(root) {
        // The loader puts its own directory there.
        let path = PathBuf::from(library.replace("$LIB", &loader.lib));
        match root.read(&path).ok().filter(|bytes| !bytes.is_empty()) {
            None => gone.push(path.display().to_string()),
            Some(bytes) if loader.native && is_of_this_release(&bytes) => {
                version = Some(env!("CARGO_PKG_VERSION").to_owned());
            }
            Some(_) => {}
        }
    }
    let complete = gone.is_empty() && unnamed.is_empty();
    Standing { mechanism, complete, library, version, named_in, gone, unnamed }
}

/// Is it this binary's own library, whatever the settings in it?
fn is_of_this_release(library: &[u8]) -> bool {
    system_copy::with_settings(library, &[]).is_ok_and(|plain| plain == system_copy::BYTES)
}
