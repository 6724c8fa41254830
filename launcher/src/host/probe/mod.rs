//! Trying a peer: connections over each path, as TCP and as MPTCP, and one over all of them.
//!
//! Gentle on purpose. At most three connections a path, and at most [`MOST_BYTES`] on one of them: the
//! beginning of a request that is never finished, so that a server has nothing to answer or to log as
//! an error. And a trial with MPTCP is given up before the kernel would take its silence for a
//! firewall and suspend MPTCP on the whole host (`blackhole_timeout`).

pub(super) mod answer;
mod data;
mod sys;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Protocol, SocketFlags, SocketType, sockopt};

use self::data::joint;
use crate::error::reason;
use crate::host::process::helper::timespec;
use crate::host::procfs::network::Netstat;
use mptcpize_model::checks::peer::{Answer, Report, Try};
use mptcpize_model::net::{Family, IfName};

/// `IPPROTO_MPTCP` (include/uapi/linux/in.h).
const MPTCP: Protocol = Protocol::from_raw(NonZeroU32::new(262).expect("262 is not 0"));

/// How long plain TCP is waited for: a SYN, its repetition after a second, and a slow path.
const TCP_PATIENCE: Duration = Duration::from_millis(3_000);

/// The same with MPTCP. The kernel's verdict of a blackhole comes after 3 s
/// (`mptcp_active_detect_blackhole`, net/mptcp/ctrl.c), and no machine that lets this process wait for
/// most of a second may get that far.
const MPTCP_PATIENCE: Duration = Duration::from_millis(2_000);

/// The most that is sent: less than any server's limit for a request's head.
pub const MOST_BYTES: usize = 4096;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A way to try.
#[derive(Clone, Debug)]
pub struct Target {
    /// The link; none where the kernel is to choose.
    pub dev: Option<IfName>,
    /// Bound to the link, not only to the address.
    pub bound: bool,
    /// From this address.
    pub from: Option<IpAddr>,
    /// To this one.
    pub to: SocketAddr,
}

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

/// Connects to all at once; nothing is tried where there is no target.
fn connect(
    targets: &[Option<&Target>],
    protocol: Option<Protocol>,
    patience: Duration,
    tell: &mut dyn FnMut(),
) -> Vec<(Answer, Option<OwnedFd>)> {
    let start = Instant::now();
    let mut all: Vec<(Answer, Option<OwnedFd>)> = targets
        .iter()
        // Without time left nothing is begun.
        .map(|target| target.filter(|_| !patience.is_zero()))
        .map(|target| match target.map(|target| begin(target, protocol)) {
            None => (Answer::Untried, None),
            Some(Ok(socket)) => (Answer::Untried, Some(socket)),
            Some(Err(error)) => (Answer::Failed(reason(&error)), None),
        })
        .collect();
    loop {
        // Before the look: what came while this process was kept from running has come in time.
        let left = patience.saturating_sub(start.elapsed());
        for (answer, socket) in &mut all {
            if let (Answer::Untried, Some(open)) = (&*answer, &*socket)
                && let Some(ended) = outcome(open, protocol.is_some())
            {
                *answer = ended;
            }
        }
        let waiting: Vec<&OwnedFd> = all
            .iter()
            .filter(|(answer, _)| *answer == Answer::Untried)
            .filter_map(|(_, socket)| socket.as_ref())
            .collect();
        if waiting.is_empty() {
            return all;
        }
        if left.is_zero() {
            break;
        }
        tell();
        let mut polled: Vec<PollFd> =
            waiting.iter().map(|socket| PollFd::new(*socket, PollFlags::OUT)).collect();
        // Not to the end, so that `tell` is heard in time.
        let _ = poll(&mut polled, Some(&timespec(left.min(LOOK * 10))));
    }
    let waited_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    for (answer, socket) in &mut all {
        if *answer == Answer::Untried && socket.is_some() {
            *answer = Answer::Silent { waited_ms };
            *socket = None;
        }
    }
    all
}

/// A socket that connects.
fn begin(target: &Target, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let family = match target.to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, protocol)?;
    if let Some(dev) = target.dev.as_ref().filter(|_| target.bound) {
        match sys::bind_to_link(&socket, dev.as_str()) {
            // Before 5.7 only root may; the address decides then.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
    }
    if let Some(from) = target.from {
        net::bind(&socket, &SocketAddr::new(from, 0))?;
    }
    let _ = sockopt::set_tcp_nodelay(&socket, true);
    match net::connect(&socket, &target.to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// How a connection went; none as long as it is under way.
fn outcome(socket: &OwnedFd, mptcp: bool) -> Option<Answer> {
    let mut polled = [PollFd::new(socket, PollFlags::OUT)];
    if !matches!(poll(&mut polled, Some(&timespec(Duration::ZERO))), Ok(1..)) {
        return None;
    }
    Some(match sockopt::socket_error(socket) {
        Ok(Ok(())) => Answer::Connected {
            rtt_us: sys::rtt_us(socket),
            mptcp: mptcp && sys::is_in_use(socket),
        },
        Ok(Err(error)) | Err(error) => Answer::Failed(reason(&error.into())),
    })
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
