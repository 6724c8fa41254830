"""A transfer whose bytes and time are known: `serve PORT`, `get HOST PORT BYTES`, `put …`.

The bytes are the same in every run, and both ends compare them, so that a lost or repeated piece
is noticed. The client prints the seconds from the connection to the last byte (for put: to the
server's answer that it has the last byte).
"""

import hashlib
import random
import socket
import sys
import threading
import time


def with_cubic(connection):
    # It fills a short transfer evenly (95 to 97 % of three links here); BBR, a default of some
    # hosts, is still measuring the links when such a transfer ends (66 to 90 %).
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")


def content(size):
    return random.Random(8684).randbytes(size)


def read_all(read, size):
    digest = hashlib.sha256()
    while size:
        piece = read(min(size, 1 << 18))
        if not piece:
            sys.exit(f"the connection ended {size} bytes early")
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def answer(connection):
    with connection, connection.makefile("rb") as lines:
        with_cubic(connection)
        verb, size = lines.readline().split()
        if verb == b"get":
            connection.sendall(content(int(size)))
        else:
            connection.sendall(read_all(lines.read1, int(size)).encode())
        # The client closes first: the port is free again for the next server.
        connection.recv(1)


def serve(port):
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", int(port)))
    listener.listen()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def ask(verb, host, port, size, source=None):
    size = int(size)
    expected = hashlib.sha256(content(size)).hexdigest()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        with_cubic(connection)
        if source:
            connection.bind((source, 0))
        connection.connect((host, int(port)))
        start = time.monotonic()
        connection.sendall(f"{verb} {size}\n".encode())
        if verb == "get":
            got = read_all(connection.recv, size)
        else:
            connection.sendall(content(size))
            got = connection.recv(64, socket.MSG_WAITALL).decode()
        seconds = time.monotonic() - start
    if got != expected:
        sys.exit("other bytes arrived than were sent")
    print(seconds)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    ask(*sys.argv[1:])
