"""What a program that is executed finds of the sockets that became TCP before: the one that was to be
closed is closed, the other one has its options and its address and can be used."""
import errno
import os
import socket as s
import sys

TCP, USER_TIMEOUT, LINGER2 = 6, 18, 8


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


def after(closed, kept, child):
    print("closed", attempt(lambda: os.fstat(closed) and "open"))
    sock = s.socket(fileno=kept)
    print("kept", sock.getsockopt(1, 38), sock.getsockopt(TCP, USER_TIMEOUT), sock.getsockname()[0])
    print("set", attempt(lambda: sock.setsockopt(TCP, LINGER2, 5)), sock.getsockopt(TCP, LINGER2))
    print("used", attempt(sock.listen), s.create_connection(sock.getsockname()).close(), flush=True)
    os.waitpid(child, 0)


def main():
    closed, kept = s.socket(), s.socket()
    kept.set_inheritable(True)
    kept.setblocking(False)
    for sock in closed, kept:
        sock.bind(("127.0.0.1", 0))
        sock.setsockopt(TCP, USER_TIMEOUT, 1234)
    # A child by posix_spawn, before another exec: it has the one that is TCP already.
    ask = f"import socket as s; print('child', s.socket(fileno={kept.fileno()}).getsockopt(1, 38))"
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", ask], os.environ)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    numbers = [str(number) for number in (closed.fileno(), kept.fileno(), child)]
    os.execv(sys.executable, [sys.executable, __file__, *numbers])


after(*map(int, sys.argv[1:])) if sys.argv[1:] else main()
