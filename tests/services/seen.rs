//! What `enable --now` and `list` say of a unit is what its sockets are: with a listener that an option
//! made TCP, processes that lose the library on the way, and units without any socket.
//!
//! Not here: units that are reached without more ado (enabled.rs).

use crate::support::cc::{self, Build};
use crate::support::systemd::{Machine, machine};
use crate::support::wait;

const LISTEN: &str = "/usr/local/bin/listen";

/// The file of a unit.
fn unit(name: &str) -> String {
    format!("/etc/systemd/system/{name}")
}

/// The lines about a unit in a text of `list`.
fn hints<'a>(text: &'a str, unit: &str) -> Vec<&'a str> {
    let start = format!("! {unit}: ");
    text.lines().filter_map(|line| line.strip_prefix(&start)).collect()
}

/// Is MPTCP among the listeners at this port, as ss has it?
fn ss_says_mptcp(machine: &Machine, port: u16) -> bool {
    !machine.sh(&format!("ss -HMtln 'sport = :{port}' | grep ^mptcp || :")).ok().stdout.is_empty()
}

#[test]
fn a_listener_that_an_option_made_tcp_is_named_with_that_option() {
    let machine = machine();
    let config = "
        global
            daemon
        defaults
            mode http
            timeout client 5s
            timeout server 5s
            timeout connect 5s
        frontend of_three
            bind 127.0.0.1:8750
            bind [::1]:8751
            bind 127.0.0.1:8752 tcp-ut 5s
            http-request return status 200
    ";
    machine.write("/etc/haproxy/mptcpize.cfg", &format!("{}\n", config.trim()));
    machine.write(
        &unit("proxy.service"),
        "[Service]\nType=notify\nExecStart=/usr/sbin/haproxy -Ws -f /etc/haproxy/mptcpize.cfg\n",
    );
    machine.sh("systemctl daemon-reload; systemctl start proxy").ok();
    let before = machine.state();
    let said = machine.tool("enable --now proxy").ok().stdout;
    assert!(said.contains("\n    in effect: partly (2 MPTCP, 1 TCP)\n"), "{said}");
    let row = machine.listed("", "proxy.service").unwrap_or_default();
    assert_eq!(row, "preload active partly 2 MPTCP, 1 TCP");
    let list = machine.tool("list").ok().stdout;
    let hints = hints(&list, "proxy.service");
    assert_eq!(hints.len(), 1, "{list}");
    assert!(hints[0].starts_with("1 of 3 listeners TCP, 127.0.0.1:8752 of haproxy ("), "{list}");
    assert!(hints[0].ends_with(": it has TCP_USER_TIMEOUT, which MPTCP refuses"), "{list}");
    for (port, mptcp) in [(8750, true), (8751, true), (8752, false)] {
        assert_eq!(ss_says_mptcp(&machine, port), mptcp, "{port}");
    }
    let status = machine.tool("status").stdout;
    assert!(status.contains("proxy.service: partly (2 MPTCP, 1 TCP)"), "{status}");
    let check = machine.tool("check --json").stdout;
    assert!(check.contains("\"services.tcp\""), "{check}");
    let json = machine.tool("list --json").ok().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let of_unit = &json["units"][0];
    assert_eq!((&of_unit["verdict"], &of_unit["in_effect"]), (&"partly".into(), &false.into()));
    assert_eq!(of_unit["stayed_tcp"][0]["addresses"][0], "127.0.0.1:8752");
    machine.tool("disable --now proxy").ok();
    machine.assert_is(&before);
    machine.remove(&["proxy.service"]);
    machine.sh("rm /etc/haproxy/mptcpize.cfg").ok();
}

/// Services whose listener is another process than the one that gets the unit's environment, or that
/// gets it and may not use it, with what is said of it: what squid, postfix and postgresql do.
const LOSING: [(&str, &str, &str); 3] = [
    ("cleaned", "/usr/bin/env -i /usr/local/bin/listen", "the environment was cleaned on the way"),
    (
        "other-user",
        "/usr/bin/setpriv --ruid 65534 /usr/local/bin/listen",
        "its loader ignores the environment",
    ),
    ("static-child", "/bin/sh -c '/usr/local/bin/listen-static $0; :'", "it is statically linked"),
];

#[test]
fn a_unit_whose_sockets_lose_the_library_is_put_under_a_filter_when_that_is_seen() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Plain), LISTEN);
    machine.install(&cc::c("listen", Build::Static), "/usr/local/bin/listen-static");
    let names: Vec<String> = LOSING.iter().map(|(name, ..)| format!("{name}.service")).collect();
    for ((_, command, _), (name, port)) in LOSING.iter().zip(names.iter().zip(8760..)) {
        machine.write(&unit(name), &format!("[Service]\nExecStart={command} {port}\n"));
    }
    let all = names.join(" ");
    machine.sh("systemctl daemon-reload").ok();
    let before = machine.state();
    for state in ["running", "stopped"] {
        if state == "running" {
            machine.sh(&format!("systemctl start {all}")).ok();
            for port in 8760..8763 {
                assert_eq!(machine.speaks(port), "TCP");
            }
        }
        let said = machine.tool(&format!("enable --now {all}")).ok().stdout;
        assert_eq!(said.matches("    seen while it ran: ").count(), LOSING.len(), "{said}");
        for ((_, _, why), (name, port)) in LOSING.iter().zip(names.iter().zip(8760..)) {
            assert_eq!(machine.speaks(port), "MPTCP", "{name}, {state}: {said}");
            assert!(said.contains(why), "{said}");
            let row = machine.listed("", name).unwrap_or_default();
            assert_eq!(row, "run active yes 1 MPTCP, 0 TCP", "{name}, {state}");
            assert!(ss_says_mptcp(&machine, port));
        }
        // Twice is once, running or not.
        let running = machine.property(&names[0], "MainPID");
        let again = machine.tool(&format!("enable --now {all}")).ok().stdout;
        assert_eq!(again.matches("(already there)").count(), LOSING.len(), "{again}");
        assert_eq!(machine.property(&names[0], "MainPID"), running, "restarted in vain");
        machine.sh(&format!("systemctl stop {all}")).ok();
        let again = machine.tool(&format!("enable {all}")).ok().stdout;
        assert_eq!(again.matches("(already there)").count(), LOSING.len(), "{again}");
        machine.tool(&format!("disable --now {all}")).ok();
    }
    machine.assert_is(&before);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    machine.remove(&names);
    machine.sh("rm /usr/local/bin/listen*").ok();
}

#[test]
fn a_filter_is_not_offered_where_the_unit_limits_its_calls() {
    // As Debian 13's postfix has it.
    let machine = machine();
    machine.install(&cc::c("listen", Build::Plain), LISTEN);
    machine.write(
        &unit("shut.service"),
        "[Service]\nSystemCallFilter=@system-service\nExecStart=/usr/bin/env -i \
         /usr/local/bin/listen 8768\n",
    );
    machine.sh("systemctl daemon-reload; systemctl start shut").ok();
    assert_eq!(machine.speaks(8768), "TCP");
    let said = machine.tool("enable --now shut").ok().stdout;
    let why =
        "LD_PRELOAD with the rest (and its SystemCallFilter= leaves no room for --via seccomp)";
    assert!(said.contains(why), "{said}");
    let list = machine.tool("list").ok().stdout;
    let hints = hints(&list, "shut.service");
    assert!(hints.len() == 1 && hints[0].ends_with(why), "{list}");
    machine.tool("disable --now shut").ok();
    machine.remove(&["shut.service"]);
    machine.sh("rm /usr/local/bin/listen").ok();
}

#[test]
fn what_stayed_tcp_is_offered_the_filter_and_not_a_restart() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Plain), LISTEN);
    machine.write(
        &unit("cleaned.service"),
        "[Service]\nExecStart=/usr/bin/env -i /usr/local/bin/listen 8770\n",
    );
    machine.sh("systemctl daemon-reload").ok();
    let before = machine.state();
    machine.tool("enable --now --via preload cleaned").ok();
    assert_eq!(machine.speaks(8770), "TCP");
    let list = machine.tool("list").ok().stdout;
    let hints = hints(&list, "cleaned.service");
    assert_eq!(hints.len(), 1, "{list}");
    assert!(hints[0].starts_with("1 of 1 listeners TCP, 0.0.0.0:8770 of listen ("), "{list}");
    let line = "sudo mptcpize enable --now --via seccomp cleaned.service";
    assert!(hints[0].ends_with(line), "{list}");
    // The line does what it says.
    machine.tool(line.strip_prefix("sudo mptcpize ").expect("it begins so")).ok();
    assert_eq!(machine.speaks(8770), "MPTCP");
    let row = machine.listed("", "cleaned.service").unwrap_or_default();
    assert_eq!(row, "run active yes 1 MPTCP, 0 TCP");
    machine.tool("disable --now cleaned").ok();
    machine.assert_is(&before);
    machine.remove(&["cleaned.service"]);
    machine.sh("rm /usr/local/bin/listen").ok();
}

#[test]
fn the_units_own_user_decides_about_a_program_with_file_capabilities() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Plain), LISTEN);
    machine.sh("setcap cap_net_bind_service+ep /usr/local/bin/listen").ok();
    for (name, lines) in [
        ("as-root", ""),
        ("as-other", "User=nobody"),
        ("promised", "User=nobody\nNoNewPrivileges=yes"),
    ] {
        let text = format!("[Service]\nExecStart={LISTEN} 8780\n{lines}\n");
        machine.write(&unit(&format!("{name}.service")), &text);
    }
    machine.sh("systemctl daemon-reload").ok();
    let before = machine.state();
    for (name, way) in [("as-root", "preload"), ("promised", "run")] {
        machine.tool(&format!("enable --now {name}")).ok();
        assert_eq!(machine.speaks(8780), "MPTCP", "{name}");
        let row = machine.listed("", &format!("{name}.service")).unwrap_or_default();
        assert_eq!(row, format!("{way} active yes 1 MPTCP, 0 TCP"), "{name}");
        machine.sh(&format!("systemctl stop {name}")).ok();
        machine.tool(&format!("disable {name}")).ok();
    }
    // A filter would take from it what its file gives, so it is not put under one unasked.
    let refused = machine.tool("enable --now as-other");
    assert_eq!(refused.code(), 5, "{refused}");
    assert!(refused.stderr.contains("AmbientCapabilities="), "{refused}");
    machine.assert_is(&before);
    machine.tool("enable --now --via seccomp as-other").ok();
    assert_eq!(machine.speaks(8780), "MPTCP");
    machine.tool("disable --now as-other").ok();
    machine.assert_is(&before);
    machine.remove(&["as-root.service", "as-other.service", "promised.service"]);
    machine.sh("rm /usr/local/bin/listen").ok();
}

#[test]
fn a_unit_that_stands_for_its_instances_is_refused_and_they_are_named() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Plain), LISTEN);
    machine.write(
        &unit("front.service"),
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    );
    machine.write(
        &unit("front@.service"),
        &format!("[Unit]\nPartOf=front.service\n[Service]\nExecStart={LISTEN} %i\n"),
    );
    machine.sh("systemctl daemon-reload; systemctl start front front@8790").ok();
    let before = machine.state();
    let refused = machine.tool("enable --now front");
    assert_eq!(refused.code(), 2, "{refused}");
    let line = "sudo mptcpize enable --now front@8790.service";
    assert!(refused.stderr.ends_with(&format!("  fix: {line}\n")), "{refused}");
    machine.assert_is(&before);
    machine.tool(line.strip_prefix("sudo mptcpize ").expect("it begins so")).ok();
    assert_eq!(machine.speaks(8790), "MPTCP");
    machine.tool("disable --now front@8790").ok();
    // A template has no processes, and its instances are told one by one.
    machine.tool("enable front@").ok();
    machine.sh("systemctl restart front@8790").ok();
    assert_eq!(machine.speaks(8790), "MPTCP");
    assert_eq!(machine.listed("", "front@.service").as_deref(), Some("preload - -"));
    let row = machine.listed("", "front@8790.service");
    assert_eq!(row.as_deref(), Some("preload active yes 1 MPTCP, 0 TCP"));
    machine.tool("disable front@").ok();
    machine.assert_is(&before);
    machine.sh("systemctl stop front front@8790").ok();
    machine.remove(&["front.service", "front@.service"]);
    machine.sh("rm /usr/local/bin/listen").ok();
}

/// Waits until a service with a network of its own listens there.
fn listens_apart(machine: &Machine, name: &str) {
    let pid = machine.main_process(&format!("{name}.service"));
    wait::until(&format!("{name} to listen"), || {
        machine.sh(&format!("nsenter --net -t {pid} ss -Hltn | grep -q .")).code() == 0
    });
}

#[test]
fn a_unit_is_looked_at_where_its_sockets_are_and_told_when_it_has_none() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Plain), LISTEN);
    machine.write(
        &unit("apart.service"),
        &format!("[Service]\nExecStart={LISTEN} 8795\nPrivateNetwork=yes\n"),
    );
    machine.write(
        &unit("off.service"),
        &format!(
            "[Service]\nPrivateNetwork=yes\nExecStartPre=sysctl -q net.mptcp.enabled=0\n\
             ExecStart={LISTEN} 8796\n"
        ),
    );
    machine.write(&unit("silent.service"), "[Service]\nExecStart=/bin/sleep infinity\n");
    machine.sh("systemctl daemon-reload").ok();
    let before = machine.state();
    machine.tool("enable --now apart off silent").ok();
    for name in ["apart", "off"] {
        listens_apart(&machine, name);
    }
    for (name, seen) in [
        ("apart", "yes 1 MPTCP, 0 TCP"),
        ("off", "no 0 MPTCP, 1 TCP"),
        ("silent", "ready none yet"),
    ] {
        let row = machine.listed("", &format!("{name}.service")).unwrap_or_default();
        assert_eq!(row, format!("preload active {seen}"), "{name}");
    }
    let list = machine.tool("list").ok().stdout;
    let hints = hints(&list, "off.service");
    assert!(hints.len() == 1 && hints[0].contains("net.mptcp.enabled is 0"), "{list}");
    machine.tool("disable --now apart off silent").ok();
    machine.assert_is(&before);
    machine.remove(&["apart.service", "off.service", "silent.service"]);
    machine.sh("rm /usr/local/bin/listen").ok();
}
