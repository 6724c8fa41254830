//! The name that `status` gives a container: what engines leave for others to see, and what others leave
//! where engines would.

use crate::engine::containers;
use crate::support::cc::{self, Build};
use crate::support::overlay::shown;

/// A driver in Python. `case(LABEL, GROUP, COMMAND, ABOVE)` starts a program with a connection in a control
/// group; above it is a process with that command line, in the group ABOVE. `tell()` prints what `status`
/// says of the container of each.
const DRIVER: &str = r#"
import json, os, socket, subprocess, sys
group = sys.argv[1]
ID = [("%x" % digit) * 64 for digit in range(16)]
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
listener.bind(("127.0.0.1", 0))
listener.listen(64)
os.environ["PORT"] = str(listener.getsockname()[1])
os.environ["PROGRAM"] = """
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.connect(("127.0.0.1", int(os.environ["PORT"])))
print(os.getpid(), flush=True)
os.read(0, 1)
"""
cases = []

def enter(name):
    path = f"{group}/{name}"
    os.makedirs(path, exist_ok=True)
    return f"{path}/cgroup.procs"

def case(label, name, command=("above",), above="above"):
    inner, outer = enter(name), enter(above)
    line = f'echo $$ >{inner}; exec python3 -c "$PROGRAM"'
    program = subprocess.Popen(
        command, executable=f"/tmp/{command[0]}", env={**os.environ, "LINE": line}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        preexec_fn=lambda: open(outer, "w").write(str(os.getpid())))
    cases.append((label, program, int(program.stdout.readline())))

def tell():
    said = subprocess.run(["mptcpize", "status", "--all", "--json"], stdout=subprocess.PIPE).stdout
    programs = [one["program"] for one in json.loads(said)["connections"] if one["program"]]
    for label, program, pid in cases:
        held = next(one for one in programs if one["pid"] == pid)
        print(label, held.get("container"), held.get("container_name"))
    screen = subprocess.run(["mptcpize", "status", "--all"], stdout=subprocess.PIPE).stdout
    print(screen.count(b"python3 (web)"), b"\x1b" in screen)
    for label, program, pid in cases:
        program.communicate("\n")
"#;

/// The driver with these cases, in control groups of the test's own.
fn told(cases: &str) -> String {
    let script = format!(
        r#"
        make_group
        # Where the driver failed its programs run still.
        trap remove_group EXIT
        cp {parent} /tmp/conmon
        cp {parent} /tmp/above
        cat >/tmp/driver <<'EOT'
{DRIVER}
{cases}
tell()
EOT
        python3 /tmp/driver $group
        "#,
        parent = shown(&cc::c("parent", Build::Plain)),
    );
    containers(&[], &script).run().silent().stdout
}

#[test]
fn a_container_of_podman_has_the_name_that_its_conmon_has_and_no_other() {
    let cases = r#"
def conmon(number, name): return ["conmon", "--api-version", "1", "-c", ID[number], "-u", ID[number], "-n", name]
case("scope", f"libpod-{ID[1]}.scope", conmon(1, "web"))
case("split", f"unit.service/libpod-payload-{ID[2]}", conmon(2, "web"), "unit.service/supervisor")
case("below", f"libpod-{ID[3]}.scope/container", conmon(3, "web"), f"libpod-conmon-{ID[3]}.scope")
case("kubernetes", f"crio-{ID[4]}.scope", conmon(4, "k8s_web_pod_ns_0"))
case("inside", f"libpod-{ID[5]}.scope/program", conmon(5, "other"), f"libpod-{ID[5]}.scope/conmon")
case("hidden", f"libpod-{ID[6]}.scope/program", conmon(6, "other"), f"libpod-{ID[6]}.scope/libpod-{ID[1]}.scope")
case("another", f"libpod-{ID[7]}.scope", conmon(1, "other"))
case("terminal", f"libpod-{ID[8]}.scope", conmon(8, "we\x1b[2Jb"))
case("lines", f"libpod-{ID[9]}.scope", conmon(9, "web\nweb"))
case("long", f"libpod-{ID[10]}.scope", conmon(10, "w" * 100000))
case("late", f"libpod-{ID[11]}.scope", ["conmon", "-c", ID[11]] + ["x" * 100000] * 8 + ["-n", "other"])
case("none", f"libpod-{ID[12]}.scope", ["conmon", "-c", ID[12], "-n"])
case("program", f"libpod-{ID[13]}.scope", ["above", *conmon(13, "other")[1:]])
"#;
    let wanted = "\
scope 111111111111 web
split 222222222222 web
below 333333333333 web
kubernetes 444444444444 k8s_web_pod_ns_0
inside 555555555555 None
hidden 666666666666 None
another 777777777777 None
terminal 888888888888 None
lines 999999999999 None
long aaaaaaaaaaaa None
late bbbbbbbbbbbb None
none cccccccccccc None
program dddddddddddd None
3 False
";
    assert_eq!(told(cases), wanted);
}

#[test]
fn a_container_of_docker_has_the_name_in_a_file_that_is_roots_and_no_link() {
    let cases = r#"
place = "/var/lib/docker/containers"
aside = "/var/lib/aside"
os.makedirs(place, exist_ok=True)
os.mkdir(aside)
def file(number, name="/web", **more):
    path = f"{place}/{ID[number]}/config.v2.json"
    os.makedirs(os.path.dirname(path))
    json.dump({"State": {"Pid": 1}, "ID": ID[number], "Name": name, **more}, open(path, "w"))
    return path
file(1)
case("scope", f"docker-{ID[1]}.scope")
file(2)
case("bare", f"docker/{ID[2]}/init.scope")
os.rename(file(3), f"{aside}/three")
os.symlink(f"{aside}/three", f"{place}/{ID[3]}/config.v2.json")
case("link", f"docker-{ID[3]}.scope")
file(4)
os.rename(f"{place}/{ID[4]}", f"{aside}/four")
os.symlink(f"{aside}/four", f"{place}/{ID[4]}")
case("directory", f"docker-{ID[4]}.scope")
os.chown(file(5), 65534, 65534)
case("owner", f"docker-{ID[5]}.scope")
path = file(6)
os.remove(path)
os.mkfifo(path)
case("fifo", f"docker-{ID[6]}.scope")
file(7, more="x" * (1 << 21))
case("long", f"docker-{ID[7]}.scope")
file(8, "/w\x1b[2Jeb")
case("terminal", f"docker-{ID[8]}.scope")
file(9, "/" + "w" * 1000000)
case("name", f"docker-{ID[9]}.scope")
open(file(10), "w").write("[" * 1000000)
case("deep", f"docker-{ID[10]}.scope")
os.rename(file(12), file(11))
case("another", f"docker-{ID[11]}.scope")
case("absent", f"docker-{ID[13]}.scope")
"#;
    let wanted = "\
scope 111111111111 web
bare 222222222222 web
link 333333333333 None
directory 444444444444 None
owner 555555555555 None
fifo 666666666666 None
long 777777777777 None
terminal 888888888888 None
name 999999999999 None
deep aaaaaaaaaaaa None
another bbbbbbbbbbbb None
absent dddddddddddd None
2 False
";
    assert_eq!(told(cases), wanted);
}
