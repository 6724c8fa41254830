"""unchanged.py: sets each option of the list on standard input (tests/compat/pairs.txt) to the value
that it has, on sockets in each state. One line each: state, option, what came of it, what it reads
then, and the protocol of the socket.

Not here: which answers are right; those are TCP's. An option that cannot be read on TCP has no value
that it could be set to.
"""
import errno
import socket
import sys

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def pair(family, listener):
    sock = socket.socket(family)
    sock.connect(listener.getsockname())
    return sock, listener.accept()[0]


def make(family, state, listener):
    """The socket, and whatever has to stay open with it."""
    if state == "connected":
        return pair(family, listener)
    if state == "accepted":
        return pair(family, listener)[::-1]
    sock = socket.socket(family)
    if state == "listening":
        sock.bind((LOOPBACK[family], 0))
        sock.listen()
    return sock, None


def main():
    listeners = {family: socket.create_server((host, 0), family=family)
                 for family, host in LOOPBACK.items()}
    options = [line.split() for line in sys.stdin if not line.startswith("#")]
    for state in ("fresh", "listening", "connected", "accepted"):
        for version, level, name, operation, _, word in options:
            if operation != "set":
                continue
            family = socket.AF_INET6 if version == "6" else socket.AF_INET
            level, name = int(level), int(name)
            sock, other = make(family, state, listeners[family])
            value = attempt(lambda: sock.getsockopt(level, name, 64))
            if isinstance(value, bytes):
                done = attempt(lambda: sock.setsockopt(level, name, value) or "ok")
                now = attempt(lambda: sock.getsockopt(level, name, 64))
                value = f"{done}, {'the same' if now == value else now}"
            print(state, word, value, sock.getsockopt(1, 38), sep="\t")
            sock.close()
            if other:
                other.close()


main()
