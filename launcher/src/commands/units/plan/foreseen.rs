//! Programs that start themselves anew without the library, known before they do: a note at `enable`
//! that says when, the lines of the program's own configuration that keep it, and the way that does.
//!
//! Only what the program itself shows stands here: the name of its file, what that file has or is, and
//! that its configuration does not keep the variable yet. What a running unit has lost is seen at its
//! processes, not here.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::commands::units::Site;
use crate::host::procfs::processes;
use crate::host::systemd::units::Facts;
use crate::root::Root;
use mptcpize_model::shell;
use mptcpize_model::unit::dropin::Mechanism;

/// A program of this kind.
struct Fact {
    /// The names of its file.
    names: &'static [&'static str],
    /// What its file shows where it does so.
    shows: Shows,
    /// When it starts itself anew, and why the library is lost then, as a clause.
    when: &'static str,
    /// How its configuration keeps the variable, if it can.
    kept: Option<Kept>,
}

enum Shows {
    /// These words stand in it.
    Words(&'static str),
    /// It belongs to root and is set-user-ID: started by itself as another user, it gains privilege, and
    /// its loader ignores the environment.
    SetUserId,
}

/// A file of its configuration, how a line of it looks that keeps the variable, and all that is to be
/// written there.
struct Kept {
    file: &'static str,
    word: &'static str,
    lines: &'static str,
}

const FACTS: [Fact; 2] = [
    Fact {
        names: &["nginx"],
        // What it calls the file of its process id during the upgrade.
        shows: Shows::Words(".oldbin"),
        when: "its upgrade on the fly (SIGUSR2) starts nginx anew with a cleaned environment",
        kept: Some(Kept {
            file: "/etc/nginx/nginx.conf",
            word: "env LD_PRELOAD;",
            lines: "env LD_PRELOAD; env GODEBUG; env MPTCPIZE_POLICY;",
        }),
    },
    Fact {
        names: &["exim", "exim4"],
        shows: Shows::SetUserId,
        when: "its reload (SIGHUP) starts exim anew by its own user, and it is setuid root",
        kept: None,
    },
];

/// As much of a program is looked through.
const MOST: u64 = 16 << 20;

/// What to say of a unit: of the programs that its files name, and of those that run in it.
pub(super) fn note(site: &Site, facts: &Facts, mechanism: &Mechanism) -> Option<String> {
    // A filter stays, whatever a program starts; Go reads its variable alone.
    let by_library = match mechanism {
        Mechanism::Environment { preload, .. } => preload.is_some(),
        Mechanism::Run { lines, .. } => !lines.iter().any(|line| line.contains("seccomp")),
        Mechanism::Socket(_) => false,
    };
    if !by_library {
        return None;
    }
    let running = facts.cgroup.as_deref().filter(|_| site.running().is_some());
    let running = running.map(processes::pids).unwrap_or_default();
    let running =
        running.into_iter().filter_map(|pid| fs::read_link(format!("/proc/{pid}/exe")).ok());
    let mut all: Vec<PathBuf> = facts.programs.clone();
    all.extend(running);
    let root = site.root();
    let fact = all.iter().find_map(|program| fact(root, program))?;
    let keeps = fact
        .kept
        .as_ref()
        .map_or(String::new(), |kept| format!("{} at the top of {}, or: ", kept.lines, kept.file));
    Some(format!(
        "{}: it is on TCP then; what keeps MPTCP: {keeps}sudo mptcpize enable --via seccomp {}",
        fact.when,
        shell::operand(facts.name.as_ref()?)
    ))
}

/// The fact about a program, where it is so for this file and this configuration.
fn fact(root: &Root, program: &Path) -> Option<&'static Fact> {
    let name = program.file_name()?.to_str()?;
    let fact = FACTS.iter().find(|fact| fact.names.contains(&name))?;
    let shown = match fact.shows {
        Shows::SetUserId => {
            let found = root.metadata(program).ok()?;
            found.uid() == 0 && found.mode() & 0o4000 != 0
        }
        Shows::Words(words) => {
            let mut bytes = Vec::new();
            root.file(program).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
            bytes.windows(words.len()).any(|part| part == words.as_bytes())
        }
    };
    let is_kept = fact.kept.as_ref().is_some_and(|kept| {
        let found = root.read(Path::new(kept.file)).unwrap_or_default();
        let found = String::from_utf8_lossy(&found).into_owned();
        let mut lines = found.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.any(|line| line.contains(kept.word))
    });
    (shown && !is_kept).then_some(fact)
}
