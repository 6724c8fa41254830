//! What programs in containers get: unmodified images, users without privilege, libraries that an image
//! preloads itself, and policies.

use crate::engine::Image::{Small, Web};
use crate::engine::containers;

/// A client of the host that says what the connection became: MPTCP, or MPTCP that fell back to TCP
/// (the kernel then has no MPTCP_INFO for it), and what it was answered.
pub(crate) const CLIENT: &str = r#"
    client() {
        python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.connect((sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1", 8099))
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
try: s.getsockopt(284, 1, 104); kind = "MPTCP"
except OSError as error: kind = "TCP" if error.errno == 95 else error
answer = b""
while part := s.recv(4096): answer += part
print(kind, answer.rsplit(b"\n", 1)[1].decode())' "$@"
    }
"#;

#[test]
fn an_unmodified_nginx_serves_mptcp_by_one_option_and_the_engine_refuses_it_after_disable() {
    let script = format!(
        r#"
        {CLIENT}
        nginx() {{
            start web "$@" localhost/web nginx -c /etc/nginx.conf
            until_listens 8099
            client
            engine rm -ft 0 web >/dev/null 2>&1
        }}
        nginx
        written | grep -v ^./var >/tmp/before
        mptcpize enable --containers >/dev/null
        nginx --device mptcpize.org/shim=run
        mptcpize disable --containers >/dev/null
        written | grep -v ^./var | diff /tmp/before -
        run --device mptcpize.org/shim=run localhost/web sh 2>&1 || echo $?
        "#
    );
    let done = containers(&[Web], &script).run().ok();
    let wanted = "TCP hello\nMPTCP hello\n\
        Error: setting up CDI devices: unresolvable CDI devices mptcpize.org/shim=run\n126\n";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn every_user_and_confinement_of_a_container_has_it() {
    let script = r#"
        mptcpize enable --containers >/dev/null
        all='echo $(/bin/protocol)'
        device='--device mptcpize.org/shim=run'
        run localhost/web sh -c "$all"
        run $device localhost/web sh -c "$all"
        run $device --user 65534:65534 --cap-drop=all --security-opt no-new-privileges \
            localhost/web sh -c "$all"
        run $device --read-only --tmpfs /run --tmpfs /tmp localhost/web sh -c "$all"
        run $device --uidmap 0:100000:65536 localhost/web sh -c "$all; cat /proc/self/uid_map" |
            tr -s ' '
        engine run --rm "${limits[@]}" --network none $device localhost/web sh -c "$all"
        engine run --rm "${limits[@]}" --network bridge $device localhost/web sh -c "$all"
        # It is mounted read-only, and lies where no image has anything.
        run $device localhost/web sh -c \
            'echo >>/usr/lib/mptcpize/containers/libmptcpize.so; cat /proc/mounts' 2>&1 |
            grep -e 'Read-only' -e mptcpize |
            sed 's/.*: Read/Read/; s/.*libmptcpize.so [^ ]* //; s/relatime.*//' | sort
    "#;
    let done = containers(&[Web], script).run().silent();
    let wanted = "6\n262\n262\n262\n262\n 0 100000 65536\n262\n262\n\
        Read-only file system\nro,nosuid,nodev,\n";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn a_user_who_is_not_root_starts_containers_with_it() {
    // One identity alone, as a user without a range in /etc/subuid has it.
    let script = r#"
        mptcpize enable --containers >/dev/null
        useradd --no-create-home --uid 4321 ordinary
        sed -i /^ordinary:/d /etc/subuid /etc/subgid
        mkdir -p /run/user/4321
        chown 4321 /run/user/4321
        ordinary() {
            setpriv --reuid 4321 --regid 4321 --clear-groups -- \
                env HOME=/run/user/4321 XDG_RUNTIME_DIR=/run/user/4321 bash -euc "
                $(declare -f engine)
                $*"
        }
        engine() {
            podman --root /run/user/4321/storage --runroot /run/user/4321/engine \
                --storage-driver vfs --cgroup-manager cgroupfs --events-backend none \
                --runtime crun "$@"
        }
        ordinary "
            engine import -q $archive localhost/web >/dev/null 2>&1
            engine run --rm --cgroups=disabled --network host --device mptcpize.org/shim=run \
                localhost/web sh -c 'protocol; cat /proc/self/uid_map' 2>/dev/null" | tr -s ' '
    "#;
    let script = format!("archive={}\n{script}", Web.path());
    let done = containers(&[], &script).run().ok();
    assert_eq!(done.stdout, "262\n 0 4321 1\n", "{done}");
}

#[test]
fn musl_and_go_are_reached_and_the_rest_runs_as_it_did() {
    let script = r#"
        mptcpize enable --containers >/dev/null
        for device in '' '--device mptcpize.org/shim=run'; do
            run $device localhost/small sh -c '
                for program in musl static go; do echo $program $(/bin/$program); done'
            # A program for 32 bits: its loader complains, and it gets TCP.
            run $device localhost/small /bits32/protocol 2>&1 | sort
        done
        # Without the device the variable of the command line counts.
        run -e GODEBUG=multipathtcp=0 localhost/small go
    "#;
    let done = containers(&[Small], script).run().silent();
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines[..3], ["musl 6", "static 6", "go 6"], "{done}");
    assert_eq!(lines[3], "6", "{done}");
    assert_eq!(lines[4..7], ["musl 262", "static 6", "go 262"], "{done}");
    assert_eq!(lines[7], "6", "{done}");
    assert!(lines[8].contains("wrong ELF class: ELFCLASS64"), "{done}");
    assert_eq!(lines[9..], ["6"], "{done}");
}

#[test]
fn a_library_that_an_image_preloads_is_replaced_unless_the_settings_name_it() {
    // The other library prints a line for each socket.
    let script = r#"
        # The engine reads its variables from the image.
        printf 'FROM localhost/web\nENV LD_PRELOAD=/usr/lib/own/other.so GODEBUG=http2client=0\n' |
            engine build -q --isolation chroot -t localhost/own - >/dev/null 2>&1
        show='echo $LD_PRELOAD $GODEBUG'
        printf '[containers.kept]\npreload = ["/usr/lib/own/other.so"]\ngodebug = "http2client=0"\n' \
            >/etc/mptcpize.toml
        mptcpize enable --containers >/dev/null
        run localhost/own sh -c "$show"
        for name in run kept library; do
            run --device mptcpize.org/shim=$name localhost/own sh -c "$show"
        done
        # On the command line it is replaced too; with the library alone it counts.
        ours=/usr/lib/mptcpize/containers/libmptcpize.so
        run --device mptcpize.org/shim=run -e LD_PRELOAD=/usr/lib/own/other.so localhost/own \
            sh -c 'echo $LD_PRELOAD'
        run --device mptcpize.org/shim=library -e LD_PRELOAD=$ours:/usr/lib/own/other.so \
            localhost/own protocol
        run --device mptcpize.org/shim=kept localhost/own protocol
    "#;
    let done = containers(&[Web], script).run().ok();
    let ours = "/usr/lib/mptcpize/containers/libmptcpize.so";
    let wanted = format!(
        "/usr/lib/own/other.so http2client=0\n\
         {ours} multipathtcp=1\n\
         {ours}:/usr/lib/own/other.so http2client=0,multipathtcp=1\n\
         /usr/lib/own/other.so http2client=0\n\
         {ours}\nother: 2 1 262\n262\nother: 2 1 262\n262\n"
    );
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn each_section_of_the_settings_is_a_device_with_its_policy() {
    let script = format!(
        r#"
        {CLIENT}
        printf '[containers.clients]\nside = "client"\n[containers.run]\nexcept_ports = [8099]\n' \
            >/etc/mptcpize.toml
        mptcpize enable --containers >/dev/null
        for device in clients run; do
            start $device --device mptcpize.org/shim=$device localhost/web nginx -c /etc/nginx.conf
            until_listens 8099
            client
            engine rm -ft 0 $device >/dev/null 2>&1
        done
        # What the command line says holds for the usual device, over the file.
        mptcpize enable --containers --except-ports 1 >/dev/null
        start again --device mptcpize.org/shim=run localhost/web nginx -c /etc/nginx.conf
        until_listens 8099
        client
        "#
    );
    let done = containers(&[Web], &script).run().ok();
    assert_eq!(done.stdout, "TCP hello\nTCP hello\nMPTCP hello\n", "{done}");
}

#[test]
fn a_container_keeps_it_over_restarts_and_what_exec_starts_wants_the_variable() {
    let script = r#"
        mptcpize enable --containers >/dev/null
        start held --device mptcpize.org/shim=run localhost/web sleep 1000
        engine exec held protocol
        engine exec -e LD_PRELOAD=/usr/lib/mptcpize/containers/libmptcpize.so held protocol
        engine restart -t 0 held >/dev/null
        until_executed held sleep
        engine exec held cat /proc/1/environ | tr '\0' '\n' | grep -c mptcpize
        mptcpize disable --containers >/dev/null
        # The one that runs goes on with what it has.
        engine exec -e LD_PRELOAD=/usr/lib/mptcpize/containers/libmptcpize.so held protocol
        engine stop -t 0 held >/dev/null
        engine start held 2>&1 | grep -o 'unresolvable CDI devices .*'
    "#;
    let done = containers(&[Web], script).run().ok();
    let wanted = "6\n262\n1\n262\nunresolvable CDI devices mptcpize.org/shim=run\n";
    assert_eq!(done.stdout, wanted, "{done}");
}
