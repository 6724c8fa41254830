"""SO_RCVBUF of every size, set at every moment: what the program reads back, and that a transfer
ends without a retransmission of MPTCP's. `buffer.py protocols` tells what the sockets are."""
import errno
import socket as s
import sys
import threading

SOCKET, RCVBUF, FORCE, PROTOCOL = 1, 8, 33, 38
SIZE = 300_000


def retransmissions():
    """MPTcpExt MPTCPRetrans: each is a stall."""
    with open("/proc/net/netstat") as file:
        lines = [line.split() for line in file if line.startswith("MPTcpExt:")]
    return int(dict(zip(lines[0], lines[1]))["MPTCPRetrans"])


def listening(buffer=0, after=0):
    listener = s.socket()
    if buffer:
        listener.setsockopt(SOCKET, RCVBUF, buffer)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    if after:
        listener.setsockopt(SOCKET, RCVBUF, after)
    return listener


def transfer(sender, receiver):
    thread = threading.Thread(target=sender.sendall, args=(bytes(SIZE),))
    thread.start()
    got = 0
    while got < SIZE:
        got += len(receiver.recv(1 << 16))
    thread.join()


def connected(listener):
    client = s.create_connection(listener.getsockname())
    return client, listener.accept()[0]


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


def show(name, sock):
    print(name, sock.getsockopt(SOCKET, RCVBUF))


def protocols():
    sock = s.socket()
    sock.setsockopt(SOCKET, RCVBUF, 4096)
    print("before", sock.getsockopt(SOCKET, PROTOCOL))
    listener = listening(after=4096)
    print("listening", listener.getsockopt(SOCKET, PROTOCOL))
    client, server = connected(listener)
    client.setsockopt(SOCKET, RCVBUF, 4096)
    print("connected", client.getsockopt(SOCKET, PROTOCOL))
    sock = s.socket()
    sock.setsockopt(SOCKET, RCVBUF, 300_000)
    print("large", sock.getsockopt(SOCKET, PROTOCOL))


def main():
    for option in (RCVBUF, FORCE):
        for size in (0, 1, 4096, 65536, 262143, 262144, 1048575, 1048576, 4_000_000, 1 << 30, -1):
            sock = s.socket()
            print(option, size, attempt(lambda: sock.setsockopt(SOCKET, option, size)))
            show("fresh", sock)
            sock.setsockopt(6, 18, 1000)  # TCP_USER_TIMEOUT: it becomes TCP
            show("TCP", sock)
            sock.close()
    sock = s.socket()
    sock.setsockopt(SOCKET, RCVBUF, 300_000)
    sock.setsockopt(SOCKET, RCVBUF, 4096)
    show("small after large", sock)
    sock = s.socket()
    print("short", attempt(lambda: sock.setsockopt(SOCKET, RCVBUF, b"abc")))
    before = retransmissions()
    for moment in ("fresh", "listening", "client", "server"):
        for size in (16384, 65536, 262144):
            listener = listening(size * (moment == "fresh"), size * (moment == "listening"))
            client, server = connected(listener)
            if moment == "client":
                client.setsockopt(SOCKET, RCVBUF, size)
                show("connected", client)
                transfer(server, client)
            else:
                if moment == "server":
                    server.setsockopt(SOCKET, RCVBUF, size)
                    show("accepted", server)
                else:
                    show(moment, listener)
                transfer(client, server)
            client.close()
            server.close()
    # Larger again, and then the number is another socket's.
    listener = listening()
    client, server = connected(listener)
    for size in (4096, 2_000_000, 8192):
        client.setsockopt(SOCKET, RCVBUF, size)
        show("again", client)
    number = client.fileno()
    client.close()
    client = s.create_connection(listener.getsockname())
    print("another", client.fileno() == number, client.getsockopt(SOCKET, RCVBUF) != 16384)
    # Without the larger buffer there are dozens; a busy machine may cause one.
    print("stalls", retransmissions() - before > 4)


protocols() if sys.argv[1:] else main()
