"""FIONREAD at every moment of a connection, and a connection of a socket to itself."""
import array
import fcntl
import select
import socket as s
import struct
import termios


def waiting(sock):
    answer = array.array("i", [77])
    fcntl.ioctl(sock, termios.FIONREAD, answer)
    return answer[0]


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


print("unconnected", waiting(s.socket()))
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

own = s.socket()
own.bind(("127.0.0.1", 0))
own.connect(own.getsockname())
own.send(b"hello")
print("itself", own.recv(10))
