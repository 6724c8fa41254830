//! Where a container is: its network namespace and its control group. A socket takes both from whoever
//! makes it, and so the container's supervisor goes there first. It is then as much a part of the
//! container as its processes are: frozen with them, and ended with them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, move_into_link_name_space, set_capabilities,
};

use crate::inject::seccomp::caller::{Expected, Status, groups};

/// Where version 2 of control groups may be mounted (systemd's file-hierarchy, and its hybrid layout).
const GROUPS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// What a supervisor needs to be able to do once it is there: to look at its callers, to make sockets that
/// belong to them, and to take over an address that one of them has bound. Not `CAP_NET_ADMIN` and
/// `CAP_NET_RAW`: a file keeps the rights of whoever opened it.
const NEEDED: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// A container, held by what stays its own when its first process is gone.
#[derive(Debug)]
pub struct Container {
    network: OwnedFd,
    /// How many filters its processes begin with.
    filters: u32,
    /// The path of its control group of version 2, where it has one.
    group: Option<String>,
    groups: String,
}

impl Container {
    /// The container whose first process has this number, as the runtime says.
    ///
    /// Should another process have the number by now, its namespace is held in place of the container's,
    /// and every caller is found to be in another one (`answer.rs` leaves those to TCP).
    ///
    /// # Errors
    /// There is no such process, it is under no filter, or the kernel is older than 5.9 and does
    /// not tell.
    pub fn of(process: u32) -> io::Result<Self> {
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let process = open(format!("/proc/{process}"), directory, Mode::empty())?;
        let read = |name: &str| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            openat(&process, name, flags, Mode::empty())
                .map(File::from)
                .and_then(|file| io::read_to_string(file).map_err(|_| rustix::io::Errno::IO))
        };
        let filters = Status::parse(read("status")?.as_bytes()).filters.filter(|count| *count > 0);
        let text = read("cgroup")?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Container {
            network: openat(&process, "ns/net", flags, Mode::empty())?,
            filters: filters.ok_or_else(|| io::Error::other("it is under no filter"))?,
            group: text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned),
            groups: groups(&text),
        })
    }

    /// Goes where the container is; what its callers are to be like.
    ///
    /// # Errors
    /// The namespace or the group cannot be entered.
    pub(super) fn enter(self) -> io::Result<Expected> {
        move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))?;
        let own = || fs::read_to_string("/proc/self/cgroup").map(|text| groups(&text));
        if own()? != self.groups {
            self.enter_group()?;
        }
        if own()? != self.groups {
            return Err(io::Error::other("its control group cannot be entered"));
        }
        let sets = CapabilitySets {
            effective: NEEDED,
            permitted: NEEDED,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets)?;
        Ok(Expected { filters: Some(self.filters), groups: Some(self.groups) })
    }

    fn enter_group(&self) -> io::Result<()> {
        let group = self.group.as_deref().filter(|path| !path.contains("..")).unwrap_or_default();
        let mut result = Err(io::ErrorKind::NotFound.into());
        for base in GROUPS {
            let path = format!("{base}{group}/cgroup.procs");
            // 0 is whoever writes (cgroups(7)).
            result = fs::OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut file| io::Write::write_all(&mut file, b"0"));
            if result.is_ok() {
                break;
            }
        }
        result
    }
}
