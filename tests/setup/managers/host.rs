//! The host that the managers manage: two links to a router that is the server too.
//!
//! ```text
//!               ┌─ w1 10.1.0.1 ── 10.1.0.254 r1 ─┐
//!   machine  ───┤                                ├─ router, with 10.99.0.1 and 10.77.0.1
//!               └─ w2 10.2.0.1 ── 10.2.0.254 r2 ─┘
//! ```
//!
//! The links may share the network 192.168.0.0/24 instead: then r1 and r2 are ports of a bridge.
//! The machine is one for all tests, so each begins with what [`CLEAN`] makes of it.

use std::sync::MutexGuard;

use crate::support::systemd::{Machine, machine};
use crate::support::uplinks::{PORT, SERVER_V4, transfer_py};
use crate::support::{Netns, Outcome, Running, kernel, serve, tool, wait};

/// No manager, no link but lo, nothing of MPTCP; and /proc/sys as a host has it, where nspawn makes
/// it read-only.
const CLEAN: &str = "
    ln -sf /opt/mptcpize /usr/bin/mptcpize
    mount -o remount,bind,rw /proc/sys
    rm -f /etc/systemd/system/systemd-networkd.service /etc/systemd/network/*.network
    rm -f /etc/NetworkManager/system-connections/* /etc/NetworkManager/conf.d/*
    systemctl daemon-reload
    for unit in mptcpized systemd-networkd.socket systemd-networkd NetworkManager mptcp; do
        ! systemctl --quiet is-active $unit || systemctl stop $unit
    done
    systemctl reset-failed
    rm -rf /run/mptcpize
    for link in w1 w2 tun0; do ip link delete $link 2>/dev/null || :; done
    # The kernel's own stay: systemd-networkd takes those made again for somebody else's.
    for rule in $(ip rule | cut -d: -f1 | grep -vxE '0|32766|32767'); do ip rule del pref $rule; done
    sysctl -qw net.mptcp.pm_type=0
    ip mptcp endpoint flush
    ip mptcp limits set subflows 2 add_addr_accepted 0
";

/// All that a set-up may touch and a manager may lose.
const STATE: &str = "
    for question in 'rule' '-6 rule' 'route show table all' '-6 route show table all' \\
        'mptcp endpoint' 'mptcp limits'; do ip $question; done | sort
    for link in w1 w2; do for name in arp_ignore ignore_routes_with_linkdown; do
        echo $link $name $(cat /proc/sys/net/ipv4/conf/$link/$name)
    done; done
";

/// What strace says of a set-up that it stopped.
const STOPPED: &str = "/tmp/stopped";

/// What a download moves, and what an idle link may.
/// Enough for a second subflow that joins two seconds late to carry its share.
const BYTES: u64 = 15_000_000;
const IDLE_BYTES: u64 = 20_000;

/// The machine and its router.
pub(super) struct Host {
    pub(super) machine: MutexGuard<'static, Machine>,
    pub(super) router: Netns,
}

impl Host {
    /// The machine with nothing in it, and a router without links.
    pub(super) fn new() -> Self {
        let host = Host { machine: machine(), router: Netns::new() };
        host.sh(CLEAN);
        host.router.ip(&format!("address add {SERVER_V4}/32 dev lo"));
        host
    }

    /// A script inside, which is to succeed; what it prints.
    #[track_caller]
    pub(super) fn sh(&self, script: &str) -> String {
        self.machine.sh(script).ok().stdout
    }

    /// Plugs a link in: down, without addresses, and the same card each time.
    pub(super) fn plug(&self, link: usize) {
        let machine = self.machine.network();
        self.router.ip(&format!(
            "link add r{link} type veth peer name w{link} address 02:00:00:00:00:0{link} \
             netns {machine}"
        ));
        // Addresses of IPv6 would come when they like.
        self.sh(&format!("ip link set w{link} addrgenmode none"));
        self.router.ip(&format!("address add 10.{link}.0.254/24 dev r{link}"));
        self.router.ip(&format!("link set r{link} addrgenmode none up"));
        self.router
            .tc(&format!("qdisc add dev r{link} root tbf rate 40mbit burst 32kb latency 50ms"));
    }

    /// Puts both links into one network.
    pub(super) fn share(&self) {
        self.router.ip("link add lan type bridge");
        self.router.ip("address add 192.168.0.1/24 dev lan");
        self.router.ip("link set lan up");
        for link in [1, 2] {
            self.router.ip(&format!("link set r{link} master lan"));
        }
    }

    /// Gives a link its address and default route by hand, once it has a carrier.
    pub(super) fn number(&self, link: usize) {
        self.sh(&format!("ip link set w{link} up"));
        // Not by LOWER_UP: managers are told of the link by the worker that sets its state.
        self.wait_for("a carrier", &format!("ip -o link show w{link} | grep 'state UP'"));
        self.sh(&format!(
            "ip address add 10.{link}.0.1/24 dev w{link}
             ip route add default via 10.{link}.0.254 dev w{link} metric {link}00"
        ));
    }

    /// Starts a manager.
    #[track_caller]
    pub(super) fn start(&self, unit: &str, package: &str) {
        let started = self.machine.sh(&format!("systemctl start {unit}"));
        assert_eq!(started.code(), 0, "{started}\n  fix: apt-get install {package}");
    }

    /// Waits until a script succeeds.
    #[track_caller]
    pub(super) fn wait_for(&self, what: &str, script: &str) {
        wait::until(&format!("{what}: {script}"), || self.machine.sh(script).code() == 0);
    }

    /// Waits until both links have an endpoint that a manager made, and a default route.
    pub(super) fn wait_for_endpoints(&self, addresses: &[&str]) {
        for address in addresses {
            self.wait_for("an endpoint", &format!("ip mptcp endpoint | grep '^{address} id'"));
        }
        for link in ["w1", "w2"] {
            self.wait_for("a route", &format!("ip route show default dev {link} | grep ."));
        }
    }

    pub(super) fn state(&self) -> String {
        self.sh(STATE)
    }

    pub(super) fn endpoints(&self) -> String {
        self.sh("ip mptcp endpoint")
    }

    /// `mptcpize setup`, stopped when it begins to wait for something; what is left to do is
    /// [`Host::resume`].
    pub(super) fn set_up_stopped(&self) -> Running {
        let call = "clock_nanosleep";
        self.sh(&format!("rm -f {STOPPED}"));
        let words = format!(
            "strace -f -qq -e trace={call} -e inject={call}:signal=STOP:when=1 -o {STOPPED} \
             /opt/mptcpize setup"
        );
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut running = self.machine.command(&words).start();
        wait::until("the set-up to wait", || {
            assert!(!running.ended(), "it did not wait");
            self.machine.sh(&format!("grep -F -- '--- stopped by SIGSTOP ---' {STOPPED}")).code()
                == 0
        });
        running
    }

    /// Lets it go on.
    pub(super) fn resume(&self) {
        self.sh(&format!(
            "kill -CONT $(awk '/stopped by SIGSTOP/ {{ print $1; exit }}' {STOPPED})"
        ));
    }

    /// `mptcpize setup`, which is to bond both links.
    #[track_caller]
    pub(super) fn set_up(&self) {
        let said = self.machine.tool("setup").silent().stdout;
        assert!(said.starts_with("set up w1 and w2 with "), "{said}");
    }

    /// `mptcpize setup undo`, after which all is as it was.
    #[track_caller]
    pub(super) fn undo(&self, before: &str) {
        let said = self.machine.tool("setup undo").silent().stdout;
        assert!(said.starts_with("undid "), "{said}");
        crate::support::uplinks::assert_same(before, &self.state(), "undone");
        let left = self.sh("[[ ! -e /run/mptcpize ]] || find /run/mptcpize");
        assert_eq!(left, "", "neither a journal nor a lock");
    }

    /// What plain `mptcpize run` by root says.
    #[track_caller]
    pub(super) fn run(&self) -> String {
        self.machine.tool("run true").ok().stderr
    }

    /// Plain `mptcpize run` bonds both links, in one line.
    #[track_caller]
    pub(super) fn run_sets_up(&self) {
        let said = self.run();
        assert!(said.starts_with("mptcpize: set up w1 and w2 with "), "{said}");
        // The first time that nobody asked for it, how that is kept from happening.
        let more: Vec<&str> = said.lines().skip(1).collect();
        let kept = |line: &&str| line.contains("to keep it from doing so: run --no-setup");
        assert!(more.len() < 2 && more.iter().all(kept), "{said}");
    }

    /// `check`, `status` and the dry run of `setup` have one judgement: the set-up is whole.
    #[track_caller]
    pub(super) fn is_whole(&self) {
        for arguments in ["check", "status", "setup --dry-run --exit-code"] {
            let judged = self.machine.tool(arguments);
            assert_eq!(judged.code(), 0, "{arguments}: {judged}");
        }
    }

    /// They have the opposite, and the first two say how to mend it.
    #[track_caller]
    pub(super) fn is_broken(&self) {
        for arguments in ["check", "status", "setup --dry-run --exit-code"] {
            let judged = self.machine.tool(arguments);
            assert_eq!(judged.code(), 3, "{arguments}: {judged}");
            let fixed = judged.stdout.lines().any(|line| {
                line.split_once("fix").is_some_and(|(_, fix)| fix.contains("mptcpize setup"))
            });
            assert!(fixed || arguments.contains("dry-run"), "{arguments}: {judged}");
        }
    }

    /// A server on the router, for as long as the result lives.
    pub(super) fn serve(&self) -> Running {
        let program = transfer_py().display().to_string();
        let words = ["run", "--no-setup", "nice", "-n", "-20", "python3"];
        let server = tool(&words).args([&program, "serve", &PORT.to_string()]);
        serve::listening(&self.router, server.within(&self.router).quiet(), PORT)
    }

    /// A download by MPTCP under plain `mptcpize run`: bytes over each link, and what was said.
    #[track_caller]
    pub(super) fn download(&self, from: &str, bytes: u64) -> ([u64; 2], Outcome) {
        self.machine.install(&transfer_py(), "/opt/transfer.py");
        let sent = || [1, 2].map(|link| kernel::traffic(&self.router, &format!("r{link}")).sent);
        let (accepted, before) = (kernel::accepted(&self.router), sent());
        let client = format!("run nice -n -20 python3 /opt/transfer.py get {from} {PORT} {bytes}");
        let outcome = self.machine.tool(&client).ok();
        assert_eq!(kernel::accepted(&self.router), accepted + 1, "it was MPTCP: {outcome}");
        let after = sent();
        ([after[0] - before[0], after[1] - before[1]], outcome)
    }

    /// A connection uses both links.
    #[track_caller]
    pub(super) fn bonds(&self) {
        let _server = self.serve();
        let (moved, outcome) = self.download(SERVER_V4, BYTES);
        assert!(moved.iter().all(|link| *link > BYTES / 5), "{moved:?} {outcome}");
    }

    /// Does a download leave the second link as idle as before? It takes long enough for subflows.
    #[track_caller]
    pub(super) fn second_is_idle(&self, from: &str) -> bool {
        let ([_, second], _) = self.download(from, BYTES);
        second < IDLE_BYTES
    }
}

/// A DHCP server on the router, which gives each link of the machine always the same address and
/// keeps its leases in memory.
pub(super) fn dhcp(host: &Host) -> Running {
    let mut server = host
        .router
        .command("dnsmasq")
        .args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root"])
        .args(["--pid-file", "--leasefile-ro", "--no-ping"])
        .args([1, 2].map(|link| format!("--dhcp-range=10.{link}.0.1,10.{link}.0.1,255.255.255.0")))
        .quiet()
        .start();
    wait::until("the DHCP server (package dnsmasq-base)", || {
        assert!(!server.ended(), "dnsmasq ended");
        // Port 67, in hexadecimal.
        host.router.proc_net("udp").contains(":0043 ")
    });
    server
}
