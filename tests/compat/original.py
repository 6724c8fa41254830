"""original.py: where redirected connections were to go, as their accepted sockets tell it
(SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST): IPv4, IPv6, and IPv4 on a socket of IPv6; also of connections that
nobody redirected, and with buffers of every size. Somebody redirects port 80 of 10.9.9.9 and fd00::9 to
port 9000.
"""
import errno
import socket as s

IP, IPV6, ORIGINAL_DST = 0, 41, 80


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


def ask(sock, level, size):
    answer = attempt(lambda: sock.getsockopt(level, ORIGINAL_DST, size))
    if isinstance(answer, str):
        return answer
    family = int.from_bytes(answer[:2], "little")
    where = answer[8:24] if family == s.AF_INET6 else answer[4:8]
    return s.inet_ntop(family, where), int.from_bytes(answer[2:4], "big"), len(answer)


for family, host in ((s.AF_INET, "10.9.9.9"), (s.AF_INET6, "fd00::9"),
                     (s.AF_INET6, "::ffff:10.9.9.9")):
    with s.socket(family) as listener:
        listener.setsockopt(s.SOL_SOCKET, s.SO_REUSEADDR, 1)
        listener.bind(("", 9000))
        listener.listen()
        for port in (80, 9000):
            with s.socket(family) as client:
                client.connect((host, port))
                server = listener.accept()[0]
                for level in (IP, IPV6):
                    print(host, port, level, *[ask(server, level, size) for size in (8, 16, 28, 64)])
                    print("  client", ask(client, level, 64), "listener", ask(listener, level, 64))
                server.close()
