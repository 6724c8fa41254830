"""IPV6_TCLASS, the class of a connection's packets: set at every moment, with values of every sort, on
sockets of IPv6 that also speak IPv4, and together with IP_TOS. What is read then, and at the end of
each line whether the socket is still what it was made as.

An MPTCP connection cannot put a class into its packets of IPv6; one that fell back to TCP can.
"""
import errno
import socket as s

IPV6, IP, TCP = 41, 0, 6
TCLASS, TOS, USER_TIMEOUT, QUICKACK = 67, 1, 18, 12


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


made_as = s.socket(s.AF_INET6).getsockopt(1, 38)


def show(name, sock, *more):
    stays = "stays" if sock.getsockopt(1, 38) == made_as else "becomes TCP"
    print(name, attempt(lambda: sock.getsockopt(IPV6, TCLASS)), *more, stays, sep="\t")


for value in (0, 1, 0x20, 0xB8, 0xFF, -1, 256, -2):
    sock = s.socket(s.AF_INET6)
    show(value, sock, attempt(lambda: sock.setsockopt(IPV6, TCLASS, value)))
sock = s.socket(s.AF_INET6)
show("short", sock, attempt(lambda: sock.setsockopt(IPV6, TCLASS, b"\1")))
for value in (0x20, 0x48, 0):
    sock.setsockopt(IPV6, TCLASS, value)
    show("again", sock)

# As Java does it, which sets the two together.
listener = s.socket(s.AF_INET6)
listener.setsockopt(IPV6, TCLASS, 0x20)
listener.bind(("::", 0))
listener.listen()
show("listener", listener)
for host in ("::1", "::ffff:127.0.0.1"):
    client = s.socket(s.AF_INET6)
    client.setsockopt(IPV6, TCLASS, 0x48)
    client.setsockopt(IP, TOS, 0x48)
    client.connect((host, listener.getsockname()[1]))
    server = listener.accept()[0]
    for sock in (client, server):
        sock.setsockopt(IPV6, TCLASS, 0x28)
        show(host, sock, sock.getsockopt(IP, TOS) if sock == client else "")

# A peer without MPTCP: the connection is one of TCP, and its packets have the class from the moment at
# which the program has looked whether it is connected, or sets something else.
plain = s.socket(s.AF_INET6)
plain.setsockopt(TCP, USER_TIMEOUT, 1)
plain.bind(("::1", 0))
plain.listen()
for then in (lambda sock: sock.getsockopt(s.SOL_SOCKET, s.SO_ERROR),
             lambda sock: sock.setsockopt(TCP, s.TCP_NODELAY, 1)):
    with s.socket(s.AF_PACKET, s.SOCK_DGRAM, s.htons(0x86DD)) as packets:
        packets.bind(("lo", 0x86DD))
        with s.socket(s.AF_INET6) as client:
            client.setsockopt(IPV6, TCLASS, 0x48)
            client.connect(plain.getsockname())
            then(client)
            client.send(b"the class of this one")
            server = plain.accept()[0]
            server.recv(21, s.MSG_WAITALL)
        while b"the class" not in (packet := packets.recv(200)):
            pass
        print("fallback", hex((packet[0] & 15) << 4 | packet[1] >> 4))

# It is no option of IPv4.
sock = s.socket()
print("IPv4", attempt(lambda: sock.setsockopt(IPV6, TCLASS, 8)))

# What becomes TCP for another reason takes it along.
sock = s.socket(s.AF_INET6)
sock.setsockopt(IPV6, TCLASS, 0x48)
sock.setsockopt(TCP, QUICKACK, 0)
sock.setsockopt(TCP, USER_TIMEOUT, 1234)
print("TCP", sock.getsockopt(1, 38), sock.getsockopt(IPV6, TCLASS), sock.getsockopt(TCP, QUICKACK))
