//! Ten packages of Debian in which something was found, as they are installed, on a booted Debian 12 and
//! 13: what `list` says is what the kernel has, and what `enable` accepts harms nothing.
//!
//! Not here: the table of all packages (every_package.rs); units that the tests write (enabled.rs).

use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use crate::support::cc::{self, Build};
use crate::support::systemd::{Machine, machine_of};
use crate::support::tour::{Package, Told, listeners, tour};

/// systemd 252.
fn bookworm() -> MutexGuard<'static, Machine> {
    machine_of(Some(&image("bookworm")))
}

/// systemd 257.
fn trixie() -> MutexGuard<'static, Machine> {
    machine_of(Some(&image("trixie")))
}

fn image(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/images").join(name);
    assert!(path.is_dir(), "no image {}\n  fix: scripts/images", path.display());
    path
}

/// Checks that `list` said at each step what the kernel had, and that nothing is left.
#[track_caller]
fn assert_honest(told: &Told) {
    for seen in &told.seen {
        assert!(seen.agrees() && seen.fault.is_none(), "{seen:?}\n{}", told.enable);
    }
    assert!(told.left.is_empty(), "{:#?}", told.left);
}

/// Checks that `list` was right, that nothing is left, and that all listeners were of MPTCP from `enable` to
/// `disable`.
#[track_caller]
fn assert_all_mptcp(told: &Told) {
    assert_eq!(told.enable.code(), 0, "{}", told.enable);
    assert_honest(told);
    for seen in told.seen.iter().filter(|seen| seen.on) {
        assert_eq!(seen.listeners.verdict(), Some("yes"), "{seen:?}\n{}", told.enable);
    }
    assert_eq!(told.clients, ("MPTCP".to_owned(), "TCP".to_owned()));
}

#[test]
fn nginx_is_all_mptcp_also_after_the_package_is_installed_again() {
    let machine = bookworm();
    let nginx = Package { again: true, ..Package::new("nginx", "nginx.service", 80) };
    let told = tour(&machine, &nginx);
    assert_all_mptcp(&told);
    for step in ["reload", "restart", "reinstall"] {
        told.at(step);
    }
}

/// Its child is started with an environment of the parent's own.
#[test]
fn squid_is_all_mptcp_or_told_of_the_way_that_makes_it_so() {
    let machine = bookworm();
    // It waits half a minute for its clients when it stops.
    let squid = Package {
        before: "echo 'shutdown_lifetime 0 seconds' >/etc/squid/conf.d/quick.conf",
        after: "rm /etc/squid/conf.d/quick.conf",
        ..Package::new("squid", "squid.service", 3128)
    };
    let told = all_mptcp_or_offered(&machine, squid);
    assert!(told.clients.1 == "TCP", "{:?}", told.clients);
}

/// Takes a package through the tour, and once more with the way that `enable` or `list` offers where the
/// first did not reach all listeners. The last tour.
fn all_mptcp_or_offered(machine: &Machine, package: Package) -> Told {
    let told = tour(machine, &package);
    if told.seen.iter().filter(|seen| seen.on).all(|seen| seen.listeners.verdict() == Some("yes")) {
        assert_all_mptcp(&told);
        return told;
    }
    assert_honest(&told);
    assert!(told.offers_the_filter(), "{} {:?}", told.enable, told.seen);
    let told = tour(machine, &Package { options: "--via seccomp", ..package });
    assert_all_mptcp(&told);
    told
}

/// Built by Go 1.19, whose standard library knows no MPTCP.
#[test]
fn prometheus_of_an_old_go_is_all_mptcp() {
    let machine = bookworm();
    assert_all_mptcp(&tour(&machine, &Package::new("prometheus", "prometheus.service", 9090)));
}

/// It executes itself with a clean environment for a reload.
#[test]
fn exim_is_all_mptcp_after_a_reload_or_told_of_the_way_that_makes_it_so() {
    let machine = trixie();
    let exim = Package::new("exim4-daemon-light", "exim4.service", 25);
    all_mptcp_or_offered(&machine, exim).at("reload");
}

/// A filter of the unit's own is not the one that reaches the program.
#[test]
fn a_static_service_with_a_filter_that_runs_already_is_reached() {
    let machine = bookworm();
    machine.install(&cc::c("listen", Build::Static), "/usr/local/bin/listen-static");
    let unit = "[Service]\nExecStart=/usr/local/bin/listen-static 8700\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n";
    machine.start(&[("shut.service", unit.to_owned())]);
    assert_eq!(machine.speaks(8700), "TCP");
    machine.tool("enable shut").ok();
    // It is on, it runs, and it was not started with it.
    let others = listeners(&machine);
    assert_eq!(machine.speaks(8700), "TCP");
    assert!(others.tcp.iter().any(|address| address.ends_with(":8700")), "{others:?}");
    machine.tool("enable --now shut").ok();
    assert_eq!(machine.speaks(8700), "MPTCP");
    let row = machine.listed("", "shut.service").unwrap_or_default();
    assert!(row.starts_with("run active yes "), "{row}");
    machine.tool("disable --now shut").ok();
    assert_eq!(machine.speaks(8700), "TCP");
    machine.remove(&["shut.service"]);
    machine.sh("rm /usr/local/bin/listen-static").ok();
}

#[test]
fn haproxy_is_all_mptcp_in_both_families() {
    let machine = trixie();
    let haproxy = Package {
        before: "
            cp -p /etc/haproxy/haproxy.cfg /srv/
            printf 'frontend four\\n bind 0.0.0.0:8080\\n default_backend none\\nfrontend six\\n bind [::]:8081 v6only\\n \
                default_backend none\\nbackend none\\n' >>/etc/haproxy/haproxy.cfg",
        after: "mv /srv/haproxy.cfg /etc/haproxy/",
        ..Package::new("haproxy", "haproxy.service", 8080)
    };
    let told = tour(&machine, &haproxy);
    assert_all_mptcp(&told);
    told.at("reload");
}

/// Units of these names run /bin/true; instances do the work.
#[track_caller]
fn assert_leads_to_the_instance(machine: &Machine, package: Package, works: &'static str) {
    let told = tour(machine, &Package { works, ..package });
    assert_honest(&told);
    assert!(told.enable.to_string().contains(works), "{}", told.enable);
    all_mptcp_or_offered(machine, Package { unit: works, works, ..package });
}

#[test]
fn postfix_is_all_mptcp_by_the_unit_that_does_the_work() {
    let postfix = Package::new("postfix", "postfix.service", 25);
    assert_leads_to_the_instance(&bookworm(), postfix, "postfix@-.service");
}

#[test]
fn postgresql_is_all_mptcp_by_the_unit_that_does_the_work() {
    let postgresql = Package::new("postgresql-17", "postgresql.service", 5432);
    assert_leads_to_the_instance(&trixie(), postgresql, "postgresql@17-main.service");
}

#[test]
fn ssh_by_a_socket_of_systemd_is_mptcp() {
    let machine = trixie();
    let told = tour(&machine, &Package::new("openssh-server", "ssh.socket", 22));
    assert_all_mptcp(&told);
}

#[test]
fn a_socket_unit_of_a_unix_socket_is_refused_and_the_machine_boots_as_before() {
    let mut machine = trixie();
    let state = |machine: &Machine| {
        let failed = machine.sh("systemctl --failed --plain --no-legend").ok().stdout;
        let socket = machine.property("dbus.socket", "ActiveState");
        format!("{socket} {failed}")
    };
    let (before, files) = (state(&machine), machine.state());
    let outcome = machine.tool("enable dbus.socket");
    assert_ne!(outcome.code(), 0, "{outcome}");
    assert!(outcome.stderr.contains("/run/dbus/system_bus_socket"), "{outcome}");
    machine.assert_is(&files);
    // Those that a pattern meets are passed over.
    machine.tool("enable *.socket").ok();
    machine.reboot();
    assert_eq!(state(&machine), before);
    machine.tool("disable --all").ok();
    machine.assert_is(&files);
}
