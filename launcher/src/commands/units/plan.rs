//! What `enable` will do for a unit: looks at its files and its programs, and decides on the
//! drop-in. Nothing is changed here.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::cli::unit::Via;
use crate::commands::units::Site;
use crate::commands::units::c_tool;
use crate::commands::units::caller;
use crate::commands::units::dispatcher;
use crate::commands::units::environment;
use crate::commands::units::foreseen;
use crate::commands::units::seen_lost;
use crate::commands::units::socket;
use crate::commands::units::usable::{no_program, usable};
use crate::error::{Error, Exit};
use crate::host::systemd::units::Facts;
use crate::inject::environment::{godebug, preload};
use crate::inject::library::service_copy::Placed;
use crate::inject::reach::{Reach, Why};
use crate::inject::target::{Caller, Target};
use crate::root::Root;
use mptcpize_model::shell;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::dropin::{self, Dropin, FILE, Mechanism};
use mptcpize_model::unit::file::{UnitText, literal, words};
use mptcpize_model::unit::order::waits_for_network;

/// Where our files appear in a unit with a root of its own: systemd mounts an empty /run there
/// (`MountAPIVFS=`), so that nothing is left in that root.
const INSIDE: &str = "/run/mptcpize";

/// Where systemd looks for a program without a path (systemd.exec(5), `ExecSearchPath=`).
const PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A unit and the drop-in for it.
#[derive(Debug)]
pub struct Planned {
    /// The unit.
    pub name: UnitName,
    /// The drop-in, but for the directories that are made for it.
    pub dropin: Dropin,
    /// Why this way.
    pub why: String,
    /// What a person should know besides.
    pub notes: Vec<String>,
    /// Files of ours that it needs.
    pub needs: Vec<Placed>,
    /// It runs now.
    pub active: bool,
    /// The cgroup that it runs in.
    pub cgroup: Option<String>,
}

/// Plans a unit's drop-in from its files and its programs.
///
/// # Errors
/// Why it cannot be enabled: 5 it does not exist, 2 it has no programs, 1 it is masked, broken,
/// transient, or nothing reaches it.
pub fn plan(site: &Site, facts: &Facts, asked: Via) -> Result<Planned, Error> {
    let name = usable(facts)?;
    let files: Vec<PathBuf> = facts
        .files
        .iter()
        .filter(|file| file.file_name() != Some(OsStr::new(FILE)))
        .cloned()
        .collect();
    let text = UnitText::read(&site.source.read(&files)?);
    let mut planned = Planned {
        dropin: Dropin {
            unit: name.clone(),
            mechanism: Mechanism::Socket(None),
            variables: Vec::new(),
            after_setup: !site.user && waits_for_network(&text, &name),
            bind: Vec::new(),
            executable: Vec::new(),
            made: Vec::new(),
        },
        name,
        why: String::new(),
        notes: Vec::new(),
        needs: Vec::new(),
        cgroup: facts.cgroup.clone(),
        active: facts.active == "active" || facts.active == "reloading",
    };
    if planned.name.kind() == "socket" {
        let (back, why) = socket::decide(site, facts, &text, &mut planned.notes)?;
        (planned.dropin.mechanism, planned.why) = (Mechanism::Socket(back), why);
        return Ok(planned);
    }
    Unit { site, facts, text: &text, name: planned.name.clone() }.decide(asked, &mut planned)?;
    planned.notes.extend(foreseen::note(site, facts, &planned.dropin.mechanism));
    planned.notes.extend(socket::of_service(site, facts));
    Ok(planned)
}

/// A service under consideration.
struct Unit<'a> {
    site: &'a Site,
    facts: &'a Facts,
    text: &'a UnitText,
    name: UnitName,
}

impl Unit<'_> {
    fn decide(&self, asked: Via, planned: &mut Planned) -> Result<(), Error> {
        let commands = self.commands();
        if commands.is_empty() {
            return Err(no_program(&self.name, "SERVICE"));
        }
        dispatcher::refuse(self.site, &self.name, &commands)?;
        let reaches: Vec<Reach> =
            commands.iter().map(|command| self.reach(command, planned)).collect();
        let beyond = reaches.iter().find_map(|reach| match reach {
            Reach::No(why) => Some(why),
            _ => None,
        });
        self.recognise_the_c_tool(planned);
        match (asked, beyond) {
            (Via::Environment, _) => {
                Err(Error::new(Exit::Usage, "--via environment is for --system")
                    .fix(format!("sudo mptcpize enable {}", shell::operand(&self.name))))
            }
            (Via::Seccomp, _) => {
                self.under_run(&["--via", "seccomp"], "--via seccomp".into(), true, planned)
            }
            (Via::Auto, Some(why @ (Why::Machine(_) | Why::NoLoader(_)))) => {
                Err(self.out_of_reach(&why.to_string(), "correct its ExecStart="))
            }
            (Via::Auto, Some(why @ Why::Privilege(_))) if self.gains(&commands) => {
                // Without CAP_SYS_ADMIN a filter wants no_new_privs, and that takes it away again.
                Err(self.out_of_reach(
                    &format!(
                        "{why}; and a filter would take that privilege away, as User= is not root"
                    ),
                    &format!(
                        "give it the privilege by AmbientCapabilities= instead; or, where it does \
                         without: sudo mptcpize enable --via seccomp {}",
                        shell::operand(&self.name)
                    ),
                ))
            }
            (Via::Auto, Some(why)) => {
                self.under_run(&["--via", "seccomp"], why.to_string(), true, planned)
            }
            (Via::Auto | Via::Preload, _) => {
                if let (Via::Preload, Some(why)) = (asked, beyond) {
                    planned.notes.push(format!("it stays on TCP: {why}"));
                }
                let lost = match asked {
                    Via::Auto => seen_lost::seen(self.site, self.facts),
                    _ => None,
                };
                if let Some(why) = lost {
                    match self.no_filter(&commands) {
                        None => return self.under_run(&["--via", "seccomp"], why, true, planned),
                        Some(obstacle) => {
                            planned.notes.push(format!("{why}; no filter either: {obstacle}"));
                        }
                    }
                }
                match environment::is_lost(self.site, self.facts, self.text)? {
                    Some(why) => self.under_run(&["--via", "preload"], why, false, planned),
                    None => self.by_environment(&reaches, planned),
                }
            }
        }
    }

    /// Is one of these commands started by somebody who would gain the privilege of its file?
    fn gains(&self, commands: &[&str]) -> bool {
        let mut all = commands.iter();
        all.any(|command| caller::of(self.text, self.site.user, command).may_gain())
    }

    fn out_of_reach(&self, why: &str, fix: &str) -> Error {
        Error::new(Exit::Missing, format!("nothing reaches {}", self.name))
            .why(why)
            .fix(fix)
            .group("that nothing reaches")
    }

    fn commands(&self) -> Vec<&str> {
        let settings = self.text.list("Service", "ExecStart");
        settings.into_iter().flat_map(|(setting, _)| dropin::commands(setting)).collect()
    }

    /// The directory that is `/` for the unit, if not the system's.
    fn own_root(&self) -> Option<&Path> {
        let root = self.text.last("Service", "RootDirectory")?;
        Some(Path::new(root.trim_start_matches(['-', '+']))).filter(|root| *root != Path::new("/"))
    }

    fn has_own_root(&self) -> bool {
        self.own_root().is_some() || self.text.last("Service", "RootImage").is_some()
    }

    /// How the program of a command can be reached.
    fn reach(&self, command: &str, planned: &mut Planned) -> Reach {
        let Some(program) = dropin::program(command) else { return Reach::Unknown };
        let caller = caller::of(self.text, self.site.user, command);
        if program.contains('%') || (self.text.last("Service", "RootImage").is_some()) {
            return Reach::Unknown;
        }
        let own_root = self.own_root();
        let found = match own_root {
            None => Self::find(self.site.root(), Path::new(&program), &caller),
            Some(own) => {
                let root = self.site.root().within(own).ok();
                root.and_then(|root| Self::find(&root, Path::new(&program), &caller))
            }
        };
        let Some(target) = found else {
            planned.notes.push(format!("{program} is not there, or cannot be executed"));
            return Reach::Unknown;
        };
        let elsewhere = own_root.is_some() || self.site.running().is_none();
        match target.reach() {
            // Its loader is in its own root, not in ours.
            Reach::No(Why::NoLoader(_)) if elsewhere => Reach::Preload,
            reach => reach,
        }
    }

    /// A program of the unit, looked up in its root as systemd does.
    fn find(root: &Root, program: &Path, caller: &Caller) -> Option<Target> {
        let directories: &[&str] = if program.is_absolute() { &["/"] } else { &PATH };
        let candidates = directories.iter().map(|directory| Path::new(directory).join(program));
        candidates.into_iter().find_map(|path| Target::within(root, &path, caller).ok())
    }

    fn by_environment(&self, reaches: &[Reach], planned: &mut Planned) -> Result<(), Error> {
        let manager = match self.site.running() {
            Some(systemctl) => systemctl.environment().unwrap_or_default(),
            None => BTreeMap::new(),
        };
        // What the manager gives to all its units, the unit's own Environment= replaces.
        let before = |name: &str| {
            let own = self.text.environment(name).map(|variable| variable.value);
            own.or_else(|| manager.get(name).map(|value| literal(value)))
        };
        let own_go = |reach: &Reach| matches!(reach, Reach::GoDebug(_));
        let mut preloads = None;
        if !reaches.iter().all(own_go) {
            let library = self.site.placing().library()?;
            let seen = self.visible(&library.seen, planned);
            planned.needs.push(library);
            let existing = before("LD_PRELOAD").map(c_tool::without);
            let merged = preload::merge(
                existing.as_deref().map(OsStr::new),
                Path::new(&literal(&seen.to_string_lossy())),
            );
            preloads = Some(merged.to_string_lossy().into_owned());
        }
        let merged = godebug::merge(before("GODEBUG").as_deref().map(OsStr::new));
        planned.why = match (&preloads, reaches) {
            (None, _) => "it is Go, which has MPTCP of its own".to_owned(),
            (Some(_), _) => "it is dynamically linked: its loader takes our library".to_owned(),
        };
        planned.dropin.mechanism = Mechanism::Environment {
            preload: preloads,
            godebug: Some(merged.to_string_lossy().into_owned()),
        };
        Ok(())
    }

    /// Where the unit sees a file of ours, with what makes it so.
    fn visible(&self, file: &Path, planned: &mut Planned) -> PathBuf {
        let list = |key| self.text.list("Service", key);
        if !list("NoExecPaths").is_empty() {
            planned.dropin.executable.push(file.to_owned());
        }
        let covered = list("TemporaryFileSystem").iter().any(|(setting, _)| {
            words(setting)
                .iter()
                .any(|word| file.starts_with(word.text.split(':').next().unwrap_or_default()))
        });
        if self.has_own_root() {
            let inside = Path::new(INSIDE).join(file.file_name().unwrap_or_default());
            planned.dropin.bind.push((file.to_owned(), inside.clone()));
            return inside;
        }
        if covered {
            planned.dropin.bind.push((file.to_owned(), file.to_owned()));
        }
        file.to_owned()
    }

    /// Every command under `mptcpize run`.
    fn under_run(
        &self,
        options: &[&str],
        why: String,
        filter: bool,
        planned: &mut Planned,
    ) -> Result<(), Error> {
        if let Some(obstacle) = self.obstacle(filter) {
            let fix = match filter {
                true => "take that setting away in a drop-in of your own: systemctl edit UNIT",
                false => "put the variable into Environment= instead",
            };
            return Err(self.out_of_reach(
                &format!("{why}; {obstacle}"),
                &fix.replace("UNIT", self.name.as_str()),
            ));
        }
        let placing = self.site.placing();
        let binary = placing.binary()?;
        let seen = self.visible(&binary.seen, planned);
        planned.needs.push(binary);
        if !filter {
            let library = placing.library()?;
            self.visible(&library.seen, planned);
            planned.needs.push(library);
        }
        let lines: Result<Vec<String>, String> = self
            .commands()
            .into_iter()
            .map(|command| dropin::under_run(command, &seen, options))
            .collect();
        let lines = lines.map_err(|obstacle| {
            self.out_of_reach(&format!("{why}; {obstacle}"), "change its ExecStart=")
        })?;
        planned.why.clone_from(&why);
        planned.dropin.mechanism = Mechanism::Run { lines, why };
        Ok(())
    }

    /// What of the unit's sandbox does not let `mptcpize run` work.
    fn obstacle(&self, filter: bool) -> Option<String> {
        let has = |key: &str| !self.text.list("Service", key).is_empty();
        if let Some(file) = self.text.reset_behind("ExecStart", FILE) {
            return Some(format!("{} sets ExecStart=, and counts after this", file.display()));
        }
        if self.has_own_root() && (!filter || !Placed::is_static()) {
            return Some("it has a root of its own, in which mptcpize run does not work".into());
        }
        if !filter {
            return None;
        }
        if has("SystemCallFilter") {
            // Which calls a supervisor needs is not the same in every release and libc.
            return Some("its SystemCallFilter= is not made for a seccomp supervisor".into());
        }
        let few = |key: &str| {
            let limit = self.text.last("Service", key)?;
            let number: u64 = limit.split(':').next()?.parse().ok()?;
            (number < 8).then(|| format!("its {key}={limit} leaves no room for a supervisor"))
        };
        few("TasksMax").or_else(|| few("LimitNPROC"))
    }

    /// Why these commands cannot be put under a filter.
    fn no_filter(&self, commands: &[&str]) -> Option<String> {
        let renamed = commands.iter().any(|command| dropin::prefix(command).0.contains('@'));
        let renamed = renamed.then(|| "its ExecStart= gives the program another name (@)".into());
        self.obstacle(true).or(renamed)
    }

    /// A unit that the C mptcpize edited.
    fn recognise_the_c_tool(&self, planned: &mut Planned) {
        let Some(set) = self.text.environment("LD_PRELOAD") else { return };
        if set.value.contains(c_tool::LIBRARY) {
            planned.notes.push(c_tool::note(set.file));
        }
    }
}
