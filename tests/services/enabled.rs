//! Services enabled and disabled on a machine with a real systemd: each then serves a client that
//! asks for MPTCP as the kernel tells, and afterwards nothing of ours is left.
//!
//! Not here: programs that no preload reaches (programs.rs), images and crashes
//! (files.rs), what cannot be enabled (refused.rs).

use crate::support::cc::{self, Build};
use crate::support::systemd::machine;

/// A web server that is there on every machine of these tests.
fn python(port: u16) -> String {
    format!("/usr/bin/python3 -m http.server --bind 0.0.0.0 --directory /etc/alternatives {port}")
}

#[test]
fn nginx_redis_and_sshd_serve_mptcp_and_nothing_is_left_of_it() {
    let machine = machine();
    // The alias is made where the unit is enabled at boot, which it is not here.
    machine.sh("ln -sf /lib/systemd/system/ssh.service /etc/systemd/system/sshd.service").ok();
    machine.sh("systemctl daemon-reload; systemctl start nginx redis-server ssh").ok();
    let before = machine.state();
    let ports = [("nginx.service", 80), ("redis-server.service", 6379), ("ssh.service", 22)];
    for (unit, port) in ports {
        assert_eq!(machine.speaks(port), "TCP", "{unit} before");
    }
    // sshd is an alias, redis a pattern.
    let outcome = machine.tool("enable --now nginx redis-serv* sshd").ok();
    assert!(outcome.stdout.contains("+ ssh.service "), "{outcome}");
    for (unit, port) in ports {
        assert_eq!(machine.speaks(port), "MPTCP", "{unit}");
        let row = machine.listed("", unit).unwrap_or_default();
        assert!(row.starts_with("preload active yes ") && row.ends_with("MPTCP, 0 TCP"), "{row}");
    }
    // Twice is once, also for those who are served.
    let running = machine.property("nginx.service", "MainPID");
    let on = machine.state();
    let again = machine.tool("enable --now nginx redis-server ssh").ok().stdout;
    assert_eq!(again.matches("(already there)").count(), 3, "{again}");
    assert_eq!(machine.property("nginx.service", "MainPID"), running, "restarted in vain");
    machine.assert_is(&on);
    // A new version of the package: another unit file, and a restart.
    machine
        .sh("echo '# new' >>/lib/systemd/system/nginx.service; systemctl daemon-reload; systemctl restart nginx")
        .ok();
    assert_eq!(machine.speaks(80), "MPTCP", "after an upgrade");

    let outcome = machine.tool("disable --now nginx redis-server ssh").ok();
    assert_eq!(outcome.stdout.matches(" removed ").count(), 3, "{outcome}");
    for (unit, port) in ports {
        assert_eq!(machine.speaks(port), "TCP", "{unit} after");
    }
    machine.assert_is(&before);
    machine.tool("disable nginx redis-server ssh").ok();
    machine.assert_is(&before);
    assert_eq!(machine.listed("", "nginx.service"), None);
    machine.sh("systemctl stop nginx redis-server ssh").ok();
}

/// Sandboxes, each with the lines of [Service] that make it.
const SANDBOXES: [(&str, &str); 14] = [
    ("strict", "ProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes"),
    ("dynamic", "DynamicUser=yes"),
    ("no-exec-memory", "MemoryDenyWriteExecute=yes"),
    ("own-users", "PrivateUsers=yes"),
    ("filter", "SystemCallFilter=@system-service\nSystemCallArchitectures=native"),
    ("families", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX"),
    ("no-exec-paths", "NoExecPaths=/\nExecPaths=/usr /lib /lib64 /bin\nNoExecPaths=/usr/local"),
    ("temporary", "TemporaryFileSystem=/usr/local:ro"),
    ("no-capabilities", "CapabilityBoundingSet=\nUser=nobody\nNoNewPrivileges=yes"),
    ("one-process", "LimitNPROC=1\nUser=daemon"),
    (
        "own-root",
        "RootDirectory=/srv/image\nBindReadOnlyPaths=/usr /etc /lib /lib64\nMountAPIVFS=yes",
    ),
    ("hidden-proc", "ProtectProc=invisible\nProcSubset=pid\nPrivateDevices=yes"),
    (
        "kernel",
        "ProtectKernelTunables=yes\nProtectKernelModules=yes\nProtectControlGroups=yes\nRestrictNamespaces=yes\nLockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes",
    ),
    (
        "everything",
        "DynamicUser=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nPrivateDevices=yes\n\
         PrivateUsers=yes\nMemoryDenyWriteExecute=yes\nNoNewPrivileges=yes\nCapabilityBoundingSet=\n\
         SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM\nRestrictNamespaces=yes\n\
         RestrictAddressFamilies=AF_INET AF_INET6\nProtectKernelTunables=yes\nUMask=0077",
    ),
];

#[test]
fn a_sandbox_does_not_keep_the_library_out() {
    let machine = machine();
    machine.sh("mkdir -p /srv/image/usr /srv/image/etc /srv/image/lib /srv/image/lib64").ok();
    let name = |which: &str| format!("box-{which}.service");
    let units: Vec<(String, String)> = SANDBOXES
        .iter()
        .zip(8100..)
        .map(|((which, lines), port)| {
            (name(which), format!("[Service]\nExecStart={}\n{lines}\n", python(port)))
        })
        .collect();
    let units: Vec<(&str, String)> =
        units.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    machine.start(&units);
    for ((which, _), port) in SANDBOXES.iter().zip(8100..) {
        assert_eq!(machine.speaks(port), "TCP", "{which} before");
    }
    // Started is a service before its root is laid out, where directories to mount upon are made.
    let before = machine.state();
    machine.tool("enable --now box-*.service").ok();
    for ((which, _), port) in SANDBOXES.iter().zip(8100..) {
        assert_eq!(machine.speaks(port), "MPTCP", "{which}");
        let row = machine.listed("", &name(which)).unwrap_or_default();
        assert!(row.starts_with("preload active yes"), "{which}: {row}");
    }
    machine.tool("disable --all --now").ok();
    for ((which, _), port) in SANDBOXES.iter().zip(8100..) {
        assert_eq!(machine.speaks(port), "TCP", "{which} after");
    }
    machine.assert_is(&before);
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    machine.remove(&names);
    machine.sh("rm -rf /srv/image").ok();
}

#[test]
fn what_a_unit_sets_itself_is_kept() {
    let machine = machine();
    let other = cc::c("other", Build::Library);
    for path in ["/usr/local/lib/other.so", "/usr/local/lib/it's 50% \"odd\".so"] {
        machine.install(&other, path);
    }
    const OTHER: &str = "/usr/local/lib/other.so";
    const OURS: &str = "/usr/lib/mptcpize/units/libmptcpize.so";
    // The lines of the unit, those of a drop-in behind ours, LD_PRELOAD, GODEBUG, a third one.
    let both = format!("{OURS}:{OTHER}");
    let table: [(&str, String, &str, &str, &str, &str); 9] = [
        (
            "plain",
            format!("Environment=LD_PRELOAD={OTHER} A=1\nEnvironment=GODEBUG=gctrace=0"),
            "",
            &both,
            "gctrace=0,multipathtcp=1",
            "1",
        ),
        (
            "list",
            format!("Environment='LD_PRELOAD={OTHER} {OTHER}' \"A=b c\""),
            "",
            "OURS:OTHER:OTHER",
            "multipathtcp=1",
            "b c",
        ),
        (
            "specifier",
            "Environment=\"LD_PRELOAD=/usr/local/lib/%%%p.so\" A=%n".into(),
            "",
            "OURS:/usr/local/lib/%env-specifier.so",
            "multipathtcp=1",
            "env-specifier.service",
        ),
        (
            "reset",
            "Environment=LD_PRELOAD=/nowhere.so A=0\nEnvironment=\nEnvironment=A=%%2".into(),
            "",
            "OURS",
            "multipathtcp=1",
            "%2",
        ),
        (
            "in-a-file",
            "EnvironmentFile=/etc/default/odd\nEnvironment=LD_PRELOAD=/nowhere.so".into(),
            "",
            &both,
            "x=1,multipathtcp=1",
            "f",
        ),
        (
            "later",
            format!("Environment=LD_PRELOAD={OTHER}"),
            "Environment=LD_PRELOAD=/usr/local/lib/other.so A=9",
            &both,
            "multipathtcp=1",
            "9",
        ),
        (
            "later-reset",
            "Environment=A=1".into(),
            "Environment=\nEnvironment=A=7",
            "OURS",
            "multipathtcp=1",
            "7",
        ),
        (
            "unset",
            "UnsetEnvironment=LD_PRELOAD\nEnvironment=A=1".into(),
            "",
            "OURS",
            "multipathtcp=1",
            "1",
        ),
        (
            "ours-already",
            format!(
                "Environment=LD_PRELOAD=/x/libmptcpize.so:{OTHER}\nEnvironment=GODEBUG=multipathtcp=2 A=1"
            ),
            "",
            &both,
            "multipathtcp=2",
            "1",
        ),
    ];
    machine.write(
        "/etc/default/odd",
        &format!("# variables\nLD_PRELOAD=\"{OTHER}\"\n GODEBUG=x=1\nA=f\n"),
    );
    let name = |which: &str| format!("env-{which}.service");
    for ((which, lines, later, ..), port) in table.iter().zip(8200..) {
        let text = format!("[Service]\nExecStart={} # %n\n{lines}\n", python(port));
        machine.write(&format!("/etc/systemd/system/{}", name(which)), &text.replace(" # %n", ""));
        if !later.is_empty() {
            let override_conf = format!("/etc/systemd/system/{}.d/override.conf", name(which));
            machine.write(&override_conf, &format!("[Service]\n{later}\n"));
        }
    }
    machine.sh("systemctl daemon-reload").ok();
    let before = machine.state();
    let names: Vec<String> = table.iter().map(|(which, ..)| name(which)).collect();
    machine.tool(&format!("enable {}", names.join(" "))).ok();
    machine.sh(&format!("systemctl start {}", names.join(" "))).ok();
    for ((which, _, _, preload, godebug, a), port) in table.iter().zip(8200..) {
        let unit = name(which);
        assert_eq!(machine.speaks(port), "MPTCP", "{which}");
        let preload = preload.replace("OTHER", OTHER).replace("OURS", OURS);
        let variable = |name| machine.variable(&unit, name).unwrap_or_default();
        assert_eq!(variable("LD_PRELOAD"), preload, "{which}");
        assert_eq!(variable("GODEBUG"), *godebug, "{which}");
        assert_eq!(variable("A"), *a, "{which}");
    }
    machine.tool("disable --all").ok();
    machine.assert_is(&before);
    let units: Vec<&str> = names.iter().map(String::as_str).collect();
    machine.remove(&units);
    machine.sh("rm -rf /etc/systemd/system/env-*.d /usr/local/lib/*.so /etc/default/odd").ok();
}

#[test]
fn templates_instances_and_paths_name_what_they_name_for_systemctl() {
    let machine = machine();
    let template =
        "[Service]\nExecStart=/usr/bin/python3 -m http.server --directory /etc/alternatives %i\n";
    machine.write("/etc/systemd/system/web@.service", template);
    machine.sh("systemctl daemon-reload; systemctl start web@8401 web@8402").ok();
    let before = machine.state();
    let on = |ports: [(u16, &str); 2]| {
        for (port, protocol) in ports {
            assert_eq!(machine.speaks(port), protocol, "{port}");
        }
    };
    // One instance alone; restarted when that is asked, if late.
    let outcome = machine.tool("enable web@8401").ok();
    assert!(
        outcome.stdout.ends_with("now: sudo systemctl restart web@8401.service\n"),
        "{outcome}"
    );
    on([(8401, "TCP"), (8402, "TCP")]);
    machine.tool("enable --now web@8401").ok();
    on([(8401, "MPTCP"), (8402, "TCP")]);
    machine.tool("disable --now web@8401.service").ok();
    machine.assert_is(&before);
    // The template: every instance, also those to come; by its file, as the C tool takes it.
    machine.tool("enable /etc/systemd/system/web@.service").ok();
    machine.sh("systemctl restart web@8401 web@8402").ok();
    on([(8401, "MPTCP"), (8402, "MPTCP")]);
    let file = machine.sh("ls /etc/systemd/system/web@.service.d").ok().stdout;
    assert_eq!(file, "50-mptcpize.conf\n");
    machine.tool("disable web@.service").ok();
    machine.sh("systemctl restart web@8401 web@8402").ok();
    on([(8401, "TCP"), (8402, "TCP")]);
    // A pattern: what is loaded.
    machine.tool("enable --now --runtime web@84*").ok();
    on([(8401, "MPTCP"), (8402, "MPTCP")]);
    let files = machine.sh("ls -d /run/systemd/system/web@*.d").ok().stdout;
    assert_eq!(files.lines().count(), 2, "{files}");
    machine.tool("disable --now web@*").ok();
    on([(8401, "TCP"), (8402, "TCP")]);
    machine.assert_is(&before);
    machine.remove(&["web@8401.service", "web@8402.service", "web@.service"]);
}

#[test]
fn a_unit_keeps_the_policy_that_it_was_enabled_with() {
    let machine = machine();
    machine.start(&[("choosy.service", format!("[Service]\nExecStart={}\n", python(8501)))]);
    let before = machine.state();
    for (options, protocol) in
        [("--except-ports 8501", "TCP"), ("--only-ports 8501", "MPTCP"), ("--client-only", "TCP")]
    {
        machine.tool(&format!("enable --now {options} choosy")).ok();
        assert_eq!(machine.speaks(8501), protocol, "{options}");
    }
    let file = "/etc/systemd/system/choosy.service.d/50-mptcpize.conf";
    let text = machine.sh(&format!("cat {file}")).ok().stdout;
    assert!(text.contains("MPTCPIZE_POLICY="), "{text}");
    let outcome = machine.tool("enable --except-ports 1-x choosy");
    assert_eq!(outcome.code(), 2, "{outcome}");
    machine.tool("disable --now choosy").ok();
    machine.assert_is(&before);
    machine.remove(&["choosy.service"]);
}

#[test]
fn services_of_a_user_are_enabled_by_that_user() {
    let machine = machine();
    let id = "2";
    let user = "setpriv --reuid 2 --regid 2 --clear-groups env -i PATH=/usr/bin:/bin HOME=/home/bin XDG_RUNTIME_DIR=/run/user/2";
    machine.sh(&format!("mkdir -p /home/bin /run/user/{id}; chown {id}:{id} /home/bin /run/user/{id}; chmod 700 /run/user/{id}")).ok();
    machine
        .sh("systemd-run --quiet --unit=manager --uid=2 --gid=2 -p Delegate=yes -E HOME=/home/bin \
             -E XDG_RUNTIME_DIR=/run/user/2 /lib/systemd/systemd --user")
        .ok();
    machine.user_is_up(user);
    machine.write(
        "/home/bin/.config/systemd/user/mine.service",
        &format!("[Service]\nExecStart={}\n", python(8500)),
    );
    machine.sh(&format!("chown -R {id}:{id} /home/bin; {user} systemctl --user daemon-reload; {user} systemctl --user start mine")).ok();
    let before = machine.state();
    assert_eq!(machine.speaks(8500), "TCP");
    machine.sh(&format!("{user} /opt/mptcpize enable --user --now mine")).ok();
    assert_eq!(machine.speaks(8500), "MPTCP");
    let row = machine.sh(&format!("{user} /opt/mptcpize list --user")).ok().stdout;
    assert!(row.contains("mine.service  preload  active  yes"), "{row}");
    machine.sh(&format!("{user} /opt/mptcpize disable --user --now mine")).ok();
    assert_eq!(machine.speaks(8500), "TCP");
    machine.assert_is(&before);
    machine.sh("systemctl stop manager; rm -rf /home/bin /run/user/2").ok();
}
