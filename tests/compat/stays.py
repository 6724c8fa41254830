"""Sockets that cannot become TCP, for they are shared or have a past: the refusal is the
program's, and they stay what they were."""
import array
import ctypes
import errno
import os
import select
import signal
import socket as s

TCP, USER_TIMEOUT = 6, 18
SYS_CLONE = {"x86_64": 56, "aarch64": 220}


def attempt(name, sock):
    try:
        sock.setsockopt(TCP, USER_TIMEOUT, 1234)
        answer = "ok"
    except OSError as error:
        answer = errno.errorcode[error.errno]
    print(f"{name}: {answer} {sock.getsockopt(1, 38)}", flush=True)


sock = s.socket()
copy = os.dup(sock.fileno())
attempt("dup", sock)

sock = s.socket()
os.dup2(sock.fileno(), copy)
attempt("dup2", sock)

sock = s.socket()
ready, go = os.pipe()
child = os.fork()
if child == 0:
    os.read(ready, 1)
    attempt("fork, child", sock)
    os._exit(0)
attempt("fork, parent", sock)
os.write(go, b"x")
os.waitpid(child, 0)

sock = s.socket()
one, other = s.socketpair()
one.sendmsg([b"x"], [(s.SOL_SOCKET, s.SCM_RIGHTS, array.array("i", [sock.fileno()]))])
attempt("SCM_RIGHTS", sock)

sock = s.socket()
try:
    sock.connect(("127.0.0.1", 9))
except ConnectionRefusedError:
    pass
attempt("failed connect", sock)

sock = s.socket()
polls = [select.epoll(), select.epoll()]
for poll in polls:
    poll.register(sock)
attempt("two epolls", sock)

sock = s.socket()
sock.bind(("127.0.0.1", 80))
os.seteuid(65534)
attempt("unprivileged address", sock)
os.seteuid(0)

attempt("after a fork, a new one", s.socket())

# A child of clone(2), which libc knows nothing of: what it inherited is not its own, what it makes is.
sock = s.socket()
child = ctypes.CDLL(None).syscall(SYS_CLONE[os.uname().machine], signal.SIGCHLD, 0, 0, 0, 0)
if child == 0:
    attempt("clone, inherited", sock)
    attempt("clone, a new one", s.socket())
    attempt("clone, inherited still", sock)
    os._exit(0)
os.waitpid(child, 0)
