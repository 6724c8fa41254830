//! Questions for the kernel: the answers that decide a test.

use std::path::Path;

use super::{Netns, wait};

/// `IPPROTO_MPTCP` (include/uapi/linux/in.h).
pub const MPTCP: u32 = 262;
/// `IPPROTO_TCP`.
pub const TCP: u32 = 6;

/// A counter of `/proc/net/netstat`, such as `MPTcpExt` `MPCapableSYNRX`.
pub fn counter(namespace: &Netns, group: &str, name: &str) -> u64 {
    let text = namespace.proc_net("netstat");
    let mut lines = text.lines().filter(|line| line.starts_with(&format!("{group}:")));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        panic!("/proc/net/netstat has no {group}: is this kernel built with MPTCP?");
    };
    let place = names.split(' ').position(|word| word == name);
    let value = place.and_then(|place| values.split(' ').nth(place));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{group} has no {name}"))
}

/// Is the kernel's release at least this one? For what it cannot be asked.
pub fn is_at_least(major: u32, minor: u32) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    (number(), number()) >= (Some(major), Some(minor))
}

/// Does the kernel take MPTCP SYNs that vanish for a blackhole (Linux 6.12)?
pub fn detects_blackholes() -> bool {
    Path::new("/proc/sys/net/mptcp/blackhole_timeout").exists()
}

/// Does it count joins that it refused (Linux 6.16)?
pub fn counts_refused_joins(namespace: &Netns) -> bool {
    namespace.proc_net("netstat").contains(" MPJoinRejected ")
}

/// Connections that were accepted as MPTCP: the third packet of the handshake carried both keys.
pub fn accepted(namespace: &Netns) -> u64 {
    counter(namespace, "MPTcpExt", "MPCapableACKRX")
}

/// What `ss -M` (MPTCP) or `ss -t` (TCP) shows, without its heading.
pub fn ss(namespace: &Netns, options: &str) -> String {
    namespace.command("ss").args(["-H", "-n", options]).run().ok().stdout
}

/// Bytes received and sent by an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    pub received: u64,
    pub sent: u64,
}

/// The interface's byte counters.
pub fn traffic(namespace: &Netns, interface: &str) -> Traffic {
    traffic_in(&namespace.proc_net("dev"), interface)
}

/// The interface's byte counters in the text of a `/proc/PID/net/dev` (proc(5)).
pub fn traffic_in(text: &str, interface: &str) -> Traffic {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{interface}:")));
    let line = line.unwrap_or_else(|| panic!("no interface {interface} in\n{text}"));
    let mut fields = line.split_whitespace().map(|field| field.parse::<u64>());
    let (Some(Ok(received)), Some(Ok(sent))) = (fields.next(), fields.nth(7)) else {
        panic!("/proc/net/dev looks unlike proc(5): {line}");
    };
    Traffic { received, sent }
}

/// Is there a listener on the port?
pub fn is_listening(namespace: &Netns, port: u16) -> bool {
    // Fields: number, local address:port, remote, state; 0A is TCP_LISTEN. A listener of MPTCP
    // has one of TCP beneath it, so these tables show both.
    let wanted = format!(":{port:04X}");
    ["tcp", "tcp6"].iter().any(|table| {
        namespace.proc_net(table).lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().take(4).collect();
            matches!(fields[..], [_, local, _, "0A"] if local.ends_with(&wanted))
        })
    })
}

/// Waits for the listener.
pub fn wait_for_listener(namespace: &Netns, port: u16) {
    wait::until(&format!("a listener on port {port}"), || is_listening(namespace, port));
}
