//! `mptcpize enable --system` and `disable --system`: every program of the host.
//!
//! The order keeps the host bootable wherever it stops: the library is on the medium before
//! anything names it, nothing names it before the self-test has passed, and the names go before
//! the library does, which stays for those that name it still (`commands::system::leftovers`). What
//! stops half-way is finished by the next run of either.

mod file_change;
mod file_changes;
mod leftovers;
mod roots;
pub mod state;
mod trial;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::cli::unit::{Disable, Enable, Place, Via};
use crate::commands::setup::settings;
use crate::commands::system::file_change::cannot;
use crate::commands::system::file_changes::{Files, carry_out};
use crate::commands::system::leftovers::Leftovers;
use crate::error::{Error, Exit};
use crate::host::apply::{files, lock};
use crate::host::observe::kernel::MptcpSocket;
use crate::host::observe::{loaders, pam};
use crate::host::process::privilege;
use crate::inject::library::{empty, system_copy};
use crate::locations::Locations;
use crate::output::{self, system as screen};
use crate::root::{self, Root, is_directory};
use mptcpize_model::config::Config;
use mptcpize_model::file_change::FileChange;
use mptcpize_model::socket_policy::{Loopback, Sockets, VARIABLE};
use mptcpize_model::system::{self, System};
use mptcpize_model::unit::UnitName;
use mptcpize_model::{environment, preload_file};
use trial::Candidate;

/// Switches MPTCP on for every program.
///
/// # Errors
/// 1 the self-test fails or a file cannot be written: nothing was changed; 2 settings that cannot
/// be; 4 not permitted; 5 no MPTCP, or no loader that could do it.
pub fn enable(arguments: &Enable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let image = find(place, locations)?;
    let by_preload = match arguments.via {
        Via::Auto | Via::Preload => true,
        Via::Environment => false,
        Via::Seccomp => {
            return Err(Error::new(Exit::Usage, "there is no seccomp filter for every program")
                .why("a filter covers what its program starts, and would cost every system call")
                .fix("mptcpize enable --system, or mptcpize enable --via seccomp UNIT")
                .into());
        }
    };
    if place.root.is_none() && MptcpSocket::probe() == MptcpSocket::Absent {
        return Err(Error::new(Exit::Missing, "this kernel has no MPTCP")
            .fix("boot a kernel 5.6 or newer built with CONFIG_MPTCP")
            .into());
    }
    // Before anything is looked at, so that nothing changes in between.
    let _lock = if place.dry_run { None } else { Some(alone(&image.root, locations)?) };
    let mut config = settings::file(None, &image.locations)?;
    config.sockets = config.sockets.overridden(arguments.policy.sockets());
    let settings = settings(&image, &config)?;
    let source = match &arguments.library {
        None => system_copy::BYTES.to_vec(),
        Some(file) => root::read(file).map_err(|error| cannot("read", file, &error))?,
    };
    let (name, libraries) = libraries(&image, &source, &settings)?;
    let names = names(&image, by_preload.then_some(&name), (!by_preload).then_some(&name))?;
    let current = |path: &PathBuf| libraries.iter().any(|library| library.path == *path);
    let obsolete = installed(&image.root).into_iter().filter(|path| !current(path)).collect();
    let library = libraries.first().and_then(|library| library.after.clone());
    let obsolete = Leftovers::new(&image.root, obsolete, &names, library);
    let wanted = Files { root: Rc::clone(&image.root), libraries, names, obsolete };

    let rows = wanted.rows(wanted.obsolete.rows());
    if !place.dry_run {
        wanted.sweep()?;
    }
    if rows.is_empty() || place.dry_run {
        output::text(&screen::enabled(&rows, by_preload, place.dry_run, None, place.json))?;
        reach(&image, by_preload || place.json || rows.is_empty())?;
        return Ok(Exit::Done);
    }
    let done = carry_out(&wanted, || match arguments.no_trial {
        true => Ok(0),
        false => try_out(&image, &wanted, &name, by_preload, &config),
    })?;
    let tried = Some(done.tried).filter(|_| !arguments.no_trial);
    output::text(&screen::enabled(&rows, by_preload, false, tried, place.json))?;
    reach(&image, by_preload || place.json)?;
    Ok(Exit::Done)
}

/// Says whom the environment reaches, which is less than everybody.
fn reach(image: &Image, silent: bool) -> anyhow::Result<()> {
    if silent {
        return Ok(());
    }
    let log_ins = pam::log_ins(&image.root);
    let roots = roots::units(&image.root, &image.locations)?;
    let roots: Vec<String> = roots.iter().map(UnitName::to_string).collect();
    output::text(&screen::reach(&log_ins.with, &log_ins.without, &roots))
}

/// Switches it off.
///
/// # Errors
/// 1 a file cannot be written, 4 not permitted. What was taken away already stays away.
pub fn disable(arguments: &Disable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let image = find(place, locations)?;
    let _lock = if place.dry_run { None } else { Some(alone(&image.root, locations)?) };
    let names = names(&image, None, None)?;
    let obsolete = Leftovers::new(&image.root, installed(&image.root), &names, None);
    let wanted = Files { root: Rc::clone(&image.root), libraries: Vec::new(), names, obsolete };
    let mut still_named = false;
    let rows = if place.dry_run {
        wanted.rows(wanted.obsolete.rows())
    } else {
        wanted.sweep()?;
        let settled = carry_out(&wanted, || Ok(0))?.settled;
        still_named = settled.still_named;
        // What was killed before it wrote a library left its directory.
        for directory in directories(&image.root) {
            files::remove_if_empty(&image.root, &directory);
        }
        wanted.rows(settled.rows)
    };
    output::text(&screen::disabled(&rows, place.dry_run, place.json))?;
    if still_named && !place.json {
        output::line(
            "what runs hands the name of the library on: one that does nothing has that name until the next boot",
        )?;
    }
    Ok(Exit::Done)
}

/// The host, or the image below `--root`.
struct Image {
    root: Rc<Root>,
    locations: Locations,
}

fn find(place: &Place, locations: &Locations) -> Result<Image, Error> {
    let root = match &place.root {
        None => Root::host()?,
        Some(path) => {
            let root = Root::image(path)?;
            if !root.metadata(Path::new("/etc")).is_ok_and(|found| found.is_dir()) {
                return Err(Error::new(
                    Exit::Usage,
                    format!("there is no image in {}", path.display()),
                )
                .why("it has no directory etc")
                .fix("name the directory that is / in the image"));
            }
            root
        }
    };
    if !place.dry_run && !rustix::process::geteuid().is_root() {
        return Err(Error::new(Exit::NotPermitted, "cannot change every program of this host")
            .why("only root may")
            .fix(format!("{}; --dry-run shows what it would do", privilege::advice())));
    }
    Ok(Image { locations: locations.clone().below(root.path()), root })
}

/// One at a time for each image; the state of this boot is the running host's.
fn alone(root: &Root, locations: &Locations) -> Result<File, Error> {
    lock::take(&locations.run(), &root.lock_name("system"), lock::PATIENCE, |holder| {
        output::note(&format!("waiting for another mptcpize (process {holder}) to finish"));
    })
}

/// The settings that go into the library.
fn settings(image: &Image, config: &Config) -> Result<Vec<String>, Error> {
    let passwd = image.root.read(Path::new("/etc/passwd")).unwrap_or_default();
    let users = system::users(&String::from_utf8_lossy(&passwd));
    // Within the host there is nothing to gain, and every program would pay for it.
    let sockets = Sockets {
        loopback: config.sockets.loopback.or(Some(Loopback::Tcp)),
        ..config.sockets.clone()
    };
    let all = config.system.settings(&users).and_then(|mut all| {
        all.push(format!("{VARIABLE}={}", sockets.text()?));
        Ok(all)
    });
    all.map_err(|why| {
        let file = image.locations.config();
        Error::new(Exit::Usage, format!("{} has a mistake", file.display()))
            .why(why)
            .fix(format!("correct {}", file.display()))
    })
}

/// What the name of every library of ours for the whole host begins with.
pub(super) const NAME: &str = "libmptcpize-system-";

/// The libraries that shall be there, and the name that leads each loader to its own.
fn libraries(
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

/// Where libraries of ours may be.
fn directories(root: &Root) -> Vec<PathBuf> {
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
fn installed(root: &Root) -> Vec<PathBuf> {
    let all = directories(root).into_iter().flat_map(|directory| entries(root, &directory));
    let mut found: Vec<PathBuf> = all.filter(|path| is_ours(path)).collect();
    found.sort();
    found.dedup();
    found
}

fn is_ours(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(NAME))
}

fn is_our_name(name: &[u8]) -> bool {
    is_ours(Path::new(&OsString::from_vec(name.to_vec())))
}

/// The files that name the library for one mechanism, and those of the other without it.
fn names(
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
        files.extend(entries(&image.root, Path::new(directory)));
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

fn try_out(
    image: &Image,
    wanted: &Files,
    name: &str,
    by_preload: bool,
    config: &Config,
) -> Result<usize, Error> {
    let file = wanted.names.iter().find(|change| change.path.ends_with("ld.so.preload"));
    let candidate = Candidate {
        file: file
            .filter(|_| by_preload)
            .and_then(|change| Some((PathBuf::from("/etc/ld.so.preload"), change.after.clone()?))),
        environment: match by_preload {
            true => Vec::new(),
            false => vec![(String::from("LD_PRELOAD"), OsString::from(name))],
        },
        library: OsString::from(name),
    };
    let excluded: &System = &config.system;
    trial::self_test(image.root.path(), &candidate, excluded)
}
