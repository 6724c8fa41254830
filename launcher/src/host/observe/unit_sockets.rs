//! The sockets of TCP and MPTCP that the processes of a unit hold, each once however many hold it, in
//! whatever network namespaces they are.
//!
//! The descriptors are links in /proc/PID/fd; what a socket is says the kernel (`socket_table`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use crate::host::netns;
use crate::host::observe::socket_table::Table;
use crate::host::procfs::processes::{self, Protocol};
use mptcpize_model::unit::process::Process;
use mptcpize_model::unit::socket::Socket;

/// The sockets of each network namespace that was looked at.
#[derive(Debug, Default)]
pub struct Tables(BTreeMap<String, Option<Table>>);

impl Tables {
    /// That of a process; `None` where it may not be entered.
    fn of(&mut self, pid: u32) -> Option<&Table> {
        let name = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        let name = name.to_string_lossy().into_owned();
        let read = || netns::of_process(pid, Table::read).ok().and_then(Result::ok);
        self.0.entry(name).or_insert_with(read).as_ref()
    }
}

/// The sockets of these processes.
///
/// # Errors
/// The descriptors of one, or its namespace, may not be looked at.
pub fn of(processes: &[Process], tables: &mut Tables) -> io::Result<Vec<Socket>> {
    let mut all: BTreeMap<u32, Socket> = BTreeMap::new();
    // Whom a socket belongs to is who has had it first: children inherit.
    let mut oldest: Vec<&Process> = processes.iter().collect();
    oldest.sort_by_key(|process| (process.started_ticks, process.pid));
    for process in oldest {
        let held = match descriptors(process.pid) {
            Ok(held) => held,
            Err(_) if !Path::new("/proc").join(process.pid.to_string()).exists() => continue,
            Err(error) => return Err(error),
        };
        if held.is_empty() {
            continue;
        }
        let Some(table) = tables.of(process.pid) else {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        };
        for (descriptor, inode) in held {
            let Some(entry) = table.entries.get(&inode) else { continue };
            all.entry(inode).or_insert_with(|| Socket {
                inode,
                mptcp: protocol(process.pid, descriptor).map_or(entry.mptcp, Protocol::is_mptcp),
                listens: entry.listens,
                local: entry.local,
                remote: entry.remote,
                holder: process.pid,
                descriptor,
                options: if entry.md5 { vec!["TCP_MD5SIG".to_owned()] } else { vec![] },
                off: table.off,
                of_manager: false,
            });
        }
    }
    Ok(all.into_values().collect())
}

/// As its file tells it, also where the kernel's module for listing MPTCP sockets is missing.
fn protocol(pid: u32, descriptor: i32) -> Option<Protocol> {
    processes::protocol(Path::new(&format!("/proc/{pid}/fd/{descriptor}")))
}

/// Marks the sockets that this process holds too: the service manager, which opened them.
pub fn mark_those_of(manager: u32, sockets: &mut [Socket]) {
    let held: BTreeSet<u32> =
        descriptors(manager).unwrap_or_default().into_iter().map(|(_, inode)| inode).collect();
    for socket in sockets {
        socket.of_manager = held.contains(&socket.inode);
    }
}

/// The sockets of a process: descriptor and inode.
fn descriptors(pid: u32) -> io::Result<Vec<(i32, u32)>> {
    let mut held = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        let number = entry.file_name().to_string_lossy().parse();
        if let (Some(Ok(inode)), Ok(number)) = (inode.map(str::parse), number) {
            held.push((number, inode));
        }
    }
    Ok(held)
}
