//! Containers with a network of their own: several networks in one, and ports that the host publishes.

use crate::engine::Image::Web;
use crate::engine::containers;

#[test]
fn a_container_with_two_networks_is_set_up_from_the_host_and_left_as_it_was() {
    let script = r#"
        mptcpize enable --containers >/dev/null
        engine network create one >/dev/null
        engine network create two >/dev/null
        engine run -d --name both "${limits[@]}" --network one --network two \
            --device mptcpize.org/shim=run localhost/web sleep 1000 >/dev/null
        inside() { nsenter -t "$process" -n "$@"; }
        process=$(engine inspect both --format '{{.State.Pid}}')
        look() { inside ip rule; inside ip route show table all | sort; inside ip mptcp endpoint; }
        look >/tmp/before
        mptcpize setup --netns "$process" >/dev/null
        inside ip mptcp endpoint | grep -c ' dev eth[01]\| subflow'
        inside ip rule | grep -c 'proto 86'
        # The host has nothing of it.
        ip mptcp endpoint
        mptcpize setup undo --netns "$process" >/dev/null
        look | diff /tmp/before -
    "#;
    // Where nobody listens for syslog(3) the engine complains of it.
    let done = containers(&[Web], script).run().ok();
    assert_eq!(done.stdout, "2\n6\n", "{done}");
}

#[test]
fn a_client_with_two_links_uses_both_to_a_published_port_and_keeps_its_connection_without_the_first()
 {
    let script = r#"
        mptcpize enable --containers >/dev/null
        ip netns add client
        for number in 1 2; do
            ip link add out$number type veth peer name in$number netns client
            ip addr add 192.0.2.$((number * 16 + 1))/28 dev out$number
            ip link set out$number up
            ip -n client addr add 192.0.2.$((number * 16 + 2))/28 dev in$number
            ip -n client link set in$number up
        done
        ip -n client route add default via 192.0.2.33 table 7
        ip -n client rule add from 192.0.2.34 table 7
        ip -n client mptcp limits set subflow 1
        ip -n client mptcp endpoint add 192.0.2.34 dev in2 subflow
        engine run -d --name web "${limits[@]}" -p 8080:8099 --device mptcpize.org/shim=run \
            localhost/web nginx -c /etc/nginx.conf >/dev/null
        process=$(engine inspect web --format '{{.State.Pid}}')
        until_listens 8099 nsenter -t "$process" -n
        cat >/tmp/client <<'EOT'
import socket, subprocess, sys
def joined():
    line = subprocess.run(["nsenter", "-t", sys.argv[1], "-n", "nstat", "-asz", "MPTcpExtMPJoinAckRx"],
                          stdout=subprocess.PIPE, text=True).stdout
    return int(line.split()[-2])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.connect(("192.0.2.17", 8080))
s.sendall(b"GET / HTTP/1.0\r\n")
while joined() == 0: pass
subprocess.run("ip -n client link set in1 down".split(), check=True)
s.sendall(b"\r\n")
answer = b""
while part := s.recv(4096): answer += part
print(joined(), answer.rsplit(b"\n", 1)[1].decode())
EOT
        nsenter --net=/run/netns/client python3 /tmp/client "$process"
        ip netns delete client
    "#;
    let done = containers(&[Web], script).run().ok();
    assert_eq!(done.stdout, "1 hello\n", "{done}");
}
