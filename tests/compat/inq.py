"""FIONREAD and SIOCATMARK at every moment of a connection, and a connection of a socket to itself."""
import array
import fcntl
import select
import socket as s
import struct
import termios
import time

SIOCATMARK = 0x8905


def waiting(sock):
    answer = array.array("i", [77])
    fcntl.ioctl(sock, termios.FIONREAD, answer)
    return answer[0]


def mark(sock):
    answer = array.array("i", [77])
    fcntl.ioctl(sock, SIOCATMARK, answer)
    return answer[0]


def bad_pointer(sock):
    try:
        return fcntl.ioctl(sock, SIOCATMARK, 8)
    except OSError as error:
        return error.errno


def arrived(sock, bytes):
    """Waits until so many wait to be read, and says how many do."""
    deadline = time.monotonic() + 10
    while waiting(sock) != bytes and time.monotonic() < deadline:
        select.select([], [], [], 0.001)
    return waiting(sock)


def wait(sock, events):
    poll = select.poll()
    poll.register(sock, events)
    poll.poll(10_000)


listener = s.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()


def pair():
    client = s.create_connection(listener.getsockname())
    return client, listener.accept()[0]


print("unconnected", waiting(s.socket()), mark(s.socket()), bad_pointer(s.socket()))
print("listening", mark(listener))
client, server = pair()
print("nothing sent", waiting(client), waiting(server))
client.send(b"abc")
wait(server, select.POLLIN)
print("data", waiting(server))
client.shutdown(s.SHUT_WR)
wait(server, select.POLLRDHUP)
print("data and the end", waiting(server))
server.recv(2)
print("less", waiting(server))
server.recv(2)
print("the end", waiting(server))
server.close()
wait(client, select.POLLRDHUP)
print("both ends", waiting(client))

client, server = pair()
server.setsockopt(s.SOL_SOCKET, s.SO_LINGER, struct.pack("ii", 1, 0))
server.close()
wait(client, select.POLLHUP)
print("reset", waiting(client), client.getsockopt(s.SOL_SOCKET, s.SO_ERROR) != 0)

for lost in (1, 3):
    client, server = pair()
    client.send(b"abc")
    arrived(server, 3)
    server.recv(3 - lost)
    client.setsockopt(s.SOL_SOCKET, s.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait(server, select.POLLHUP)
    # Of one byte and a reset a program under the tool sees the reset only.
    print("data and a reset", lost, waiting(server) in ((0, 1) if lost == 1 else (3,)))
    try:
        print(server.recv(10))
    except ConnectionResetError:
        print("reset")

client, server = pair()
print("mark", mark(server))
server.shutdown(s.SHUT_RD)
print("shut down", waiting(server))
client.send(b"abc")
print("data for the deaf", arrived(server, 3), server.recv(2), waiting(server), mark(server))

client, server = pair()
client.send(b"abc")
print("data", arrived(server, 3))
server.shutdown(s.SHUT_RDWR)
print("data when shut down", waiting(server), server.recv(2), waiting(server), server.recv(2))
print("nothing when shut down", waiting(server))

client, server = pair()
client.send(b"abc")
client.shutdown(s.SHUT_WR)
wait(server, select.POLLRDHUP)
server.shutdown(s.SHUT_RD)
print("data, the end, shut down", waiting(server), server.recv(2), waiting(server))

own = s.socket()
own.bind(("127.0.0.1", 0))
own.connect(own.getsockname())
own.send(b"hello")
print("itself", own.recv(10))
