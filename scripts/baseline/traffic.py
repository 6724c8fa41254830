"""Traffic for the measurements of a gateway and of a relay: a server, and the roles of its clients,
which are started in network namespaces of their own.

With SOCKS=PORT in the environment, connections go through the SOCKS5 proxy at that port of 127.0.0.1.

Usage: traffic.py serve | get BYTES ADDRESS PORT | put BYTES ADDRESS PORT | many BYTES ADDRESS,… PORT
       | latency TIMES ADDRESS PORT | rate SECONDS ADDRESS PORT | hold NUMBER ADDRESS PORT
"""

import os
import resource
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

MPTCP = 262
# The server's, with MPTCP and without.
PORT = 8080
PLAIN_PORT = 8081
SOCKS = int(os.environ.get("SOCKS", 0))


def serve():
    """Answers at two ports, over MPTCP and over TCP, at every address: `gN` sends N bytes, `p` counts
    what comes, `h` sends one byte and holds, `c` sends one byte and closes."""
    def answer(connection):
        with connection:
            connection.setsockopt(socket.SOL_TCP, socket.TCP_CONGESTION, b"cubic")
            verb = b""
            while not verb.endswith(b"\n"):
                piece = connection.recv(1)
                if not piece:
                    return
                verb += piece
            if verb[:1] == b"g":
                left, piece = int(verb[1:]), bytes(1 << 18)
                while left > 0:
                    left -= connection.send(piece[:left])
                connection.recv(1)
            elif verb[:1] == b"p":
                connection.sendall(b"%f %d\n" % receive(connection, int(verb[1:])))
                connection.recv(1)
            else:
                connection.sendall(b"x")
                if verb[:1] == b"h":
                    connection.recv(1)

    def listen(protocol, port):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))
        listener.listen(4096)
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.stack_size(128 * 1024)
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    threading.Thread(target=listen, args=(0, PLAIN_PORT), daemon=True).start()
    print("ready", flush=True)
    listen(MPTCP, PORT)


def receive(connection, size):
    """Bytes a second after the first tenth, and how many came."""
    came, began, tenth = 0, None, 0
    while came < size:
        piece = connection.recv(1 << 18)
        if not piece:
            break
        came += len(piece)
        if began is None and came >= size // 10:
            began, tenth = time.monotonic(), came
    return (came - tenth) / (time.monotonic() - began), came


def connect(address, port):
    connection = socket.create_connection(("127.0.0.1", SOCKS) if SOCKS else (address, port))
    connection.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)
    if SOCKS:
        # RFC 1928: no authentication, then CONNECT to an IPv4 address.
        connection.sendall(b"\x05\x01\x00")
        assert connection.recv(2) == b"\x05\x00", "the proxy wants something else"
        connection.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(address) + struct.pack(">H", port))
        said = connection.recv(10)
        assert said[:2] == b"\x05\x00", f"the proxy refuses: {said}"
    return connection


def transfer(verb, size, address, port):
    with connect(address, port) as connection:
        connection.sendall(b"%s%d\n" % (verb[:1].encode(), size))
        if verb == "get":
            rate, came = receive(connection, size)
        else:
            left, piece = size, bytes(1 << 18)
            while left > 0:
                left -= connection.send(piece[:left])
            words = connection.makefile().readline().split()
            rate, came = float(words[0]), int(words[1])
        assert came == size, f"{came} bytes of {size}"
    return rate


def many(size, addresses, port):
    """Downloads over TCP from every address at once: bytes a second of all together."""
    begin = time.monotonic()
    threads = [threading.Thread(target=transfer, args=("get", size, address, port)) for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return size * len(addresses) / (time.monotonic() - begin)


def latency(times, address, port):
    took = []
    for _ in range(times):
        begin = time.monotonic()
        with connect(address, port) as connection:
            connection.sendall(b"c\n")
            connection.recv(1)
            took.append(time.monotonic() - begin)
    return statistics.median(took)


def rate(seconds, address, port):
    """Connections a second, of four at a time."""
    counts, end = [], time.monotonic() + seconds

    def loop():
        count = 0
        while time.monotonic() < end:
            with connect(address, port) as connection:
                connection.sendall(b"c\n")
                connection.recv(1)
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def hold(number, address, port):
    """Idle connections until standard input ends."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    held = []
    for _ in range(number):
        connection = connect(address, port)
        connection.sendall(b"h\n")
        connection.recv(1)
        held.append(connection)
    print(number, flush=True)
    sys.stdin.read()



def ip(words, where=None):
    subprocess.run(["ip", *(["-n", where] if where else []), *words.split()], check=True)


def sysctl(name, value, where=None):
    before = ["ip", "netns", "exec", where] if where else []
    subprocess.run([*before, "sysctl", "-qw", f"{name}={value}"], check=True)


def ask(where, role, *arguments, socks=0):
    """Runs a role in a namespace (nothing: in this one); what it answers."""
    before = ["ip", "netns", "exec", where] if where else []
    command = [*before, sys.executable, os.path.abspath(__file__), role, *map(str, arguments)]
    environment = {**os.environ, "SOCKS": str(socks)}
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)


def processor(pid):
    """Seconds on a processor, of all threads (Documentation/scheduler/sched-stats.rst)."""
    tasks = os.listdir(f"/proc/{pid}/task")
    return sum(int(open(f"/proc/{pid}/task/{task}/schedstat").read().split()[0]) for task in tasks) / 1e9


class Figures:
    """Values by name and way, each told as the median when all rounds are made. VERBOSE in the
    environment: each value when it is there."""

    def __init__(self):
        self.values = {}

    def add(self, name, way, value):
        self.values.setdefault((name, way), []).append(value)
        if os.environ.get("VERBOSE"):
            print(name, way, round(value, 2), file=sys.stderr, flush=True)

    def tell(self):
        for (name, way), values in self.values.items():
            print(name, way, round(statistics.median(values), 2), flush=True)


def main(role, *arguments):
    if role == "serve":
        return serve()
    amount, addresses, port = int(arguments[0]), arguments[1].split(","), int(arguments[2])
    if role == "many":
        print(many(amount, addresses, port))
    elif role in ("get", "put"):
        print(transfer(role, amount, addresses[0], port))
    elif role == "hold":
        hold(amount, addresses[0], port)
    else:
        print({"latency": latency, "rate": rate}[role](amount, addresses[0], port))


if __name__ == "__main__":
    main(*sys.argv[1:])
