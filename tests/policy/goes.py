"""Sockets that go where the arguments say, one line for each: the protocol that the kernel has for
it, 6 or 262. A byte goes there and back, so what connects really does.

connect ADDRESS PORT, and so nonblocking, fastopen, sendmsg: a client of an echo server
mapped ADDRESS PORT: the same from an IPv6 socket to an IPv4 address
from PORT ADDRESS PORT: a client that is bound to a port of its own
listen ADDRESS PORT: a server, with a client of its own
unbound FAMILY: a server that never called bind
shared ADDRESS PORT: a client whose descriptor was duplicated
"""
import select
import socket as s
import sys

FASTOPEN = s.MSG_FASTOPEN


def new(address):
    return s.socket(s.AF_INET6 if ":" in address else s.AF_INET)


def echoes(sock, sent=b""):
    if not sent:
        sock.sendall(b"x")
    sock.setblocking(True)
    assert sock.recv(1) == b"x"
    return sock.getsockopt(s.SOL_SOCKET, s.SO_PROTOCOL)


def client(how, address, port):
    sock, to = new(address), (address, int(port))
    if how == "fastopen":
        sock.sendto(b"x", FASTOPEN, to)
        return echoes(sock, b"x")
    if how == "sendmsg":
        sock.sendmsg([b"x"], [], FASTOPEN, to)
        return echoes(sock, b"x")
    if how == "nonblocking":
        sock.setblocking(False)
        sock.connect_ex(to)
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        assert poll.poll(20000)
        assert sock.getsockopt(s.SOL_SOCKET, s.SO_ERROR) == 0
    else:
        copy = sock.dup() if how == "shared" else None
        sock.connect(to)
    return echoes(sock)


def server(sock):
    sock.listen()
    other = s.socket(sock.family)
    host = "::1" if sock.family == s.AF_INET6 else "127.0.0.1"
    own = sock.getsockname()
    other.connect((host if own[0] in ("0.0.0.0", "::") else own[0], own[1]))
    accepted = sock.accept()[0]
    other.sendall(b"y")
    assert accepted.recv(1) == b"y"
    return sock.getsockopt(s.SOL_SOCKET, s.SO_PROTOCOL)


for line in sys.argv[1:]:
    how, *rest = line.split()
    if how == "listen":
        sock = new(rest[0])
        sock.bind((rest[0], int(rest[1])))
        print(server(sock))
    elif how == "unbound":
        print(server(s.socket(getattr(s, rest[0]))))
    elif how == "mapped":
        print(client("connect", "::ffff:" + rest[0], rest[1]))
    elif how == "from":
        sock = new(rest[1])
        sock.bind((rest[1], int(rest[0])))
        sock.connect((rest[1], int(rest[2])))
        print(echoes(sock))
    else:
        print(client(how, *rest))
