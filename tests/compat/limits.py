"""limits.py PID ASKED SHORT LIMIT…: connects to that process at port ASKED, and prints the TCP_USER_TIMEOUT
of each of its TCP sockets once they are these, or what they are in the end; and what came at port SHORT
when a connection was kept silent for as long as the process allows there."""
import ctypes
import os
import select
import socket as s
import sys
import time

PIDFD_OPEN, PIDFD_GETFD = 434, 438
USER_TIMEOUT = 18

pid, asked, short, *wanted = map(int, sys.argv[1:])
connection = s.create_connection(("127.0.0.1", asked))
libc = ctypes.CDLL(None, use_errno=True)
process = libc.syscall(PIDFD_OPEN, pid, 0)


def limits():
    found = []
    for number in map(int, os.listdir(f"/proc/{pid}/fd")):
        copy = libc.syscall(PIDFD_GETFD, process, number, 0)
        try:
            with s.socket(fileno=copy) as sock:
                if sock.family == s.AF_INET and sock.type == s.SOCK_STREAM:
                    found.append(sock.getsockopt(s.IPPROTO_TCP, USER_TIMEOUT))
        except OSError:
            if copy >= 0:
                try:
                    os.close(copy)
                except OSError:
                    pass
    return sorted(found)


# The listeners, and the connection once it is accepted; those of before once they are closed.
deadline = time.monotonic() + 30
while (found := limits()) != wanted and time.monotonic() < deadline:
    select.select([], [], [], 0.01)
print(found)
silent = s.create_connection(("127.0.0.1", short), timeout=30)
silent.recv(1 << 16)
print("closed", silent.recv(1 << 16))
