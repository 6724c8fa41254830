//! What `status --all-netns` shows of containers, and `check` within one.

use crate::engine::Image::Web;
use crate::engine::containers;

#[test]
fn connections_of_containers_are_shown_with_the_name_that_the_engine_lists() {
    // The engine has no groups here ([`containers`]): the one that it would make is made by hand.
    let script = r#"
        make_group
        end() {
            engine rm -ft 0 -a >/dev/null 2>&1 || true
            remove_group
        }
        trap end EXIT
        mptcpize enable --containers >/dev/null
        id=$(engine run -d --name web "${limits[@]}" --network bridge \
            --device mptcpize.org/shim=run localhost/web nginx -c /etc/nginx.conf)
        mkdir $group/libpod-$id
        first=$(engine inspect web --format '{{.State.Pid}}')
        until_listens 8099 nsenter -t $first -n
        # The first one first: what it starts from then on is there too.
        echo $first >$group/libpod-$id/cgroup.procs
        for process in $(cat /proc/$first/task/*/children); do
            echo $process >$group/libpod-$id/cgroup.procs
        done
        address=$(engine inspect web --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}')
        cat >/tmp/client <<'EOT'
import socket, subprocess, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.connect((sys.argv[1], 8099))
s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
# Its server holds it once it has answered.
assert s.recv(4096)
for arguments in sys.argv[2:]:
    subprocess.call(arguments.split())
EOT
        id=$(engine ps -q)
        name=$(engine ps --format '{{.Names}}')
        python3 /tmp/client $address 'mptcpize status --all-netns' 'mptcpize status --all-netns --json' \
            'setpriv --reuid=65534 --clear-groups mptcpize status --all-netns' 'mptcpize status' >/tmp/said
        sed "s/^$name /NAME /; s/  */ /g; s/python3 [0-9][0-9]* /python3 PID /" /tmp/said | grep -e nginx -e python -e hidden -e '^CON' |
            grep -v '^{' | cut -d ' ' -f 1,2
        grep '^{' /tmp/said | python3 -c '
import json, sys
said = json.load(sys.stdin)
print([([one["container"], one["container_name"]] == sys.argv[1:],
        [program["container"], program["container_name"]] == sys.argv[1:], program["name"])
       for one in said["elsewhere"] for program in [one["connections"][0]["program"]]])' $id $name
    "#;
    let done = containers(&[Web], script).run().ok();
    let wanted = "CONTAINER CONNECTION\n- python3\nNAME nginx\nCONTAINER CONNECTION\n? namespaces\n\
        CONNECTION PID\npython3 PID\n[(True, True, 'nginx')]\n";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn check_within_a_container_says_what_is_missing() {
    let script = r#"
        mptcpize enable --containers >/dev/null
        tool='-v /usr/bin/mptcpize:/usr/bin/mptcpize:ro'
        for library in $(ldd /usr/bin/mptcpize | grep -o '/[^ )]*'); do
            tool="$tool -v $library:$library:ro"
        done
        look() { grep -A 3 ' container ' | sed 's/^. //; s/  */ /g' | grep -v -e ^paths -e ' do connect' -e ^firewall || true; }
        run $tool localhost/web mptcpize check | look
        run $tool --device mptcpize.org/shim=run localhost/web mptcpize check | look
        run $tool --device mptcpize.org/shim=library localhost/web mptcpize check | look
        start held $tool --device mptcpize.org/shim=run localhost/web sleep 1000
        until_executed held sleep
        engine exec held mptcpize check | look
        # An image that starts its program with an environment of its own.
        start clean $tool --device mptcpize.org/shim=run localhost/web env -i /bin/sleep 1000
        until_executed clean /bin/sleep
        engine exec clean mptcpize check | look
        engine run --rm "${limits[@]}" --network none --sysctl net.mptcp.enabled=0 $tool \
            --device mptcpize.org/shim=run localhost/web sh -c '
            mptcpize check | grep -e " kernel " -e " container " -e " fix "; protocol' | sed 's/  */ /g'
        rm -f /.dockerenv
        mptcpize check | look
    "#;
    let done = containers(&[Web], script).run().ok();
    let export =
        "do export LD_PRELOAD=/usr/lib/mptcpize/containers/libmptcpize.so GODEBUG=multipathtcp=1";
    let nothing = "why the device mptcpize.org/shim=library sets none, or what starts the image dropped it or \
        set its own";
    let wanted = format!(
        "container this container has no device of mptcpize\n \
         why its programs get TCP unless mptcpize run starts them\n \
         do on the host: sudo mptcpize enable --containers; then start it with --device mptcpize.org/shim=run\n\
         container programs that start here have the library, in LD_PRELOAD\n\
         container the library is here, and nothing names it in LD_PRELOAD\n \
         {nothing}\n {export}\n\
         container the container has the library, and this shell does not\n \
         why engines give what exec starts no variable of a device\n {export}\n\
         container the library is here, and nothing names it in LD_PRELOAD\n {nothing}\n {export}\n\
         x kernel MPTCP is off (net.mptcp.enabled=0)\n fix sysctl -w net.mptcp.enabled=1\n\
         - container not tried: see kernel\n6\n"
    );
    assert_eq!(done.stdout, wanted, "{done}");
}
