//! Which files a unit has and what state it is in: asked of systemd on a running host, found as
//! systemd finds it (systemd.unit(5), "Unit File Load Path") in an image.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::host::dropins::failed;
use crate::host::image;
use crate::host::systemctl::{Properties, Systemctl};
use crate::model::unit::text::words;
use crate::model::unit::{UnitName, matches};
use crate::paths::Units;

/// The instance by which a template is asked about.
const ANY: &str = "mptcpize";

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
}

/// Where units are looked up.
#[derive(Clone, Debug)]
pub enum Source {
    /// A running service manager.
    Running(Systemctl),
    /// The files below a root.
    Image {
        /// The root.
        root: PathBuf,
        /// The directories, as seen from that root.
        units: Units,
    },
}

const PROPERTIES: [&str; 15] = [
    "Id",
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
    "MainPID",
];

impl Source {
    /// What there is to know about units, in the order asked.
    ///
    /// # Errors
    /// No systemd answers.
    pub fn facts(&self, units: &[UnitName]) -> Result<Vec<Facts>, Error> {
        match self {
            Source::Running(systemctl) => {
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
            Source::Running(systemctl) => systemctl.names()?,
            Source::Image { root, units } => {
                let mut names = Vec::new();
                for directory in units.search() {
                    let Ok(real) = image::resolve(root, directory) else { continue };
                    let entries = fs::read_dir(real).into_iter().flatten().flatten();
                    names.extend(entries.map(|one| one.file_name().to_string_lossy().into_owned()));
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
            let text = image::resolve(self.root(), file).and_then(fs::read);
            let text = text.map_err(|error| failed("read", file, &error))?;
            texts.push((file.clone(), String::from_utf8_lossy(&text).into_owned()));
        }
        Ok(texts)
    }

    /// The root of what is looked at.
    pub fn root(&self) -> &Path {
        match self {
            Source::Running(_) => Path::new("/"),
            Source::Image { root, .. } => root,
        }
    }

    /// The version of systemd; `None` where that cannot be told.
    pub fn version(&self) -> Option<u32> {
        match self {
            Source::Running(systemctl) => systemctl.version().ok(),
            // Its own library carries the version in its name.
            Source::Image { root, .. } => {
                let directories =
                    ["/usr/lib/systemd", "/lib/systemd", "/usr/lib/x86_64-linux-gnu/systemd"];
                let entries = directories.iter().flat_map(|directory| {
                    let real = image::resolve(root, Path::new(directory)).ok();
                    real.and_then(|real| fs::read_dir(real).ok()).into_iter().flatten().flatten()
                });
                entries.into_iter().find_map(|entry| {
                    let name = entry.file_name().to_string_lossy().into_owned();
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
        files,
    }
}

fn in_image(root: &Path, places: &Units, asked: &UnitName) -> Facts {
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
fn find(root: &Path, places: &Units, name: &UnitName) -> Found {
    for candidate in [Some(name.clone()), name.template()].into_iter().flatten() {
        for directory in places.search() {
            let Ok(real) = image::resolve(root, directory) else { continue };
            let file = real.join(candidate.as_str());
            let Ok(found) = fs::symlink_metadata(&file) else { continue };
            if found.is_file() && found.len() == 0 {
                return Found::Masked;
            }
            if let Ok(target) = fs::read_link(&file) {
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
fn drop_ins(root: &Path, places: &Units, name: &UnitName) -> Vec<PathBuf> {
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
            let Ok(real) = image::resolve(root, &seen) else { continue };
            for entry in fs::read_dir(real).into_iter().flatten().flatten() {
                let file = entry.file_name().to_string_lossy().into_owned();
                if file.ends_with(".conf") {
                    found.entry(file.clone()).or_insert_with(|| seen.join(&file));
                }
            }
        }
    }
    found.into_values().collect()
}

/// Does a file of variables set this one? `None` where it cannot be read.
pub fn sets(file: &Path, variable: &str) -> Option<bool> {
    let text = match fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    let name = |line: &str| line.split_once('=').map(|(name, _)| name.trim().to_owned());
    Some(text.lines().filter_map(name).any(|name| name == variable))
}
