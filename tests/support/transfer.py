"""A transfer whose bytes and rate are known: `serve PORT`, `get HOST PORT BYTES [SOURCE]`, `put …`.

With HOLD in its environment a client lets half of the bytes go, and the rest when it has read a byte
from the file of that name: what is to happen in the middle does, however slow the machine is. With
AT_ONCE it fails where its first packet had to be sent again, or left from another address than this.

The bytes are the same in every run, and both ends compare them, so that a lost or repeated piece
is noticed, and told with what the kernel counted meanwhile. The client prints a rate in bytes per
second, as the receiver's program got them in the median tenth of them: a stall of the kernel's (a lost
last packet; one transfer in forty here) or of the whole machine says nothing about how many links are
used.
"""

import os
import random
import socket
import statistics
import sys
import threading
import time


def with_cubic(connection):
    # It fills a short transfer evenly (95 to 97 % of three links here); BBR, a default of some
    # hosts, is still measuring the links when such a transfer ends (66 to 90 %).
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")


def content(size):
    return random.Random(8684).randbytes(size)


def read_all(read, expected):
    size = len(expected)
    tenths = [time.monotonic()]
    done = 0
    fault = ""
    while done < size:
        # Much less than a tenth, also where the program is late and the kernel has more for it.
        piece = read(min(size - done, 1 << 14))
        if not piece:
            sys.exit(f"the connection ended after {done} bytes of {size}")
        if not fault and piece != expected[done : done + len(piece)]:
            fault = difference(piece, expected, done)
        done += len(piece)
        while len(tenths) <= 10 * done // size:
            tenths.append(time.monotonic())
    took = [end - start for start, end in zip(tenths, tenths[1:])]
    # Where all come at once, the clock may not have moved.
    return size / 10 / max(statistics.median(took), 1e-9), fault


def difference(piece, expected, done):
    """Where the first wrong byte is, and which bytes of what was sent came in its place."""
    first = next(i for i, (a, b) in enumerate(zip(piece, expected[done:])) if a != b)
    found = expected.find(piece[first : first + 16])
    return f"byte {done + first}: what was sent as byte {found} came in its place; {counted()}"


def counted():
    """What the kernel counted of MPTCP in this namespace, but zero."""
    with open("/proc/net/netstat") as file:
        names, counts = [line.split()[1:] for line in file if line.startswith("MPTcpExt:")]
    pairs = zip(names, counts)
    return " ".join(f"{name}={count}" for name, count in pairs if count != "0")


def answer(connection):
    with connection, connection.makefile("rb") as lines:
        with_cubic(connection)
        verb, size, *held = lines.readline().split()
        if verb == b"get":
            send(connection, content(int(size)), lines.readline if held else None)
        else:
            rate, fault = read_all(lines.read1, content(int(size)))
            connection.sendall(f"{rate:.0f} {fault}\n".encode())
        # The client closes first: the port is free again for the next server.
        connection.recv(1)


def send(connection, data, wait):
    """Sends it all; the second half when `wait` has returned."""
    half = len(data) // 2
    connection.sendall(data[:half])
    if wait:
        wait()
    connection.sendall(data[half:])


def serve(port):
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", int(port)))
    listener.listen()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def retransmitted(connection):
    """tcpi_total_retrans of TCP_INFO (linux/tcp.h): with MPTCP that of the first subflow."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int.from_bytes(info[100:104], sys.byteorder)


def release(hold, connection):
    hold.read(1)
    connection.sendall(b"\n")


def ask(verb, host, port, size, source=None):
    size = int(size)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        with_cubic(connection)
        if source:
            connection.bind((source, 0))
        connection.connect((host, int(port)))
        if wanted := os.environ.get("AT_ONCE"):
            # With MPTCP both are the first subflow's.
            again, own = retransmitted(connection), connection.getsockname()[0]
            if (again, own) != (0, wanted):
                sys.exit(f"connected from {own} after {again} repetitions of the first packet")
        hold = open(os.environ["HOLD"], "rb", buffering=0) if "HOLD" in os.environ else None
        held = " held" if hold and verb == "get" else ""
        connection.sendall(f"{verb} {size}{held}\n".encode())
        if verb == "get":
            if hold:
                threading.Thread(target=release, args=(hold, connection), daemon=True).start()
            rate, fault = read_all(connection.recv, content(size))
        else:
            send(connection, content(size), hold and (lambda: hold.read(1)))
            with connection.makefile() as lines:
                rate, _, fault = lines.readline().rstrip("\n").partition(" ")
    if fault:
        sys.exit(f"other bytes arrived than were sent: {fault}; {counted()}")
    print(rate)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    ask(*sys.argv[1:])
