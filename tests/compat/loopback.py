"""Transfers over loopback, with IPv4 and IPv6, to the side that connected and to the one that accepted.

  loopback.py shown     what the options of such connections read
  loopback.py stalls    how many of 64 transfers of 64 KB to 4 MB stalled: MPTCP's retransmissions
"""
import socket as s
import sys
import threading

SIZES = [65536, 400_000, 1_000_000, 4_000_000]


def retransmissions():
    with open("/proc/net/netstat") as file:
        lines = [line.split() for line in file if line.startswith("MPTcpExt:")]
    return int(dict(zip(lines[0], lines[1]))["MPTCPRetrans"])


def pair(family, address, listens_at):
    listener = s.socket(family)
    listener.bind((listens_at, 0))
    listener.listen()
    client = s.socket(family)
    client.connect((address, listener.getsockname()[1]))
    return client, listener.accept()[0], listener


def transfer(sender, receiver, size):
    thread = threading.Thread(target=sender.sendall, args=(bytes(size),))
    thread.start()
    left = size
    while left:
        left -= len(receiver.recv(min(left, 65536)))
    thread.join()


def shown():
    for family, address, listens_at in FAMILIES:
        client, server, listener = pair(family, address, listens_at)
        for name, sock in ("client", client), ("server", server), ("listener", listener):
            print(listens_at, name, *(sock.getsockopt(s.SOL_SOCKET, option)
                                      for option in (s.SO_RCVBUF, s.SO_RCVLOWAT)))
            if name == "listener":
                break


FAMILIES = [(s.AF_INET, "127.0.0.1", "127.0.0.1"), (s.AF_INET6, "::1", "::1"),
            (s.AF_INET, "127.0.0.1", "0.0.0.0"), (s.AF_INET6, "::1", "::")]

if sys.argv[1] == "shown":
    shown()
else:
    stalls = 0
    for family, address, listens_at in FAMILIES:
        for size in SIZES:
            for up in (False, True):
                for _ in range(2):
                    client, server, listener = pair(family, address, listens_at)
                    client.send(b"x")
                    server.recv(1)
                    before = retransmissions()
                    transfer(*((client, server) if up else (server, client)), size)
                    stalls += retransmissions() > before
                    client.close()
                    server.close()
                    listener.close()
    print(stalls)
