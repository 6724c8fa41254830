//! A unit judged by what its processes and sockets are in the kernel: looks, finds out why each
//! socket that is TCP is so, and says what does it. Shared by `list`, `enable`, `status` and
//! `check`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use crate::host::netns;
use crate::host::observe::unit_sockets;
use crate::host::observe::unit_sockets::Tables;
use crate::host::procfs::{processes, unit_processes};
use crate::host::systemd::services;
use crate::inject::seccomp::deviations;
use crate::inject::seccomp::refused::Refused;
use crate::inject::target::elf::{self, Class};
use crate::locations::Locations;
use mptcpize_model::plain;
use mptcpize_model::shell;
use mptcpize_model::unit::dropin;
use mptcpize_model::unit::judge::{self, Judgement, Stayed, Verdict};
use mptcpize_model::unit::process::{Loss, Process};
use mptcpize_model::unit::socket::{Cause, Means, Socket};

/// So many sockets of a unit are asked for their options; a unit has few listeners.
const MOST_ASKED: usize = 32;

/// So many different binaries of a unit are looked at; a unit has a few.
const MOST_BINARIES: usize = 32;

/// A unit to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its cgroup.
    pub cgroup: &'a str,
    /// It is reached by a filter.
    pub filter: bool,
    /// Its drop-in.
    pub file: &'a Path,
    /// Sockets that systemd opens for it.
    pub sockets: &'a [String],
    /// It is one of the calling user's.
    pub user: bool,
    /// Its `SystemCallFilter=` leaves no room for a filter of ours; not asked without systemd.
    pub limits_calls: bool,
}

/// What a look at a unit has brought.
#[derive(Debug, Default)]
pub struct Look {
    processes: Vec<Process>,
    sockets: Vec<Socket>,
}

impl Look {
    /// Looks; `None` where that is not permitted. `since` is when the unit was switched on.
    pub fn at(cgroup: &str, since: Option<SystemTime>, tables: &mut Tables) -> Option<Self> {
        let mut processes = unit_processes::read(&processes::pids(cgroup), since).ok()?;
        let mut binaries = Binaries::default();
        for process in &mut processes {
            let binary = binaries.of(process.pid).unwrap_or_default();
            (process.go, process.beyond) = (binary.go, binary.beyond);
            if process.environment.preload && !process.library {
                process.unseen = unseen(process.pid);
            }
        }
        let sockets = unit_sockets::of(&processes, tables).ok()?;
        Some(Look { processes, sockets })
    }

    /// The process by which the environment of the unit does not reach its sockets, and why.
    pub fn loses(&self) -> Option<(&Process, Loss)> {
        judge::loses(&self.processes, &self.sockets)
    }

    /// What changes while the unit still comes up: its processes, the time that they have run, its
    /// listeners. `None` while one of them is busy.
    pub fn standing(&self) -> Option<Vec<u64>> {
        let mut all = Vec::new();
        for process in &self.processes {
            if process.busy {
                return None;
            }
            all.extend([process.pid.into(), process.ran_ticks]);
        }
        let listeners = self.sockets.iter().filter(|socket| socket.listens);
        all.extend(listeners.map(|socket| u64::from(socket.inode)));
        Some(all)
    }

    /// The addresses that it listens at.
    pub fn listens_at(&self) -> Vec<SocketAddr> {
        let listeners = self.sockets.iter().filter(|socket| socket.listens);
        let mut all: Vec<_> = listeners.map(|socket| socket.local).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Judges a unit; `None` where nothing of it runs.
pub fn judge(unit: Unit<'_>, tables: &mut Tables) -> Option<Judgement> {
    let since = fs::metadata(unit.file).and_then(|found| found.modified()).ok();
    let Some(mut look) = Look::at(unit.cgroup, since, tables) else {
        return Some(Judgement::default());
    };
    if !unit.sockets.is_empty() {
        let main = look.processes.first().map_or(0, |process| process.parent);
        let manager = if unit.user { main } else { 1 };
        unit_sockets::mark_those_of(manager, &mut look.sockets);
    }
    let means = if unit.filter { Means::Filter } else { Means::Environment };
    ask_for_options(&mut look);
    judge::judge(&look.processes, &look.sockets, means)
}

fn ask_for_options(look: &mut Look) {
    let mut refused = None;
    let processes = &look.processes;
    let with = |pid: u32| {
        processes.iter().any(|one| one.pid == pid && (one.library || one.filtered || one.go))
    };
    let stayed = look.sockets.iter_mut().filter(|socket| !socket.mptcp && with(socket.holder));
    for socket in stayed.take(MOST_ASKED) {
        let refused: &Refused = refused.get_or_insert_with(Refused::ask);
        let ask = || deviations::of(socket.holder, socket.descriptor, socket.listens, refused);
        let found = netns::of_process(socket.holder, ask);
        socket.options.extend(found.unwrap_or_default());
    }
}

/// What the binary of a process is.
#[derive(Clone, Debug, Default)]
struct Binary {
    go: bool,
    beyond: Option<String>,
}

/// Those that were looked at, by file. A process chooses how long that takes: its binary can be all
/// data, in which Go's mark is looked for.
#[derive(Debug, Default)]
struct Binaries(BTreeMap<(u64, u64), Binary>);

impl Binaries {
    /// That of a process; `None` where it may not be looked at, or has not to be any more.
    fn of(&mut self, pid: u32) -> Option<Binary> {
        let file = File::open(format!("/proc/{pid}/exe")).ok()?;
        let found = file.metadata().ok()?;
        let file_id = (found.dev(), found.ino());
        if self.0.len() >= MOST_BINARIES && !self.0.contains_key(&file_id) {
            return None;
        }
        let read = || Binary::read(&file).unwrap_or_default();
        Some(self.0.entry(file_id).or_insert_with(read).clone())
    }
}

impl Binary {
    fn read(file: &File) -> Option<Self> {
        let elf = elf::read(file).ok()?;
        let native = if cfg!(target_pointer_width = "64") { Class::Bits64 } else { Class::Bits32 };
        let beyond = match elf.go {
            Some(version) if !version.knows_mptcp() => {
                Some(format!("it is built with Go {version}, MPTCP came with 1.21"))
            }
            Some(_) => None,
            None if elf.interpreter.is_none() => {
                Some("it is statically linked, a preload cannot reach it".to_owned())
            }
            None if elf.class != native => {
                Some("it is a 32-bit program, our library is 64-bit".to_owned())
            }
            None => None,
        };
        Some(Binary { go: elf.go.is_some_and(|version| version.knows_mptcp()), beyond })
    }
}

/// Does the process not have the library's file where `LD_PRELOAD` says?
fn unseen(pid: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let list = environment.split('\0').find_map(|one| one.strip_prefix("LD_PRELOAD="))?;
    let library = list.split([':', ' ']).find(|path| path.contains("libmptcpize"))?;
    // A name that the loader completes is not known here.
    if !library.starts_with('/') || library.contains('$') {
        return None;
    }
    let there = Path::new(&format!("/proc/{pid}/root{library}")).exists();
    // The process chose that name.
    (!there).then(|| format!("{} is not there in its root", plain::words(library)))
}

/// The line to paste that mends it, where there is one.
pub fn fix(unit: Unit<'_>, stayed: &Stayed) -> Option<String> {
    let (tool, manager) = match unit.user {
        true => ("mptcpize enable --user", "systemctl --user"),
        false => ("sudo mptcpize enable", "sudo systemctl"),
    };
    let name = shell::operand(unit.name);
    match &stayed.cause {
        Cause::Older | Cause::Unfiltered => Some(format!("{manager} restart {name}")),
        Cause::Off => {
            let network = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
            let is_ours = network("self") == network(&stayed.pid.to_string());
            is_ours
                .then(|| format!("sudo sysctl -w net.mptcp.enabled=1 && {manager} restart {name}"))
        }
        Cause::Manager => {
            let sockets = unit.sockets.iter().find(|socket| socket.ends_with(".socket"))?;
            let socket = shell::operand(sockets);
            Some(format!("{manager} disable --now {socket} && {manager} restart {name}"))
        }
        cause if cause.is_for_a_filter() && !unit.filter && !unit.limits_calls => {
            Some(format!("{tool} --now --via seccomp {name}"))
        }
        _ => None,
    }
}

/// The judgements of all units of the system that are on and run, by name, without systemd.
pub fn all(locations: &Locations) -> BTreeMap<String, Judgement> {
    let mut tables = Tables::default();
    let mut found = BTreeMap::new();
    for directory in locations.units() {
        for name in services::services_on(std::slice::from_ref(&directory)) {
            let file = directory.join(format!("{name}.d")).join(services::DROP_IN);
            let text = fs::read_to_string(&file).unwrap_or_default();
            for cgroup in processes::groups(&name) {
                let unit = Unit {
                    name: &name,
                    cgroup: &cgroup,
                    filter: dropin::has_filter(&text),
                    file: &file,
                    sockets: &[],
                    user: false,
                    limits_calls: false,
                };
                if let Some(judgement) = judge(unit, &mut tables) {
                    let name = cgroup.rsplit('/').next().unwrap_or(&name).to_owned();
                    found.insert(name, judgement);
                }
            }
        }
    }
    found
}

/// What of those is TCP, and why: a line each.
pub fn stayed(locations: &Locations) -> BTreeMap<String, Vec<String>> {
    let all = all(locations).into_iter().map(|(unit, judgement)| (unit, judgement.lines()));
    all.filter(|(_, lines)| !lines.is_empty()).collect()
}

/// What stayed TCP and what mends it: a line for each, to be read.
pub fn hints(unit: Unit<'_>, judgement: &Judgement) -> Vec<String> {
    if judgement.verdict == Verdict::Unknown {
        return vec!["its processes may be looked at by their owner and root".to_owned()];
    }
    let lines = judgement.lines().into_iter().zip(&judgement.stayed);
    lines
        .map(|(line, stayed)| match fix(unit, stayed) {
            Some(fix) => format!("{line}: {fix}"),
            None if unit.limits_calls && stayed.cause.is_for_a_filter() => {
                format!("{line} (and its SystemCallFilter= leaves no room for --via seccomp)")
            }
            None => line,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A program that has started: it answers. Before that, though spawn() has returned, the kernel
    /// may show the environment as empty and the binary as the parent's.
    fn started(preload: &str) -> Child {
        let mut command = Command::new("cat");
        command.env("LD_PRELOAD", preload).stderr(Stdio::null());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("coreutils are here");
        let (to, from) = (child.stdin.as_mut(), child.stdout.as_mut());
        to.expect("it is piped").write_all(b".").expect("it reads");
        from.expect("it is piped").read_exact(&mut [0]).expect("it answers");
        child
    }

    #[test]
    fn a_library_that_is_not_there_is_named_in_plain_text_and_only_where_its_name_is_known() {
        let table = [
            (
                "/no/\u{1b}[31m\nlibmptcpize.so",
                Some("/no/\\u001b[31m\\u000alibmptcpize.so is not there in its root"),
            ),
            ("/usr/$LIB/mptcpize/libmptcpize-system-0.so", None),
            ("libmptcpize.so", None),
        ];
        for (name, expected) in table {
            let mut child = started(name);
            let said = unseen(child.id());
            child.kill().and_then(|()| child.wait()).expect("it is our child");
            assert_eq!(said.as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn so_many_binaries_of_a_unit_are_looked_at_and_each_once() {
        let mut binaries = Binaries::default();
        let own = std::process::id();
        assert!(binaries.of(own).is_some_and(|own| own.beyond.is_none()));
        let others = (0..).map(|inode| ((u64::MAX, inode), Binary::default()));
        binaries.0.extend(others.take(MOST_BINARIES));
        assert!(binaries.of(own).is_some(), "it is known");
        let mut child = started("");
        let other = binaries.of(child.id());
        child.kill().and_then(|()| child.wait()).expect("it is our child");
        assert!(other.is_none());
    }
}
