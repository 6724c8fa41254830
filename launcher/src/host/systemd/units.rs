//! Which files a unit has and what state it is in: asked of systemd on a running host, found as
//! systemd finds it (systemd.unit(5), "Unit File Load Path") in an image.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::Error;
use crate::host::systemd::dropins::failed;
use crate::host::systemd::systemctl::{Properties, Systemctl};
use crate::locations::Units;
use crate::root::{Root, is_file};
use mptcpize_model::unit::file::words;
use mptcpize_model::unit::{UnitName, matches};

/// The instance by which a template is asked about.
const ANY: &str = "mptcpize";

/// The bus, whoever provides it (systemd.special(7)).
const BUS: &str = "dbus.service";

/// Links to other names that are followed at most; systemd has the same limit in spirit.
const MOST_ALIASES: usize = 8;

/// What is known of a unit.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Its own name, whatever alias was asked for.
    pub name: Option<UnitName>,
    /// `loaded`, `masked`, `not-found`, `bad-setting`, …
    pub load: String,
    /// Its files in the order in which they count, the first its own; as systemd sees them.
    pub files: Vec<PathBuf>,
    /// Made by `systemd-run` or a program, gone when it stops.
    pub transient: bool,
    /// `active`, `inactive`, …; empty in an image.
    pub active: String,
    /// Its cgroup, while it runs.
    pub cgroup: Option<String>,
    /// Sockets that systemd opens for it.
    pub sockets: Vec<String>,
    /// Files of variables.
    pub environment_files: Vec<PathBuf>,
    /// The variables that systemd says it gets from `Environment=`.
    pub environment: Vec<String>,
    /// Files were changed that systemd has not read yet.
    pub stale: bool,
    /// The programs of `ExecStart=` as systemd will start them.
    pub programs: Vec<PathBuf>,
    /// What systemd cannot load it for.
    pub load_error: String,
    /// It has `SystemCallFilter=`.
    pub limits_calls: bool,
    /// What a `.socket` listens at, as systemd has resolved it: `[::]:22 (Stream)`.
    pub listen: Vec<String>,
    /// The protocol that systemd gives to the streams of a `.socket`, as a number; 0 for none.
    pub protocol: u32,
    /// It can be restarted while the host runs: systemd would (`RefuseManualStart=`,
    /// `RefuseManualStop=`), and it is not the bus, with which all that is on it would end.
    pub can_restart: bool,
}

/// Where units are looked up.
#[derive(Clone, Debug)]
pub enum Source {
    /// A running service manager, and the host's root.
    Running(Systemctl, Rc<Root>),
    /// The files below a root.
    Image {
        /// The root.
        root: Rc<Root>,
        /// The directories, as seen from that root.
        units: Units,
    },
}

const PROPERTIES: [&str; 20] = [
    "Id",
    "Names",
    "LoadState",
    "LoadError",
    "FragmentPath",
    "SourcePath",
    "DropInPaths",
    "Transient",
    "ActiveState",
    "ControlGroup",
    "TriggeredBy",
    "EnvironmentFiles",
    "Environment",
    "ExecStart",
    "NeedDaemonReload",
    "Listen",
    "SocketProtocol",
    "SystemCallFilter",
    "CanStart",
    "CanStop",
];

impl Source {
    /// What there is to know about units, in the order asked.
    ///
    /// # Errors
    /// No systemd answers.
    pub fn facts(&self, units: &[UnitName]) -> Result<Vec<Facts>, Error> {
        match self {
            Source::Running(systemctl, _) => {
                let asked: Vec<UnitName> = units.iter().map(askable).collect();
                let names: Vec<&str> = asked.iter().map(UnitName::as_str).collect();
                let shown = systemctl.show(&names, &PROPERTIES)?;
                let all = units.iter().zip(shown);
                Ok(all.map(|(unit, properties)| from_properties(unit, &properties)).collect())
            }
            Source::Image { root, units: places } => {
                Ok(units.iter().map(|unit| in_image(root, places, unit)).collect())
            }
        }
    }

    /// The names that fit a pattern.
    ///
    /// # Errors
    /// No systemd answers.
    pub fn matching(&self, pattern: &str) -> Result<Vec<UnitName>, Error> {
        let names = match self {
            Source::Running(systemctl, _) => systemctl.names()?,
            Source::Image { root, units } => {
                let mut names = Vec::new();
                for directory in units.search() {
                    let found = root.names(directory).into_iter();
                    names.extend(found.map(|name| name.to_string_lossy().into_owned()));
                }
                names.sort();
                names.dedup();
                names
            }
        };
        // As systemctl: a pattern without a kind is one of services.
        let pattern = match pattern.rsplit_once('.') {
            Some(_) => pattern.to_owned(),
            None if pattern.ends_with('*') => pattern.to_owned(),
            None => format!("{pattern}.service"),
        };
        let fitting = names.iter().filter(|name| name.contains('.') && matches(&pattern, name));
        Ok(fitting.filter_map(|name| UnitName::new(name).ok()).collect())
    }

    /// The texts of files.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn read(&self, files: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Error> {
        let mut texts = Vec::new();
        for file in files {
            let text = self.root().read(file).map_err(|error| failed("read", file, &error))?;
            texts.push((file.clone(), String::from_utf8_lossy(&text).into_owned()));
        }
        Ok(texts)
    }

    /// The root of what is looked at.
    pub fn root(&self) -> &Rc<Root> {
        match self {
            Source::Running(_, root) | Source::Image { root, .. } => root,
        }
    }

    /// The version of systemd; `None` where that cannot be told.
    pub fn version(&self) -> Option<u32> {
        match self {
            Source::Running(systemctl, _) => systemctl.version().ok(),
            // Its own library carries the version in its name.
            Source::Image { root, .. } => {
                let directories =
                    ["/usr/lib/systemd", "/lib/systemd", "/usr/lib/x86_64-linux-gnu/systemd"];
                let names =
                    directories.iter().flat_map(|directory| root.names(Path::new(directory)));
                names.into_iter().find_map(|name| {
                    let name = name.to_string_lossy().into_owned();
                    let rest = name.strip_prefix("libsystemd-shared-")?;
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    digits.parse().ok()
                })
            }
        }
    }
}

/// systemd answers for units, and a template is none.
fn askable(unit: &UnitName) -> UnitName {
    if unit.is_template() { unit.instance(ANY) } else { unit.clone() }
}

fn from_properties(asked: &UnitName, properties: &Properties) -> Facts {
    let all = |name: &str| properties.get(name).map(Vec::as_slice).unwrap_or_default();
    let one = |name: &str| all(name).first().cloned().unwrap_or_default();
    let name = match asked.is_template() {
        true => Some(asked.clone()),
        false => UnitName::new(&one("Id")).ok(),
    };
    let list = |name: &str| words(&one(name)).into_iter().map(|word| word.text);
    let mut files: Vec<PathBuf> = Vec::new();
    files.extend([one("FragmentPath")].iter().filter(|path| !path.is_empty()).map(PathBuf::from));
    let template = asked.is_template();
    // The instance that was asked about has no drop-ins of its own, so these are the template's.
    files.extend(list("DropInPaths").map(PathBuf::from));
    let programs = all("ExecStart").iter().filter_map(|command| {
        let (path, _) = command.strip_prefix("{ path=")?.split_once(" ; argv[]=")?;
        Some(PathBuf::from(path))
    });
    Facts {
        name,
        load: one("LoadState"),
        transient: one("Transient") == "yes",
        active: if template { String::new() } else { one("ActiveState") },
        cgroup: Some(one("ControlGroup")).filter(|path| !path.is_empty()),
        sockets: list("TriggeredBy").filter(|unit| unit.ends_with(".socket")).collect(),
        environment_files: all("EnvironmentFiles")
            .iter()
            .map(|file| PathBuf::from(file.split(" (ignore").next().unwrap_or(file)))
            .collect(),
        environment: list("Environment").collect(),
        stale: one("NeedDaemonReload") == "yes",
        programs: programs.collect(),
        load_error: one("LoadError"),
        // Unset, it is a list of none that are forbidden: "~".
        limits_calls: !matches!(one("SystemCallFilter").as_str(), "" | "~"),
        listen: all("Listen").to_vec(),
        protocol: one("SocketProtocol").parse().unwrap_or(0),
        can_restart: one("CanStart") != "no"
            && one("CanStop") != "no"
            && !list("Names").any(|name| name == BUS),
        files,
    }
}

fn in_image(root: &Root, places: &Units, asked: &UnitName) -> Facts {
    let mut facts = Facts { load: "not-found".into(), ..Facts::default() };
    let mut name = asked.clone();
    for _ in 0..MOST_ALIASES {
        match find(root, places, &name) {
            Found::Masked => facts.load = "masked".into(),
            Found::Alias(other) => {
                name = other;
                continue;
            }
            Found::File(path) => {
                facts.load = "loaded".into();
                facts.files.push(path);
            }
            Found::Nothing => {}
        }
        break;
    }
    facts.files.extend(drop_ins(root, places, &name));
    facts.name = Some(name);
    facts
}

enum Found {
    Nothing,
    Masked,
    Alias(UnitName),
    File(PathBuf),
}

/// Looks for the file of a unit, and of its template after it.
fn find(root: &Root, places: &Units, name: &UnitName) -> Found {
    for candidate in [Some(name.clone()), name.template()].into_iter().flatten() {
        for directory in places.search() {
            let Ok(Some(inside)) = root.directory(directory) else { continue };
            let file = OsStr::new(candidate.as_str());
            let Some(found) = inside.stat(file) else { continue };
            if is_file(&found) && found.st_size == 0 {
                return Found::Masked;
            }
            if let Some(target) = inside.link(file) {
                if target == Path::new("/dev/null") {
                    return Found::Masked;
                }
                let other = target.file_name().and_then(|name| name.to_str()).map(UnitName::new);
                if let Some(Ok(other)) = other
                    && other != candidate
                    && Some(&other) != name.template().as_ref()
                {
                    return Found::Alias(other);
                }
            }
            return Found::File(directory.join(candidate.as_str()));
        }
    }
    Found::Nothing
}

/// The drop-ins of a unit: its own, its template's, those of its name's prefixes and of its kind;
/// of two files of the same name the first counts. In the order of their names.
fn drop_ins(root: &Root, places: &Units, name: &UnitName) -> Vec<PathBuf> {
    let mut directories = vec![name.to_string()];
    directories.extend(name.template().map(|template| template.to_string()));
    let mut stem = name.stem();
    while let Some((prefix, _)) = stem.trim_end_matches('-').rsplit_once('-') {
        directories.push(format!("{prefix}-.{}", name.kind()));
        stem = prefix;
    }
    directories.push(name.kind().to_owned());
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for unit in directories {
        for directory in places.search() {
            let seen = directory.join(format!("{unit}.d"));
            for name in root.names(&seen) {
                let file = name.to_string_lossy().into_owned();
                if file.ends_with(".conf") {
                    found.entry(file.clone()).or_insert_with(|| seen.join(&file));
                }
            }
        }
    }
    found.into_values().collect()
}

/// Does a file of variables set this one? One that is not there, or that only others may read, does
/// not as far as can be told.
///
/// # Errors
/// It is no regular file, or too long to be one of variables.
pub fn sets(root: &Root, file: &Path, variable: &str) -> Result<bool, Error> {
    let text = match root.read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(failed("read", file, &error)),
    };
    let name = |line: &str| line.split_once('=').map(|(name, _)| name.trim().to_owned());
    Ok(text.lines().filter_map(name).any(|name| name == variable))
}
