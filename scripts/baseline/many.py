"""Many MPTCP connections between two network namespaces, held until standard input ends.

Usage: many.py COUNT ADDRESS SERVER-NAMESPACE. Run in the client's namespace, with a limit of
open files above COUNT. Prints "ready" once every connection has both its subflows.
"""

import ctypes
import os
import select
import socket
import sys
import time

MPTCP = 262
CLONE_NEWNET = 0x40000000
COUNT, ADDRESS, SERVER = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def tcp_sockets():
    """TCP sockets in use in this namespace, subflows among them."""
    with open("/proc/thread-self/net/sockstat") as file:
        for line in file:
            if line.startswith("TCP:"):
                return int(line.split()[2])
    return 0


def serve(done):
    namespace = os.open(SERVER, os.O_RDONLY)
    # os.setns is Python 3.12's.
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ADDRESS, 5000))
    listener.listen(1024)
    done.write("l")
    done.flush()
    held = []
    for _ in range(COUNT):
        peer, _ = listener.accept()
        peer.recv(1)
        peer.send(b"y")
        held.append(peer)
    # Until the client's process, and with it the other end of this pipe, is gone.
    os.read(0, 1)


def main():
    alive_out, alive_in = os.pipe()
    told_out, told_in = os.pipe()
    if os.fork() == 0:
        os.close(alive_in)
        os.dup2(alive_out, 0)
        serve(os.fdopen(told_in, "w"))
        os._exit(0)
    os.close(told_in)
    if os.read(told_out, 1) == b"":
        sys.exit("no server")
    held = []
    for _ in range(COUNT):
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
        one.connect((ADDRESS, 5000))
        one.send(b"x")
        one.recv(1)
        held.append(one)
    deadline = time.monotonic() + 60
    while tcp_sockets() < 2 * COUNT:
        if time.monotonic() > deadline:
            sys.exit(f"only {tcp_sockets()} of {2 * COUNT} subflows")
        select.select([], [], [], 0.05)
    print("ready", flush=True)
    sys.stdin.read()


main()
