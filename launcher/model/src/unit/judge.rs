//! Whether a unit uses MPTCP, judged by its sockets: those that listen, and the connections that it
//! opened itself. What it accepts is as its client asked, and says nothing about the unit.
//!
//! Not here: looking (host), what to do about it (commands).

use std::collections::BTreeSet;

use crate::unit::process::{Loss, Process};
use crate::unit::socket::{Cause, Means, Socket};

/// The addresses of one group that are named; the others are counted.
const NAMED: usize = 4;

/// How much of a unit is MPTCP, as `list` shows it under IN EFFECT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// All sockets are MPTCP.
    Yes,
    /// Some are.
    Partly,
    /// None is, or there is none and none would be.
    No,
    /// There is no socket yet, and its processes have what they need.
    Ready,
    /// The unit may not be looked at.
    #[default]
    Unknown,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Yes => "yes",
            Verdict::Partly => "partly",
            Verdict::No => "no",
            Verdict::Ready => "ready",
            Verdict::Unknown => "?",
        }
    }
}

/// How many of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those of MPTCP.
    pub mptcp: usize,
    /// Those of TCP.
    pub tcp: usize,
}

impl Count {
    fn of<'a>(sockets: impl Iterator<Item = &'a Socket>) -> Self {
        let mut count = Count::default();
        for socket in sockets {
            *(if socket.mptcp { &mut count.mptcp } else { &mut count.tcp }) += 1;
        }
        count
    }

    /// All of them.
    pub fn all(self) -> usize {
        self.mptcp + self.tcp
    }
}

/// Sockets of one process that are TCP for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stayed {
    /// They listen.
    pub listen: bool,
    /// Their own addresses, or their peers'; none where it is about a process without sockets.
    pub addresses: Vec<String>,
    /// The process.
    pub program: String,
    /// Its id.
    pub pid: u32,
    /// Why it is TCP.
    pub cause: Cause,
}

/// A unit, judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// How much of it is MPTCP.
    pub verdict: Verdict,
    /// Sockets that listen.
    pub listeners: Count,
    /// Connections that it opened.
    pub connections: Count,
    /// What is TCP, and why.
    pub stayed: Vec<Stayed>,
}

impl Judgement {
    /// Does what listens lose what the unit's environment gives?
    pub fn is_lost_on_the_way(&self) -> bool {
        let mut stayed = self.stayed.iter();
        stayed.any(|one| one.listen && matches!(one.cause, Cause::Lost(_)))
    }

    /// What stayed TCP, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.stayed.iter().map(|stayed| self.line(stayed)).collect()
    }

    fn line(&self, stayed: &Stayed) -> String {
        let Stayed { listen, addresses, program, pid, cause } = stayed;
        let why = cause.words();
        if addresses.is_empty() {
            return format!("{program} (process {pid}) would get TCP: {why}");
        }
        let (count, what) = match listen {
            true => (self.listeners, "listeners"),
            false => (self.connections, "connections"),
        };
        let mut named: Vec<&str> = addresses.iter().take(NAMED).map(String::as_str).collect();
        let rest = format!("{} more", addresses.len() - named.len());
        if addresses.len() > NAMED {
            named.push(&rest);
        }
        let to = if *listen { "" } else { "to " };
        let (some, all) = (addresses.len(), count.all());
        format!("{some} of {all} {what} TCP, {to}{} of {program} ({pid}): {why}", named.join(" "))
    }
}

/// Judges the unit with these processes and sockets; `None` where no process runs.
pub fn judge(processes: &[Process], sockets: &[Socket], means: Means) -> Option<Judgement> {
    let first = main(processes)?;
    let (listeners, connections) = own(sockets);
    let mut judgement = Judgement {
        verdict: Verdict::Ready,
        listeners: Count::of(listeners.iter().copied()),
        connections: Count::of(connections.iter().copied()),
        stayed: Vec::new(),
    };
    for socket in listeners.iter().chain(&connections).filter(|socket| !socket.mptcp) {
        let Some(process) = processes.iter().find(|one| one.pid == socket.holder) else { continue };
        let cause = Cause::of(process, Some(socket), means);
        let address = if socket.listens { socket.local } else { socket.remote }.to_string();
        let known = judgement.stayed.iter_mut().find(|known| {
            (known.listen, known.pid) == (socket.listens, process.pid) && known.cause == cause
        });
        match known {
            Some(known) => known.addresses.push(address),
            None => judgement.stayed.push(Stayed {
                listen: socket.listens,
                addresses: vec![address],
                program: process.name.clone(),
                pid: process.pid,
                cause,
            }),
        }
    }
    let mptcp = judgement.listeners.mptcp + judgement.connections.mptcp;
    let tcp = judgement.listeners.tcp + judgement.connections.tcp;
    judgement.verdict = match (mptcp, tcp) {
        (0, 0) => {
            // Nothing to be seen: then by what the process that would open sockets has.
            let has = |process: &Process| match means {
                Means::Filter => process.filtered,
                Means::Environment => process.library || process.go && process.environment.godebug,
            };
            if processes.iter().any(has) {
                Verdict::Ready
            } else {
                judgement.stayed.push(Stayed {
                    listen: false,
                    addresses: vec![],
                    program: first.name.clone(),
                    pid: first.pid,
                    cause: Cause::of(first, None, means),
                });
                Verdict::No
            }
        }
        (_, 0) => Verdict::Yes,
        (0, _) => Verdict::No,
        _ => Verdict::Partly,
    };
    Some(judgement)
}

/// The process of a unit by which a unit without sockets is judged: the oldest of those that none
/// of the unit's own has started.
fn main(processes: &[Process]) -> Option<&Process> {
    let is_child = |one: &Process| processes.iter().any(|other| other.pid == one.parent);
    let main = processes.iter().filter(|one| !is_child(one));
    main.min_by_key(|one| (one.started_ticks, one.pid))
}

/// The sockets that say something about the unit: listeners, and connections that it opened.
fn own(sockets: &[Socket]) -> (Vec<&Socket>, Vec<&Socket>) {
    let listeners: Vec<&Socket> = sockets.iter().filter(|socket| socket.listens).collect();
    let ports: BTreeSet<u16> = listeners.iter().map(|socket| socket.local.port()).collect();
    let connections = sockets
        .iter()
        .filter(|socket| {
            // What the manager hands over connected (Accept=yes) was accepted by the manager.
            !socket.listens && !socket.of_manager && !ports.contains(&socket.local.port())
        })
        .collect();
    (listeners, connections)
}

/// Why the environment of a unit would not reach the process that has its sockets, told from a unit
/// that runs, whether it is switched on or not: the process and the reason.
pub fn loses<'a>(processes: &'a [Process], sockets: &[Socket]) -> Option<(&'a Process, Loss)> {
    let (listeners, connections) = own(sockets);
    // A server's connections may be those of anything that it started for somebody.
    let telling = if listeners.is_empty() { connections } else { listeners };
    telling.iter().filter(|socket| !socket.of_manager).find_map(|socket| {
        let process = processes.iter().find(|one| one.pid == socket.holder)?;
        Some((process, process.loses()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::process::Environment;

    fn process(pid: u32, parent: u32, library: bool) -> Process {
        let environment =
            Environment { preload: library, invocation: library, ..Environment::default() };
        let name = format!("p{pid}");
        Process {
            pid,
            parent,
            started_ticks: pid.into(),
            library,
            environment,
            name,
            ..Process::default()
        }
    }

    fn socket(inode: u32, holder: u32, mptcp: bool, remote: &str) -> Socket {
        let local = if remote.is_empty() { 80 + inode as u16 } else { 40_000 + inode as u16 };
        let any = "0.0.0.0:0".parse().expect("an address");
        Socket {
            inode,
            mptcp,
            listens: remote.is_empty(),
            local: format!("0.0.0.0:{local}").parse().expect("an address"),
            remote: if remote.is_empty() { any } else { remote.parse().expect("an address") },
            holder,
            descriptor: 3,
            options: vec![],
            off: false,
            of_manager: false,
        }
    }

    #[test]
    fn a_unit_is_judged_by_its_listeners_and_the_connections_that_it_opened() {
        let processes = [process(10, 1, true), process(11, 10, false)];
        let judge = |sockets: &[Socket]| judge(&processes, sockets, Means::Environment);
        let good = socket(1, 10, true, "");
        let bad = socket(2, 11, false, "");
        let verdict = |sockets: &[Socket]| judge(sockets).map(|judgement| judgement.verdict);
        assert_eq!(verdict(std::slice::from_ref(&good)), Some(Verdict::Yes));
        assert_eq!(verdict(std::slice::from_ref(&bad)), Some(Verdict::No));
        assert_eq!(verdict(&[good.clone(), bad.clone()]), Some(Verdict::Partly));
        assert_eq!(verdict(&[]), Some(Verdict::Ready));
        // A client that asked for TCP is no fault of the unit.
        let mut accepted = socket(3, 10, false, "192.0.2.1:5000");
        accepted.local.set_port(good.local.port());
        assert_eq!(verdict(&[good.clone(), accepted]), Some(Verdict::Yes));
        let opened = socket(4, 11, false, "192.0.2.1:443");
        let judgement = judge(&[good, bad, opened]).expect("it runs");
        assert_eq!(
            judgement.lines(),
            [
                format!("1 of 2 listeners TCP, 0.0.0.0:82 of p11 (11): {}", Loss::Cleaned.words()),
                format!(
                    "1 of 1 connections TCP, to 192.0.2.1:443 of p11 (11): {}",
                    Loss::Cleaned.words()
                ),
            ]
        );
    }

    #[test]
    fn a_unit_without_sockets_is_judged_by_its_first_process() {
        assert_eq!(judge(&[], &[], Means::Environment), None);
        let bare = [process(20, 1, false), process(21, 20, false)];
        let judgement = judge(&bare, &[], Means::Environment).expect("it runs");
        assert_eq!(judgement.verdict, Verdict::No);
        assert_eq!((judgement.stayed.len(), judgement.stayed[0].pid), (1, 20));
        assert!(judgement.lines()[0].starts_with("p20 (process 20) would get TCP: "));
    }

    #[test]
    fn many_addresses_are_counted() {
        let processes = [process(10, 1, false)];
        let sockets: Vec<Socket> = (1..8).map(|inode| socket(inode, 10, false, "")).collect();
        let judgement = judge(&processes, &sockets, Means::Environment).expect("it runs");
        let line = &judgement.lines()[0];
        assert!(
            line.starts_with(
                "7 of 7 listeners TCP, 0.0.0.0:81 0.0.0.0:82 0.0.0.0:83 0.0.0.0:84 3 more of p10"
            ),
            "{line}"
        );
    }

    #[test]
    fn a_loss_is_seen_at_the_process_with_the_listener() {
        let mut processes = [process(10, 1, true), process(11, 10, true)];
        processes[1].secure = true;
        let sockets = [socket(1, 11, false, "")];
        let found = loses(&processes, &sockets).map(|(process, loss)| (process.pid, loss));
        assert_eq!(found, Some((11, Loss::Secure)));
        assert_eq!(loses(&processes, &[socket(1, 10, false, "")]), None);
        // What a shell of a log-in does says nothing about sshd.
        let sockets = [socket(1, 10, false, ""), socket(2, 11, false, "192.0.2.1:443")];
        assert_eq!(loses(&processes, &sockets), None);
    }
}
