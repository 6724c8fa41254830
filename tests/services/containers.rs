//! The service that supervises containers, under a real systemd: what it holds outlives it, and it is gone
//! with `disable --containers`. A program takes the place of runtime and container.

use crate::support::scratch;
use crate::support::systemd::{Machine, machine};
use crate::support::wait;

const UNIT: &str = "mptcpize-containers.service";

/// Puts a filter above itself, hands its listener over as a runtime does, naming the process that it is told
/// to name, and makes a socket whenever it is asked: by two pipes, /run/NAME/ask and /run/NAME/tell.
const CONTAINER: &str = r#"
import array, ctypes, json, os, platform, socket, struct, sys

name, pid = sys.argv[1], {"own": os.getpid(), "none": 0}[sys.argv[2]]
libc = ctypes.CDLL(None, use_errno=True)
number, seccomp = {"x86_64": (41, 317), "aarch64": (198, 277)}[platform.machine()]
line = socket.socket(socket.AF_UNIX)
line.connect("/run/mptcpize-containers.sock")
# Load the number of the call; of socket(2) with AF_INET notify; allow.
steps = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, 2),
         (0x06, 0, 0, 0x7fc00000), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
listener = libc.syscall(seccomp, 1, 8, program)
assert listener >= 0, os.strerror(ctypes.get_errno())
message = json.dumps({"ociVersion": "1.0.2", "fds": ["seccompFd"], "pid": pid, "state": {"id": name}})
line.sendmsg([message.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
line.close()
os.close(listener)
while True:
    open(f"/run/{name}/ask").read()
    try:
        made = socket.socket(socket.AF_INET)
        said = made.getsockopt(socket.SOL_SOCKET, 38)
        made.close()
    except OSError as error:
        said = error
    with open(f"/run/{name}/tell", "w") as tell:
        print(said, file=tell)
"#;

/// Starts such a program as a unit of its own.
fn start(machine: &Machine, name: &str, pid: &str) {
    let file = scratch::file(&scratch("container").join("container.py"), CONTAINER, 0o644);
    machine.install(&file, "/opt/container.py");
    machine
        .sh(&format!(
            "mkdir /run/{name}; mkfifo /run/{name}/ask /run/{name}/tell
             systemd-run --quiet --unit=test-{name} /usr/bin/python3 /opt/container.py {name} {pid}"
        ))
        .ok();
}

/// The protocol of a socket that it makes now, or why it has none.
fn ask(machine: &Machine, name: &str) -> String {
    let script = format!("echo >/run/{name}/ask; cat /run/{name}/tell");
    machine.sh(&script).ok().stdout.trim().to_owned()
}

fn kill(machine: &Machine) {
    let before = machine.property(UNIT, "NRestarts");
    machine.sh(&format!("systemctl kill --signal=KILL --kill-who=main {UNIT}")).ok();
    wait::until("another service", || {
        machine.property(UNIT, "NRestarts") != before
            && machine.property(UNIT, "ActiveState") == "active"
    });
}

#[test]
fn containers_outlive_the_service_that_supervises_them_killed_restarted_or_disabled() {
    let machine = machine();
    let files = "find /etc/containers /etc/cdi /etc/systemd/system /run/mptcpize-containers.sock \
                 /usr/lib/mptcpize -name '*mptcpize*' 2>/dev/null || true";
    let before = machine.sh(files).ok().stdout;
    let enabled = machine.tool("enable --containers --via seccomp");
    let log = machine.sh(&format!("journalctl --no-pager -u {UNIT}"));
    assert_eq!(enabled.code(), 0, "{enabled}{log}");
    assert_eq!(machine.property(UNIT, "ActiveState"), "active");
    let again = machine.tool("enable --containers --via seccomp").ok();
    assert!(again.stdout.starts_with("already on"), "{again}");
    start(&machine, "supervised", "own");
    // One that nobody can supervise: its listener is with the service itself.
    start(&machine, "passed", "none");
    let both = || [ask(&machine, "supervised"), ask(&machine, "passed")];
    let log = || machine.sh(&format!("journalctl --no-pager -u {UNIT}"));
    assert_eq!(both(), ["262", "6"], "{}", log());
    kill(&machine);
    assert_eq!(both(), ["262", "6"], "{}", log());
    // Twice, so that what was kept is kept again.
    kill(&machine);
    assert_eq!(both(), ["262", "6"], "{}", log());
    machine.sh(&format!("systemctl restart {UNIT}")).ok();
    assert_eq!(both(), ["262", "6"], "{}", log());
    start(&machine, "another", "own");
    assert_eq!(ask(&machine, "another"), "262", "{}", log());
    // A socket has the control group of whoever makes it.
    let groups = "for process in $(pgrep -x 'mptcpize-(socket|spare)'); do
                      cut -d : -f 3 /proc/$process/cgroup | grep test-; done | sort | uniq -c";
    let groups = machine.sh(groups).ok().stdout;
    assert!(groups.contains("test-supervised") && groups.contains("test-another"), "{groups}");
    let disabled = machine.tool("disable --containers").ok();
    assert!(disabled.stdout.starts_with("off: "), "{disabled}");
    assert_eq!(both(), ["262", "6"], "{}", log());
    assert_eq!(machine.sh(files).ok().stdout, before);
    machine.sh("systemctl stop test-supervised test-passed test-another").ok();
    wait::until("the end of everything that served them", || {
        machine.sh("pgrep -x 'mptcpize(-socket|-spare|-pass)?' || true").ok().stdout.is_empty()
    });
    machine.sh("rm -rf /run/supervised /run/passed /run/another /opt/container.py").ok();
}
