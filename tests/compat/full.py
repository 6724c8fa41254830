"""What a program sees of its sockets when it has every descriptor that it may have, so that there is no
number for another one; and that nothing is left of how the answers came about."""
import array
import ctypes
import errno
import fcntl
import os
import resource
import socket as s
import struct
import sys
import threading

TCP, IPV6, SOCKET = 6, 41, 1
SIOCATMARK = 0x8905
WALL = 0x40000000


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


def mark(sock):
    answer = array.array("i", [77])
    fcntl.ioctl(sock, SIOCATMARK, answer)
    return answer[0]


def landlocked(act):
    """On a thread of its own, for it cannot be taken back: TCP's ports are forbidden to `act`."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = []

    def restricted():
        os.close(filled.pop())
        # struct landlock_ruleset_attr: file system, network (LANDLOCK_ACCESS_NET_CONNECT_TCP).
        rules = libc.syscall(444, struct.pack("QQ", 0, 2), 16, 0)
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        if rules < 0 or libc.syscall(446, rules, 0):
            result.append("no Landlock here: " + errno.errorcode[ctypes.get_errno()])
            return
        os.close(rules)
        fill()
        result.append(attempt(act))
    thread = threading.Thread(target=restricted)
    thread.start()
    thread.join()
    return result[0]


def fill():
    try:
        while True:
            filled.append(os.dup(1))
    except OSError as error:
        assert error.errno == errno.EMFILE


resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
filled = []
listener = s.create_server(("::1", 0), family=s.AF_INET6)
client = s.create_connection(listener.getsockname()[:2])
server = listener.accept()[0]
fresh, other = s.socket(s.AF_INET6), s.socket(s.AF_INET6)
fill()

print("another", attempt(s.socket))
for name, sock in (("fresh", fresh), ("listener", listener), ("client", client), ("server", server)):
    for option in ((TCP, 18), (TCP, 7), (TCP, 12), (IPV6, 67), (IPV6, 16), (SOCKET, 42)):
        print(name, "reads", option, attempt(lambda: sock.getsockopt(*option)))
    print(name, "the same", attempt(lambda: sock.setsockopt(TCP, 18, 0)))
    print(name, "hints", attempt(lambda: sock.setsockopt(TCP, 12, 0)),
          attempt(lambda: sock.setsockopt(IPV6, 67, 0x20)), sock.getsockopt(IPV6, 67))
    print(name, "wrong", attempt(lambda: sock.setsockopt(TCP, 18, b"")),
          attempt(lambda: sock.setsockopt(TCP, 4, 0)), attempt(lambda: sock.setsockopt(TCP, 99, 1)))
    print(name, "mark", attempt(lambda: mark(sock)))
print("forbidden", landlocked(lambda: other.connect(listener.getsockname())))
print("allowed", attempt(lambda: other.connect(listener.getsockname())))
print("children", attempt(lambda: os.waitpid(-1, WALL)))
print("still full", attempt(lambda: os.dup(1)))
# The one thing that cannot be had: a TCP socket in the place of this one.
print(attempt(lambda: fresh.setsockopt(TCP, 18, 5)), file=sys.stderr)
