//! What `mptcpize check` says of other programs on this host: managers of links, what the library is
//! tried with, services; and what an ordinary user gets to see.

use crate::support::Cmd;
use crate::support::cc::{self, Build};
use crate::support::check::{Checked, check, mend, paste, program, read};
use crate::support::scratch::{self, scratch};
use crate::support::tool;
use crate::support::uplinks::Uplinks;

const RATE: &str = "15mbit";

#[test]
fn an_ordinary_user_sees_what_root_sees_but_for_the_rules() {
    let lab = Uplinks::two_subnets(RATE);
    let id = scratch::NOBODY.to_string();
    let look = || {
        let look = lab.client.command("setpriv");
        let look = look.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]);
        let cache = scratch::of_nobody(scratch("cache"));
        look.arg(tool::public_binary()).env("XDG_CACHE_HOME", cache)
    };
    let (root, user) = (check(&lab.client, ""), read(look().args(["check", "--json"])));
    assert_eq!(user.codes(), root.codes());
    assert_eq!(user.topic("firewall")["severity"], "unknown");
    assert_eq!(user.topic("firewall")["why"], "only root may read them");
    assert_eq!(user.topic("shim")["severity"], "fine");
    // What they are to paste needs root.
    assert_eq!(user.fixes(), ["sudo mptcpize setup"]);
    let screen = look().arg("check").run();
    assert_eq!((screen.code(), screen.stderr.as_str()), (3, ""), "{screen}");
    assert!(screen.stdout.contains("fix  sudo mptcpize setup\n"), "{screen}");
}

#[test]
fn two_managers_of_endpoints_are_one_too_many() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    program(
        "systemctl",
        "[ \"$1 $2 $3\" = 'disable --now mptcp.service' ]
        rm /run/systemd/units/invocation:mptcp.service",
    );
    // As if the namespace were that of the first process: only then services work for it.
    let init = "unshare --pid --fork --mount-proc";
    let looks = || {
        let command = lab.client.command("unshare").args(init.split_whitespace().skip(1));
        read(command.arg(tool::binary()).args(["check", "--json"]))
    };
    looks().finds(&[], "nobody else");
    paste(
        &lab.client,
        "mkdir -p /run/systemd/units; ln -s 1 /run/systemd/units/invocation:mptcp.service",
    );
    lab.client.net.sysctl("net/mptcp/pm_type", "1");
    let checked = looks();
    checked.finds(&["managers.userspace"], "mptcpd runs, and the kernel asks it");
    mend(&lab.client, &checked);
    let checked = looks();
    checked.finds(&["managers.two"], "mptcpd runs");
    mend(&lab.client, &checked);
    looks().finds(&[], "mptcpd was switched off");
    paste(&lab.client, "ln -s 1 /run/systemd/units/invocation:NetworkManager.service");
    let checked = looks();
    checked.finds(&[], "NetworkManager runs");
    assert_eq!(checked.topic("managers")["severity"], "note");
}

#[test]
fn a_library_that_upgrades_nothing_is_found() {
    let mut lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    let seen = |checked: &Checked| checked.topic("shim")["code"].as_str().map(str::to_owned);
    assert_eq!(seen(&check(&lab.client, "")).as_deref(), Some("shim"));
    // Every program that could be tried is static: no loader looks at the library.
    let program = cc::c("protocol", Build::Static);
    let cover: String = ["bash", "perl", "curl", "wget", "python3"]
        .iter()
        .map(|name| {
            let there = format!("/usr/bin/{name}");
            format!(
                "[ ! -e {there} ] || mount --bind {} $(readlink -f {there});",
                program.display()
            )
        })
        .collect();
    lab.client.mounting(&cover);
    let checked = check(&lab.client, "");
    checked.finds(&["shim.fails"], "static programs");
    let why = checked.topic("shim")["why"].as_str().expect("a text");
    assert_eq!(why, "the loader did not load the library");
}

#[test]
fn a_service_that_looks_enabled_and_is_not_is_found_until_it_is_restarted() {
    let mut lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    let unit = format!("check-{}.service", std::process::id());
    // A real process in a real cgroup of that name, as systemd would have it.
    let group = Group::new(&unit);
    let etc = scratch("systemd");
    let drop_in = etc.join(format!("{unit}.d"));
    std::fs::create_dir(&drop_in).expect("it is ours");
    let text = "[Service]\nEnvironment=LD_PRELOAD=/usr/lib/mptcpize/libmptcpize.so\n";
    scratch::file(&drop_in.join("50-mptcpize.conf"), text, 0o644);
    lab.client.mounting(&format!(
        "mkdir -p /run/systemd/system; mount --bind {} /run/systemd/system",
        etc.display()
    ));
    check(&lab.client, "").finds(&[], "it does not run");
    let start = |library: Option<&std::path::Path>| {
        let place = scratch("service");
        Cmd::line("mkfifo end").cwd(&place).run().silent();
        // It tells that it runs, and so has all its libraries, and then waits for what never comes.
        let script = format!("echo $$ >{}/cgroup.procs; : >runs; read _ <end", group.0.display());
        let command = Cmd::new("sh").args(["-euc", &script]).cwd(&place);
        let command = match library {
            Some(library) => command.env("LD_PRELOAD", library),
            None => command,
        };
        let running = command.start();
        crate::support::wait::until("the service runs", || place.join("runs").exists());
        running
    };
    let old = start(None);
    let checked = check(&lab.client, "");
    checked.finds(&["services.without"], "it runs without the library");
    let (title, pid) = (checked.topic("services")["title"].as_str().expect("a text"), old.pid());
    let expected = format!("{unit} is set up, and process {pid} runs without the library");
    assert_eq!(title, expected);
    assert_eq!(checked.fixes(), [format!("systemctl restart {unit}")]);
    // What the fix does, where systemd runs.
    old.stop();
    let _new = start(Some(tool::shim()));
    let checked = check(&lab.client, "");
    checked.finds(&[], "it was restarted");
    assert_eq!(checked.topic("services")["title"], format!("{unit} on"));
}

/// A cgroup of the test's own, below the hierarchy that systemd would use.
struct Group(std::path::PathBuf);

impl Group {
    fn new(name: &str) -> Self {
        let roots = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
        let root =
            roots.iter().map(std::path::Path::new).find(|root| root.join("cgroup.procs").exists());
        let path = root.expect("cgroups are mounted").join(name);
        std::fs::create_dir(&path).expect("root may make a cgroup");
        Group(path)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes end with the test; the kernel may need a moment.
        crate::support::wait::until("the cgroup is empty", || std::fs::remove_dir(&self.0).is_ok());
    }
}
