//! A kernel that has less than the newest: what it lacks is said in one line, and nothing fails.
//!
//! These hold on every kernel, and scripts/kernels runs them on several. Where this one has MPTCP, one
//! without it is played by a filter and a /proc/sys/net without mptcp. Not here: the sentences for
//! each kernel (launcher/model/src/lacks.rs).

use std::path::Path;

use crate::support::cc::{self, Build};
use crate::support::{Cmd, Netns, Outcome, mounts, tool};
use serde_json::Value;

/// The errno of a kernel built without MPTCP.
const EPROTONOSUPPORT: &str = "93";

fn has_mptcp() -> bool {
    Path::new("/proc/sys/net/mptcp").exists()
}

/// `mptcpize ARGUMENTS` on a kernel without MPTCP, in a namespace of its own.
fn without(arguments: &[&str]) -> Outcome {
    let host = Netns::new();
    if !has_mptcp() {
        return tool(arguments).within(&host).run();
    }
    let refuse = cc::c("refuse", Build::Plain);
    let refuse = refuse.display();
    let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "mkdir /mnt/net && mount --bind /proc/sys/net /mnt/net && cover /proc/sys/net
         for part in core ipv4 ipv6; do
             mkdir /proc/sys/net/$part && mount --bind /mnt/net/$part /proc/sys/net/$part
         done
         exec {refuse} {EPROTONOSUPPORT} /mnt/mptcpize {}\n",
        words.join(" ")
    );
    mounts::private(&script).within(&host).run()
}

/// What the kernel says itself, by Python and not by our own code.
fn expected() -> Vec<&'static str> {
    const PROGRAM: &str = "
import os, platform, re, socket
have = set(os.listdir('/proc/sys/net/mptcp'))
linux = tuple(int(part) for part in re.findall('[0-9]+', platform.release())[:2])
def answers(level, option):
    try:
        return bool(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).getsockopt(level, option, 200)) or True
    except OSError:
        return False
print(linux >= (5, 12), linux >= (5, 15), answers(284, 1), answers(6, 1), bool(have & {'pm_type', 'path_manager'}),
      linux >= (6, 2), linux >= (6, 3), 'scheduler' in have, 'blackhole_timeout' in have,
      ' MPJoinRejected ' in open('/proc/net/netstat').read(), linux >= (6, 18))";
    let names = [
        "events",
        "fullmesh endpoints",
        "MPTCP_INFO",
        "TCP_NODELAY on MPTCP sockets",
        "path manager in user space",
        "events of listeners",
        "subflows of the other family than the connection's",
        "choice of schedulers",
        "blackhole detection",
        "count of refused joins",
        "laminar endpoints",
    ];
    let said = Cmd::new("python3").args(["-c", PROGRAM]).run().silent().stdout;
    let has: Vec<bool> = said.split_whitespace().map(|word| word == "True").collect();
    assert_eq!(has.len(), names.len(), "{said}");
    names.into_iter().zip(has).filter_map(|(name, has)| (!has).then_some(name)).collect()
}

#[test]
fn what_the_kernel_lacks_stands_in_one_line_of_version_and_check_with_the_linux_that_has_it() {
    let lacking = if has_mptcp() { expected() } else { vec![] };
    let said = tool(&["--version"]).run().silent().stdout;
    let line = said.lines().find_map(|line| line.strip_prefix("lacks    "));
    let parts: Vec<&str> = line.map(|line| line.split(", ").collect()).unwrap_or_default();
    assert_eq!(parts.len(), lacking.len(), "{said}");
    for (at, (part, name)) in parts.iter().zip(&lacking).enumerate() {
        let (what, linux) = part.split_once(" (").unwrap_or_else(|| panic!("{part}"));
        assert_eq!(what, format!("no {name}"));
        assert!(linux.ends_with(')') && linux.starts_with("Linux ") == (at == 0), "{part}");
    }

    let seen = tool(&["check", "-j"]).within(&Netns::new()).run();
    let seen: Value = serde_json::from_str(&seen.stdout).unwrap_or_else(|_| panic!("{seen}"));
    let findings = seen["findings"].as_array().expect("findings are a list");
    let found: Vec<&Value> =
        findings.iter().filter(|finding| finding["code"] == "kernel.lacks").collect();
    let titles: Vec<&str> = found.iter().filter_map(|finding| finding["title"].as_str()).collect();
    assert_eq!(titles, line.into_iter().collect::<Vec<&str>>());
    assert!(found.iter().all(|finding| finding["severity"] == "note"), "{found:?}");
}

#[test]
fn without_mptcp_programs_run_over_tcp_and_every_command_says_why() {
    let python = "import socket; print(socket.socket().getsockopt(1, 38))";
    for way in [&["run"][..], &["run", "--via", "seccomp"]] {
        let arguments: Vec<&str> = way.iter().copied().chain(["python3", "-c", python]).collect();
        let done = without(&arguments);
        let told = "mptcpize: python3 runs over plain TCP: this kernel has no MPTCP\n";
        assert_eq!(done.says(0, told).stdout, "6\n", "{way:?}");
    }
    let refused = without(&["run", "--strict", "true"]);
    assert_eq!(refused.code(), 5, "{refused}");

    let fix = "boot a kernel 5.6 or newer built with CONFIG_MPTCP";
    let has_none = "has no MPTCP";
    let mut table = vec![
        (&["--version"][..], 0, has_none),
        (&["run", "--explain", "true"], 0, fix),
        (&["check"], 3, has_none),
        (&["check", "127.0.0.1:9"], 3, has_none),
        (&["status"], 5, has_none),
        (&["setup", "--dry-run"], 5, fix),
        (&["setup"], 5, fix),
        (&["setup", "undo"], 0, "nothing to undo"),
    ];
    if !has_mptcp() {
        // Of these only the kernel itself can say that it has none.
        table.extend([
            (&["endpoint", "show"][..], 5, fix),
            (&["limits"], 5, fix),
            (&["monitor"], 5, fix),
            (&["counters"], 5, fix),
        ]);
    }
    for (arguments, code, words) in table {
        let done = without(arguments);
        let said = format!("{}{}", done.stdout, done.stderr);
        let said = said.split_whitespace().collect::<Vec<&str>>().join(" ");
        assert!(done.code() == code && said.contains(words), "{arguments:?}: {done}");
        assert!(!said.contains("lacks"), "{arguments:?}: it has nothing to lack a part of: {done}");
    }
}

/// As the kernels of Raspberry Pi OS: IPv6 is a module there, and with that MPTCP has none. They refuse an
/// endpoint of that family, too, which would take the whole set-up back.
#[test]
fn where_mptcp_has_no_ipv6_the_set_up_is_of_ipv4_and_check_says_so() {
    let host = Netns::new();
    for link in 1..=2 {
        host.ip(&format!("link add w{link} type veth peer name r{link}"));
        host.ip(&format!("link set r{link} up"));
        host.ip(&format!("link set w{link} up"));
        host.ip(&format!("address add 10.{link}.0.1/24 dev w{link}"));
        host.ip(&format!("address add 2001:db8:{link}::1/64 dev w{link} nodad"));
        host.ip(&format!("route add default via 10.{link}.0.254 dev w{link} metric {link}00"));
        host.ip(&format!(
            "-6 route add default via 2001:db8:{link}::254 dev w{link} metric {link}00"
        ));
    }
    let on = |filter: &str, command: &str| {
        let script = format!("exec {filter} /mnt/mptcpize {command}\n");
        mounts::private(&script).within(&host).run()
    };
    let refuse =
        format!("{} {EPROTONOSUPPORT}:{}", cc::c("refuse", Build::Plain).display(), libc::AF_INET6);
    assert!(on("", "setup --dry-run").stdout.contains("endpoint  2001:db8:2::1 "));
    let plan = on(&refuse, "setup --dry-run").ok().stdout;
    assert!(plan.contains("endpoint  10.2.0.1 ") && !plan.contains("2001:db8:"), "{plan}");

    let seen = on(&refuse, "check").stdout;
    assert!(seen.contains("MPTCP over IPv4 alone: connections over IPv6 stay TCP\n"), "{seen}");
    assert!(!on("", "check").stdout.contains("IPv4 alone"));
    on(&refuse, "setup").ok();
    let endpoints = host.ip("mptcp endpoint show");
    assert_eq!(endpoints.lines().count(), 2, "{endpoints}");
    assert!(!endpoints.contains("2001:db8:"), "{endpoints}");
}
