//! The files that name the library for every program: for glibc's loader, or for log-ins, service
//! managers and the services whose root has no library.

use std::path::{Path, PathBuf};

use crate::commands::system::file_change;
use crate::commands::system::image::Image;
use crate::commands::system::libraries::is_our_name;
use crate::commands::system::roots;
use crate::error::{Error, Exit};
use mptcpize_model::file_change::FileChange;
use mptcpize_model::{environment, preload_file};

/// The files that name the library for one mechanism, and those of the other without it; with neither
/// name, all without it. Those that come to name it are first.
///
/// # Errors
/// 1: a file cannot be read, or `LD_PRELOAD` is set by somebody else.
pub(super) fn wanted(
    image: &Image,
    preload: Option<&String>,
    environment: Option<&String>,
) -> Result<Vec<FileChange>, Error> {
    let mut preloaded = file_change::read(
        &image.root,
        "/etc/ld.so.preload".into(),
        "every program of glibc reads it",
    )?;
    preloaded.after = match (preload, preloaded.before.as_deref()) {
        (Some(library), before) => Some(preload_file::with(before, library, is_our_name)),
        (None, Some(before)) => preload_file::without(before, is_our_name),
        (None, None) => None,
    };

    let mut log_ins = file_change::read(
        &image.root,
        "/etc/environment".into(),
        "log-ins get it where pam_env is in their stack",
    )?;
    let text = log_ins.before.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if let Some(library) = environment {
        nobody_else_preloads(image, &log_ins.path, text.as_deref())?;
        log_ins.after = Some(environment::with(text.as_deref(), library).into_bytes());
    } else if let Some(text) = text.filter(|text| text.contains("# mptcpize")) {
        log_ins.after = environment::without(&text).map(String::into_bytes);
    }
    let services = own_file(
        image,
        "/etc/systemd/system.conf.d/50-mptcpize.conf",
        "systemd gives it to every service",
        environment.map(|library| environment::manager(library)),
    )?;
    let sessions = own_file(
        image,
        "/etc/environment.d/99-mptcpize.conf",
        "the service managers of users read it",
        environment.map(|library| environment::users(library)),
    )?;
    let mut all = vec![preloaded, log_ins, services, sessions];
    let library = environment.map(String::as_str);
    for (path, text) in roots::files(&image.root, &image.locations, library)? {
        all.push(own_file(image, path, "the library is not in the root of this service", text)?);
    }
    // Files that come to name the library before those that cease to: in between both do.
    all.sort_by_key(|change| change.after.is_none());
    Ok(all)
}

/// A file that is ours alone, with the text that it shall have.
fn own_file(
    image: &Image,
    path: impl Into<PathBuf>,
    why: &'static str,
    text: Option<String>,
) -> Result<FileChange, Error> {
    let mut file = file_change::read(&image.root, path.into(), why)?;
    let mark = environment::MADE_DIRECTORY;
    let made = match &file.before {
        Some(before) => before.ends_with(mark.as_bytes()),
        None => file.path.parent().is_some_and(|path| image.root.metadata(path).is_err()),
    };
    file.after = text.map(|text| if made { text + mark } else { text }.into_bytes());
    Ok(file)
}

/// An `LD_PRELOAD` of somebody else would hide ours, or ours theirs.
fn nobody_else_preloads(image: &Image, file: &Path, text: Option<&str>) -> Result<(), Error> {
    let own = text.and_then(environment::without).unwrap_or_default();
    let mut all = vec![(file.to_owned(), own)];
    let mut files = vec![PathBuf::from("/etc/systemd/system.conf")];
    for directory in ["/etc/systemd/system.conf.d", "/etc/environment.d", "/usr/lib/environment.d"]
    {
        let directory = Path::new(directory);
        files.extend(image.root.names(directory).into_iter().map(|name| directory.join(name)));
    }
    let is_other = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // The latter leads to /etc/environment.
        !name.ends_with("-mptcpize.conf") && name != "99-environment.conf"
    };
    for path in files.into_iter().filter(is_other) {
        let text = image.root.read(&path).unwrap_or_default();
        all.push((path, String::from_utf8_lossy(&text).into_owned()));
    }
    match all.iter().find(|(_, text)| environment::sets(text, "LD_PRELOAD")) {
        None => Ok(()),
        Some((path, _)) => Err(Error::new(Exit::Failed, "LD_PRELOAD is set already")
            .why(format!("{} sets it, and only one value counts", path.display()))
            .fix("mptcpize enable --system --via preload    # both count there")),
    }
}
