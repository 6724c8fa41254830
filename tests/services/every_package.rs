//! Packages of Debian, each through the tour of a service, and a line of the table for each.
//!
//! In a machine whose root is an image with all of them (`MPTCPIZE_MACHINE`); scripts/services makes it,
//! runs this, and writes the table. Not here: the ten packages that every check looks at
//! (packages.rs).

use std::collections::BTreeSet;

use crate::support::systemd::{Machine, machine};
use crate::support::tour::{Package, Told, tour};
use crate::support::wait;

const HAPROXY: &str = "
    cp -p /etc/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg.ours
    printf 'frontend four\\n bind 0.0.0.0:8080\\n default_backend none\\n' >>/etc/haproxy/haproxy.cfg
    printf 'frontend six\\n bind [::]:8081 v6only\\n default_backend none\\nbackend none\\n' >>/etc/haproxy/haproxy.cfg
";

const GUNICORN: &str = "
    cat >/etc/systemd/system/gunicorn.service <<-'END'
	[Service]
	Type=notify
	DynamicUser=yes
	WorkingDirectory=/srv
	ExecStart=/usr/bin/gunicorn --bind 0.0.0.0:8000 app:app
	ExecReload=/bin/kill -s HUP $MAINPID
	KillMode=mixed
	END
    printf 'def app(e, s):\\n s(\"200 OK\", [])\\n return []\\n' >/srv/app.py
";

const PHP: &str = "
    for file in /etc/php/*/fpm/pool.d/www.conf; do
        cp -p $file /srv/www.conf
        sed -i 's/^listen = .*/listen = 127.0.0.1:9000/' $file
    done
";

/// In the order of the table. `php-fpm` and PostgreSQL's cluster have the version in their name.
fn packages(machine: &Machine) -> Vec<Package> {
    let is = |what: &str| machine.sh(what).ok().stdout.trim().to_owned().leak() as &'static str;
    let cluster = is("echo postgresql@$(ls /etc/postgresql)-main.service");
    let postgres = is("echo postgresql-$(ls /etc/postgresql)");
    let fpm = is("echo php$(ls /etc/php)-fpm");
    let fpm_unit = is("echo php$(ls /etc/php)-fpm.service");
    let one = Package::new;
    let mut all = vec![
        one("nginx", "nginx.service", 80),
        one("apache2", "apache2.service", 80),
        Package {
            before: HAPROXY,
            after: "mv /etc/haproxy/haproxy.cfg.ours /etc/haproxy/haproxy.cfg",
            ..one("haproxy", "haproxy.service", 8080)
        },
        // It waits half a minute for its clients when it stops.
        Package {
            before: "echo 'shutdown_lifetime 0 seconds' >/etc/squid/conf.d/quick.conf",
            after: "rm /etc/squid/conf.d/quick.conf",
            ..one("squid", "squid.service", 3128)
        },
        one("postfix", "postfix.service", 25),
        one("postfix", "postfix@-.service", 25),
        one("dovecot-core", "dovecot.service", 143),
        one(postgres, "postgresql.service", 5432),
        one(postgres, cluster, 5432),
        one("mariadb-server", "mariadb.service", 3306),
        one("redis-server", "redis-server.service", 6379),
        one("memcached", "memcached.service", 11211),
        one("bind9", "named.service", 53),
        one("unbound", "unbound.service", 53),
        one("openssh-server", "ssh.service", 22),
        one("openssh-server", "ssh.socket", 22),
        one("prometheus", "prometheus.service", 9090),
        one("prometheus-node-exporter", "prometheus-node-exporter.service", 9100),
        one("caddy", "caddy.service", 80),
        one("dbus", "dbus.socket", 0),
        one("docker.io", "docker.socket", 0),
        one("podman", "podman.socket", 0),
        one("rpcbind", "rpcbind.socket", 111),
        one("rpcbind", "rpcbind.service", 111),
        // Its installation makes that link while cupsd runs.
        Package {
            before: "ln -sf /run/cups/printcap /etc/printcap",
            after: "rm /etc/printcap",
            ..one("cups-daemon", "cups.service", 631)
        },
        one("dnsmasq", "dnsmasq.service", 53),
        one("vsftpd", "vsftpd.service", 21),
        one("tor", "tor.service", 9050),
        one("tor", "tor@default.service", 9050),
        one("mosquitto", "mosquitto.service", 1883),
        // Erlang's port mapper is a unit of its own.
        Package {
            before: "systemctl start epmd.socket epmd.service",
            after: "systemctl stop epmd.socket epmd.service",
            ..one("rabbitmq-server", "rabbitmq-server.service", 5672)
        },
        Package {
            before: PHP,
            after: "mv /srv/www.conf /etc/php/*/fpm/pool.d/",
            ..one(fpm, fpm_unit, 9000)
        },
        Package {
            before: GUNICORN,
            after: "rm /etc/systemd/system/gunicorn.service /srv/app.py",
            ..one("gunicorn", "gunicorn.service", 8000)
        },
        one("cockpit-ws", "cockpit.socket", 9090),
        // Installed here and now, in the place of postfix.
        Package {
            before: "
                DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends --no-download \
                    exim4-daemon-light </dev/null
                systemctl stop exim4
            ",
            ..one("exim4-daemon-light", "exim4.service", 25)
        },
    ];
    // Units that run /bin/true, and those that do the work then; postfix has none from 3.10 on.
    for (name, works) in [
        ("postfix.service", "postfix@-.service"),
        ("postgresql.service", cluster),
        ("tor.service", "tor@default.service"),
    ] {
        let is_name = machine.property(name, "ExecStart").contains("/bin/true");
        all.retain(|package| is_name || package.unit != works);
        for package in &mut all {
            if is_name && package.unit == name {
                package.works = works;
            }
            // The package stops and starts its instances by that name.
            if is_name && package.unit == works {
                package.by = name;
            }
        }
    }
    all
}

/// The line of the table.
fn line(package: &Package, version: &str, told: &Told) -> String {
    let first = |text: &str| {
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    };
    let mut cells = vec![
        format!("{} {version}", package.name),
        format!("{} {}", package.unit, package.options).trim().to_owned(),
    ];
    if told.enable.code() == 0 {
        let enabled = told.at("enable");
        cells.push(enabled.cell());
        let (mptcp, tcp) = &told.clients;
        cells.push(if package.port == 0 { "–".to_owned() } else { format!("{mptcp}, {tcp}") });
        for step in ["reload", "restart", "reinstall"] {
            let seen = told.seen.iter().find(|seen| seen.step == step);
            cells.push(seen.map_or("–".to_owned(), |seen| match seen.cell() {
                cell if cell == enabled.cell() => "same".to_owned(),
                cell => cell,
            }));
        }
    } else {
        cells.push(format!("refused: {}", first(&told.enable.stderr)));
        cells.extend(["–", "–", "–", "–"].map(str::to_owned));
    }
    let tcp_again = told.seen.iter().filter(|seen| !seen.on && !seen.agrees());
    let tcp_again = tcp_again.map(|seen| format!("{}: {}", seen.step, seen.listeners));
    let left: Vec<String> = told.left.iter().cloned().chain(tcp_again).collect();
    cells.push(if left.is_empty() {
        "nothing".to_owned()
    } else {
        format!("**{}**", left.join("; "))
    });
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

#[test]
fn what_list_says_is_what_the_kernel_has() {
    let machine = machine();
    let some = std::env::var("MPTCPIZE_PACKAGES").unwrap_or_default();
    let wanted = |package: &Package| {
        some.is_empty() || some.split(' ').any(|one| one == package.name || one == package.unit)
    };
    let mut wrong = Vec::new();
    for package in packages(&machine).iter().filter(|package| wanted(package)) {
        let mut packages = vec![*package];
        while let Some(package) = packages.pop() {
            // dpkg takes an emulated processor minutes.
            let told = tour(&machine, &Package { again: wait::slower() == 1, ..package });
            let version = "dpkg-query --show --showformat '${Version}' ";
            let version = machine.sh(&format!("{version} {}", package.name)).stdout;
            // The harness leaves its own line open.
            println!("\n@@ {}", line(&package, version.trim(), &told));
            println!("enable {}: {}", package.unit, told.enable);
            for seen in &told.seen {
                println!("  {seen:?}");
            }
            if let Some(said) = &told.disable {
                println!("disable {}: {said}", package.unit);
            }
            if told.seen.iter().any(|seen| !seen.agrees()) || !told.left.is_empty() {
                wrong.push(format!("{} {}", package.unit, package.options));
            }
            // The way that is offered has a line of its own.
            if package.options.is_empty() && told.offers_the_filter() {
                packages.push(Package { options: "--via seccomp", ..package });
            }
        }
    }
    assert!(wrong.is_empty(), "list says other than the kernel, or something is left: {wrong:#?}");
}

/// Packages that do not fight for a port, so that one boot starts them all.
const TOGETHER: &str = "nginx haproxy squid postfix dovecot postgresql mariadb redis-server memcached named \
    ssh.socket prometheus prometheus-node-exporter docker.socket podman.socket rpcbind.socket cups.socket \
    cups vsftpd tor mosquitto systemd-logind dbus.socket";

/// What has failed, and which sockets and services run, after a boot.
fn booted(machine: &mut Machine) -> (String, BTreeSet<String>) {
    machine.reboot();
    let failed =
        machine.sh("systemctl --failed --plain --no-legend | awk '{ print $1 }'").ok().stdout;
    let active = "systemctl list-units --plain --no-legend --state=active --type=service,socket |
        awk '{ print $1 }'";
    let active = machine.sh(active).ok().stdout;
    (failed, active.lines().map(str::to_owned).collect())
}

#[test]
fn the_machine_boots_as_before_with_everything_that_is_accepted() {
    let mut machine = machine();
    machine
        .sh(&format!(
            "rm -f /etc/systemd/system/systemd-logind.service
            mkdir -p /etc/systemd/system/tests.target.d
            printf '[Unit]\\nWants=multi-user.target\\n' >/etc/systemd/system/tests.target.d/more.conf
            systemctl daemon-reload
            for unit in {TOGETHER}; do systemctl --no-reload enable --quiet $unit || :; done"
        ))
        .ok();
    let before = booted(&mut machine);
    println!("\nfailed without us: {:?}; {} units run", before.0, before.1.len());
    for (on, off) in [
        ("enable *", "disable --all"),
        ("enable *.socket", "disable --all"),
        ("enable --system", "disable --system"),
        ("enable --system --via environment", "disable --system"),
    ] {
        let said = machine.tool(on);
        println!("\n{on}: {said}");
        // No socket at all is accepted where systemd is older than 257.
        if on == "enable *.socket" && said.code() == 5 {
            continue;
        }
        assert_eq!(said.code(), 0, "{said}");
        let with = booted(&mut machine);
        let list = machine.tool("list").stdout;
        println!("{list}");
        let off = machine.tool(off);
        println!("{off}");
        assert_eq!(off.code(), 0, "{off}");
        assert_eq!(with.0, before.0, "failed after {on}");
        let gone: Vec<&String> = before.1.difference(&with.1).collect();
        assert!(gone.is_empty(), "after {on} these do not run: {gone:?}");
        let active = list.lines().filter(|line| line.contains(" active ")).count();
        let which =
            if on.contains("--system") { String::new() } else { format!(", {active} of them on") };
        println!("@+ * `{on}`: after a boot {} units run as before{which}", before.1.len());
    }
    assert_eq!(booted(&mut machine).0, before.0, "after disable");
}
