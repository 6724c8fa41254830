//! How the connections of one program come to an agent: by its cgroup and a table of the packet filter,
//! or by a network namespace of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, getsid, kill_process, pidfd_open};

use super::Wanted;
use crate::host::agent::cgroup::{self, Group};
use crate::host::agent::namespace::{self, Namespace, Obstacle, Own};
use crate::host::agent::sockets::{self, Named};
use crate::host::agent::table::Table;
use crate::host::observe::socket_table::Table as Sockets;
use crate::syscall::fork;
use mptcpize_model::relay::rules::{self, Whose};

/// One of the two.
pub(super) enum Way {
    /// The program is in this group, and a table redirects what it connects.
    Group(Group, Redirect),
    /// The program is in this namespace; processes in it that are known.
    Inside(Namespace, Vec<OwnedFd>, Vec<String>),
}

/// A table, and what makes it again.
pub(super) struct Redirect {
    name: String,
    text: String,
    table: Option<Table>,
    /// The process that removes what a killed supervisor leaves.
    spare: Option<Pid>,
}

impl Redirect {
    fn load(&mut self) -> Result<(), String> {
        self.table = Some(Table::load(&self.name, &self.text)?);
        Ok(())
    }
}

/// Makes the way of a program, and the agent's sockets. `remains`: a directory that is to go with it.
///
/// # Errors
/// A clause with a remedy in a line of its own.
pub(super) fn make(
    wanted: &Wanted,
    own: &Own,
    remains: Option<&Path>,
) -> Result<(Way, Vec<Named>), String> {
    if wanted.root
        && let Ok(made) = group(wanted, remains)
    {
        return Ok(made);
    }
    let made = Namespace::make(own, wanted.root).map_err(said)?;
    let pid = Pid::from_raw(wanted.program.cast_signed()).ok_or("there is no program")?;
    let program = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| error.to_string())?;
    let (namespace, sockets) = made;
    let mut way = Way::Inside(namespace, vec![program], Vec::new());
    way.tell_ports();
    Ok((way, sockets))
}

fn group(wanted: &Wanted, remains: Option<&Path>) -> Result<(Way, Vec<Named>), String> {
    let said = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    cgroup::mount_privately().map_err(said("cgroup2"))?;
    let group = Group::make(wanted.program).map_err(said("a cgroup"))?;
    let made = || {
        if !rules::can_name(&group.path) {
            return Err(format!("nft cannot name the cgroup {}", group.path));
        }
        let spare = attend(&group, remains).map_err(said("a process"))?;
        let both = sockets::redirect().map_err(said("a listener"))?;
        let name = format!("mptcpize-relay-{}", wanted.program);
        let whose = Whose::Cgroup(&group.path);
        let never = &wanted.settings.terms.never;
        let text = rules::redirect(&name, &whose, both.ports, never);
        let mut redirect = Redirect { name, text, table: None, spare };
        redirect.load()?;
        group.enter(wanted.program).map_err(said("the cgroup"))?;
        Ok((redirect, both.sockets))
    };
    match made() {
        Ok((redirect, sockets)) => Ok((Way::Group(group, redirect), sockets)),
        Err(why) => {
            group.remove();
            Err(why)
        }
    }
}

/// Starts a process that removes the group, and the directory, when this one was killed: nothing else is
/// left then.
fn attend(group: &Group, remains: Option<&Path>) -> io::Result<Option<Pid>> {
    let supervisor = pidfd_open(getpid(), PidfdFlags::empty())?;
    if let Some(spare) = fork::fork()? {
        return Ok(Pid::from_raw(spare));
    }
    fork::set_name(c"mptcpize-spare");
    let kept = vec![supervisor.as_raw_fd(), group.as_fd().as_raw_fd()];
    let Ok(null) = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    ) else {
        fork::exit(1)
    };
    let _null = fork::detach(null, kept);
    let _ = poll(&mut [PollFd::new(&supervisor, PollFlags::IN)], None);
    while group.is_populated() {
        let _ = poll(&mut [PollFd::new(group, PollFlags::PRI)], None);
    }
    group.remove();
    if let Some(remains) = remains {
        let _ = fs::remove_file(remains.join("state"));
        let _ = fs::remove_dir(remains);
    }
    fork::exit(0)
}

/// What stands in the way of a namespace, and its remedy.
fn said(obstacle: Obstacle) -> String {
    let error = match obstacle {
        Obstacle::Other(why) => return why,
        Obstacle::Forbidden(error) => error,
    };
    let value = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let name = "kernel.apparmor_restrict_unprivileged_userns";
    if value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
        return format!(
            "AppArmor keeps ordinary users from network namespaces ({name} = 1)\n\
             sudo sysctl {name}=0    # or run it as root: sudo mptcpize run --relay …"
        );
    }
    for (path, name, fix) in [
        ("/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "1"),
        ("/proc/sys/user/max_user_namespaces", "user.max_user_namespaces", "15000"),
        ("/proc/sys/user/max_net_namespaces", "user.max_net_namespaces", "15000"),
    ] {
        if value(path) == "0" {
            return format!(
                "ordinary users may make no namespaces ({name} = 0)\n\
                 sudo sysctl {name}={fix}    # or run it as root: sudo mptcpize run --relay …"
            );
        }
    }
    format!(
        "this process may make no network namespace: {error}\n\
         run it as root, or outside of this container"
    )
}

impl Way {
    /// The descriptors by which the program enters; none where it is inside.
    pub(super) fn places(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Way::Group(..) => Vec::new(),
            Way::Inside(namespace, ..) => namespace.places(),
        }
    }

    /// What says that something may have ended.
    pub(super) fn signs(&self) -> Vec<PollFd<'_>> {
        match self {
            Way::Group(group, redirect) => {
                let table = redirect.table.iter().map(|table| PollFd::new(table, PollFlags::IN));
                table.chain([PollFd::new(group, PollFlags::PRI)]).collect()
            }
            Way::Inside(_, all, _) => {
                all.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect()
            }
        }
    }

    /// Is there a process of the program's?
    pub(super) fn is_alive(&mut self) -> bool {
        match self {
            Way::Group(group, _) => group.is_populated(),
            Way::Inside(namespace, known, _) => {
                let mut wait: Vec<_> =
                    known.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
                let ended =
                    poll(&mut wait, Some(&crate::syscall::timespec(std::time::Duration::ZERO)));
                if ended.is_ok_and(|count| count == 0) {
                    return true;
                }
                // What one started before it ended is found, for it is there now.
                *known = namespace.number().map(inside).unwrap_or_default();
                !known.is_empty()
            }
        }
    }

    /// Is it to be told at which ports the host listens?
    pub(super) fn needs_ports(&self) -> bool {
        matches!(self, Way::Inside(..))
    }

    /// Tells a namespace at which ports the host listens.
    pub(super) fn tell_ports(&mut self) {
        let Way::Inside(namespace, _, told) = self else { return };
        let (v4, v6) = ports();
        let lines = rules::listening(namespace::table(), &v4, &v6);
        if *told != lines && namespace.tell(&lines) {
            *told = lines;
        }
    }

    /// Makes the table again where its nft was killed; where that fails, connections go directly.
    pub(super) fn mend(&mut self) {
        let Way::Group(_, redirect) = self else { return };
        if redirect.table.as_ref().is_some_and(Table::has_gone) {
            redirect.table = None;
            let _ = redirect.load();
        }
    }

    /// Takes away what does not go by itself.
    pub(super) fn clear(&self) {
        if let Way::Group(group, redirect) = self {
            group.remove();
            if let Some(spare) = redirect.spare {
                let _ = kill_process(spare, Signal::KILL);
            }
        }
    }
}

/// The ports at which the host listens, by family.
fn ports() -> (BTreeSet<u16>, BTreeSet<u16>) {
    let (mut v4, mut v6) = (BTreeSet::new(), BTreeSet::new());
    let Ok(table) = Sockets::read() else { return (v4, v6) };
    for entry in table.entries.values().filter(|entry| entry.listens) {
        let port = entry.local.port();
        let address = entry.local.ip();
        if address.is_ipv6() {
            v6.insert(port);
        }
        // One of both families shows as an IPv6 one.
        if address.is_ipv4() || address.is_unspecified() || is_mapped(address) {
            v4.insert(port);
        }
    }
    (v4, v6)
}

fn is_mapped(address: IpAddr) -> bool {
    address.to_canonical().is_ipv4()
}

/// The processes in a network namespace, but for those of this session, which are ours.
fn inside(number: u64) -> Vec<OwnedFd> {
    let place = format!("net:[{number}]");
    let own = getsid(None).ok();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let there = fs::read_link(entry.path().join("ns/net"));
        if there.is_ok_and(|there| there.as_os_str() == place.as_str())
            && let Some(pid) = Pid::from_raw(pid)
            && getsid(Some(pid)).ok() != own
            && let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
        {
            found.push(process);
        }
    }
    found
}
