//! Connections that are tried: how long each is waited for, how much may go over it, and how it
//! ended.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Protocol, SocketFlags, SocketType, sockopt};

use super::sys;
use crate::error::reason;
use crate::syscall::timespec;
use mptcpize_model::checks::peer::Answer;
use mptcpize_model::net::IfName;

/// How long plain TCP is waited for: a SYN, its repetition after a second, and a slow path.
pub(super) const TCP_PATIENCE: Duration = Duration::from_millis(3_000);

/// How long MPTCP is waited for. The kernel's verdict of a blackhole comes after 3 s
/// (`mptcp_active_detect_blackhole`, net/mptcp/ctrl.c), and no machine that lets this process wait for
/// most of a second may get that far.
pub(super) const MPTCP_PATIENCE: Duration = Duration::from_millis(2_000);

/// The most that is sent: less than any server's limit for a request's head.
pub const MOST_BYTES: usize = 4096;

/// How often a condition is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(10);

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

/// Connects to all at once; nothing is tried where there is no target.
pub(super) fn connect(
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
