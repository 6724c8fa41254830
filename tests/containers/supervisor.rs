//! The service that supervises containers: its death and its return, what it is sent by those who mean harm,
//! and what is left when it and its profile are gone.

use crate::engine::Image::Small;
use crate::engine::{SUPERVISED, containers};
use crate::support::scratch;

/// A container that makes a socket whenever it is asked, and tells its protocol.
const ASKED: &str = r#"
    mkdir /tmp/shared
    mkfifo /tmp/shared/ask /tmp/shared/tell
    asked() {
        start asked "$@" -v /tmp/shared:/shared localhost/small sh -c '
            while read line </shared/ask; do static >/shared/tell; done'
    }
    ask() { echo >/tmp/shared/ask; cat /tmp/shared/tell; }
    # The processes of ours with this name.
    named() { pgrep -x "$1" || true; }
    until_gone() {
        local try
        for ((try = 0; try < 3000; try++)); do
            [[ -n $(named "$1") ]] || return 0
            read -rt 0.01 <> <(:) || true
        done
        ps ax
        return 1
    }
"#;

#[test]
fn a_container_keeps_mptcp_whoever_of_its_service_is_killed_and_the_last_ends_with_it() {
    let script = format!(
        r#"
        {SUPERVISED}
        {ASKED}
        asked $profile
        ask
        kill -9 $service
        wait $service 2>/dev/null || true
        ask
        # The other one takes over, and starts another.
        kill -9 $(named mptcpize-socket)
        ask
        kill -9 $(named mptcpize-socket)
        ask
        run $profile localhost/small static 2>&1 | grep -o 'connect socket.*' || true
        serve
        run $profile localhost/small static
        ask
        engine rm -ft 0 asked >/dev/null 2>&1
        until_gone mptcpize-socket
        until_gone mptcpize-spare
        kill $service
        wait $service
        "#
    );
    let done = containers(&[Small], &script).run().ok();
    let wanted = "262\n".repeat(4)
        + "connect socket to `/run/mptcpize-containers.sock`: Connection refused\n262\n262\n";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn calls_that_nobody_can_supervise_are_tcp_also_after_the_end_of_the_service() {
    let between = scratch::file(&scratch("between").join("between.py"), BETWEEN, 0o644);
    let script = format!(
        r#"
        {SUPERVISED}
        {ASKED}
        sed 's|/run/mptcpize-containers.sock|/run/between.sock|' /etc/containers/mptcpize-seccomp.json \
            >/tmp/between.json
        coproc python3 {between}
        read -ru "${{COPROC[0]}}" up
        through() {{
            echo "$1" >/tmp/how
            run --security-opt seccomp=/tmp/between.json localhost/small static
        }}
        through ''
        through garbage
        # Processes that are not the container's: none, one without a filter, and that of another
        # container, into whose network namespace nobody is let.
        through 4194304
        through $$
        engine run -d --name other "${{limits[@]}}" --network none $profile localhost/small \
            sleep 1000 >/dev/null
        through $(engine inspect other --format '{{{{.State.Pid}}}}')
        echo garbage >/tmp/how
        asked --security-opt seccomp=/tmp/between.json
        ask
        kill $service
        wait $service
        ask
        engine rm -ft 0 asked >/dev/null 2>&1
        until_gone mptcpize-pass
        "#,
        between = between.display(),
    );
    let done = containers(&[Small], &script).run().ok();
    assert_eq!(done.stdout, "262\n6\n6\n6\n6\n6\n6\n", "{done}");
}

/// Somebody between the runtime and the service, who says something else than it was told: nothing of
/// it, or another process.
const BETWEEN: &str = r#"
import array, json, socket
front = socket.socket(socket.AF_UNIX)
front.bind("/run/between.sock")
front.listen()
print("up", flush=True)
while True:
    line, _ = front.accept()
    data, rights, _, _ = line.recvmsg(1 << 20, socket.CMSG_SPACE(64))
    listener = array.array("i", rights[0][2])
    how = open("/tmp/how").read().strip()
    if how == "garbage":
        data = b"garbage"
    elif how:
        data = json.dumps({**json.loads(data), "pid": int(how)}).encode()
    out = socket.socket(socket.AF_UNIX)
    out.connect("/run/mptcpize-containers.sock")
    out.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, listener)])
    out.shutdown(socket.SHUT_WR)
    # Back when it was heard.
    out.recv(1)
    for descriptor in listener:
        socket.close(descriptor)
    out.close()
    line.close()
"#;

#[test]
fn senders_that_mean_harm_cost_nothing_and_keep_nobody_out() {
    let hostile = scratch::file(&scratch("hostile").join("hostile.py"), HOSTILE, 0o644);
    let script = format!(
        r#"
        {SUPERVISED}
        # How many descriptors the service has, when it has given up the last that it was sent.
        open() {{
            while ls -l /proc/$service/fd | grep -q 'seccomp notify'; do
                read -rt 0.01 <> <(:) || true
            done
            ls /proc/$service/fd | wc -l
        }}
        run $profile localhost/small static
        before=$(open)
        coproc python3 {hostile}
        read -ru "${{COPROC[0]}}" up
        # While there is one who does not go on.
        run $profile localhost/small static
        exec {{COPROC[1]}}>&-
        wait $COPROC_PID
        run $profile localhost/small static
        echo $(($(open) - before)) $(ls /proc/$service/task | wc -l)
        stat -c '%U %a' $socket
        tr -d '\n -~' </tmp/service | wc -c
        nobody /usr/bin/python3 -c '
import socket
try: socket.socket(socket.AF_UNIX).connect("/run/mptcpize-containers.sock")
except PermissionError: print("refused")'
        nobody mptcpize containers-supervisor 2>&1 || echo $?
        mptcpize containers-supervisor 2>&1 || echo $?
        "#,
        hostile = hostile.display(),
    );
    let done = containers(&[Small], &script).run().ok();
    let wanted = "262\n262\n262\n0 1\nroot 600\n0\nrefused\n\
        error: cannot supervise containers\n  \
        why: only root may enter their network namespaces\n  fix: sudo mptcpize containers-supervisor\n4\n\
        error: containers are supervised already\n  \
        why: somebody listens at /run/mptcpize-containers.sock\n  \
        fix: ss -xlp src /run/mptcpize-containers.sock    # shows who\n1\n";
    assert_eq!(done.stdout, wanted, "{done}");
}

/// Messages that no runtime sends, with descriptors that are none of a filter; some of them never end.
const HOSTILE: &str = r#"
import array, json, os, socket, sys

def send(data, descriptors=(), end=True):
    line = socket.socket(socket.AF_UNIX)
    line.connect("/run/mptcpize-containers.sock")
    rights = array.array("i", descriptors)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
    try:
        line.sendmsg([data[:4096]], rights)
        line.sendall(data[4096:])
        if end:
            line.shutdown(socket.SHUT_WR)
            line.recv(1)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return line

def message(pid, fds=("seccompFd",)):
    state = {"id": "x\x1b[2J\n"}
    return json.dumps({"ociVersion": "1.0.2", "fds": fds, "pid": pid, "state": state}).encode()

own = os.getpid()
file, event = os.open("/etc/passwd", os.O_RDONLY), os.eventfd(0)
for data in [b"", b"{", b"}", b"[" * 100000 + b"}", b"\0", b"\xff}", b"{}", b"null",
             b'{"fds":[],"pid":1}', message(-1), message(1 << 40), message(1, "seccompFd")]:
    send(data, [file])
send(b"x" * (1 << 21))
send(b'{"a":"' + b"}" * (1 << 21))
send(message(own))
for descriptor in file, event, socket.socket().fileno(), os.open("/dev/zero", os.O_RDWR):
    send(message(own), [descriptor])
send(message(own), [file] * 200)
send(message(own, ["other"] * 1000 + ["seccompFd"]), [file] * 8)
held = [send(message(own)[:20], [file], end=False) for _ in range(31)]
print("sent", flush=True)
sys.stdin.read()
"#;

#[test]
fn what_enable_writes_disable_removes_and_list_tells_while_it_is_there() {
    let script = r#"
        enable() { mptcpize enable --containers --via seccomp "$@"; }
        try() { "$@" 2>&1 && echo 0 || echo "= $?"; }
        written | grep -v ^./var >/tmp/before
        enable --dry-run | grep -e '^  + /etc' -e '^  --security'
        written | grep -v ^./var | diff /tmp/before -
        enable | grep -e security -e ^note
        enable | head -n 1
        enable -j | grep -o '"profile":[^,}]*'
        # The devices alone leave it as it is.
        mptcpize enable --containers >/dev/null
        mptcpize list | grep seccomp
        mptcpize list -j | grep profile
        mptcpize disable --containers --dry-run | grep ' - '
        mptcpize disable --containers | tail -n 1
        mptcpize list -j | grep profile
        written | grep -v ^./var | diff /tmp/before -
        mkdir -p /tmp/image/etc
        try enable --root /tmp/image
        find /tmp/image
        try mptcpize enable --containers --via environment
        echo '{"listenerPath": "/run/other.sock"}' >/etc/containers/mptcpize-seccomp.json
        try enable
        rm /etc/containers/mptcpize-seccomp.json
        for text in x '{"syscalls": []}' '{"syscalls": [], "listenerPath": "/run/other"}' \
            '{"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]}]}'; do
            echo "$text" >/etc/containers/seccomp.json
            try enable | grep why
        done
        rm /etc/containers/seccomp.json /usr/share/containers/seccomp.json
        try enable
    "#;
    let done = containers(&[], script).run().silent();
    let wanted = "  \
+ /etc/cdi/mptcpize.json                  devices for containers
  + /etc/containers/mptcpize-seccomp.json   the seccomp profile for containers
  --security-opt seccomp=/etc/containers/mptcpize-seccomp.json  programs that no library reaches
  --security-opt seccomp=/etc/containers/mptcpize-seccomp.json  programs that no library reaches
note: no systemd runs here: containers with the profile start while this runs: sudo mptcpize containers-supervisor
already on for containers with such a device
\"profile\":\"/etc/containers/mptcpize-seccomp.json\"
containers get it by --security-opt seccomp=/etc/containers/mptcpize-seccomp.json (off: sudo mptcpize disable --containers)
  \"seccomp_profile\": \"/etc/containers/mptcpize-seccomp.json\",
  - /etc/cdi/mptcpize.json                 devices for containers
  - /etc/containers/mptcpize-seccomp.json  the seccomp profile for containers
one that was made with /etc/containers/mptcpize-seccomp.json does not start again until it is on again; make it anew without it
  \"seccomp_profile\": null,
error: an image gets no seccomp profile
  why: without the service that answers its calls no container with it would start
  fix: sudo mptcpize enable --containers --via seccomp    # on the host itself
= 2
/tmp/image
/tmp/image/etc
error: containers are not reached by --via environment
  why: a device sets LD_PRELOAD in each container by itself
  fix: sudo mptcpize enable --containers
= 2
error: /etc/containers/mptcpize-seccomp.json is not from mptcpize
  why: its calls do not come to our service (listenerPath)
  fix: sudo mv /etc/containers/mptcpize-seccomp.json /etc/containers/mptcpize-seccomp.json.bak
= 1
  why: it is no profile of seccomp
  why: it has no rule for socket
  why: its calls are answered by another listener (listenerPath)
  why: its rules for socket look at more than family and protocol
error: there is no seccomp profile to begin with
  why: none of /etc/containers/seccomp.json, /usr/share/containers/seccomp.json is there; Docker's is a part of its program
  fix: sudo apt-get install podman    # brings its own
= 5
";
    assert_eq!(done.stdout, wanted, "{done}");
}
