//! Trying a peer: connections over each path, as TCP and as MPTCP, and one over all of them.
//!
//! Gentle on purpose. At most three connections a path, and at most [`MOST_BYTES`] on one of them: the
//! beginning of a request that is never finished, so that a server has nothing to answer or to log as
//! an error. And a trial with MPTCP is given up before the kernel would take its silence for a
//! firewall and suspend MPTCP on the whole host (`blackhole_timeout`).

pub(super) mod answer;
mod connect;
mod data;
mod sys;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

pub use self::connect::{MOST_BYTES, Target};
use self::connect::{MPTCP_PATIENCE, TCP_PATIENCE, connect};
use self::data::joint;
pub use self::sys::bind_to_link;
use crate::host::procfs::network::Netstat;
use crate::syscall::MPTCP;
use mptcpize_model::checks::peer::{Answer, Report, Try};
use mptcpize_model::net::Family;

/// Does the kernel say of a socket whether MPTCP is in use (`MPTCP_INFO`, Linux 5.16)?
pub(super) fn tells_info(socket: impl AsFd) -> bool {
    sys::info(socket).is_ok()
}

/// Tries a peer over each target, then over all together. `joins` are the addresses from which the
/// path manager is to open further subflows. `tell` hears what is being done, often.
pub fn peer(
    report: &mut Report,
    targets: &[Target],
    joins: &[IpAddr],
    until: Instant,
    tell: &mut dyn FnMut(&str),
) {
    let left = |until: Instant| until.saturating_duration_since(Instant::now());
    let name = report.name.clone();
    // A part of the time for each step, so that a dead path leaves some for the others.
    let patience = TCP_PATIENCE.min(left(until).mul_f64(0.4));
    let plain: Vec<Option<&Target>> = targets.iter().map(Some).collect();
    let tcp = connect(&plain, None, patience, &mut || tell(&format!("{name}: TCP over each path")));
    let answered: Vec<Option<&Target>> = targets
        .iter()
        .zip(&tcp)
        .map(|(target, (answer, _))| matches!(answer, Answer::Connected { .. }).then_some(target))
        .collect();
    let patience = MPTCP_PATIENCE.min(left(until).mul_f64(0.5));
    let mptcp = connect(&answered, Some(MPTCP), patience, &mut || {
        tell(&format!("{name}: MPTCP over each path"));
    });
    let open: Vec<Option<(&OwnedFd, u16)>> = targets
        .iter()
        .zip(&mptcp)
        .map(|(target, (answer, socket))| {
            let speaks = matches!(answer, Answer::Connected { mptcp: true, .. });
            socket.as_ref().filter(|_| speaks).map(|socket| (socket, target.to.port()))
        })
        .collect();
    let carried = data::each(&open, &name, until, &mut || {
        tell(&format!("{name}: data over each path"));
    });
    // What is open would be joined by the path manager, too.
    drop(open);
    let mptcp: Vec<Answer> = mptcp
        .into_iter()
        .zip(&tcp)
        .map(|((answer, _), (tcp, _))| conclusive(answer, tcp))
        .collect();
    for (((target, (tcp, _)), mptcp), carried) in targets.iter().zip(tcp).zip(&mptcp).zip(carried) {
        let (dev, from, to) = (target.dev.clone(), target.from, target.to);
        report.tries.push(Try { dev, from, to, tcp, mptcp: mptcp.clone(), carried });
    }
    for family in Family::BOTH {
        let works = targets.iter().zip(&mptcp).find(|(target, answer)| {
            Family::of(target.to.ip()) == family
                && matches!(answer, Answer::Connected { mptcp: true, .. })
        });
        if let Some((target, _)) = works {
            let joins: Vec<IpAddr> =
                joins.iter().filter(|it| Family::of(**it) == family).copied().collect();
            let found = joint(target, &name, &joins, until, &mut || {
                tell(&format!("{name}: MPTCP over all paths"));
            });
            report.joint.extend(found);
        }
    }
}

/// The answer, but for a silence that was too short to mean anything on a path as slow as this one.
fn conclusive(answer: Answer, tcp: &Answer) -> Answer {
    match (&answer, tcp) {
        (Answer::Silent { waited_ms }, Answer::Connected { rtt_us, .. })
            if waited_ms * 1000 < 3 * u64::from(*rtt_us) =>
        {
            Answer::Untried
        }
        _ => answer,
    }
}

/// Has the kernel suspended MPTCP for new connections? A connection to ourselves starts as TCP then,
/// and is counted.
pub fn is_suspended(until: Instant) -> bool {
    let count =
        || Netstat::read().map_or(0, |counters| counters.mptcp().get("MPCapableSYNTXDisabled"));
    let before = count();
    let to_ourselves = || -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC;
        let listener =
            net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(MPTCP))?;
        net::bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0)))?;
        net::listen(&listener, 1)?;
        let to = SocketAddr::try_from(net::getsockname(&listener)?)?;
        let target = Target { dev: None, bound: false, from: None, to };
        let patience =
            Duration::from_millis(200).min(until.saturating_duration_since(Instant::now()));
        connect(&[Some(&target)], Some(MPTCP), patience, &mut || ());
        Ok(())
    };
    to_ourselves().is_ok() && count() > before
}
