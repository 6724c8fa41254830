"""probe.py STATE [mptcp]: tries socket options on sockets in that state and prints what came of each.
With `mptcp` it makes MPTCP sockets itself.

STATE is fresh, bound, listening or connected. One line for each option of the list on standard
input ("FAMILY LEVEL NAME OPERATION VALUE", numbers but for get/set; VALUE in hexadecimal):
"ok" with the value read back, or the errno's name. Each option gets a socket of its own.
Not here: which answers are right; that is the answer of TCP.
"""
import errno
import socket
import struct
import sys

# TCP_TIMESTAMP: the milliseconds of a clock.
CLOCKS = {(6, 24)}
PROTOCOL = 262 if sys.argv[2:] == ["mptcp"] else 0
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def make(family, state, listener):
    s = socket.socket(family, socket.SOCK_STREAM, PROTOCOL)
    if state in ("bound", "listening"):
        s.bind((LOOPBACK[family], 0))
    if state == "listening":
        s.listen()
    if state == "connected":
        s.connect(listener.getsockname())
        return s, listener.accept()[0]
    return s, None


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def main():
    state = sys.argv[1]
    listeners = {}
    for family in LOOPBACK:
        listeners[family] = socket.socket(family, socket.SOCK_STREAM, PROTOCOL)
        listeners[family].bind((LOOPBACK[family], 0))
        listeners[family].listen()
    for line in sys.stdin:
        family, level, name, operation, value = line.split()
        family, level, name = int(family), int(level), int(name)
        s, peer = make(family, state, listeners[family])
        before = s.getsockname()
        if operation == "set":
            def call():
                s.setsockopt(level, name, bytes.fromhex(value))
                return "ok"
        else:
            def call():
                answer = s.getsockopt(level, name, 64).hex()
                if (level, name) in CLOCKS:
                    answer = "a time"
                if s.getsockname()[1] and answer == struct.pack("i", s.getsockname()[1]).hex():
                    answer = "the port"
                return "ok " + answer
        answer = attempt(call)
        if operation == "set" and answer == "ok":
            answer += " then " + attempt(lambda: s.getsockopt(level, name, 64).hex() or "empty")
        if s.getsockname() != before:
            answer += " and the address changed"
        print(answer)
        s.close()
        if peer:
            peer.close()


main()
