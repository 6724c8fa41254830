//! A network namespace for one program of an ordinary user: it has the addresses of the host, takes every
//! other one for its own, and hands what goes there to an agent outside.
//!
//! A process of ours makes it and stays in it, for the nft(8) that changes its rules; the program enters
//! it with the descriptors that this process sends. Not here: the rules (mptcpize_model::relay::rules).

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mptcp_netlink::rtnl::{Address, LocalDefault, Rtnl};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags, capabilities,
    move_into_link_name_space, set_capabilities, unshare_unsafe,
};

use crate::host::agent::sockets::{self, Named};
use crate::host::agent::table::Table;
use crate::syscall::{fork, message};
use mptcpize_model::net::Family;
use mptcpize_model::relay::rules::{self, Inside};

/// The name of the table in the namespace, which is nobody else's.
const TABLE: &str = "mptcpize-relay";

/// The index of the loopback interface (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
/// The main table of routes.
const MAIN: u32 = 254;
/// A route of ours (`rtm_protocol`), as everywhere.
const OURS: u8 = 86;

/// Which addresses the namespace has.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// All of the host, without those of the loopback interface.
    pub all: Vec<IpAddr>,
    /// Those that the host's own traffic leaves from, one a family: a family without one has no route.
    pub first: Vec<IpAddr>,
}

/// A namespace that was made.
#[derive(Debug)]
pub struct Namespace {
    control: OwnedFd,
    /// The user namespace, unless this process needs none.
    user: Option<OwnedFd>,
    network: OwnedFd,
}

/// Why there is none.
#[derive(Debug)]
pub enum Obstacle {
    /// User namespaces are forbidden or switched off.
    Forbidden(io::Error),
    /// Something else, as a clause.
    Other(String),
}

impl Namespace {
    /// Makes one, and the agent's sockets in it. `privileged`: without a user namespace.
    ///
    /// # Errors
    /// See [`Obstacle`].
    pub fn make(own: &Own, privileged: bool) -> Result<(Self, Vec<Named>), Obstacle> {
        let other = |error: io::Error| Obstacle::Other(error.to_string());
        let (control, theirs) = message::pair().map_err(other)?;
        if fork::fork().map_err(other)?.is_none() {
            // Also what the program calls its standard error.
            fork::close_all_but(vec![theirs.as_raw_fd()]);
            let _ = rustix::process::set_parent_process_death_signal(Some(
                rustix::process::Signal::KILL,
            ));
            fork::set_name(c"mptcpize-inside");
            keep(theirs, own, privileged);
            fork::exit(0);
        }
        drop(theirs);
        let lost = |_| Obstacle::Other("the process that makes it was lost".to_owned());
        match message::receive_word(control.as_fd()).map_err(lost)? {
            READY => {}
            TOLD => return Err(Obstacle::Other(message::receive_text(control.as_fd()))),
            errno => return Err(Obstacle::Forbidden(io::Error::from_raw_os_error(errno))),
        }
        let mut places = message::receive_descriptors(control.as_fd()).map_err(lost)?;
        let network = places.pop().ok_or_else(|| lost(io::ErrorKind::NotFound.into()))?;
        let user = places.pop();
        let mut sockets = Vec::new();
        for name in ["redirect", "dns"] {
            let all = message::receive_descriptors(control.as_fd()).map_err(lost)?;
            sockets.extend(all.into_iter().map(|socket| Named { name, socket }));
        }
        Ok((Namespace { control, user, network }, sockets))
    }

    /// The descriptors by which a process enters it ([`enter`]).
    pub fn places(&self) -> Vec<BorrowedFd<'_>> {
        self.user.iter().chain([&self.network]).map(AsFd::as_fd).collect()
    }

    /// Its number, as `ls -l /proc/PID/ns/net` shows it.
    ///
    /// # Errors
    /// The descriptor is none.
    pub fn number(&self) -> io::Result<u64> {
        Ok(rustix::fs::fstat(&self.network)?.st_ino)
    }

    /// Tells it at which ports the host listens; false when it is gone.
    pub fn tell(&self, lines: &[String]) -> bool {
        lines.iter().all(|line| message::send_text(self.control.as_fd(), line).is_ok())
    }
}

/// Moves this process, which has one thread, into a namespace by its descriptors.
///
/// # Errors
/// The kernel refuses.
pub fn enter(places: &[OwnedFd]) -> io::Result<()> {
    let kinds = [LinkNameSpaceType::User, LinkNameSpaceType::Network];
    for (place, kind) in places.iter().zip(&kinds[kinds.len().saturating_sub(places.len())..]) {
        move_into_link_name_space(place.as_fd(), Some(*kind))?;
    }
    if places.len() == kinds.len() {
        // Those of the user namespace, which an exec would take too.
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        if capabilities(None).is_ok_and(|have| have.effective != none) {
            set_capabilities(None, sets)?;
        }
    }
    Ok(())
}

/// All is made; what follows are descriptors.
const READY: i32 = 0;
/// What went wrong follows, as text; other words are the error of unshare(2).
const TOLD: i32 = -1;

/// The process in the namespace: makes it, sends what is to be sent, and hands on lines for nft.
fn keep(control: OwnedFd, own: &Own, privileged: bool) {
    let to = control.as_fd();
    if let Err(error) = part(privileged) {
        let _ = message::send_word(to, error.raw_os_error().unwrap_or(libc::EPERM));
        return;
    }
    let mut table = match furnish(to, own, privileged) {
        Ok(table) => table,
        Err(why) => {
            let _ = message::send_word(to, TOLD).and_then(|()| message::send_text(to, &why));
            return;
        }
    };
    loop {
        let line = message::receive_text(to);
        if line.is_empty() || table.say(&line).is_err() {
            return;
        }
    }
}

/// Leaves the namespaces of the host.
fn part(privileged: bool) -> io::Result<()> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let flags = match privileged {
        true => UnshareFlags::NEWNET,
        false => UnshareFlags::NEWUSER | UnshareFlags::NEWNET,
    };
    // SAFETY: one thread, so that nobody shares what is parted.
    unsafe { unshare_unsafe(flags) }?;
    if !privileged {
        fs::write("/proc/self/setgroups", "deny")?;
        let same = |id: u32| format!("{id} {id} 1");
        fs::write("/proc/self/uid_map", same(user.as_raw()))?;
        fs::write("/proc/self/gid_map", same(group.as_raw()))?;
    }
    // Where a security module takes the privilege away again (AppArmor), it is missed here first.
    Rtnl::open().and_then(|mut kernel| kernel.set_up(LOOPBACK, true)).map_err(io::Error::other)?;
    Ok(())
}

fn furnish(to: BorrowedFd<'_>, own: &Own, privileged: bool) -> Result<Table, String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    number(own).map_err(|error| format!("the addresses: {error}"))?;
    let taken = sockets::transparent().map_err(failed("the listeners"))?;
    let names = sockets::names().map_err(failed("the sockets for names"))?;
    let inside = Inside { taken: taken.ports, names: names.ports, own: &own.all };
    let table = Table::load(TABLE, &rules::inside(TABLE, &inside))?;
    let network = File::open("/proc/self/ns/net").map_err(failed("the namespace"))?;
    let user = match privileged {
        true => None,
        false => Some(File::open("/proc/self/ns/user").map_err(failed("the namespace"))?),
    };
    let send = || -> io::Result<()> {
        message::send_word(to, READY)?;
        let places: Vec<_> = user.iter().chain([&network]).map(AsFd::as_fd).collect();
        message::send_descriptors(to, &places)?;
        for all in [&taken, &names] {
            let fds: Vec<_> = all.sockets.iter().map(|named| named.socket.as_fd()).collect();
            message::send_descriptors(to, &fds)?;
        }
        Ok(())
    };
    send().map_err(failed("handing it over"))?;
    Ok(table)
}

/// Gives the loopback interface the addresses of the host, and routes by which every other address is a
/// local one too.
fn number(own: &Own) -> Result<(), mptcp_netlink::KernelError> {
    let mut kernel = Rtnl::open()?;
    for address in &own.all {
        let bits = Family::of(*address).bits();
        match kernel.add_address(&Address::new(LOOPBACK, *address, bits).without_detection()) {
            Err(error) if error.errno != libc::EEXIST => return Err(error),
            _ => {}
        }
    }
    for source in &own.first {
        let family = match Family::of(*source) {
            Family::V4 => mptcp_netlink::Family::V4,
            Family::V6 => mptcp_netlink::Family::V6,
        };
        let route = LocalDefault { family, table: MAIN, source: Some(*source), protocol: OURS };
        kernel.add_local_default(&route)?;
    }
    Ok(())
}

/// Tells the name of the table of a namespace.
pub fn table() -> &'static str {
    TABLE
}
