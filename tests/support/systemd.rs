//! Machines with a real systemd: each booted once for a test process, lent to one test at a time.
//!
//! systemd-nspawn on an overlay of this host, so its programs and units are there, and what tests
//! write is not here; or on that of another system whose root `MPTCPIZE_MACHINE` or the caller names.
//! It has a network of its own with nothing but loopback.

#![allow(unsafe_code, reason = "atexit(3): the kernel keeps empty cgroups until they are removed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, OnceLock, mpsc};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::{Cmd, Outcome, Running, scratch, tool, wait};

const BOOT: &str = include_str!("systemd.sh");

/// A machine, started.
pub struct Machine {
    /// The first process of it, as this host counts.
    init: u32,
    /// The shell below which systemd-nspawn starts it, at each boot.
    shell: u32,
}

/// What has to go when this process does.
static CONTAINERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// The machine, for one test at a time.
pub fn machine() -> MutexGuard<'static, Machine> {
    let image = std::env::var_os("MPTCPIZE_MACHINE").map(PathBuf::from);
    machine_of(image.as_deref())
}

/// A machine whose root is an image, or this host's own root, for one test at a time.
pub fn machine_of(image: Option<&Path>) -> MutexGuard<'static, Machine> {
    type Slot = OnceLock<Mutex<Machine>>;
    static MACHINES: Mutex<BTreeMap<Option<PathBuf>, &'static Slot>> = Mutex::new(BTreeMap::new());
    let slot: &'static Slot = {
        let mut all = MACHINES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.entry(image.map(Path::to_owned)).or_insert_with(|| Box::leak(Box::new(Slot::new())))
    };
    let machine = slot.get_or_init(|| Mutex::new(boot(image)));
    machine.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The hierarchies in which systemd has its groups: version 2 alone, or beside version 1.
fn hierarchies() -> Vec<PathBuf> {
    let all = ["", "unified", "systemd"].map(|name| Path::new("/sys/fs/cgroup").join(name));
    let is_one = |path: &PathBuf| {
        path.join("cgroup.procs").exists()
            && (path.ends_with("systemd") || path.join("cgroup.controllers").exists())
    };
    all.into_iter().filter(is_one).collect()
}

/// The start of the names of all groups that test processes make; their number follows.
const GROUP: &str = "mptcpize-test-";

/// The group of a test process, with one for each of its machines in it.
fn group() -> String {
    format!("{GROUP}{}", process::id())
}

fn boot(image: Option<&Path>) -> Machine {
    let hierarchies = hierarchies();
    assert!(!hierarchies.is_empty(), "no cgroups\n  fix: mount /sys/fs/cgroup");
    let place = scratch("machine");
    let name = place.file_name().expect("it has a name").to_owned();
    for hierarchy in &hierarchies {
        remove_dead_groups(hierarchy);
        fs::create_dir_all(hierarchy.join(group()).join(&name)).expect("the tests run as root");
    }
    let groups: Vec<String> = hierarchies
        .iter()
        .map(|hierarchy| hierarchy.join(group()).join(&name).display().to_string())
        .collect();
    let image = image.map(Path::to_owned);
    let join: String =
        groups.iter().map(|group| format!("echo $BASHPID >{group}/cgroup.procs; ")).collect();
    let (send, receive) = mpsc::channel();
    // It ends with the thread that starts it, so that is one that does not end before us.
    thread::spawn(move || {
        // The first process of a namespace of its own takes all others with it.
        let container = Cmd::line(
            "unshare --mount --propagation private --pid --mount-proc --fork --kill-child",
        )
        .args(["bash", "-c"])
        .arg(format!("join() {{ {join}}}\n{BOOT}"))
        .arg("bash")
        .arg(tool::binary())
        .arg(place)
        .args(image);
        let running: Running = container.start();
        send.send(running.pid()).expect("the test waits for it");
        loop {
            thread::park();
        }
    });
    let container = receive.recv().expect("the thread sends or panics");
    let first = {
        let mut all = CONTAINERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.push(container);
        all.len() == 1
    };
    if first {
        // SAFETY: `halt` is a plain function without arguments that does not panic.
        unsafe { libc::atexit(halt) };
    }
    // unshare → bash → systemd-nspawn → its systemd.
    let mut shell = None;
    wait::until("the machine's shell to start", || {
        shell = child(container);
        shell.is_some()
    });
    let shell = shell.expect("it was waited for");
    let machine = Machine { init: first_process(shell, None), shell };
    machine.is_up();
    machine
}

/// The first child of a process.
fn child(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    text.ok().and_then(|text| text.split_whitespace().next()?.parse().ok())
}

/// The systemd of a machine, which is another one than `before` after a boot.
fn first_process(shell: u32, before: Option<u32>) -> u32 {
    let mut found = None;
    wait::until("systemd-nspawn to start systemd (package systemd-container)", || {
        found = child(shell).and_then(child).filter(|pid| Some(*pid) != before);
        let name = found.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
        name.is_some_and(|name| name.trim() == "systemd")
    });
    found.expect("it was waited for")
}

/// Ends the machines and removes their groups, when this process exits.
extern "C" fn halt() {
    let all = CONTAINERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for pid in all.iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
        let _ = kill_process(pid, Signal::KILL);
    }
    // The kernel ends all the others; a group can be removed when its last one is gone.
    for _ in 0..2000 {
        let left = hierarchies().iter().any(|hierarchy| {
            let group = hierarchy.join(group());
            remove_tree(&group);
            group.exists()
        });
        if !left {
            return;
        }
        wait::pause(&mut []);
    }
}

/// Those of test processes that were killed.
fn remove_dead_groups(hierarchy: &Path) {
    for entry in fs::read_dir(hierarchy).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(pid) = name.strip_prefix(GROUP)
            && !Path::new("/proc").join(pid).exists()
        {
            remove_tree(&entry.path());
        }
    }
}

fn remove_tree(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}

/// A client that asks for a protocol and prints what the connection is: flag 1 of `MPTCP_INFO`
/// (SOL_MPTCP 284, option 1) is the fallback, after which newer kernels refuse the option.
const CLIENT: &str = "
import socket, struct, sys
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, int(sys.argv[2]))
client.settimeout(30)
client.connect(('127.0.0.1', int(sys.argv[1])))
try:
    info = client.getsockopt(284, 1, 64)
    print('TCP' if struct.unpack_from('I', info, 8)[0] & 1 else 'MPTCP')
except OSError:
    print('TCP')
";

impl Machine {
    /// Waits until systemd has started what it starts at boot.
    fn is_up(&self) {
        self.waits_for("systemd", "systemctl");
        self.sh("ip link set lo up").ok();
    }

    /// Waits until the manager of a user has started what it starts at first: it answers before that.
    /// The words stand before what this user does.
    pub fn user_is_up(&self, user: &str) {
        self.waits_for("the user's manager", &format!("{user} systemctl --user"));
    }

    fn waits_for(&self, manager: &str, systemctl: &str) {
        wait::until(manager, || {
            let state = self.sh(&format!("{systemctl} is-system-running || :")).stdout;
            matches!(state.trim(), "running" | "degraded")
        });
    }

    /// Boots the machine again: its files stay, /run and all processes are new.
    pub fn reboot(&mut self) {
        // The connection to systemd may end before its answer.
        let _ = self.command(&["systemctl", "reboot"]).run();
        self.init = first_process(self.shell, Some(self.init));
        self.is_up();
    }

    /// A command inside.
    pub fn command(&self, words: &[&str]) -> Cmd {
        Cmd::line("nsenter --mount --uts --ipc --net --pid --cgroup --wdns=/ -t")
            .arg(self.init.to_string())
            .arg("--")
            .args(words)
    }

    /// A script of bash inside.
    pub fn sh(&self, script: &str) -> Outcome {
        self.command(&["bash", "-euc", script]).run()
    }

    /// `mptcpize ARGUMENTS` inside.
    pub fn tool(&self, arguments: &str) -> Outcome {
        self.tool_command(arguments).run()
    }

    /// `mptcpize ARGUMENTS` inside, not yet started, for a test that looks while it runs.
    pub fn tool_command(&self, arguments: &str) -> Cmd {
        let words: Vec<&str> =
            ["/opt/mptcpize"].into_iter().chain(arguments.split_whitespace()).collect();
        self.command(&words).env_remove("XDG_CACHE_HOME").env("HOME", "/root")
    }

    /// What to write where `ip` wants the name of a namespace (`netns NAME`): the machine's network.
    pub fn network(&self) -> String {
        format!("/proc/{}/ns/net", self.init)
    }

    /// Writes a file inside; directories above it are made.
    pub fn write(&self, path: &str, text: &str) {
        let script = "mkdir -p \"$(dirname \"$1\")\" && cat >\"$1\"";
        self.command(&["bash", "-euc", script, "bash", path]).input(text).run().ok();
    }

    /// Copies a file of this host into the machine, to be executed.
    pub fn install(&self, file: &Path, path: &str) {
        let bytes = fs::read(file).expect("it was built");
        let script = "cat >\"$1\" && chmod 755 \"$1\"";
        self.command(&["bash", "-euc", script, "bash", path]).input(bytes).run().ok();
    }

    /// Everything that a trace could be left in: each path with its kind, mode, owner and target,
    /// then the content of each file.
    pub fn state(&self) -> String {
        let script = "
            # systemd keeps it for the units whose RuntimeDirectory it is (RuntimeDirectoryPreserve).
            rmdir /run/mptcpize 2>/dev/null || :
            places=()
            for place in /etc /usr/local/lib/mptcpize /usr/lib/mptcpize /usr/lib/*/mptcpize /var/lib/mptcpize /var/cache/mptcpize \\
                /run/systemd/system /run/mptcpize /srv /home; do
                [[ ! -e $place ]] || places+=(\"$place\")
            done
            find \"${places[@]}\" -printf '%p %y %m %U:%G %l\\n' | sort
            find \"${places[@]}\" -type f -print0 | sort -z | xargs -0 sha256sum
        ";
        self.sh(script).silent().stdout
    }

    /// Checks that nothing is left, or missing.
    #[track_caller]
    pub fn assert_is(&self, before: &str) {
        let after = self.state();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
        let (was, is) = (lines(before), lines(&after));
        let new: Vec<&String> = is.difference(&was).collect();
        let gone: Vec<&String> = was.difference(&is).collect();
        assert!(new.is_empty() && gone.is_empty(), "new: {new:#?}\ngone: {gone:#?}");
    }

    /// What a client that asks for MPTCP gets from a port of the machine, once it listens.
    #[track_caller]
    pub fn speaks(&self, port: u16) -> String {
        wait::until(&format!("a listener on port {port}"), || {
            let ask = format!("ss -Htlan 'sport = :{port}'");
            self.sh(&ask).ok().stdout.contains("LISTEN")
        });
        self.asks(port, 262).ok().stdout.trim().to_owned()
    }

    /// A client that asks a port for a protocol, and prints what it got.
    pub fn asks(&self, port: u16, protocol: u32) -> Outcome {
        let (port, protocol) = (port.to_string(), protocol.to_string());
        self.command(&["python3", "-c", CLIENT, &port, &protocol]).run()
    }

    /// A property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        let asked = self.command(&["systemctl", "show", "-P", name, unit]).run().ok();
        asked.stdout.trim().to_owned()
    }

    /// The main process of a service, once it executes the service's program: a service is started
    /// before that. In brackets it is still systemd, and the environment is there last.
    pub fn main_process(&self, unit: &str) -> String {
        let mut pid = String::new();
        wait::until(&format!("{unit} to execute its program"), || {
            pid = self.property(unit, "MainPID");
            let executes =
                format!("[[ $(</proc/{pid}/comm) != '('* ]] && grep -qz . /proc/{pid}/environ");
            self.sh(&executes).code() == 0
        });
        pid
    }

    /// A variable in the environment of a service's main process.
    pub fn variable(&self, unit: &str, name: &str) -> Option<String> {
        let pid = self.main_process(unit);
        let all = self.sh(&format!("tr '\\0' '\\n' </proc/{pid}/environ")).ok().stdout;
        all.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
    }

    /// Writes units and starts them.
    pub fn start(&self, units: &[(&str, String)]) {
        for (name, text) in units {
            self.write(&format!("/etc/systemd/system/{name}"), text);
        }
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        self.sh(&format!("systemctl daemon-reload; systemctl start {}", names.join(" "))).ok();
    }

    /// Stops units and removes their files.
    pub fn remove(&self, units: &[&str]) {
        for unit in units {
            let stop = if unit.contains("@.") { "true" } else { "systemctl stop" };
            self.sh(&format!("{stop} '{unit}'; rm -f '/etc/systemd/system/{unit}'")).ok();
        }
        self.sh("systemctl daemon-reload; systemctl reset-failed").ok();
    }

    /// The row of a unit in `mptcpize list`.
    pub fn listed(&self, options: &str, unit: &str) -> Option<String> {
        let table = self.tool(&format!("list {options}")).ok().stdout;
        let row = table.lines().find(|line| line.split(' ').next() == Some(unit))?;
        Some(row.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))
    }
}
