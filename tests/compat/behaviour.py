"""What a program sees of its sockets apart from their options: one line for each probe, its name and
what came of it, separated by a tab. `behaviour.py mptcp` makes MPTCP sockets itself.

Not here: which answers are right; those are TCP's. Nothing waits for a fixed time but where the answer
is that nothing comes.
"""
import array
import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket as s
import struct
import subprocess
import sys
import termios
import threading
import time

PROTOCOL = 262 if sys.argv[1:] == ["mptcp"] else 0
SIOCATMARK, SIOCOUTQNSD, SIOCOUTQ = 0x8905, 0x894B, 0x5411
SO_ZEROCOPY, MSG_ZEROCOPY, SO_EE_ORIGIN_ZEROCOPY = 60, 0x4000000, 5
SO_ATTACH_FILTER, SO_PEEK_OFF, SO_ATTACH_REUSEPORT_CBPF, SO_ORIGINAL_DST = 26, 42, 51, 80
SO_TIMESTAMPING, TX_SOFTWARE = 37, 1 << 1 | 1 << 4
PROBES = []


def probe(name):
    def add(function):
        PROBES.append((name, function))
    return add


def new():
    return s.socket(s.AF_INET, s.SOCK_STREAM, PROTOCOL)


def listening(prepare=lambda sock: None):
    sock = new()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    prepare(sock)
    return sock


def pair(prepare=lambda sock: None, of_listener=lambda sock: None):
    listener = listening(of_listener)
    client = new()
    prepare(client)
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    # Until both ends know the whole of the other: the answers are those of a working connection.
    client.send(b"hello")
    server.recv(5, s.MSG_WAITALL)
    server.send(b"hello")
    client.recv(5, s.MSG_WAITALL)
    return client, server


def ask(sock, request=termios.FIONREAD):
    answer = array.array("i", [77])
    fcntl.ioctl(sock, request, answer)
    return answer[0]


def wait(sock, events, milliseconds=10_000):
    poll = select.poll()
    poll.register(sock, events)
    return sum(event for _, event in poll.poll(milliseconds))


def until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        select.select([], [], [], 0.001)
    return condition()


@contextlib.contextmanager
def patient():
    """A kernel that keeps what a program holds back for a minute, and not for 200 ms (its shortest time
    between repetitions): a machine that is late to look finds it held back all the same."""
    route = "ip route replace local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1"
    subprocess.run(f"{route} rto_min 60s".split(), check=True)
    try:
        yield
    finally:
        subprocess.run(route.split(), check=True)


def reset(sock):
    sock.setsockopt(s.SOL_SOCKET, s.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def stalls(prepare=lambda sock: None, of_listener=lambda sock: None):
    """Did 1 MB to a receiver with a small buffer need retransmissions of MPTCP's? Several: one may
    be a busy machine's."""
    def retransmissions():
        with open("/proc/net/netstat") as file:
            lines = [line.split() for line in file if line.startswith("MPTcpExt:")]
        return int(dict(zip(lines[0], lines[1]))["MPTCPRetrans"])
    before = retransmissions()
    client, server = pair(prepare, of_listener)
    receiver, sender = (server, client) if of_listener.__name__ == "small" else (client, server)
    thread = threading.Thread(target=sender.sendall, args=(bytes(1_000_000),), daemon=True)
    thread.start()
    left = 1_000_000
    while left and retransmissions() - before < 3:
        receiver.settimeout(0.05)
        try:
            left -= len(receiver.recv(1 << 16))
        except TimeoutError:
            pass
    return "stalls" if left else "flows"


def small(sock):
    sock.setsockopt(s.SOL_SOCKET, s.SO_RCVBUF, 4096)


def filtered(sock, option):
    """Attaches a filter that lets everything pass; for SO_ATTACH_REUSEPORT_CBPF: the first socket."""
    verdict = 0 if option == SO_ATTACH_REUSEPORT_CBPF else 0xFFFFFFFF
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, verdict))  # BPF_RET | BPF_K
    sock.setsockopt(s.SOL_SOCKET, option, struct.pack("HxxxxxxP", 1, ctypes.addressof(code)))
    return "taken"


def original_destination(ask):
    """What `ask` gets of a connection to 10.9.9.9 port 80 that was redirected to a listener."""
    for command in ("ip address replace 10.9.9.9/32 dev lo", "nft add table ip redirecting",
                    "nft add chain ip redirecting out { type nat hook output priority -100; }",
                    "nft add rule ip redirecting out tcp dport 80 redirect to :9000"):
        subprocess.run(command.split(), check=True)
    with new() as listener, new() as client:
        listener.setsockopt(s.SOL_SOCKET, s.SO_REUSEADDR, 1)
        listener.bind(("", 9000))
        listener.listen()
        client.connect(("10.9.9.9", 80))
        with listener.accept()[0] as server:
            return ask(server)


def destination(sock):
    answer = sock.getsockopt(s.SOL_IP, SO_ORIGINAL_DST, 16)
    return f"{s.inet_ntoa(answer[4:8])}:{int.from_bytes(answer[2:4], 'big')}"


@probe("`SO_PROTOCOL`, asked alone")
def _():
    return new().getsockopt(s.SOL_SOCKET, 38)


@probe("`SO_PROTOCOL`, asked after `SO_TYPE` or `SO_DOMAIN`")
def _():
    sock = new()
    sock.getsockopt(s.SOL_SOCKET, s.SO_TYPE)
    return sock.getsockopt(s.SOL_SOCKET, 38)


@probe("transfer, `SO_RCVBUF` 4096 set before `connect`")
def _():
    return stalls(prepare=small)


@probe("transfer, `SO_RCVBUF` 4096 set on the listener")
def _():
    return stalls(of_listener=small)


@probe("what a sender gets rid of when nobody reads and both buffers are small")
def _():
    client, server = pair(lambda sock: sock.setsockopt(s.SOL_SOCKET, s.SO_SNDBUF, 4096), small)
    client.setblocking(False)
    sent = 0
    # Several times the kernel's longest delay of an acknowledgement.
    while sent < 1 << 18 and wait(client, select.POLLOUT, 5000):
        sent += client.send(bytes(4096))
    return "less than 256 KiB" if sent < 1 << 18 else "256 KiB and more"


@probe("`FIONREAD`, unconnected")
def _():
    return ask(new())


@probe("`FIONREAD`, 3 bytes and the end")
def _():
    client, server = pair()
    client.send(b"abc")
    client.shutdown(s.SHUT_WR)
    wait(server, select.POLLRDHUP)
    return ask(server)


@probe("`FIONREAD`, at the end")
def _():
    client, server = pair()
    client.shutdown(s.SHUT_WR)
    wait(server, select.POLLRDHUP)
    return ask(server)


@probe("`FIONREAD`, 3 bytes after one's own `shutdown(SHUT_RD)`")
def _():
    client, server = pair()
    server.shutdown(s.SHUT_RD)
    client.send(b"abc")
    until(lambda: ask(server) == 3)
    return ask(server)


@probe("`FIONREAD`, after a reset")
def _():
    client, server = pair()
    reset(client)
    wait(server, select.POLLHUP)
    return ask(server)


@probe("`FIONREAD`, 3 bytes and a reset")
def _():
    client, server = pair()
    client.send(b"abc")
    until(lambda: ask(server) == 3)
    reset(client)
    wait(server, select.POLLHUP)
    return ask(server)


@probe("`SIOCATMARK`, nothing urgent")
def _():
    return ask(pair()[1], SIOCATMARK)


@probe("`SIOCOUTQ` of a listener")
def _():
    return ask(listening(), SIOCOUTQ)


@probe("`SO_ORIGINAL_DST` of a redirected connection, with `CAP_NET_ADMIN`")
def _():
    return original_destination(destination)


@probe("`SO_ORIGINAL_DST` of a redirected connection, without")
def _():
    def by_nobody(sock):
        answers, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                answer = destination(sock)
            except OSError as error:
                answer = errno.errorcode[error.errno]
            os.write(told, answer.encode())
            os._exit(0)
        os.waitpid(child, 0)
        return os.read(answers, 100).decode()
    return original_destination(by_nobody)


@probe("class in the packets after `IPV6_TCLASS` 0x48")
def _():
    with s.socket(s.AF_PACKET, s.SOCK_DGRAM, s.htons(0x86DD)) as packets:
        packets.bind(("lo", 0x86DD))
        with s.socket(s.AF_INET6, s.SOCK_STREAM, PROTOCOL) as listener:
            listener.bind(("::1", 0))
            listener.listen()
            with s.socket(s.AF_INET6, s.SOCK_STREAM, PROTOCOL) as client:
                client.setsockopt(s.IPPROTO_IPV6, s.IPV6_TCLASS, 0x48)
                client.connect(listener.getsockname())
        # The first of the connection.
        while (packet := packets.recv(100))[6] != s.IPPROTO_TCP:
            pass
        return hex((packet[0] & 15) << 4 | packet[1] >> 4)


@probe("`SO_ATTACH_FILTER` before `listen`")
def _():
    return filtered(new(), SO_ATTACH_FILTER)


@probe("`SO_ATTACH_FILTER` on a listener")
def _():
    return filtered(listening(), SO_ATTACH_FILTER)


@probe("`SO_ATTACH_REUSEPORT_CBPF` before `listen`")
def _():
    sock = new()
    sock.setsockopt(s.SOL_SOCKET, s.SO_REUSEPORT, 1)
    return filtered(sock, SO_ATTACH_REUSEPORT_CBPF)


@probe("`SO_ATTACH_REUSEPORT_CBPF` on a listener")
def _():
    sock = new()
    sock.setsockopt(s.SOL_SOCKET, s.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return filtered(sock, SO_ATTACH_REUSEPORT_CBPF)


@probe("`SO_PEEK_OFF` on a connection")
def _():
    client, server = pair()
    server.setsockopt(s.SOL_SOCKET, SO_PEEK_OFF, 0)
    return "taken"


@probe("`MSG_OOB`: the urgent byte")
def _():
    client, server = pair()
    client.send(b"a")
    client.send(b"!", s.MSG_OOB)
    client.send(b"b")
    until(lambda: wait(server, select.POLLPRI, 0) or ask(server) == 3)
    return "apart" if server.recv(3) == b"a" else "among the others"


@probe("`SO_OOBINLINE` on a connection")
def _():
    client, server = pair()
    server.setsockopt(s.SOL_SOCKET, s.SO_OOBINLINE, 1)
    return server.getsockopt(s.SOL_SOCKET, s.SO_OOBINLINE)


@probe("`EPIPE` after the peer's `close`")
def _():
    client, server = pair()
    server.close()
    wait(client, select.POLLRDHUP)
    for write in range(1, 100):
        try:
            client.send(b"x")
        except (BrokenPipeError, ConnectionResetError):
            return "at the second write"
        # The peer's reset is on its way.
        wait(client, 0, 20)
        if write == 10:
            return "60 s later"


def send_that_waits(sock, lose):
    """Fills the connection until send waits, loses it, and says what the send then answers."""
    answer = []

    def send():
        try:
            while True:
                sock.send(bytes(1 << 16))
        except OSError as error:
            answer.append(errno.errorcode[error.errno])
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    until(lambda: wait(sock, select.POLLOUT, 0) == 0)
    lose()
    # The kernel has given the connection up; some time more for a thread that it woke.
    wait(sock, select.POLLRDHUP)
    thread.join(10)
    return answer[0] if answer else "waits for ever"


@probe("`send` that waits, the last subflow reset")
def _():
    client, server = pair()
    # How long a connection without subflows is kept, where the kernel lets us say it; otherwise a minute.
    with contextlib.suppress(OSError), open("/proc/sys/net/mptcp/close_timeout", "w") as file:
        file.write("1")
    port = client.getsockname()[1]
    return send_that_waits(server, lambda: subprocess.run(
        ["ss", "--tcp", "--kill", f"sport = :{port}"], check=True, stdout=subprocess.DEVNULL))


@probe("`send` that waits, connection reset by a peer of plain TCP")
def _():
    client, peer = to_tcp()
    return send_that_waits(client, lambda: reset(peer))


class Alarm(Exception):
    pass


@probe("`accept` on a listener with `SO_RCVTIMEO`")
def _():
    def alarm(*_):
        raise Alarm
    listener = listening(lambda sock: sock.setsockopt(s.SOL_SOCKET, s.SO_RCVTIMEO,
                                                      struct.pack("ll", 0, 50_000)))
    signal.signal(signal.SIGALRM, alarm)
    # Long after the limit, for a late machine sees both at once and then tells of the signal.
    signal.setitimer(signal.ITIMER_REAL, 10)
    try:
        listener.accept()
    except BlockingIOError:
        return "EAGAIN"
    except Alarm:
        return "waits for ever"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def names(events):
    return " ".join(name for name in ("POLLIN", "POLLERR", "POLLHUP")
                    if events & getattr(select, name))


def refused():
    """A connection that was refused, as a program sees it that does not wait in connect."""
    port = listening()
    address = port.getsockname()
    port.close()
    sock = new()
    sock.setblocking(False)
    sock.connect_ex(address)
    return sock


def to_tcp():
    """A connection to a peer of plain TCP, whatever the sockets of this program are, and the peer."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    listener = s.socket(fileno=ctypes.CDLL(None).syscall(number, s.AF_INET, s.SOCK_STREAM, 6))
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    client = new()
    client.connect(listener.getsockname())
    return client, listener.accept()[0]


def reset_by_tcp():
    client, peer = to_tcp()
    reset(peer)
    return client


def answer_of(call):
    try:
        return len(call())
    except OSError as error:
        return errno.errorcode[error.errno]


@probe("`poll` for `POLLIN`, connection refused")
def _():
    return names(wait(refused(), select.POLLIN))


@probe("`poll` for `POLLIN`, connection reset by a peer of plain TCP")
def _():
    return names(wait(reset_by_tcp(), select.POLLIN))


@probe("`epoll_wait` for `EPOLLIN`, connection reset by a peer of plain TCP")
def _():
    sock, epoll = reset_by_tcp(), select.epoll()
    epoll.register(sock, select.EPOLLIN)
    return names(epoll.poll(10)[0][1])


@probe("`recv` or `read` after the one that said `ECONNRESET`, peer of plain TCP")
def _():
    sock = reset_by_tcp()
    select.select([sock], [], [])
    answer_of(lambda: sock.recv(1))
    return answer_of(lambda: os.read(sock.fileno(), 1))


@probe("`MSG_MORE`")
def _():
    with patient():
        client, server = pair()
        client.send(b"x", s.MSG_MORE)
        return "held back" if ask(client, SIOCOUTQNSD) == 1 else "sent at once"


@probe("`TCP_CORK`")
def _():
    with patient():
        client, server = pair()
        client.setsockopt(s.IPPROTO_TCP, s.TCP_CORK, 1)
        client.send(b"x")
        if wait(server, select.POLLIN, 50):
            return "sent at once"
        client.setsockopt(s.IPPROTO_TCP, s.TCP_CORK, 0)
        return "held back" if wait(server, select.POLLIN) else "lost"


@probe("`sendto` with `MSG_FASTOPEN`, which connects")
def _():
    listener = listening()
    new().sendto(b"hello", s.MSG_FASTOPEN, listener.getsockname())
    return listener.accept()[0].recv(5, s.MSG_WAITALL).decode()


@probe("`MSG_ZEROCOPY`, `SO_ZEROCOPY` set before `connect`")
def _():
    client, server = pair(lambda sock: sock.setsockopt(s.SOL_SOCKET, SO_ZEROCOPY, 1))
    client.send(bytes(4096), MSG_ZEROCOPY)
    server.recv(4096, s.MSG_WAITALL)
    return "completes" if wait(client, 0) & select.POLLERR else "never completes"


@probe("`MSG_ZEROCOPY`, `SO_ZEROCOPY` set on the connection")
def _():
    client, server = pair()
    client.setsockopt(s.SOL_SOCKET, SO_ZEROCOPY, 1)
    client.send(bytes(4096), MSG_ZEROCOPY)
    server.recv(4096, s.MSG_WAITALL)
    return "completes" if wait(client, 0) & select.POLLERR else "never completes"


@probe("time stamps of what was sent (`SO_TIMESTAMPING`)")
def _():
    def stamps(sock):
        sock.setsockopt(s.SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE)
    client, server = pair(stamps)
    client.send(b"x")
    server.recv(1)
    return "arrive" if wait(client, 0, 200) & select.POLLERR else "never arrive"


@probe("`connect` of a bound socket to itself")
def _():
    sock = new()
    sock.bind(("127.0.0.1", 0))
    sock.connect(sock.getsockname())
    sock.send(b"hello")
    sock.settimeout(10)
    return sock.recv(5).decode()


@probe("`TCP_INFO`, state after the peer's `shutdown`")
def _():
    client, server = pair()
    client.shutdown(s.SHUT_WR)
    wait(server, select.POLLRDHUP)
    return {1: "ESTABLISHED", 8: "CLOSE_WAIT"}[server.getsockopt(s.IPPROTO_TCP, s.TCP_INFO, 8)[0]]


@probe("connect that one's own Landlock rules forbid")
def _():
    """On a thread of its own, for it cannot be taken back."""
    listener = listening()
    libc = ctypes.CDLL(None, use_errno=True)
    result = []

    def restricted():
        # struct landlock_ruleset_attr: file system, network (LANDLOCK_ACCESS_NET_CONNECT_TCP).
        rules = libc.syscall(444, struct.pack("QQ", 0, 2), 16, 0)
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        if rules < 0 or libc.syscall(446, rules, 0):
            result.append("no Landlock here: " + errno.errorcode[ctypes.get_errno()])
            return
        try:
            new().connect(listener.getsockname())
            result.append("is made")
        except OSError as error:
            result.append(errno.errorcode[error.errno])
    thread = threading.Thread(target=restricted)
    thread.start()
    thread.join()
    return result[0]


for name, function in PROBES:
    try:
        answer = function()
    except OSError as error:
        answer = errno.errorcode[error.errno]
    print(name, answer, sep="\t", flush=True)
