"""Sets every option that MPTCP accepts, then one that it refuses, and prints what the socket has
then: options, address, flags, owner, epoll. Natively and under the tool the same text."""
import fcntl
import os
import select
import signal
import socket as s
import struct

SOCKET, IP, TCP, IPV6 = 1, 0, 6, 41
ON = struct.pack("i", 1)


def number(value):
    return struct.pack("i", value)


TIME = struct.pack("qq", 3, 500000)
COMMON = [
    (SOCKET, 2, ON), (SOCKET, 5, ON), (SOCKET, 6, ON), (SOCKET, 7, number(300000)),
    (SOCKET, 8, number(300000)), (SOCKET, 9, ON), (SOCKET, 12, number(3)),
    (SOCKET, 13, struct.pack("ii", 1, 7)), (SOCKET, 15, ON), (SOCKET, 18, number(9)),
    (SOCKET, 20, TIME), (SOCKET, 21, TIME), (SOCKET, 29, ON), (SOCKET, 35, ON),
    (SOCKET, 36, number(77)), (SOCKET, 37, number(0x50)), (SOCKET, 46, number(20)),
    (SOCKET, 49, number(1)), (SOCKET, 62, ON), (SOCKET, 25, b"lo\0"), (SOCKET, 66, TIME),
    (SOCKET, 67, TIME), (SOCKET, 69, ON), (TCP, 1, ON), (TCP, 2, number(900)), (TCP, 3, ON),
    (TCP, 4, number(11)), (TCP, 5, number(12)), (TCP, 6, number(5)), (TCP, 9, number(3)),
    (TCP, 13, b"reno"), (TCP, 23, number(5)), (TCP, 25, number(4000)), (TCP, 30, ON),
    (SOCKET, 32, number(200000)), (SOCKET, 33, number(200000)), (SOCKET, 63, ON), (SOCKET, 64, ON),
    (SOCKET, 65, number(0x50)), (TCP, 33, bytes(range(16))), (TCP, 34, ON), (TCP, 36, ON), (IP, 1, number(0x10)),
    (IP, 15, ON), (IP, 19, ON), (IP, 24, ON), (IP, 51, struct.pack("I", 40000 | 50000 << 16)),
]
OF_IPV6 = [(IPV6, 26, ON), (IPV6, 75, ON), (IPV6, 78, ON)]
USER_TIMEOUT = 18


def attempt(call):
    try:
        return call()
    except OSError as error:
        return error.errno


def show(name, sock):
    print(name, sock.getsockopt(TCP, USER_TIMEOUT), sock.getsockopt(SOCKET, 38))


# Each alone, then read back from the TCP socket.
for family, options in ((s.AF_INET, COMMON), (s.AF_INET6, OF_IPV6)):
    for level, name, value in options:
        sock = s.socket(family)
        done = attempt(lambda: sock.setsockopt(level, name, value))
        sock.setsockopt(TCP, USER_TIMEOUT, 1234)
        print(level, name, done, attempt(lambda: sock.getsockopt(level, name, 64).hex()))
        show("after", sock)
        sock.close()

# All at once, in both orders.
for order in (COMMON, COMMON[::-1]):
    sock = s.socket()
    for level, name, value in order:
        attempt(lambda: sock.setsockopt(level, name, value))
    sock.setsockopt(TCP, USER_TIMEOUT, 1234)
    print("all", [attempt(lambda: sock.getsockopt(o[0], o[1], 64).hex()) for o in COMMON])
    sock.close()

# The buffers that nobody set keep growing by themselves (SO_BUF_LOCK).
sock = s.socket()
sock.setsockopt(TCP, USER_TIMEOUT, 1)
print("locked", sock.getsockopt(SOCKET, 72), sock.getsockopt(SOCKET, 7), sock.getsockopt(SOCKET, 8))

# Flags, owner, signal, close-on-exec.
for cloexec in (0, fcntl.FD_CLOEXEC):
    sock = s.socket()
    fcntl.fcntl(sock, fcntl.F_SETFD, cloexec)
    sock.setblocking(False)
    fcntl.fcntl(sock, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(sock, fcntl.F_SETSIG, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    fcntl.fcntl(sock, fcntl.F_SETFL, fcntl.fcntl(sock, fcntl.F_GETFL) | os.O_ASYNC)
    sock.setsockopt(TCP, USER_TIMEOUT, 1234)
    print("flags", fcntl.fcntl(sock, fcntl.F_GETFL), fcntl.fcntl(sock, fcntl.F_GETFD) == cloexec,
          fcntl.fcntl(sock, fcntl.F_GETOWN) == os.getpid(), fcntl.fcntl(sock, fcntl.F_GETSIG))

# The address, with and without SO_REUSEADDR; and it is free for a listener.
for family, host in ((s.AF_INET, "127.0.0.1"), (s.AF_INET, "0.0.0.0"), (s.AF_INET6, "::1")):
    for reuse in (0, 1):
        sock = s.socket(family)
        sock.setsockopt(SOCKET, 2, reuse)
        sock.bind((host, 0))
        before = sock.getsockname()
        sock.setsockopt(TCP, USER_TIMEOUT, 1234)
        sock.listen()
        print("address", sock.getsockname() == before, sock.getsockopt(SOCKET, 2))
        sock.close()

# epoll: the events and the data of the registration.
sock = s.socket()
poll = select.epoll()
poll.register(sock, select.EPOLLIN | select.EPOLLET)
sock.bind(("127.0.0.1", 0))
sock.setsockopt(TCP, USER_TIMEOUT, 1234)
sock.listen()
poll.poll(0)
client = s.create_connection(sock.getsockname())
print("epoll", poll.poll(5) == [(sock.fileno(), select.EPOLLIN)], poll.poll(0))
