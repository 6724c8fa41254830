//! A tour: one real package of Debian through everything that happens to a service, with what
//! `mptcpize list` says beside what the kernel says at each step.
//!
//! Not here: which packages, and what is right for each (the tests); machines (systemd.rs).

use std::collections::BTreeSet;
use std::fmt;

use super::systemd::Machine;
use super::{Outcome, wait};

/// A package, and how it is taken through the tour.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Its name; the .deb is in the machine's /var/cache/apt/archives.
    pub name: &'static str,
    /// The unit that is enabled.
    pub unit: &'static str,
    /// The unit that does the work, where the one that is named only starts it.
    pub works: &'static str,
    /// The unit by which it is started at boot.
    pub by: &'static str,
    /// The port that listens last, 0 for a unit without one.
    pub port: u16,
    /// What makes it listen, where Debian's own settings do not.
    pub before: &'static str,
    /// What takes that back.
    pub after: &'static str,
    /// Options of `enable`.
    pub options: &'static str,
    /// Is the package installed again?
    pub again: bool,
}

impl Package {
    /// A package that listens as it is installed.
    pub const fn new(name: &'static str, unit: &'static str, port: u16) -> Package {
        Package {
            name,
            unit,
            works: unit,
            by: unit,
            port,
            before: "",
            after: "",
            options: "",
            again: false,
        }
    }
}

/// The listeners of a machine, each as "address:port", by the socket that its program holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    /// Those of MPTCP.
    pub mptcp: BTreeSet<String>,
    /// Those of TCP alone.
    pub tcp: BTreeSet<String>,
}

impl Listeners {
    /// What is here and was not there.
    #[must_use]
    pub fn since(&self, before: &Listeners) -> Listeners {
        let new =
            |is: &BTreeSet<String>, was: &BTreeSet<String>| is.difference(was).cloned().collect();
        Listeners { mptcp: new(&self.mptcp, &before.mptcp), tcp: new(&self.tcp, &before.tcp) }
    }

    /// What `list` has to say of a unit with these; nothing for one that does not listen.
    pub fn verdict(&self) -> Option<&'static str> {
        match (self.mptcp.len(), self.tcp.len()) {
            (0, 0) => None,
            (_, 0) => Some("yes"),
            (0, _) => Some("no"),
            _ => Some("partly"),
        }
    }
}

impl fmt::Display for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mptcp.len(), self.tcp.len()) {
            (0, 0) => f.write_str("none"),
            (all, 0) => write!(f, "{all} MPTCP"),
            (0, all) => write!(f, "{all} TCP"),
            (mptcp, tcp) => {
                let names: Vec<&str> = self.tcp.iter().map(String::as_str).collect();
                write!(f, "{mptcp} MPTCP, {tcp} TCP ({})", names.join(", "))
            }
        }
    }
}

/// What was seen at one step.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The step, for whoever reads an assertion.
    pub step: &'static str,
    /// What the kernel has.
    pub listeners: Listeners,
    /// What `list` has under IN EFFECT; nothing where the unit has no row.
    pub list: Option<String>,
    /// Does the unit that does the work run?
    pub runs: bool,
    /// All that `list` says.
    pub said: String,
    /// Is the unit on?
    pub on: bool,
    /// What went wrong on the way here.
    pub fault: Option<String>,
}

impl Seen {
    /// Does `list` say what the kernel says?
    pub fn agrees(&self) -> bool {
        match self.listeners.verdict() {
            _ if !self.on => self.list.is_none() && self.listeners.mptcp.is_empty(),
            // Nothing listens (a service that waits for its socket): there is nothing to judge.
            None => true,
            // What listens is the socket unit's.
            _ if !self.runs => self.list.as_deref() == Some("-"),
            Some(verdict) => self.list.as_deref() == Some(verdict),
        }
    }

    /// The cell of a table. What `list` has otherwise is in bold.
    pub fn cell(&self) -> String {
        let says = self.list.as_deref().unwrap_or("–");
        let fault = self.fault.as_deref().map(|fault| format!("; {fault}")).unwrap_or_default();
        if self.agrees() {
            format!("{says}, {}{fault}", self.listeners)
        } else {
            format!("**{says}, but {}**{fault}", self.listeners)
        }
    }
}

/// What came of a tour.
#[derive(Debug)]
pub struct Told {
    /// What `enable --now` said.
    pub enable: Outcome,
    /// What `disable --now` said, if it came to that.
    pub disable: Option<Outcome>,
    /// The steps that came after, in order. None where `enable` refused.
    pub seen: Vec<Seen>,
    /// What an MPTCP client and a TCP client got.
    pub clients: (String, String),
    /// What `disable --now` left behind, or took away.
    pub left: Vec<String>,
}

impl Told {
    /// Did `enable` or `list` offer the filter?
    pub fn offers_the_filter(&self) -> bool {
        const OFFER: &str = "--via seccomp";
        self.enable.to_string().contains(OFFER)
            || self.seen.iter().any(|seen| seen.said.contains(OFFER))
    }

    /// The step of this name.
    #[track_caller]
    pub fn at(&self, step: &str) -> &Seen {
        let found = self.seen.iter().find(|seen| seen.step == step);
        found.unwrap_or_else(|| panic!("no step {step}: {}", self.enable))
    }
}

/// Takes a package through the tour.
pub fn tour(machine: &Machine, package: &Package) -> Told {
    let Package { unit, works, by, port, .. } = *package;
    machine.sh(package.before).ok();
    let others = listeners(machine);
    let look = |step: &'static str, fault: Option<String>| {
        let silent = port != 0 && !settled(machine, port);
        // A service that reads its settings again may be between two listeners: both from one moment.
        let (mut now, mut list) = (listeners(machine), None);
        wait::comes(|| {
            list = listed(machine, unit).or_else(|| listed(machine, works));
            let before = std::mem::replace(&mut now, listeners(machine));
            before == now && (port == 0 || silent || settled(machine, port))
        });
        Seen {
            step,
            on: !matches!(step, "before" | "disable"),
            listeners: now.since(&others),
            list,
            runs: machine.property(works, "ActiveState") == "active",
            said: machine.tool("list").stdout,
            fault: fault.or_else(|| silent.then(|| format!("no listener on port {port}"))),
        }
    };
    let reload = || failed(&machine.sh(&format!("systemctl reload {works}")));
    let restart = || failed(&machine.sh(&restart_of(by)));
    let reinstall = || {
        let archive = format!("/var/cache/apt/archives/{}_*.deb", package.name);
        let install = format!(
            "systemctl reset-failed; DEBIAN_FRONTEND=noninteractive dpkg -i {archive} </dev/null"
        );
        failed(&machine.sh(&install))
    };
    machine.sh("systemctl daemon-reload").ok();
    machine.sh(&format!("systemctl enable --quiet {by} 2>/dev/null || :")).ok();
    // What the package itself writes at these steps is no business of ours: it is written then.
    if package.again {
        reinstall();
    }
    restart();
    let is_there = || port == 0 || settled(machine, port);
    if is_there() && port != 0 {
        asks(machine, port, 6);
    }
    let can_reload =
        machine.property(works, "CanReload") == "yes" && reload().is_none() && is_there();
    let mut seen = vec![look("before", restart())];
    let shown = shown(machine, works);
    let before = machine.state();
    machine.sh("systemctl reset-failed").ok();
    let enable = machine.tool(&format!("enable --now {} {unit}", package.options));
    let mut disable = None;
    let mut clients = (String::new(), String::new());
    if enable.code() == 0 {
        seen.push(look("enable", None));
        if port != 0 && seen.iter().all(|seen| seen.fault.is_none()) {
            clients = (asks(machine, port, 262), asks(machine, port, 6));
        }
        if can_reload {
            seen.push(look("reload", reload()));
        }
        seen.push(look("restart", restart()));
        if package.again {
            seen.push(look("reinstall", reinstall()));
        }
        let said = machine.tool(&format!("disable --now {unit}"));
        seen.push(look("disable", failed(&said)));
        disable = Some(said);
    }
    let mut left = difference(&before, &machine.state());
    left.extend(difference(&shown, &self::shown(machine, works)));
    machine.sh(&format!("systemctl disable --now --quiet {by} 2>/dev/null || :")).ok();
    machine.sh(&format!("systemctl stop {works} 2>/dev/null; systemctl reset-failed")).ok();
    machine.sh(package.after).ok();
    Told { enable, disable, seen, clients, left }
}

/// A script that restarts a unit, also where a tour has done so more often than systemd lets it
/// (StartLimitBurst=). A socket is not opened while the service that took the old one runs.
fn restart_of(unit: &str) -> String {
    match unit.strip_suffix(".socket") {
        Some(name) => {
            format!(
                "systemctl reset-failed; systemctl stop {name}.socket {name}.service; \
                 systemctl start {name}.socket"
            )
        }
        None => format!("systemctl reset-failed; systemctl restart {unit}"),
    }
}

/// The last thing that a command said, if it failed.
fn failed(outcome: &Outcome) -> Option<String> {
    let said = if outcome.stderr.trim().is_empty() { &outcome.stdout } else { &outcome.stderr };
    let last = said.trim().lines().last().unwrap_or("no word").to_owned();
    (outcome.code() != 0).then_some(last)
}

/// Every listener whose socket a program holds. The kernel shows that of an MPTCP socket a second time
/// among those of TCP, with the same inode or with none.
pub fn listeners(machine: &Machine) -> Listeners {
    let ask = |what: &str| {
        let text = machine.sh(&format!("ss -Hlne {what}")).ok().stdout;
        text.lines().filter_map(listener).collect::<Vec<(String, String)>>()
    };
    let mptcp = ask("-M");
    let of_mptcp = |inode: &str| mptcp.iter().any(|(_, known)| known == inode);
    let tcp = ask("-t").into_iter().filter(|(_, inode)| inode != "0" && !of_mptcp(inode));
    Listeners {
        tcp: tcp.map(|(address, _)| address).collect(),
        mptcp: mptcp.iter().map(|(address, _)| address.clone()).collect(),
    }
}

/// The address and the inode of a line of ss.
fn listener(line: &str) -> Option<(String, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let inode = words.iter().find_map(|word| word.strip_prefix("ino:")).unwrap_or("0");
    Some(((*words.get(3)?).to_owned(), inode.to_owned()))
}

/// Waits until a port listens and its unit opens no more listeners; false if it does not come to that.
fn settled(machine: &Machine, port: u16) -> bool {
    let mut last = Listeners::default();
    wait::comes(|| {
        let now = listeners(machine);
        let both = now.mptcp.iter().chain(&now.tcp);
        let is_there = both.into_iter().any(|address| address.ends_with(&format!(":{port}")));
        is_there && std::mem::replace(&mut last, now.clone()) == now
    })
}

/// What stands under IN EFFECT for a unit.
fn listed(machine: &Machine, unit: &str) -> Option<String> {
    let row = machine.listed("", unit)?;
    row.split(' ').nth(2).map(str::to_owned)
}

/// What a client gets that asks for this protocol.
fn asks(machine: &Machine, port: u16, protocol: u32) -> String {
    let outcome = machine.asks(port, protocol);
    failed(&outcome).unwrap_or_else(|| outcome.stdout.trim().to_owned())
}

/// The properties of a unit that are the same at each start: no times, numbers and states, and not how
/// other units that are loaded at the moment refer to it.
fn shown(machine: &Machine, unit: &str) -> String {
    const CHANGE: [&str; 25] = [
        "Timestamp",
        "PID",
        "InvocationID",
        "Memory",
        "CPU",
        "TasksCurrent",
        "IOR",
        "IOW",
        "IP",
        "Status",
        "ControlGroup",
        "NRestarts",
        "ExecMain",
        "FileDescriptor",
        "Accepted",
        "NConn",
        "State",
        "Result",
        "Before",
        "After",
        "By",
        "Of",
        "Refs",
        "Job",
        "Watchdog",
    ];
    let all = machine.command(&["systemctl", "show", unit]).run().ok().stdout;
    let mut lines: Vec<String> = Vec::new();
    for line in all.lines() {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        if CHANGE.iter().any(|part| name.contains(part)) {
            continue;
        }
        // Of a command only what it is, not when it ran; of a list what is in it.
        let value = value.split(" ; start_time=").next().unwrap_or_default();
        let mut words: Vec<&str> = value.split(' ').collect();
        words.sort_unstable();
        lines.push(format!("{name}={}\n", words.join(" ")));
    }
    lines.concat()
}

/// The lines that are new, and those that are gone.
fn difference(before: &str, after: &str) -> Vec<String> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    let (was, is) = (lines(before), lines(after));
    let new = is.difference(&was).map(|line| format!("new: {line}"));
    new.chain(was.difference(&is).map(|line| format!("gone: {line}"))).collect()
}
