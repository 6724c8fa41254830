//! The scripts as a new user runs them: what they install starts nothing, and what they lack they say in a line.
//!
//! In a copy of this machine, with an apt-get that has one package and a cargo that builds nothing.
//! Not here: what the scripts do once nothing is missing, which is this suite and the demo.

use std::path::Path;

use crate::support::overlay::copy;
use crate::support::{Cmd, Outcome};

/// A package with a unit, an init script, and the maintainer scripts of debhelper; and an apt-get that
/// installs it, whatever is asked for. `scripts` is the directory; `log` is what apt-get was asked.
const MACHINE: &str = r#"
    export PATH=/tmp/tools:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CARGO_TARGET_DIR=/tmp/target
    mkdir -p /tmp/tools /tmp/deb/DEBIAN /tmp/deb/lib/systemd/system /tmp/deb/etc/init.d /tmp/deb/usr/bin
    # Here no policy keeps anything from starting, and systemd seems to run.
    rm -f /usr/sbin/policy-rc.d /usr/bin/promtool
    mkdir -p /run/systemd/system
    mv /usr/bin/systemctl /usr/bin/systemctl.real
    cat >/usr/bin/systemctl <<'.'
#!/bin/sh
case "$*" in
*is-enabled*) exec /usr/bin/systemctl.real --root=/ is-enabled "$(basename "$(echo "$*" | grep -o '[a-z]*\.service')")" ;;
*preset*|*disable*|*enable*) exec /usr/bin/systemctl.real --root=/ "$@" ;;
*show*old*) echo /etc/init.d/old ;;
*is-active*) exit 3 ;;
*start*) [ "${SYSTEMD_OFFLINE:-}" = 1 ] || echo "systemctl $*" >>/tmp/started ;;
esac
.
    chmod 755 /usr/bin/systemctl
    printf 'Package: offered\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a service\n' \
        >/tmp/deb/DEBIAN/control
    printf '[Unit]\nDescription=offered\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\nAlias=bidden.service\n' \
        >/tmp/deb/lib/systemd/system/offered.service
    for name in offered old; do
        printf '#!/bin/sh\n### BEGIN INIT INFO\n# Provides: %s\n# Required-Start:\n# Required-Stop:\n# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n### END INIT INFO\necho "%s $*" >>/tmp/started\n' \
            $name $name >/tmp/deb/etc/init.d/$name
    done
    printf '#!/bin/sh\necho lent "$@"\n' >/tmp/deb/usr/bin/promtool
    cat >/tmp/deb/DEBIAN/postinst <<'.'
#!/bin/sh
set -e
deb-systemd-helper unmask offered.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled offered.service; then
    deb-systemd-helper enable offered.service >/dev/null || true
else
    deb-systemd-helper update-state offered.service >/dev/null || true
fi
for name in offered old; do
    update-rc.d $name defaults >/dev/null
    invoke-rc.d --skip-systemd-native $name start || true
done
if [ -d /run/systemd/system ]; then
    deb-systemd-invoke start offered.service >/dev/null || true
fi
.
    chmod 755 /tmp/deb/DEBIAN/postinst /tmp/deb/etc/init.d/* /tmp/deb/usr/bin/promtool
    dpkg-deb --build /tmp/deb /tmp/offered.deb >/dev/null
    tool() { cat >"/tmp/tools/$1"; chmod 755 "/tmp/tools/$1"; }
    tool apt-get <<'.'
#!/bin/sh
set -e
echo "$*" >>/tmp/asked
case "$*" in
*download-only*|*simulate*|*update*) ;;
*install*) dpkg --force-overwrite -i /tmp/offered.deb; [ ! -e /tmp/struck ] || kill -KILL "$PPID" ;;
esac
.
    tool cargo <<'.'
#!/bin/sh
echo "test result: ok. 1 passed; 0 failed; 0 ignored"
.
    echo 'echo "rustc 1.99.0 (x)"' | { echo '#!/bin/sh'; cat; } | tool rustc
    printf '#!/bin/sh\n' | tee /tmp/tools/rustfmt >/tmp/tools/cargo-clippy
    rm -f /sbin/runlevel
    printf '#!/bin/sh\necho N 2\n' >/sbin/runlevel
    chmod 755 /tmp/tools/* /sbin/runlevel
    enabled() { find /etc/systemd /etc/rc*.d \( -name '*offered*' -o -name '*old*' -o -name 'bidden*' \) | sort; }
"#;

fn machine(script: &str) -> Cmd {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    copy(&format!("export scripts={}\n{MACHINE}\n{script}", scripts.display()))
}

/// What is enabled, where init scripts that are switched off have a link that ends them.
const OFF: &str = "/etc/rc0.d/K01offered\n";

#[track_caller]
fn assert_nothing_starts(done: &Outcome) {
    let text = &done.stdout;
    let (_, left) = text.split_once("enabled:\n").unwrap_or_else(|| panic!("{done}"));
    let starts = |line: &&str| {
        line.starts_with("started: ")
            || line.starts_with("/etc/") && (line.contains("/S") || line.contains("/systemd/"))
    };
    let starts: Vec<&str> = left.lines().filter(starts).collect();
    assert!(starts.is_empty(), "{starts:#?}\n{done}");
    assert!(left.contains(OFF), "it was installed: {done}");
}

/// Lists what starts.
const LOOK: &str = "echo enabled:; enabled; sed 's/^/started: /' /tmp/started 2>/dev/null || :";

#[test]
fn what_check_installs_is_neither_enabled_nor_started_and_an_upgrade_leaves_it_so() {
    // Where systemd runs, and where init scripts start what starts.
    for (what, left) in [("true", "\n/run/systemd/system\n"), ("rm -r /run/systemd", "\nrun:\n")] {
        let done = machine(&format!(
            "{what}; touch /sbin/init
             $scripts/check layers
             {LOOK}
             echo run:; find /run/systemd -mindepth 1 2>/dev/null || :
             dpkg --status offered | grep ^Status
             SYSTEMD_OFFLINE=1 dpkg --force-overwrite -i /tmp/offered.deb
             {LOOK}"
        ))
        .run()
        .ok();
        assert_nothing_starts(&done);
        let halves = done.stdout.split_once("Status: install ok installed\n");
        let (installed, upgraded) = halves.expect("it is installed");
        assert!(installed.contains("1 passed, 0 failed") && installed.ends_with(left), "{done}");
        assert!(!upgraded.contains("/systemd/"), "{done}");
        let said = "none of their services is enabled or was started. What removes them:\n  \
                    apt-get purge offered\n";
        assert!(done.stderr.contains(said), "{done}");
    }
}

#[test]
fn what_a_killed_installation_enabled_is_turned_off_by_the_next_check() {
    let done = machine(&format!(
        "touch /tmp/struck
         $scripts/check layers && exit 9
         rm /tmp/struck
         [[ $(enabled) == *rc3.d/S*old* ]]
         $scripts/check layers
         {LOOK}"
    ))
    .run()
    .ok();
    assert_nothing_starts(&done);
}

#[test]
fn without_leave_nothing_is_installed() {
    for answer in ["n", "no"] {
        let done = machine(&format!(
            "echo {answer} | script -qec '$scripts/check layers' /dev/null >/tmp/said && exit 9
             cat /tmp/said; [[ ! -e /tmp/asked ]]"
        ))
        .run()
        .ok();
        assert!(done.stdout.contains("[Y/n]"), "{done}");
    }
}

#[test]
fn what_the_demo_borrows_runs_for_an_ordinary_user_and_is_not_installed() {
    let done = machine(
        "tool apt-get <<'.'
#!/bin/sh
case \"$*\" in
*simulate*) echo 'Inst offered (1 here)' ;;
*' download offered') cp /tmp/offered.deb . ;;
*) exit 9 ;;
esac
.
         install -d -o nobody /tmp/there
         before=$(find /etc /var/lib/dpkg /usr/bin | sort)
         nobody $scripts/borrow /tmp/there promtool:prometheus
         rm /tmp/tools/apt-get
         nobody $scripts/borrow /tmp/there promtool:prometheus
         nobody /tmp/there/bin/promtool a 'b c'
         ls /tmp/there
         diff <(echo \"$before\") <(find /etc /var/lib/dpkg /usr/bin | sort)",
    )
    .run()
    .ok();
    assert_eq!(done.stdout, "lent a b c\nbin\nroot\n", "{done}");
}

#[test]
fn what_is_missing_is_named_at_once_each_with_what_brings_it() {
    // A name, what is missing, the script, its exit status, and what it says.
    let rows: &[(&str, &str, &str, i32, &[&str])] = &[
        (
            "no Rust and no packages",
            "rm /tmp/tools/cargo /tmp/tools/rustfmt",
            "check --no-install layers",
            5,
            &[
                "Rust 1.91 or newer, there is none: install it from https://rustup.rs",
                "rustfmt: rustup component add",
                "packages of Debian: apt-get install --no-install-recommends prometheus",
            ],
        ),
        (
            "an old Rust",
            "printf '#!/bin/sh\\necho rustc 1.70.0 x\\n' >/tmp/tools/rustc",
            "check layers",
            5,
            &["Rust 1.91 or newer, here is 1.70.0: "],
        ),
        (
            "an ordinary user",
            "chmod 777 /tmp/tools",
            "nobody check layers",
            5,
            &["only root installs: sudo apt-get install --no-install-recommends prometheus"],
        ),
        (
            "an ordinary user with all packages",
            "touch /usr/bin/promtool; chmod 755 /usr/bin/promtool /tmp/tools",
            "nobody check layers",
            4,
            &["the tests make network and mount namespaces", "only root may", "sudo scripts/check"],
        ),
        (
            "no network",
            "printf '#!/bin/sh\\necho no resolver >&2; exit 100\\n' >/tmp/tools/apt-get",
            "check layers",
            5,
            &["no resolver", "cannot install prometheus", "apt-get says it above"],
        ),
        (
            "another manager of packages",
            "rm /tmp/tools/apt-get /usr/bin/apt-get; printf '#!/bin/sh' >/tmp/tools/dnf; chmod 755 /tmp/tools/dnf",
            "check layers",
            5,
            &["packages of Debian: dnf install prometheus"],
        ),
        (
            "no manager of packages",
            "rm /tmp/tools/apt-get /usr/bin/apt-get",
            "check layers",
            5,
            &["PACKAGE-MANAGER install prometheus    # this system has none that is known here"],
        ),
        (
            "nowhere to build",
            "export CARGO_TARGET_DIR=/proc/nowhere",
            "check layers",
            5,
            &["/proc/nowhere cannot be written: CARGO_TARGET_DIR=/var/tmp/mptcpize"],
        ),
        ("no home", "unset HOME CARGO_HOME", "check layers", 5, &["HOME names no directory"]),
        (
            "a processor without a build",
            "printf '#!/bin/sh\\necho riscv64\\n' >/tmp/tools/uname; chmod 755 /tmp/tools/uname",
            "check layers",
            5,
            &["this is riscv64"],
        ),
        (
            "a kernel without MPTCP",
            "mount -t tmpfs none /proc/sys/net/mptcp",
            "check layers",
            5,
            &["a kernel with MPTCP: boot one"],
        ),
        ("no such room", "", "check nowhere", 2, &["\"nowhere\" is no room of tests"]),
        ("no number", "", "check --repeat 0 layers", 2, &["\"0\" is no number of times"]),
        ("no value", "", "check --repeat", 2, &["--repeat wants a value"]),
        ("nothing to repeat", "", "check --repeat 2", 2, &["--repeat wants the name of a room"]),
        (
            "a demo without Rust and a linker, on another processor",
            "rm /tmp/tools/cargo /usr/bin/cc; export HOME=/nowhere; printf '#!/bin/sh\\necho riscv64\\n' >/tmp/tools/uname; chmod 755 /tmp/tools/*",
            "demo",
            5,
            &[
                "Rust 1.88 or newer, there is none",
                "a C linker: apt-get install --no-install-recommends gcc libc6-dev",
                "this is riscv64",
                "or show a mptcpize that is built: scripts/demo --binary FILE",
            ],
        ),
        (
            "a demo without nginx and a network",
            "rm /usr/sbin/nginx; printf '#!/bin/sh\\necho no resolver >&2; exit 100\\n' >/tmp/tools/apt-get",
            "demo",
            5,
            &[
                "not installed and borrowed for this: nginx",
                "no resolver",
                "cannot fetch nginx-light",
                "fix: apt-get install --no-install-recommends nginx-light",
            ],
        ),
        (
            "a demo where the manager of packages is another",
            "rm /usr/sbin/nginx /usr/sbin/tc /tmp/tools/apt-get /usr/bin/apt-get; touch /tmp/tools/dnf; chmod 755 /tmp/tools/dnf",
            "demo",
            5,
            &["missing: iproute2 nginx-light", "fix: dnf install iproute iproute-tc nginx\n"],
        ),
        (
            "a demo with nowhere to build",
            "export CARGO_TARGET_DIR=/proc/nowhere",
            "demo",
            5,
            &["cannot write /proc/nowhere", "CARGO_TARGET_DIR=~/mptcpize-target scripts/demo"],
        ),
        ("a demo of what is no program", "", "demo --binary /nowhere", 5, &["no program /nowhere"]),
        (
            "a demo of too little",
            "",
            "demo --size 9",
            2,
            &["--size wants 10 to 500 (MB), not \"9\""],
        ),
        ("a demo of one link", "", "demo --links 5", 2, &["--links wants 2 to 8 rates"]),
        (
            "a loan of nothing",
            "",
            "borrow /tmp/here",
            2,
            &["a directory and COMMAND:PACKAGE are wanted"],
        ),
        ("no such option", "", "borrow --there", 2, &["unknown option --there"]),
    ];
    for (name, missing, script, code, says) in rows {
        let (by, script) = match script.strip_prefix("nobody ") {
            Some(script) => ("nobody ", script),
            None => ("", *script),
        };
        let done = machine(&format!("{missing}\n{by}$scripts/{script}; exit $?")).run();
        assert_eq!(done.code(), *code, "{name}: {done}");
        for part in *says {
            assert!(done.stderr.contains(part), "{name}: {part:?}: {done}");
        }
        assert_eq!(done.stderr.matches("error: ").count(), 1, "{name}: {done}");
    }
}
